"""The closed form against an engine that runs step by step, and the properties that screening leans on."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from planner.edges.performance_files import load_coefficients
from planner.performance.capacity import (
    Capacity,
    CapacityQuestion,
    LatencyTarget,
    NoCapacity,
)
from planner.performance.closed_form import capacities, with_interval
from planner.performance.lengths import lengths_of
from tests.planner.performance.classes import missed, question, served
from tests.planner.performance.engine import percentile

CHAT = LatencyTarget(800, 200, 50)
CODE = LatencyTarget(1500, 300, 80)
CASES = [
    pytest.param(question("llama-3.3-70b-instruct", "fp8", "H100", 2, "azure-conv-2023", CHAT), "azure-conv-2023",
                 id="dense over NVLink, chat"),
    pytest.param(question("gpt-oss-120b", "mxfp4", "H100", 1, "azure-conv-2023", LatencyTarget(800, 200, 40)),
                 "azure-conv-2023", id="experts, chat"),
    pytest.param(question("qwen3-30b-a3b", "bf16", "H100", 1, "azure-code-2023", CODE), "azure-code-2023",
                 id="experts, code"),
    pytest.param(question("llama-3.3-70b-instruct", "fp8", "L40S", 4, "azure-conv-2023",
                          LatencyTarget(2000, 500, 120), batched_tokens=2048), "azure-conv-2023", id="PCIe, chat"),
    pytest.param(question("llama-3.1-8b-instruct", "bf16", "A10G", 1, "azure-conv-2023",
                          LatencyTarget(2000, 500, 120), batched_tokens=2048), "azure-conv-2023", id="small cache"),
    pytest.param(question("llama-3.1-8b-instruct", "fp8", "L4", 1, "azure-conv-2023",
                          LatencyTarget(3000, 500, 120), cap=24, batched_tokens=2048), "azure-conv-2023",
                 id="few places"),
    pytest.param(question("llama-3.3-70b-instruct", "fp8", "B200", 1, "fixed", LatencyTarget(1000, 0, 40)), "fixed",
                 id="equal requests"),
]  # fmt: skip
BASE: CapacityQuestion = CASES[0].values[0]  # type: ignore[assignment]


def answered(asked: CapacityQuestion) -> Capacity:
    (answer,) = capacities([asked])
    assert isinstance(answer, Capacity), answer
    return answer


@pytest.mark.parametrize(("asked", "trace"), CASES)
def test_near_enough_to_rank(asked: CapacityQuestion, trace: str) -> None:
    """At nine tenths of the screened rate the engine keeps the target, under Poisson; at 1.3 × it does not."""
    rate = answered(asked).requests_per_second
    assert max(missed(asked, trace, 0.9 * rate, seed=seed) for seed in (1, 2)) <= 0.055
    assert missed(asked, trace, 1.3 * rate) > 0.1


@pytest.mark.parametrize(("asked", "trace"), CASES[:4])
def test_a_slower_engine_misses(asked: CapacityQuestion, trace: str) -> None:
    """The screened rate cannot be served by an engine that is 1.5 × slower."""
    rate = answered(asked).requests_per_second
    assert missed(replace(asked, clock=asked.clock.slower_by(1.5)), trace, rate) > 0.05


@pytest.mark.parametrize(("asked", "trace"), CASES[::3])
def test_predicted_latencies_are_those_of_the_engine(asked: CapacityQuestion, trace: str) -> None:
    """Where TPOT binds; where places run out the wait is steeper than the closed form can tell."""
    answer = answered(asked)
    assert answer.binding == "tpot"
    done, _ = served(asked, trace, answer.requests_per_second, 4000, 3)
    tpot = [r.tpot_ms for r in done if r.output > 1]
    assert answer.tpot_ms_p50 == pytest.approx(percentile(tpot, 0.5), rel=0.25)
    assert answer.tpot_ms_p95 == pytest.approx(percentile(tpot, 0.95), rel=0.3)
    assert answer.ttft_ms_p95 == pytest.approx(percentile([r.ttft_ms for r in done], 0.95), rel=0.4)


@pytest.mark.parametrize(("asked", "trace"), CASES[:1])
def test_concurrency_is_littles_law(asked: CapacityQuestion, trace: str) -> None:
    answer = answered(asked)
    done, _ = served(asked, trace, answer.requests_per_second, 4000, 4)
    decoding = sum(r.last_ms - r.first_ms for r in done)
    span = max(r.arrival_ms for r in done) - min(r.arrival_ms for r in done)
    assert answer.concurrency == pytest.approx(decoding / span, rel=0.15)


def test_slower_clocks_never_serve_more() -> None:
    for case in CASES:
        asked: CapacityQuestion = case.values[0]  # type: ignore[assignment]
        answers = capacities([replace(asked, clock=asked.clock.slower_by(1 + k / 10)) for k in range(8)])
        rates = [a.requests_per_second if isinstance(a, Capacity) else 0.0 for a in answers]
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < rates[0]


def test_stricter_targets_never_serve_more() -> None:
    for change in ("ttft_ms", "tpot_ms"):
        rates = []
        for factor in (0.4, 0.6, 0.8, 1.0, 1.5):
            target = replace(BASE.target, **{change: getattr(BASE.target, change) * factor})
            (answer,) = capacities([replace(BASE, target=target)])
            rates.append(answer.requests_per_second if isinstance(answer, Capacity) else 0.0)
        assert rates == sorted(rates)


def test_bursts_divide_the_rate() -> None:
    calm, bursty = answered(BASE), answered(replace(BASE, burst_ratio=2.5))
    assert bursty.requests_per_second == pytest.approx(calm.requests_per_second / 2.5, rel=1e-5)  # six digits each
    assert bursty.tpot_ms_p95 == calm.tpot_ms_p95


def test_what_binds() -> None:
    assert answered(BASE).binding == "tpot"
    assert answered(replace(BASE, max_num_seqs=8)).binding == "max_num_seqs"
    small = replace(BASE.memory, kv_budget_bytes=BASE.memory.sequence_bytes(2000) * 8)
    assert answered(replace(BASE, memory=small)).binding == "memory"
    free = answered(replace(BASE, target=LatencyTarget(e2e_ms=3.6e6)))
    assert free.requests_per_second > answered(BASE).requests_per_second
    prompts = replace(BASE, target=LatencyTarget(ttft_ms=400, ttft_ms_per_1k_input=150))
    assert answered(prompts).binding in ("ttft", "prefill")


def test_entry_time_is_part_of_the_first_token() -> None:
    asked = replace(BASE, target=LatencyTarget(ttft_ms=400, ttft_ms_per_1k_input=150))
    with_entry = replace(asked, first_token_overhead_ms=100.0)
    assert answered(with_entry).requests_per_second < answered(asked).requests_per_second
    same = replace(with_entry, target=replace(asked.target, ttft_ms=500))
    assert answered(same).requests_per_second == pytest.approx(answered(asked).requests_per_second)


def test_the_interval_brackets_the_answer() -> None:
    answer = with_interval(answered(BASE), BASE, (0.8, 1.3))
    assert answer.low < answer.requests_per_second < answer.high
    assert with_interval(answer, BASE, (0.8, 10.0)).low == 0.0


def test_the_interval_of_another_rate_moves_as_the_screened_one() -> None:
    """A simulated rate gets its range from the closed form: by so many percent as that moves."""
    screened = with_interval(answered(BASE), BASE, (0.8, 1.3))
    simulated = with_interval(replace(screened, requests_per_second=3.0), BASE, (0.8, 1.3))
    for edge in ("low", "high"):
        part = getattr(screened, edge) / screened.requests_per_second
        assert getattr(simulated, edge) / 3.0 == pytest.approx(part, rel=1e-5)  # both rates have six digits


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (LatencyTarget(800, 200, 10), "per output token, 10 ms are asked for"),
        (LatencyTarget(20, 0, 50), "to the first token"),
        (LatencyTarget(e2e_ms=50), "to the last token"),
    ],
)
def test_an_impossible_target_has_a_reason(target: LatencyTarget, says: str) -> None:
    (answer,) = capacities([replace(BASE, target=target)])
    assert isinstance(answer, NoCapacity)
    assert says in answer.reason


@pytest.mark.parametrize("change", ["ttft_ms", "tpot_ms", "e2e_ms"])
def test_how_far_a_target_is_missed_is_the_factor_that_meets_it(change: str) -> None:
    """With all targets that many times longer an idle replica is just in time, and with a little less it is not."""
    target = replace(LatencyTarget(1e6, 0, 1e6, 1e7), **{change: 1.0})
    (answer,) = capacities([replace(BASE, target=target, first_token_overhead_ms=0.0)])
    assert isinstance(answer, NoCapacity)
    assert answer.over is not None
    assert answer.over > 1.5
    longer, shorter = (
        capacities([replace(BASE, target=replace(target, **{change: factor * answer.over}), first_token_overhead_ms=0)])
        for factor in (1.02, 0.98)
    )
    assert isinstance(longer[0], Capacity)
    assert isinstance(shorter[0], NoCapacity)


def test_a_stricter_target_is_missed_by_more() -> None:
    answers = capacities([replace(BASE, target=LatencyTarget(1e6, 0, tpot)) for tpot in (1.0, 0.5)])
    overs = [answer.over for answer in answers if isinstance(answer, NoCapacity)]
    assert overs[1] == pytest.approx(2 * (overs[0] or 0), rel=0.01)


def test_a_cache_below_one_request_has_a_reason() -> None:
    tiny = replace(BASE.memory, kv_budget_bytes=BASE.memory.sequence_bytes(100))
    (answer,) = capacities([replace(BASE, memory=tiny)])
    assert isinstance(answer, NoCapacity)
    assert answer.binding == "memory"


def test_one_token_answers_are_prefill_only() -> None:
    answer = answered(replace(BASE, lengths=lengths_of([(500, 1, 1)]), target=LatencyTarget(ttft_ms=500)))
    work_ms = BASE.clock.dense_compute_ms_per_token * 500
    assert 0.2 / work_ms < answer.requests_per_second / 1e3 < 1.0 / work_ms


def test_questions_are_answered_in_their_order_and_alone() -> None:
    asked = [case.values[0] for case in CASES] * 30
    together = capacities(asked)  # type: ignore[arg-type]
    alone = [capacities([one])[0] for one in asked[: len(CASES)]]  # type: ignore[list-item]
    for k, answer in enumerate(together):
        one = alone[k % len(CASES)]
        assert isinstance(answer, Capacity)
        assert isinstance(one, Capacity)
        assert answer.requests_per_second == pytest.approx(one.requests_per_second, rel=1e-9)
        assert answer.binding == one.binding


def test_screening_is_quick() -> None:
    """A loose bound: a plan asks about 3,000 questions of the closed form, and has five seconds for everything."""
    asked = [replace(BASE, max_num_seqs=16 + k % 240) for k in range(1000)]
    start = time.perf_counter()
    capacities(asked)
    assert time.perf_counter() - start < 3.0


def test_pcie_capacity_per_gpu_falls() -> None:
    """Long prompts, short answers: over PCIe four more GPUs bring little, over NVLink they bring a lot."""

    def per_gpu(gpu: str, ranks: int) -> float:
        asked = question("llama-3.3-70b-instruct", "fp8", gpu, ranks, "azure-code-2023", LatencyTarget(6000, 1500, 900))
        return answered(asked).requests_per_second / ranks

    assert per_gpu("L40S", 8) < 0.6 * per_gpu("L40S", 4)
    assert per_gpu("H100", 8) > per_gpu("L40S", 8) * 4


def test_the_margin_costs_capacity() -> None:
    """What a plan buys for its error: capacity at the p90 of the residuals against capacity as predicted."""
    margin = load_coefficients().margin("H100")
    assert margin > 1.0
    held = answered(replace(BASE, clock=BASE.clock.slower_by(margin))).requests_per_second
    assert 0.3 < held / answered(BASE).requests_per_second < 1.0


def test_rates_are_finite_and_positive() -> None:
    for case in CASES:
        answer = answered(case.values[0])  # type: ignore[arg-type]
        figures = [answer.requests_per_second, answer.ttft_ms_p50, answer.ttft_ms_p95, answer.tpot_ms_p50]
        assert np.all(np.isfinite(figures))
        assert 0 < answer.ttft_ms_p50 <= answer.ttft_ms_p95
        assert 0 < answer.tpot_ms_p50 <= answer.tpot_ms_p95
        assert 0 < answer.utilisation <= 1
