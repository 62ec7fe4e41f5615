"""What a replica's scheduler is told: vLLM's options by engine version, and what a sequence takes of the KV cache.

    0.8 to 0.13    V1 scheduler; a prompt enters when its first chunk fits the cache
    from 0.14      asynchronous scheduling is the default: a step is composed while the one before it runs
    from 0.19      `scheduler_reserve_full_isl` is the default: a prompt enters only when all of it fits

Sources: vLLM's release notes (0.14.0), pull request 37307, the options of 0.33. Not imitated: prefix caching (its hits
are taken off the prompt beforehand), speculative decoding, priorities, `long_prefill_token_threshold`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.performance.engine.state import ENGINE
from planner.performance.memory import MemoryFit

NO_LIMIT = 1 << 62
LARGE_GPU_GB = 70


def default_batched_tokens(memory_gb: float) -> int:
    """vLLM's own `max_num_batched_tokens`, by the size of the GPU."""
    return 8192 if memory_gb >= LARGE_GPU_GB else 2048


@dataclass(frozen=True, slots=True)
class SchedulerOptions:
    """vLLM's options in vLLM's words. The defaults are those of 0.33; `scheduler_options` has other versions'."""

    max_num_seqs: int
    max_num_batched_tokens: int = 8192
    engine: str = "vllm 0.33"
    """What these options imitate, for records; the fields alone decide."""
    async_scheduling: bool = True
    scheduler_reserve_full_isl: bool = True
    watermark: float = 0.0
    """Share of the cache that stays free when a request enters a batch that is not empty."""
    block_size: int = 16
    """Tokens of a block of KV cache."""
    max_num_queued_reqs: int | None = None
    """Requests in the engine, waiting and running, above which an arrival is refused."""
    max_num_queued_tokens: int | None = None
    """Tokens of whole prompts before their first token above which an arrival is refused."""

    def __post_init__(self) -> None:
        for name in ("max_num_seqs", "max_num_batched_tokens", "block_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError("max_num_batched_tokens must be at least max_num_seqs, as vLLM demands")
        if not 0.0 <= self.watermark < 1.0:
            raise ValueError("watermark is a share from 0 to less than 1")


def scheduler_options(version: str, max_num_seqs: int, max_num_batched_tokens: int = 8192) -> SchedulerOptions:
    """The defaults of a vLLM version such as "0.11.2". Raises ValueError for what is no version."""
    parts = version.removeprefix("v").split(".")
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
        raise ValueError(f"{version!r} is not a vLLM version such as 0.11.2")
    release = (int(parts[0]), int(parts[1]))
    return replace(
        SchedulerOptions(max_num_seqs, max_num_batched_tokens),
        engine=f"vllm {release[0]}.{release[1]}",
        async_scheduling=release >= (0, 14),
        scheduler_reserve_full_isl=release >= (0, 19),
    )


@dataclass(frozen=True, slots=True)
class KvCache:
    """The cache of one rank, and what a sequence takes of it; any unit of bytes. Ranks hold alike."""

    budget_bytes: float
    growing_bytes: float = 1.0
    """Of one token, in layers that remember everything."""
    windowed_bytes: float = 0.0
    """Of one token, in layers that remember a window."""
    window_tokens: int = 0
    sequence_bytes: float = 0.0
    """Of one sequence, whatever its length."""

    @classmethod
    def of(cls, memory: MemoryFit) -> KvCache:
        """What a loaded replica has left."""
        return cls(
            memory.kv_budget_bytes,
            memory.kv_growing_bytes,
            memory.kv_windowed_bytes,
            memory.window_tokens,
            memory.state_bytes,
        )

    @classmethod
    def unlimited(cls) -> KvCache:
        """A cache that never fills."""
        return cls(math.inf)


def engine_record(options: SchedulerOptions, cache: KvCache) -> NDArray[Any]:
    """What the compiled engine is told; shape (1,) of `engine.state.ENGINE`, all else 0."""
    block = options.block_size
    record = np.zeros(1, ENGINE)
    told = {
        "max_num_seqs": options.max_num_seqs,
        "max_num_batched_tokens": options.max_num_batched_tokens,
        "block_tokens": block,
        "max_num_queued_reqs": NO_LIMIT if options.max_num_queued_reqs is None else options.max_num_queued_reqs,
        "max_num_queued_tokens": NO_LIMIT if options.max_num_queued_tokens is None else options.max_num_queued_tokens,
        "async_scheduling": options.async_scheduling,
        "whole_prompt": options.scheduler_reserve_full_isl,
        "watermark_bytes": options.watermark * cache.budget_bytes if options.watermark else 0.0,
        "budget_bytes": cache.budget_bytes,
        "growing_bytes": cache.growing_bytes,
        "windowed_bytes": cache.windowed_bytes,
        "window_tokens": -(-cache.window_tokens // block) * block if cache.windowed_bytes > 0.0 else 0,
        "constant_bytes": cache.sequence_bytes,
    }
    for name, value in told.items():
        record[name] = value
    return record
