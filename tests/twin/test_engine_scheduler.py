"""The scheduler against hand-computed schedules, and its conservation laws over random traffic."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.machines import PLAIN_STEP
from twin.engine.clock import EngineClock
from twin.engine.scheduler import Emission, Rejection, Scheduler, Sequence


def clock(**limits: int | None) -> EngineClock:
    """10 ms a step and 0.1 ms for each of its tokens, so that a decode step of one sequence takes 10.1 ms."""
    values: dict[str, int | None] = {
        "max_model_len": 4096,
        "max_num_seqs": 8,
        "max_num_batched_tokens": 512,
        "kv_tokens": 100_000,
    }
    step = PLAIN_STEP.model_copy(update={"overhead_ms": 10.0})
    return EngineClock.model_validate({"version": "1.0", "pool": "p", "model": "m", "step": step} | values | limits)


def submit(scheduler: Scheduler, prompt: int, output: int, at_ms: float, interval: int = 1) -> Sequence:
    sequence = scheduler.submit(prompt, output, at_ms, interval)
    assert isinstance(sequence, Sequence)
    return sequence


def test_one_request_alone_has_exact_times() -> None:
    scheduler = Scheduler(clock())
    sequence = submit(scheduler, 500, 11, at_ms=100.0)
    emissions = scheduler.advance(10_000)
    assert sequence.first_token_ms == pytest.approx(160.0)  # 10 ms and 500 tokens · 0.1 ms
    assert sequence.finished_ms == pytest.approx(261.0)  # ten more tokens, 10.1 ms each
    assert [emission.tokens for emission in emissions] == [1] * 11
    assert [emission.finished for emission in emissions] == [False] * 10 + [True]


def test_a_long_prompt_is_prefilled_in_chunks() -> None:
    scheduler = Scheduler(clock())
    sequence = submit(scheduler, 1100, 1, at_ms=0.0)
    scheduler.advance(10_000)
    assert sequence.first_token_ms == pytest.approx(61.2 + 61.2 + 17.6)  # 512, 512 and 76 tokens
    assert scheduler.steps == 3


def test_decode_goes_first_and_prefill_takes_what_is_left() -> None:
    scheduler = Scheduler(clock())
    first = submit(scheduler, 100, 100, at_ms=0.0)
    scheduler.advance(20.0)
    second = submit(scheduler, 1022, 1, at_ms=20.0)
    scheduler.advance(10_000)
    # 20 → 30.1 the decode step in progress; then 1 + 511 tokens twice
    assert second.scheduled_ms == pytest.approx(30.1)
    assert second.first_token_ms == pytest.approx(30.1 + 61.2 + 61.2)
    # 99 decode steps after the first token at 20 ms, two of them slowed to 61.2 ms by the chunks
    assert first.finished_ms == pytest.approx(20.0 + 97 * 10.1 + 2 * 61.2)


def test_a_request_waits_for_a_free_sequence() -> None:
    scheduler = Scheduler(clock(max_num_seqs=1))
    first = submit(scheduler, 100, 5, at_ms=0.0)
    second = submit(scheduler, 100, 5, at_ms=1.0)
    assert (scheduler.running, scheduler.waiting) == (1, 1)
    scheduler.advance(1000)
    assert first.finished_ms == pytest.approx(20.0 + 4 * 10.1)
    assert second.scheduled_ms == first.finished_ms
    assert second.first_token_ms == pytest.approx(60.4 + 20.0)


def test_a_request_waits_for_kv() -> None:
    scheduler = Scheduler(clock(kv_tokens=4096))
    first = submit(scheduler, 3000, 10, at_ms=0.0)
    second = submit(scheduler, 1200, 2, at_ms=0.0)
    scheduler.advance(100_000)
    assert second.scheduled_ms == first.finished_ms


def test_emissions_gather_the_interval_but_not_the_first_token() -> None:
    scheduler = Scheduler(clock())
    sequence = submit(scheduler, 100, 20, at_ms=0.0, interval=8)
    emissions = scheduler.advance(10_000)
    assert [emission.tokens for emission in emissions] == [1, 8, 8, 3]
    assert [emission.at_ms for emission in emissions] == pytest.approx([20.0, 100.8, 181.6, 211.9])
    assert sequence.finished_ms == pytest.approx(20.0 + 19 * 10.1)


def test_preemption_recomputes_and_loses_no_token() -> None:
    scheduler = Scheduler(clock(kv_tokens=4096, max_num_seqs=2, max_num_batched_tokens=4096))
    old = submit(scheduler, 2000, 300, at_ms=0.0)
    young = submit(scheduler, 2000, 300, at_ms=0.0)
    emissions = scheduler.advance(100_000)
    assert scheduler.preemptions == 1
    for sequence in (old, young):
        assert sum(emission.tokens for emission in emissions if emission.sequence is sequence) == 300
    assert old.finished_ms is not None
    assert young.finished_ms is not None
    assert young.finished_ms > old.finished_ms


def test_slow_down_stretches_every_step() -> None:
    scheduler = Scheduler(clock(), slow_down=1.5)
    sequence = submit(scheduler, 500, 11, at_ms=0.0)
    scheduler.advance(10_000)
    assert sequence.first_token_ms == pytest.approx(1.5 * 60.0)
    assert sequence.finished_ms == pytest.approx(1.5 * (60.0 + 10 * 10.1))


def test_queue_limits_are_vllms() -> None:
    """`max_num_queued_reqs` counts requests in flight, running ones too; the token limit is a threshold on prefill."""
    scheduler = Scheduler(clock(max_num_queued_reqs=2))
    submit(scheduler, 10, 10, 0.0)
    submit(scheduler, 10, 10, 0.0)
    assert scheduler.submit(10, 10, 0.0) is Rejection.QUEUED_REQUESTS
    scheduler.advance(10_000)
    submit(scheduler, 10, 10, 10_000.0)

    scheduler = Scheduler(clock(max_num_queued_tokens=1000))
    submit(scheduler, 900, 10, 0.0)
    submit(scheduler, 900, 10, 0.0)  # still under the threshold when it arrived
    assert scheduler.submit(1, 1, 0.0) is Rejection.QUEUED_TOKENS
    scheduler.advance(10_000)  # both have their first token: nothing is in prefill
    submit(scheduler, 900, 10, 10_000.0)


def test_cancel_frees_everything() -> None:
    scheduler = Scheduler(clock(max_num_seqs=2, max_num_queued_tokens=5000))
    decoding, prefilling = submit(scheduler, 100, 100, 0.0), submit(scheduler, 2000, 100, 0.0)
    waiting = submit(scheduler, 2000, 100, 0.0)
    scheduler.advance(70.0)
    for sequence in (decoding, prefilling, waiting, waiting):
        scheduler.cancel(sequence)
    assert (scheduler.running, scheduler.waiting, scheduler.kv_tokens_used) == (0, 0, 0)
    assert scheduler.advance(100_000) == []
    assert scheduler.next_ms() is None
    submit(scheduler, 4000, 10, 100_000.0)  # it is not turned away: the prefill backlog is empty again


traffic = st.lists(
    st.tuples(
        st.floats(0, 200),  # gap before it arrives
        st.integers(1, 1500),  # prompt
        st.integers(1, 200),  # output
        st.integers(1, 40),  # emission interval
        st.none() | st.floats(0, 2000),  # patience
    ),
    min_size=1,
    max_size=40,
)


def drive(
    scheduler: Scheduler, requests: list[tuple[float, int, int, int, float | None]]
) -> tuple[list[Sequence], list[Emission]]:
    """Advance only at arrivals, cancellations and the times the scheduler asked for, as the server does."""
    limit = scheduler.clock.kv_tokens
    emissions: list[Emission] = []
    sequences: list[Sequence] = []
    actions: list[tuple[float, int, Sequence | None]] = []
    at_ms = 0.0
    for index, (gap, *_rest) in enumerate(requests):
        at_ms += gap
        actions.append((at_ms, index, None))
    while actions or scheduler.next_ms() is not None:
        wake = scheduler.next_ms()
        if actions and (wake is None or actions[0][0] <= wake):
            now, index, leaving = actions.pop(0)
            emissions += scheduler.advance(now)
            if leaving is not None:
                scheduler.cancel(leaving)
                continue
            _, prompt, output, interval, patience = requests[index]
            sequence = submit(scheduler, prompt, output, now, interval)
            sequences.append(sequence)
            if patience is not None:
                actions.append((now + patience, index, sequence))
                actions.sort(key=lambda action: action[:2])
        else:
            assert wake is not None
            emissions += scheduler.advance(wake)
        assert 0 <= scheduler.kv_tokens_used <= limit
        assert scheduler.running <= scheduler.clock.max_num_seqs
    return sequences, emissions


@settings(max_examples=150, deadline=None)
@given(traffic, st.sampled_from([4096, 5000, 100_000]), st.integers(1, 8))
def test_requests_and_tokens_are_conserved(
    requests: list[tuple[float, int, int, int, float | None]], kv_tokens: int, max_num_seqs: int
) -> None:
    scheduler = Scheduler(clock(kv_tokens=kv_tokens, max_num_seqs=max_num_seqs))
    sequences, emissions = drive(scheduler, requests)
    assert (scheduler.running, scheduler.waiting, scheduler.kv_tokens_used) == (0, 0, 0)
    assert [emission.at_ms for emission in emissions] == sorted(emission.at_ms for emission in emissions)
    got = dict.fromkeys(sequences, 0)
    for emission in emissions:
        got[emission.sequence] += emission.tokens
        assert emission.tokens >= 1
        assert emission.sequence.first_token_ms is not None
        assert emission.finished == (got[emission.sequence] == emission.sequence.output_tokens)
    for sequence, (_, _, output, _, patience) in zip(sequences, requests, strict=True):
        if sequence.finished_ms is not None:
            assert got[sequence] == output
            assert sequence.scheduled_ms is not None
            assert sequence.first_token_ms is not None
            assert sequence.arrived_ms <= sequence.scheduled_ms < sequence.first_token_ms <= sequence.finished_ms
        else:
            assert patience is not None
            assert got[sequence] < output


@settings(max_examples=60, deadline=None)
@given(traffic, st.sampled_from([4096, 5000, 100_000]))
def test_waking_only_when_asked_changes_nothing(
    requests: list[tuple[float, int, int, int, float | None]], kv_tokens: int
) -> None:
    """Looking at every millisecond gives the same times as looking only when the scheduler said so."""
    patient: list[tuple[float, int, int, int, float | None]] = [(*each[:4], None) for each in requests[:12]]
    lazy, _ = drive(Scheduler(clock(kv_tokens=kv_tokens)), patient)
    eager = Scheduler(clock(kv_tokens=kv_tokens))
    sequences: list[Sequence] = []
    at_ms = 0.0
    for gap, prompt, output, interval, _ in patient:
        for millisecond in range(int(at_ms) + 1, int(at_ms + gap) + 1):
            eager.advance(float(millisecond))
        at_ms += gap
        eager.advance(at_ms)
        sequences.append(submit(eager, prompt, output, at_ms, interval))
    eager.advance(10**9)
    assert [sequence.finished_ms for sequence in sequences] == pytest.approx([s.finished_ms for s in lazy])
    assert [sequence.first_token_ms for sequence in sequences] == pytest.approx([s.first_token_ms for s in lazy])
