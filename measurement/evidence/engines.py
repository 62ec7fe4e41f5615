"""The engines that benchmarks were run with: their names, the releases that changed them, and their own defaults."""

from __future__ import annotations

import re
from typing import Literal

from planner.domain.offerings import Gpu
from planner.performance.engine.defaults import batch_defaults

EngineName = Literal["vllm", "trt-llm", "sglang", "tgi"]
_VERSION = re.compile(r"(?<![\d.])(\d+)\.(\d+)")
EARLY_RELEASES: dict[EngineName, tuple[tuple[int, int], str]] = {
    "vllm": ((0, 6), "2024-09-05"),
    "trt-llm": ((1, 0), "2025-09-24"),
}
"""The release that changed an engine's own loop, and its day. From vLLM 0.6 on, the scheduler and the processing of
outputs no longer hold up the GPU. From TensorRT-LLM 1.0 on, the PyTorch backend is the default."""


def engine_key(engine: EngineName, version: str, date: str, offline: bool = False) -> str:
    """The key of `Coefficients.engines`. An engine before the release in `EARLY_RELEASES` counts as one of its own.

    The date decides where the version is not stated; a row with neither counts as a present release. The server of
    early vLLM ran in the same process as the engine and held it up, so an early engine without its server counts as
    one of its own too.

    version: the version as stated, or empty.
    date: the day of the measurement, YYYY-MM-DD, or empty.
    offline: whether the engine was called as a library, without its server.
    """
    if engine not in EARLY_RELEASES:
        return engine
    release, day = EARLY_RELEASES[engine]
    stated = _VERSION.search(version)
    early = (int(stated[1]), int(stated[2])) < release if stated else bool(date) and date < day
    if not early:
        return engine
    return f"{engine}<{release[0]}.{release[1]}" + (" offline" if offline and engine == "vllm" else "")


def step_tokens(engine: EngineName, gpu: Gpu, version: str = "", date: str = "", offline: bool = False) -> float:
    """The engine's default for the tokens of one step. TensorRT-LLM, as NIM ships it, takes whole prompts together.

    version, date: version of the engine as stated and day of the run, YYYY-MM-DD; either may be empty.
    offline: whether the engine was called as a library, without its server.
    """
    limits: dict[EngineName, float] = {"trt-llm": 32768.0, "sglang": 8192.0, "tgi": 4096.0}
    if engine in limits:
        return limits[engine]
    row = batch_defaults(gpu, version, date)
    return float(row.offline_tokens if offline else row.served_tokens)


def batch_limit(engine: EngineName, gpu: Gpu, version: str = "", date: str = "") -> float:
    """The engine's default for the sequences that run at a time; arguments as in `step_tokens`."""
    limits: dict[EngineName, float] = {"trt-llm": 2048.0, "sglang": 1024.0, "tgi": 128.0}
    return limits[engine] if engine in limits else float(batch_defaults(gpu, version, date).max_num_seqs)


def memory_share(engine: EngineName) -> float:
    """The engine's default for the share of the GPU's memory that it takes, without CUDA graphs.

    vLLM's is 0.92 since 0.21, of which it reserves the graphs; it was 0.9 before, beside which they lay.
    """
    return 0.95 if engine == "trt-llm" else 0.9
