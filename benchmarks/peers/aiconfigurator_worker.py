"""Answers what AIConfigurator or its successor AISimulate predicts: a program for an environment of the peer's own.

    python -I aiconfigurator_worker.py < questions > answers      one JSON object a line, answers in order

The fields of a question are those of `questions.Question`. The first line that comes back names the peer's version.
An answer holds the times and the rate of one engine and the database that it came from, or the error that the peer
raised, by its type and its words.

The peer takes a batch and not "as much as fits". Where a question leaves the batch open, it is what the peer's own
memory model holds of such sequences, and at most the limit in the question.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

try:
    import aiconfigurator_core as core
    from aiconfigurator.cli.api import cli_estimate
    from aiconfigurator_core.sdk.backends.factory import get_backend
    from aiconfigurator_core.sdk.common import DefaultHFModels
    from aiconfigurator_core.sdk.memory import estimate_kv_cache
    from aiconfigurator_core.sdk.perf_database import get_latest_database_version

    NAME, PACKAGE = "AIConfigurator", "aiconfigurator"
except ImportError:  # the successor, which keeps the functions under its own name
    import aisimulate_core as core
    from aisimulate.legacy_cli.api import cli_estimate
    from aisimulate_core.sdk.backends.factory import get_backend
    from aisimulate_core.sdk.common import DefaultHFModels
    from aisimulate_core.sdk.memory import estimate_kv_cache
    from aisimulate_core.sdk.perf_database import get_latest_database_version

    NAME, PACKAGE = "AISimulate", "aisimulate"

CONFIGS = Path(core.__file__).parent / "model_configs"


class NotInRelease(LookupError):
    """The release has neither this model nor measured kernels of this GPU and engine."""


@cache
def database(system: str, backend: str) -> str:
    """Return the version of the kernels that the peer takes by default. Raises NotInRelease where it has none."""
    found = get_latest_database_version(system=system, backend=backend)
    if found is None:
        raise NotInRelease(f"no kernels of {backend} were measured on {system}")
    return str(found)


@cache
def model_path(name: str, folder: str) -> str:
    """Return the name or the folder by which the peer finds the config of a model in its own release.

    Any other name would make the peer ask a model hub.
    """
    if name in DefaultHFModels:
        return name
    bundled = CONFIGS / f"{name.replace('/', '--')}_config.json"
    if not bundled.exists():
        raise NotInRelease(f"no config of {name}")
    own = Path(folder) / name.replace("/", "--")
    own.mkdir()
    shutil.copy(bundled, own / "config.json")
    return str(own)


def held(asked: dict[str, Any], path: str, found: str) -> int:
    """Return the sequences that the peer's memory model holds at a time, at most the limit and at least one."""
    share = asked["memory_share"] or get_backend(asked["backend"]).get_default_free_gpu_memory_fraction(found)
    estimate = estimate_kv_cache(
        path,
        asked["system"],
        asked["backend"],
        found,
        max_num_tokens=asked["step_tokens"],
        max_batch_size=asked["batch_limit"],
        memory_fraction_kind="of_free" if asked["backend"] == "trtllm" else "of_total",
        memory_fraction_value=share,
        **{name: asked[name] for name in ("tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")},
        **{name: asked[name] for name in ("gemm_quant_mode", "moe_quant_mode", "kvcache_quant_mode")},
    )
    sequences = int(estimate["total_kv_size_tokens"] // asked["sequence_tokens"])
    return max(1, min(int(asked["batch_limit"]), sequences))


def answer(asked: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return what the peer predicts of one question."""
    path, found = model_path(asked["model"], folder), database(asked["system"], asked["backend"])
    batch = asked["batch"] or held(asked, path, found)
    result = cli_estimate(
        path,
        asked["system"],
        backend_name=asked["backend"],
        backend_version=found,
        database_mode=asked["mode"],
        isl=asked["isl"],
        osl=asked["osl"],
        batch_size=batch,
        ctx_tokens=asked["ctx_tokens"],
        free_gpu_memory_fraction=asked["memory_share"],
        **{name: asked[name] for name in ("tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")},
        **{name: asked[name] for name in ("gemm_quant_mode", "moe_quant_mode", "kvcache_quant_mode")},
    )
    return {
        "database": found,
        "batch": batch,
        "ttft_ms": float(result.ttft),
        "tpot_ms": float(result.tpot),
        "e2e_ms": float(result.request_latency),
        "requests_per_s": float(result.seq_per_second),
    }


def answers(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Yield the peer's version, and then one answer for each question."""
    yield {"version": f"{NAME} {version(PACKAGE)}"}
    with tempfile.TemporaryDirectory() as folder:
        for line in lines:
            try:
                yield answer(json.loads(line), folder)
            except Exception as error:  # whatever the peer raises is its answer
                yield {"error": type(error).__name__, "message": " ".join(str(error).split())}


def main() -> None:
    """Answer all questions. What the peer itself prints goes to standard error."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        for each in answers(iter(sys.stdin)):
            out.write(json.dumps(each, sort_keys=True) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
