"""What a replica finds of its prompts: the formulas, what they do to capacities, and a replay of block hashes."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.domain.prompts import RepeatedPrompts
from planner.performance.capacity import Capacity, CapacityQuestion, LatencyTarget
from planner.performance.capacity_search import digest, search
from planner.performance.closed_form import capacities
from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.simulator import simulate
from planner.performance.engine.streams import Arrivals, uniform
from planner.performance.lengths import lengths_of
from planner.performance.prefix import NOTHING_CACHED, CachedPrompts, cached_prompts, with_reuse
from tests.planner.performance.classes import question, traffic
from tests.planner.performance.prefix_replay import replayed_hit_share

TRACE = "azure-conv-2023"
BASE = question("llama-3.1-8b-instruct", "fp8", "L40S", 1, TRACE, LatencyTarget(800, 0, 40), cap=128)
MOONCAKE = Path(__file__).resolve().parents[4] / "shared/data/traces/mooncake_conversation_trace.jsonl"


def screened(asked: CapacityQuestion, reuse: CachedPrompts) -> Capacity:
    answer = capacities([replace(asked, reuse=reuse)])[0]
    assert isinstance(answer, Capacity), answer
    return answer


def searched(reuse: CachedPrompts) -> Capacity:
    answer = search(replace(BASE, reuse=reuse), traffic(TRACE))
    assert isinstance(answer, Capacity), answer
    return answer


def found(replicas: float = 1.0, pause_ms: float = 60_000.0, cap: int = 128) -> float:
    repeated = RepeatedPrompts(400, 0.5, pause_ms)
    return cached_prompts(BASE.memory, BASE.clock, BASE.lengths, cap, repeated, replicas).found_share


def test_what_prompts_repeat_is_taken_from_their_beginning() -> None:
    reuse = CachedPrompts(100, 0.5, 0.4)
    prompts = np.array([1100, 1100, 80])
    assert reuse.cached_tokens(prompts, np.array([0.39, 0.4, 0.0])).tolist() == [600, 100, 80]
    assert reuse.mean_history_share == 0.2


def test_points_keep_whole_prompts_and_say_what_is_computed() -> None:
    plain = lengths_of([(1000, 100, 1.0)])
    half = with_reuse(plain, CachedPrompts(200, 0.5, 0.25))
    assert half.inputs.tolist() == [1000, 1000]
    assert half.input_weights.tolist() == [0.25, 0.75]
    assert half.cached.tolist() == [600, 200]
    assert half.decode_cached.tolist() == [300]
    assert with_reuse(plain, CachedPrompts(200, 0.5, 1.0)).cached.tolist() == [600]
    assert with_reuse(plain, CachedPrompts(200)).cached.tolist() == [200]
    assert with_reuse(plain, CachedPrompts(5000)).cached.tolist() == [999]
    assert with_reuse(plain, NOTHING_CACHED) is plain


def test_a_shared_prefix_takes_its_room_once() -> None:
    memory = replace(BASE.memory, kv_windowed_bytes=0.0, window_tokens=0, state_bytes=0.0)
    budget = memory.kv_budget_bytes / memory.kv_growing_bytes
    assert memory.sequences(1000, 400) == pytest.approx((budget - 400) / 600)
    assert memory.sequences(1000) == pytest.approx(budget / 1000)
    assert memory.sequences(1000, budget + 1) == 0


def test_a_session_finds_its_history_less_often_the_more_replicas_there_are() -> None:
    assert found(4) == pytest.approx(found(1) / 4, rel=1e-5)
    assert found(float("inf")) == 0


def test_a_session_finds_its_history_less_often_the_longer_it_pauses_and_the_fuller_the_cache_is() -> None:
    shares = [found(pause_ms=seconds * 1e3) for seconds in (1, 60, 600, 6000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0
    assert 0 < shares[3] < shares[2] < 1.0
    tight = replace(BASE.memory, kv_budget_bytes=BASE.memory.sequence_bytes(BASE.lengths.mean_context) * 20)
    assert cached_prompts(tight, BASE.clock, BASE.lengths, 128, RepeatedPrompts(0, 0.5), 1) == NOTHING_CACHED


def test_models_without_tokens_in_their_cache_find_nothing() -> None:
    linear = replace(BASE.memory, state_bytes=1.0)
    assert cached_prompts(linear, BASE.clock, BASE.lengths, 128, RepeatedPrompts(400, 0.5), 1) == NOTHING_CACHED


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0, 1), st.floats(0, 1))
def test_what_is_found_never_costs_capacity_or_time(one: int, other: int, history: float, share: float) -> None:
    low, high = sorted((one, other))
    less, more = screened(BASE, CachedPrompts(low)), screened(BASE, CachedPrompts(high, history, share))
    assert more.requests_per_second >= less.requests_per_second * 0.97  # the grid of the closed form


def test_simulated_capacities_grow_with_what_is_found() -> None:
    answers = [searched(reuse) for reuse in (NOTHING_CACHED, CachedPrompts(600), CachedPrompts(600, 0.5, 1.0))]
    rates = [answer.requests_per_second for answer in answers]
    assert rates[0] * 1.05 < rates[1] < rates[2] * 0.98


@pytest.mark.parametrize("shared", [512, 1600])
def test_the_same_requests_get_their_first_token_sooner(shared: int) -> None:
    """With the same arrivals."""
    numbers = np.arange(400, dtype=np.uint64)
    gaps, inside, out = (uniform(7, lane, numbers) for lane in range(3))
    at, prompts = np.cumsum(-150.0 * np.log1p(-gaps)), (1700 + 2300 * inside).astype(np.int64)
    outputs = (1 + 200 * out).astype(np.int64)
    options, times = SchedulerOptions(64, 2048), []
    for tokens in (0, shared):
        cached = CachedPrompts(tokens).cached_tokens(prompts, np.ones(400))
        stream, cache = Arrivals(at, prompts, outputs, cached), KvCache.of(BASE.memory, tokens)
        times.append(simulate(BASE.clock, stream, options, cache))
    new, known = times
    assert known.ttft_ms.mean < new.ttft_ms.mean
    assert known.ttft_ms.percentile(0.95) < new.ttft_ms.percentile(0.95)
    assert known.tpot_ms.mean < new.tpot_ms.mean
    assert new.totals.prefill_tokens - known.totals.prefill_tokens == 400 * shared
    assert known.totals.most_cache_bytes < new.totals.most_cache_bytes


def test_the_closed_form_and_the_simulation_agree_on_what_a_prefix_is_worth() -> None:
    """Both have a bias of their own, so that ratios are compared."""
    none, prefix = NOTHING_CACHED, CachedPrompts(600)
    simulated = searched(prefix).requests_per_second / searched(none).requests_per_second
    closed = screened(BASE, prefix).requests_per_second / screened(BASE, none).requests_per_second
    assert closed == pytest.approx(simulated, rel=0.1)


def test_questions_without_reuse_have_the_digest_that_they_had() -> None:
    shape = traffic(TRACE)
    plain = digest(BASE, shape)
    assert digest(replace(BASE, reuse=CachedPrompts()), shape) == plain
    others = {digest(replace(BASE, reuse=reuse), shape) for reuse in (CachedPrompts(1), CachedPrompts(1, 0.5, 0.5))}
    assert len(others | {plain}) == 3


def sessions(count: int, seed: int) -> list[list[int]]:
    """Prompts of sessions that grow by two blocks a turn, after a block that all share, in a random order of turns."""
    chance = random.Random(seed)
    histories: dict[int, list[int]] = {}
    prompts, fresh = [], 1
    for _ in range(count):
        session = chance.randrange(count // 8)
        history = histories.setdefault(session, [0])
        history += [fresh, fresh + 1]
        fresh += 2
        prompts.append(list(history))
    return prompts


def curve(prompts: list[list[int]]) -> tuple[tuple[float, float], ...]:
    """What one cache of each size finds beyond the first block, with a block as the unit of length."""
    first, total = len(prompts), sum(map(len, prompts))
    found_by = {blocks: replayed_hit_share(prompts, blocks, 1, "random") for blocks in (32 << k for k in range(9))}
    return tuple((float(blocks), (share * total - first) / (total - first)) for blocks, share in found_by.items())


@pytest.mark.parametrize("replicas", [1, 4])
def test_a_curve_and_the_number_of_replicas_tell_what_a_replay_finds(replicas: int) -> None:
    prompts = sessions(4000, 1)
    shares, total = curve(prompts), sum(map(len, prompts))
    cache = 500
    tokens, found_shares = zip(*shares, strict=True)
    told = float(np.interp(cache * replicas, tokens, found_shares)) / replicas
    replayed = replayed_hit_share(prompts, cache, replicas, "random", seed=2)
    others = (replayed * total - len(prompts)) / (total - len(prompts))
    assert told == pytest.approx(others, abs=0.03)


def test_a_trace_of_hashes_decides_by_the_cache_that_a_full_batch_leaves() -> None:
    """The curve says half of all tokens at any size, so that what is found is half of the share that repeats."""
    repeated = RepeatedPrompts(0, 0.8, curve=((1.0, 0.4), (1e12, 0.4)), requests_per_ms=0.01)
    reuse = cached_prompts(BASE.memory, BASE.clock, BASE.lengths, 128, repeated, 2)
    assert reuse.history_share == 0.8
    assert reuse.found_share == pytest.approx(0.25)


def test_affinity_finds_what_chance_loses() -> None:
    prompts = sessions(4000, 1)
    chance, affinity = (replayed_hit_share(prompts, 500, 8, how) for how in ("random", "affinity"))
    assert affinity > 2 * chance


@pytest.mark.skipif(not MOONCAKE.exists(), reason="needs the Mooncake trace")
def test_the_mooncake_trace_has_its_known_hits() -> None:
    """37 % without a limit, 4.7 % on one replica of 680,000 tokens, 6.5 % on eight by chance, 21 % with affinity."""
    prompts = [json.loads(line)["hash_ids"] for line in MOONCAKE.read_text(encoding="utf-8").splitlines()]
    cache = 680_000 // 512
    assert replayed_hit_share(prompts, 0, 1, "random") == pytest.approx(0.366, abs=0.002)
    assert replayed_hit_share(prompts, cache, 1, "random") == pytest.approx(0.047, abs=0.003)
    assert replayed_hit_share(prompts, cache, 8, "random") == pytest.approx(0.065, abs=0.005)
    assert replayed_hit_share(prompts, cache, 8, "affinity") == pytest.approx(0.21, abs=0.015)
    first = len(prompts) / sum(map(len, prompts))
    eight = replayed_hit_share(prompts, 8 * cache, 1, "random")
    assert first + (eight - first) / 8 == pytest.approx(0.065, abs=0.005)  # the formula of a pool, from one cache
