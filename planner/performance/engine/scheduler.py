"""What a replica's scheduler is told: vLLM's options by engine version, and what a sequence takes of the KV cache.

    0.8 to 0.13    V1 scheduler; a prompt enters when its first chunk fits the cache
    from 0.14      asynchronous scheduling is the default: a step is composed while the one before it runs
    from 0.19      `scheduler_reserve_full_isl` is the default: a prompt enters only when all of it fits

Sources: vLLM's release notes (0.14.0), pull request 37307, the options of 0.33. Which tokens of a prompt the cache has
already is told with the request (`state.REQUEST`), and not found by hashing blocks: see `performance.prefix`. Three
things are not imitated: speculative decoding, priorities, and `long_prefill_token_threshold`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.performance.engine.state import ENGINE
from planner.performance.memory import MemoryFit

NO_LIMIT = 1 << 62
"""A limit that no run reaches."""


@dataclass(frozen=True, slots=True)
class SchedulerOptions:
    """vLLM's options in vLLM's words. The defaults are those of 0.33.

    max_num_seqs: most sequences in the batch.
    max_num_batched_tokens: most tokens of one step.
    async_scheduling: whether a step is composed while the one before it runs.
    scheduler_reserve_full_isl: whether a prompt enters only when all of it fits the cache.
    block_size: tokens of a block of KV cache.
    max_num_queued_reqs: requests in the engine, waiting and running, above which an arrival is refused; None: no limit.
    max_num_queued_tokens: tokens of whole prompts before their first token above which an arrival is refused; None: no
    limit.
    """

    max_num_seqs: int
    max_num_batched_tokens: int = 8192
    async_scheduling: bool = True
    scheduler_reserve_full_isl: bool = True
    block_size: int = 16
    max_num_queued_reqs: int | None = None
    max_num_queued_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_num_seqs", "max_num_batched_tokens", "block_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError("max_num_batched_tokens must be at least max_num_seqs, as vLLM demands")


@dataclass(frozen=True, slots=True)
class KvCache:
    """The cache of one rank, and what a sequence takes of it. Bytes may be in any unit; all ranks hold the same.

    budget_bytes: size of the cache.
    growing_bytes: bytes of one token in layers that remember everything.
    windowed_bytes: bytes of one token in layers that remember a window.
    window_tokens: tokens of the window; 0 without such layers.
    sequence_bytes: bytes of one sequence, whatever its length.
    shared_tokens: tokens with which all prompts begin; they are held once, in whole blocks.
    copies: copies of the attention, each of which has such a cache and holds the shared tokens.
    """

    budget_bytes: float
    growing_bytes: float = 1.0
    windowed_bytes: float = 0.0
    window_tokens: int = 0
    sequence_bytes: float = 0.0
    shared_tokens: int = 0
    copies: int = 1

    @classmethod
    def of(cls, memory: MemoryFit, shared_tokens: int = 0) -> KvCache:
        """Return the cache that a loaded replica has, when all prompts begin with the same `shared_tokens`."""
        return cls(
            memory.kv_budget_bytes,
            memory.kv_growing_bytes,
            memory.kv_windowed_bytes,
            memory.window_tokens,
            memory.state_bytes,
            shared_tokens,
            memory.copies,
        )

    @classmethod
    def unlimited(cls) -> KvCache:
        """Return a cache that never fills."""
        return cls(math.inf)


def engine_record(options: SchedulerOptions, cache: KvCache) -> NDArray[Any]:
    """Return the record that tells the compiled engine its options, shape (1,) of `engine.state.ENGINE`."""
    block = options.block_size
    record = np.zeros(1, ENGINE)
    window_tokens = -(-cache.window_tokens // block) * block if cache.windowed_bytes > 0.0 else 0
    shared = cache.shared_tokens // block * block
    prefix_bytes = shared * cache.growing_bytes + min(shared, window_tokens) * cache.windowed_bytes
    told = {
        "max_num_seqs": options.max_num_seqs,
        "max_num_batched_tokens": options.max_num_batched_tokens,
        "block_tokens": block,
        "max_num_queued_reqs": NO_LIMIT if options.max_num_queued_reqs is None else options.max_num_queued_reqs,
        "max_num_queued_tokens": NO_LIMIT if options.max_num_queued_tokens is None else options.max_num_queued_tokens,
        "async_scheduling": options.async_scheduling,
        "whole_prompt": options.scheduler_reserve_full_isl,
        "budget_bytes": cache.copies * (cache.budget_bytes - prefix_bytes),
        "growing_bytes": cache.growing_bytes,
        "windowed_bytes": cache.windowed_bytes,
        "window_tokens": window_tokens,
        "constant_bytes": cache.sequence_bytes,
        "shared_tokens": shared,
    }
    for name, value in told.items():
        record[name] = value
    return record
