"""The compiled engine against two slow ones, request by request.

`SlowEngine` below goes through vLLM's schedule() as it is written there, one sequence and one step at a time, with
windows, blocks, preemption, queue limits and asynchronous scheduling. `engine.py` is the reference of the other tests,
which counts the cache in tokens and preempts by simpler rules: equal as long as the cache does not overflow.

Requests may have a part of their prompt in the cache already: a prefix that all share, which is held once, and the
history of their session, which takes room of its own and is lost when the sequence is preempted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.simulator import SimulatedRun
from planner.performance.engine.streams import Arrivals, Stream
from tests.planner.performance.engine import Engine, GivenLoop, Request, clock_of

CLOCK = clock_of(
    dense_read_ms=9.0,
    dense_compute_ms_per_token=0.02,
    expert_read_ms=4.0,
    expert_compute_ms_per_token=0.01,
    expert_hit_fraction=0.1,
    kv_read_ms_per_token=2e-3,
    attention_ms_per_token_pair=3e-5,
    overhead_ms=1.5,
    overhead_ms_per_sequence=0.05,
    comm_ms_per_token=0.002,
    comm_ms_per_step=0.3,
    server_ms_per_sequence=1.7,
)
"""Eight sequences of short context wait for the server; fewer do not, nor do those of a long one."""


@dataclass(eq=False)
class Sequence:
    number: int
    arrival_ms: float
    prompt: int
    output: int
    found: int = 0
    """Tokens of the prompt that the cache has when it enters."""
    shared: int = 0
    """Those of them that all sequences hold together."""
    made: int = 0
    computed: int = 0
    held: int = 0
    """Tokens of cache that it holds, in whole blocks."""
    decoding: bool = False
    preemptions: int = 0
    first_ms: float = math.nan
    last_ms: float = math.nan

    @property
    def done(self) -> bool:
        return self.made == self.output

    @property
    def tokens(self) -> int:
        return self.prompt + self.made


@dataclass
class SlowEngine:
    options: SchedulerOptions
    cache: KvCache
    now_ms: float = 0.0
    known_ms: float = 0.0
    """The time at which the step to come is composed, with asynchronous scheduling."""
    waiting: list[Sequence] = field(default_factory=list)
    running: list[Sequence] = field(default_factory=list)
    finished: list[Sequence] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def run(self, arrivals: list[tuple[float, int, int]], clients: int | None, cached: list[int] | None = None) -> None:
        """Serve (arrival, prompt, output) in order; with clients the arrivals follow from the ends."""
        queue = [Sequence(i, *each) for i, each in enumerate(arrivals)]
        block = self.options.block_size
        for each, tokens in zip(queue, cached or [], strict=False):
            each.found = min(tokens, each.prompt - 1) // block * block
            each.shared = min(each.found, self.cache.shared_tokens // block * block)
        if clients is not None:
            for each in queue:
                each.arrival_ms = math.inf
            self._send(queue, clients)
        while queue or self.waiting or self.running:
            self._receive(queue, math.nextafter(self.now_ms, math.inf))
            if not self.waiting and all(each.done for each in self.running):
                self.running.clear()
                if not queue:
                    return
                self.now_ms = self.known_ms = queue[0].arrival_ms
                continue
            scheduled = self._schedule()
            if not scheduled:
                self.running = [each for each in self.running if not each.done]
                self.known_ms = self.now_ms
                scheduled = self._schedule()
            assert scheduled
            assert len(self.running) <= self.options.max_num_seqs
            assert self._bytes() <= self.cache.budget_bytes * (1 + 1e-12)
            self.running = [each for each in self.running if not each.done]
            decoding = [each for each in scheduled if each.decoding]
            prompts = [(each, n) for each, n in scheduled.items() if not each.decoding]
            pairs = sum(n * (each.computed + n / 2) for each, n in prompts)
            tokens = sum(n for _, n in prompts)
            context = sum(each.computed for each in decoding)
            end = self.now_ms + CLOCK.step_ms(len(decoding), context, tokens, pairs / tokens if tokens else 0.0)
            self._receive(queue, end)
            self.known_ms, self.now_ms = self.now_ms, end
            ended = 0
            for each, n in scheduled.items():
                each.computed += n
                if each.computed < each.tokens:
                    continue
                each.made += 1
                each.decoding = True
                if math.isnan(each.first_ms):
                    each.first_ms = end
                if each.done:
                    each.last_ms = end
                    self.finished.append(each)
                    ended += 1
            if not self.options.async_scheduling:
                self.running = [each for each in self.running if not each.done]
            if clients is not None:
                self._send(queue, ended)

    def _schedule(self) -> dict[Sequence, int]:
        budget, scheduled, preempted = self.options.max_num_batched_tokens, dict[Sequence, int](), False
        index = 0
        while index < len(self.running):
            each = self.running[index]
            n = 0 if each.done else min(each.tokens - each.computed, budget)
            if n == 0:
                index += 1
                continue
            while not self._allocate(each, each.computed + n):
                victim = [other for other in self.running if not other.done][-1]
                self.running.remove(victim)
                victim.computed = victim.held = 0
                victim.found = victim.shared
                victim.decoding = False
                victim.preemptions += 1
                self.waiting.insert(0, victim)
                preempted = True
                if victim is each:
                    return scheduled
            scheduled[each] = n
            budget -= n
            index += 1
        while not preempted and self.waiting and budget and len(self.running) < self.options.max_num_seqs:
            each = self.waiting[0]
            if self.options.async_scheduling and each.arrival_ms > self.known_ms:
                break
            n = min(each.tokens - each.found, budget)
            whole = each.tokens if self.options.scheduler_reserve_full_isl else each.found + n
            if not self._allocate(each, whole):
                break
            each.held = 0
            assert self._allocate(each, each.found + n)
            each.computed = each.found
            self.running.append(self.waiting.pop(0))
            scheduled[each] = n
            budget -= n
        return scheduled

    def _allocate(self, sequence: Sequence, tokens: int) -> bool:
        before = sequence.held
        sequence.held = -(-tokens // self.options.block_size) * self.options.block_size
        entering = 0 if sequence in self.running else self._sequence_bytes(sequence)
        if self._bytes() + entering > self.cache.budget_bytes:
            sequence.held = before
            return False
        return True

    def _sequence_bytes(self, sequence: Sequence) -> float:
        block = self.options.block_size
        window = min(sequence.held, -(-self.cache.window_tokens // block) * block)
        own = sequence.held - sequence.shared if sequence.held else 0
        return self.cache.growing_bytes * own + self.cache.windowed_bytes * window + self.cache.sequence_bytes

    def _prefix_bytes(self) -> float:
        block = self.options.block_size
        tokens = self.cache.shared_tokens // block * block
        window = min(tokens, -(-self.cache.window_tokens // block) * block)
        return self.cache.growing_bytes * tokens + self.cache.windowed_bytes * window

    def _bytes(self) -> float:
        return self._prefix_bytes() + sum(self._sequence_bytes(each) for each in self.running)

    def _receive(self, queue: list[Sequence], before_ms: float) -> None:
        while queue and queue[0].arrival_ms < before_ms:
            each = queue.pop(0)
            longest = Sequence(
                -1, 0.0, 1, 1, shared=each.shared, held=-(-(each.prompt + each.output - 1) // self.options.block_size)
            )
            longest.held *= self.options.block_size
            present = self.waiting + [other for other in self.running if not other.done]
            backlog = sum(other.prompt for other in present if math.isnan(other.first_ms))
            limits = self.options.max_num_queued_reqs, self.options.max_num_queued_tokens
            if (
                self._prefix_bytes() + self._sequence_bytes(longest) > self.cache.budget_bytes
                or (limits[0] is not None and len(present) >= limits[0])
                or (limits[1] is not None and backlog >= limits[1])
            ):
                self.refused.append(each.number)
                if queue and queue[0].arrival_ms == math.inf:
                    queue[0].arrival_ms = each.arrival_ms
                continue
            self.waiting.append(each)

    def _send(self, queue: list[Sequence], clients: int) -> None:
        for each in [each for each in queue if each.arrival_ms == math.inf][:clients]:
            each.arrival_ms = self.now_ms


def fast(stream: Stream, options: SchedulerOptions, cache: KvCache) -> dict[int, tuple[float, float, int]]:
    """First and last token and preemptions of each finished request, by its number."""
    chunks = list(SimulatedRun(CLOCK, stream, options, cache))
    rows = np.concatenate(chunks)
    return {int(r["number"]): (float(r["first_ms"]), float(r["last_ms"]), int(r["preemptions"])) for r in rows}


def slow(
    arrivals: list[tuple[float, int, int]],
    clients: int | None,
    options: SchedulerOptions,
    cache: KvCache,
    cached: list[int] | None = None,
) -> tuple[dict[int, tuple[float, float, int]], SlowEngine]:
    engine = SlowEngine(options, cache)
    engine.run(arrivals, clients, cached)
    return {each.number: (each.first_ms, each.last_ms, each.preemptions) for each in engine.finished}, engine


def assert_equal(found: dict[int, tuple[float, float, int]], expected: dict[int, tuple[float, float, int]]) -> None:
    assert found.keys() == expected.keys()
    for number, row in expected.items():
        assert found[number] == pytest.approx(row, rel=1e-9), number


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[tuple[float, int, int]], SchedulerOptions, KvCache]:
    count = draw(st.integers(1, 30))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.5, 3.0, 20.0, 137.0, 4000.0]), min_size=count, max_size=count))
    lengths = st.lists(st.integers(1, 120), min_size=count, max_size=count)
    arrivals = list(zip(np.cumsum(gaps).tolist(), draw(lengths), draw(lengths), strict=True))
    places = draw(st.integers(1, 9))
    options = SchedulerOptions(
        places,
        draw(st.integers(places, 64)),
        async_scheduling=draw(st.booleans()),
        scheduler_reserve_full_isl=draw(st.booleans()),
        block_size=draw(st.sampled_from([1, 4, 16])),
        max_num_queued_reqs=draw(st.sampled_from([None, 3, 12])),
        max_num_queued_tokens=draw(st.sampled_from([None, 100])),
    )
    cache = draw(
        st.sampled_from(
            [
                KvCache.unlimited(),
                KvCache(260.0),
                KvCache(410.0, 1.0, 0.5, 40, 10.0),
                KvCache(300.0, 0.25, 1.0, 32, 7.0),
                KvCache(60.0, 0.0, 0.0, 0, 13.0),
            ]
        )
    )
    return arrivals, options, cache


@settings(max_examples=100, deadline=None)
@given(cases())
def test_open_streams_equal_vllms_schedule_request_by_request(
    case: tuple[list[tuple[float, int, int]], SchedulerOptions, KvCache],
) -> None:
    arrivals, options, cache = case
    at, prompts, outputs = (np.array(each) for each in zip(*arrivals, strict=True))
    expected, engine = slow(arrivals, None, options, cache)
    assert_equal(fast(Arrivals(at.astype(float), prompts, outputs), options, cache), expected)
    assert len(expected) + len(engine.refused) == len(arrivals)


@settings(max_examples=200, deadline=None)
@given(cases(), st.lists(st.integers(0, 130), min_size=30, max_size=30), st.sampled_from([0, 5, 16, 40, 100]))
def test_streams_with_a_part_of_their_prompts_in_the_cache_equal_vllms_schedule(
    case: tuple[list[tuple[float, int, int]], SchedulerOptions, KvCache], cached: list[int], shared: int
) -> None:
    arrivals, options, cache = case
    cache = replace(cache, shared_tokens=shared)
    found = [max(tokens, shared) for tokens in cached[: len(arrivals)]]
    at, prompts, outputs = (np.array(each) for each in zip(*arrivals, strict=True))
    expected, engine = slow(arrivals, None, options, cache, found)
    assert_equal(fast(Arrivals(at.astype(float), prompts, outputs, np.array(found)), options, cache), expected)
    assert len(expected) + len(engine.refused) == len(arrivals)


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(1, 12))
def test_closed_loops_equal_vllms_schedule_request_by_request(
    case: tuple[list[tuple[float, int, int]], SchedulerOptions, KvCache], clients: int
) -> None:
    arrivals, options, cache = case
    _, prompts, outputs = (np.array(each) for each in zip(*arrivals, strict=True))
    expected, _ = slow(arrivals, clients, options, cache)
    assert_equal(fast(GivenLoop(clients, prompts, outputs), options, cache), expected)


def random_arrivals(count: int, gap_ms: float, seed: int) -> list[tuple[float, int, int]]:
    chance = np.random.default_rng(seed)
    at = np.cumsum(chance.exponential(gap_ms, count))
    prompts, outputs = chance.integers(1, 400, count), chance.integers(1, 500, count)
    return list(zip(at.tolist(), prompts.tolist(), outputs.tolist(), strict=True))


@pytest.mark.parametrize("async_scheduling", [False, True])
def test_a_full_cache_with_many_preemptions_equals_vllms_schedule(async_scheduling: bool) -> None:
    arrivals = random_arrivals(150, 60.0, 3)
    options = SchedulerOptions(24, 512, async_scheduling=async_scheduling, max_num_queued_reqs=40)
    cache = KvCache(5000.0, 1.0, 1.0, 256, 50.0)
    expected, engine = slow(arrivals, None, options, cache)
    assert sum(preemptions for *_, preemptions in expected.values()) >= 30
    assert engine.refused
    at, prompts, outputs = (np.array(each) for each in zip(*arrivals, strict=True))
    assert_equal(fast(Arrivals(at, prompts, outputs), options, cache), expected)


@pytest.mark.parametrize("async_scheduling", [False, True])
def test_a_full_cache_with_prefixes_and_histories_equals_vllms_schedule(async_scheduling: bool) -> None:
    arrivals = random_arrivals(150, 60.0, 3)
    options = SchedulerOptions(24, 512, async_scheduling=async_scheduling, max_num_queued_reqs=40)
    cache = KvCache(5000.0, 1.0, 1.0, 256, 50.0, 100)
    found = [100 + prompt // 3 for _, prompt, _ in arrivals]
    expected, _ = slow(arrivals, None, options, cache, found)
    assert sum(preemptions for *_, preemptions in expected.values()) >= 30
    at, prompts, outputs = (np.array(each) for each in zip(*arrivals, strict=True))
    assert_equal(fast(Arrivals(at, prompts, outputs, np.array(found)), options, cache), expected)


SYNC: dict[str, Any] = {"async_scheduling": False, "block_size": 1}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(12, 400), st.sampled_from([5.0, 50.0, 500.0]))
def test_open_streams_equal_the_reference_engine(seed: int, places: int, batched: int, gap_ms: float) -> None:
    arrivals = random_arrivals(40, gap_ms, seed)
    engine = Engine(CLOCK, places, math.inf, batched)
    done = engine.run([Request(*each) for each in arrivals])
    number = {(at, prompt): i for i, (at, prompt, _) in enumerate(arrivals)}
    expected = {number[r.arrival_ms, r.prompt]: (r.first_ms, r.last_ms, 0) for r in done}
    at, prompts, outputs = (np.array(each) for each in zip(*arrivals, strict=True))
    options = SchedulerOptions(places, batched, **SYNC)
    found = fast(Arrivals(at, prompts, outputs), options, KvCache.unlimited())
    assert_equal(found, expected)


@pytest.mark.parametrize("clients", [1, 7, 40])
def test_closed_loops_equal_the_reference_engine(clients: int) -> None:
    rounds = 3
    engine = Engine(CLOCK, 16, math.inf, 256)
    done = engine.run_closed([Request(0.0, 300, 90) for _ in range(clients)], rounds)
    expected = sorted((r.first_ms, r.last_ms) for r in done)
    same = np.full(clients * rounds, 300), np.full(clients * rounds, 90)
    options = SchedulerOptions(16, 256, **SYNC)
    found = fast(GivenLoop(clients, *same), options, KvCache.unlimited())
    np.testing.assert_allclose(sorted(row[:2] for row in found.values()), expected, rtol=1e-9)
