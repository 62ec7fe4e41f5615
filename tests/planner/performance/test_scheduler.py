"""Options of the scheduler, and the cache of a loaded replica."""

from __future__ import annotations

from typing import Any

import pytest

from planner.performance.engine.scheduler import NO_LIMIT, KvCache, SchedulerOptions, engine_record
from planner.performance.memory import MemoryFit


@pytest.mark.parametrize("wrong", [{"max_num_seqs": 0}, {"max_num_batched_tokens": 63}, {"block_size": 0}])
def test_options_that_vllm_refuses_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SchedulerOptions(**{"max_num_seqs": 64, **wrong})


def test_the_record_counts_windows_in_whole_blocks_and_knows_no_limit() -> None:
    record = engine_record(SchedulerOptions(64), KvCache(1000.0, 2.0, 3.0, 100, 5.0))[0]
    assert (record["window_tokens"], record["max_num_queued_reqs"]) == (112, NO_LIMIT)
    assert engine_record(SchedulerOptions(64), KvCache(1000.0, 2.0, 0.0, 100))[0]["window_tokens"] == 0
    assert (
        engine_record(SchedulerOptions(64, max_num_queued_reqs=0), KvCache.unlimited())[0]["max_num_queued_reqs"] == 0
    )


def test_a_loaded_replica_has_the_cache_that_its_memory_left() -> None:
    memory = MemoryFit(
        weights_bytes=1.0,
        activation_bytes=2.0,
        overhead_bytes=3.0,
        beside_bytes=5.0,
        kv_budget_bytes=4e9,
        kv_growing_bytes=5e4,
        kv_windowed_bytes=6e4,
        window_tokens=1024,
        state_bytes=7e6,
    )
    cache = KvCache.of(memory)
    whole = cache.growing_bytes * 2048 + cache.windowed_bytes * 1024 + cache.sequence_bytes
    assert whole == memory.sequence_bytes(2048)
    assert cache.budget_bytes == memory.kv_budget_bytes
