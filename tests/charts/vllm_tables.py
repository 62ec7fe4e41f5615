"""What the pinned vLLM accepts: its `serve` flags, environment variables and metrics, as compact tables.

The tables in `tests/data/vllm` are derived from dumps of vLLM's own argument parser, `vllm.envs` and metric registry;
each says its source and date. This module reads them, and writes them anew from the dumps:

    python -m tests.charts.vllm_tables ../shared/data/vllm
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

TABLES = Path(__file__).resolve().parents[1] / "data" / "vllm"
VERSION = "0.33.0"
AS_OF = "2026-11-20"

# vLLM's parser leaves these to later checks, so the dump holds no choices. Only names that vLLM has had since 0.30.
UNCHECKED_CHOICES = {
    "--load-format": (
        "vllm/config/load.py and model_executor/model_loader/__init__.py",
        [
            *("auto", "bitsandbytes", "dummy", "fastsafetensors", "instanttensor", "mistral", "npcache", "pt"),
            *("runai_streamer", "runai_streamer_sharded", "safetensors", "sharded_state", "tensorizer"),
        ],
    ),
    "--quantization": (
        "vllm/model_executor/layers/quantization/__init__.py",
        [
            *("awq", "awq_marlin", "bitsandbytes", "compressed-tensors", "deepseek_v4_fp8", "experts_int8", "fp8"),
            *("fp8_per_block", "fp8_per_tensor", "gguf", "gpt_oss_mxfp4", "gptq", "gptq_marlin", "inc"),
            *("int8_per_channel_weight_only", "modelopt", "modelopt_fp4", "modelopt_mixed", "modelopt_mxfp8"),
            *("moe_wna16", "mxfp4", "mxfp8", "online", "quark", "torchao"),
        ],
    ),
}

# `type` of the dump → what a value must look like. Types that are functions of vLLM count by what they accept.
INTEGERS = {"int", "human_readable_int", "human_readable_int_or_auto"}
INTEGERS_BEHIND_OPTIONAL = {"--max-num-queued-reqs", "--max-num-queued-tokens"}
JSON_OBJECTS = {"loads", "union_dict_and_str"}


@dataclass(frozen=True)
class Flag:
    """One spelling of a `vllm serve` flag. `value` is none, int, float, json or text; `many` takes several values."""

    name: str
    value: str
    many: bool
    choices: tuple[str, ...] | None


@lru_cache
def flags() -> dict[str, Flag]:
    """Every spelling of every flag, by name with its dashes."""
    rows = _table("flags")["flags"]
    return {
        name: Flag(name, row["value"], row.get("many", False), tuple(row["choices"]) if "choices" in row else None)
        for name, row in rows.items()
    }


@lru_cache
def variables() -> dict[str, str]:
    """Environment variable → type as vLLM writes it."""
    return dict(_table("environment")["variables"])


@lru_cache
def metrics() -> frozenset[str]:
    """Metric names as registered; counters are exposed with `_total` behind."""
    return frozenset(_table("metrics")["metrics"])


def derive(dumps: Path) -> dict[str, dict[str, Any]]:
    """Dumps of one vLLM version → the three tables, by file name without suffix."""
    parsed = json.loads((dumps / f"serve_flags_{VERSION}.json").read_text(encoding="utf-8"))
    rows = {name: _flag_row(name, entry) for entry in parsed for name in entry["flags"]}
    environment = json.loads((dumps / f"envs_{VERSION}.json").read_text(encoding="utf-8"))
    names = json.loads((dumps / f"metrics_{VERSION}.json").read_text(encoding="utf-8"))
    return {
        "flags": {**_provenance("the argument parser of `vllm serve`"), "flags": rows},
        "environment": {
            **_provenance("vllm/envs.py"),
            "variables": {entry["name"]: entry["type"] for entry in environment},
        },
        "metrics": {**_provenance("the metric names of its source"), "metrics": sorted(names)},
    }


def render(table: dict[str, Any]) -> str:
    """A table as committed: sorted keys, one row a line."""
    lines = ["{"]
    heads = sorted(key for key, value in table.items() if isinstance(value, str))
    lines += [f"  {json.dumps(key)}: {json.dumps(table[key])}," for key in heads]
    ((name, rows),) = ((key, value) for key, value in table.items() if not isinstance(value, str))
    if isinstance(rows, list):
        body = [f"    {json.dumps(row)}" for row in rows]
        lines += [f"  {json.dumps(name)}: [", ",\n".join(body), "  ]"]
    else:
        body = [f"    {json.dumps(key)}: {json.dumps(rows[key])}" for key in sorted(rows)]
        lines += [f"  {json.dumps(name)}: {{", ",\n".join(body), "  }"]
    return "\n".join([*lines, "}"]) + "\n"


def _table(name: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
    return table


def _provenance(source: str) -> dict[str, str]:
    return {"version": VERSION, "source": f"vLLM {VERSION} (Apache-2.0), {source}", "as_of": AS_OF}


def _flag_row(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"value": _value_kind(name, entry)}
    if entry["nargs"] == "+":
        row["many"] = True
    if choices := _choices(name, entry):
        row["choices"] = choices
    return row


def _value_kind(name: str, entry: dict[str, Any]) -> str:
    if entry["nargs"] == 0:
        return "none"
    if entry["type"] in INTEGERS or name in INTEGERS_BEHIND_OPTIONAL:
        return "int"
    if entry["type"] in JSON_OBJECTS:
        return "json"
    return "float" if entry["type"] == "float" else "text"


def _choices(name: str, entry: dict[str, Any]) -> list[str] | None:
    if name in UNCHECKED_CHOICES:
        return UNCHECKED_CHOICES[name][1]
    if entry["choices"]:
        return [str(choice) for choice in entry["choices"]]
    metavar = entry["metavar"] or ""
    if metavar.startswith("["):
        return re.findall(r"'([^']+)'", metavar)
    if closed := re.match(r"\{([^}]+)\}", metavar):
        return closed[1].split(",")
    return None


if __name__ == "__main__":
    TABLES.mkdir(parents=True, exist_ok=True)
    for file, content in derive(Path(sys.argv[1])).items():
        (TABLES / f"{file}.json").write_text(render(content), encoding="utf-8")
