"""What a benchmark prints, by the step simulator: against a slow engine, the closed form, and Little's law."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from measurement.evidence.published import PublishedRun
from measurement.evidence.reports import Report, clients_of, length_range, reports
from measurement.evidence.rows import FIGURES
from measurement.evidence.run_figures import RunConditions, closed_form
from measurement.evidence.words import QuotedFigure
from planner.performance.coefficients import EngineCoefficients
from planner.performance.step_time import StepClock, clock_table
from tests.measurement.evidence import rows
from tests.measurement.evidence.rows import deployed
from tests.planner.performance.clocks import CLOCK
from tests.planner.performance.engine import Engine, Request

ROW = replace(rows.ROW, input_tokens=500.0, output_tokens=100.0, lengths="fixed", max_num_batched_tokens=8192)
AT_ONCE = replace(ROW, concurrency=None, regime="saturation")
ENTERED_AT_ONCE = EngineCoefficients(1.0, 0.0, 0.0, 0.0)
"""An engine that a request enters in no time."""
TTFT, TPOT, RATE = FIGURES["ttft"], FIGURES["tpot"], FIGURES["throughput"]


def told(*runs: PublishedRun, clock: StepClock = CLOCK, engine: EngineCoefficients = ENTERED_AT_ONCE) -> list[Report]:
    return reports([deployed(run) for run in runs], [clock] * len(runs), [engine] * len(runs))


def figures(figure: QuotedFigure, *runs: PublishedRun, clock: StepClock = CLOCK) -> list[float]:
    return [report.figure(figure) for report in told(*runs, clock=clock)]


def test_no_runs_have_no_reports() -> None:
    assert told() == []


def test_tpot_agrees_with_the_engine_step_by_step() -> None:
    """A closed loop of eight clients, run through the reference engine."""
    finished = Engine(CLOCK, 64, 1e6).run_closed([Request(40.0 * k, 500, 100) for k in range(8)], rounds=12)
    by_engine = [request.tpot_ms for request in finished[8:]]
    runs = RunConditions.of([deployed(ROW)])
    by_formula = closed_form(runs, clock_table([CLOCK], 1), np.zeros(1))
    assert by_formula.tpot_ms[0] == pytest.approx(np.mean(by_engine), rel=0.03)
    assert figures(TPOT, ROW)[0] == pytest.approx(np.median(by_engine), rel=0.03)


def test_ttft_is_the_mean_with_the_first_wave() -> None:
    """All clients start at once, so the first wave waits for each other's prompts; the mean is over every request."""
    clients = 16
    row = replace(ROW, concurrency=clients, input_tokens=2000.0)
    finished = Engine(CLOCK, 64, 1e6).run_closed([Request(0.0, 2000, 100) for _ in range(clients)], rounds=10)
    assert len(finished) == 10 * clients
    every = [request.ttft_ms for request in finished]
    later = [request.ttft_ms for request in finished if request.arrival_ms > 0]
    assert figures(TTFT, row)[0] == pytest.approx(np.mean(every), rel=0.05)
    assert np.mean(every) > 1.1 * np.mean(later)


def test_a_slow_server_holds_up_the_simulated_engine_as_it_does_the_slow_one() -> None:
    """Of 32 clients most steps wait for the server, of four none does."""
    slow = replace(CLOCK, server_ms_per_sequence=0.6)
    finished = Engine(slow, 64, 1e6).run_closed([Request(0.0, 500, 100) for _ in range(32)], rounds=10)
    many = replace(ROW, concurrency=32)
    assert figures(TPOT, many, clock=slow)[0] == pytest.approx(np.median([r.tpot_ms for r in finished]), rel=0.03)
    assert figures(TPOT, many, clock=slow)[0] > 1.2 * figures(TPOT, many)[0]
    few = replace(ROW, concurrency=4)
    assert figures(TPOT, few, clock=slow) == figures(TPOT, few)


def test_more_clients_yield_more_and_wait_longer() -> None:
    runs = [replace(ROW, concurrency=n) for n in (1, 4, 16, 64)]
    rates, times = figures(RATE, *runs), figures(TPOT, *runs)
    assert rates == sorted(rates)
    assert times == sorted(times)
    alone = 1e3 * 100 / (CLOCK.prefill_ms(500) + 99 * CLOCK.step_ms(1, 550))
    assert rates[0] == pytest.approx(alone, rel=0.01)


def test_the_time_before_the_first_step_grows_with_those_in_flight() -> None:
    plain, late = told(ROW)[0], told(ROW, engine=EngineCoefficients(1.0, 20.0, 1.5, 0.0))[0]
    assert late.entry_ms == 20.0 + 7 * 1.5
    assert late.figure(TTFT) == pytest.approx(plain.figure(TTFT) + 30.5)
    assert late.figure(TPOT) == plain.figure(TPOT)
    e2e = QuotedFigure("e2e")
    assert late.figure(e2e) == pytest.approx(plain.figure(e2e) + 30.5)
    assert late.figure(RATE) == pytest.approx(8 * 100 / late.figure(e2e) * 1e3)


def test_figures_come_in_the_units_that_are_asked_for() -> None:
    (report,) = told(replace(ROW, gpus=2, data_parallel_size=2, concurrency=16))
    requests = report.figure(QuotedFigure("request_rate"))
    assert report.figure(RATE) == pytest.approx(100 * requests)
    assert report.figure(QuotedFigure("total_rate")) == pytest.approx(600 * requests)
    assert report.figure(QuotedFigure("input_rate", per_gpu=True)) == pytest.approx(500 * requests / 2)
    assert report.figure(QuotedFigure("request_rate", per_ours=60.0)) == pytest.approx(60 * requests)
    assert report.figure(QuotedFigure("tpot", 0.5, inverse=True)) == pytest.approx(1e3 / report.figure(TPOT))
    assert report.figure(QuotedFigure("ttft", 0.5, per_ours=1e-3)) == pytest.approx(report.figure(TTFT) / 1e3)


def test_everything_at_once_is_simulated_from_the_first_prompt_to_the_last_answer() -> None:
    """The reference engine with as many requests from the start: the rate is over the whole time."""
    row = replace(AT_ONCE, prompts=40, max_num_seqs=16)
    finished = Engine(CLOCK, 16, 1e6).run([Request(0.0, 500, 100) for _ in range(40)])
    seconds = max(request.last_ms for request in finished) / 1e3
    assert figures(RATE, row)[0] == pytest.approx(40 * 100 / seconds, rel=0.01)
    assert clients_of(deployed(row)) == 40
    assert clients_of(deployed(AT_ONCE)) == deployed(AT_ONCE).places


def test_a_cache_that_is_too_small_makes_clients_wait() -> None:
    """A run that says it was limited has the cache of its GPU; what does not fit it waits before its first token."""
    many = replace(ROW, concurrency=64, input_tokens=2000.0, output_tokens=500.0)
    free, limited = told(many, replace(many, regime="kv_or_seq_limited"))
    assert limited.figure(TTFT) > 3 * free.figure(TTFT)
    assert limited.figure(TPOT) < free.figure(TPOT)


def test_equal_runs_are_told_the_same_wherever_they_stand() -> None:
    runs = [replace(ROW, concurrency=n) for n in (4, 16, 4, 32, 16)]
    found = figures(TTFT, *runs)
    assert found[0] == found[2]
    assert found[1] == found[4]
    assert [found[3]] == figures(TTFT, runs[3])


@pytest.mark.parametrize("factor", [1.2, 3.0])
def test_a_slower_engine_takes_longer_and_yields_less(factor: float) -> None:
    runs = [ROW, replace(ROW, concurrency=64), replace(AT_ONCE, prompts=200)]
    slower = CLOCK.slower_by(factor)
    for figure, times in ((TTFT, factor), (TPOT, factor), (RATE, 1 / factor)):
        plain = np.array(figures(figure, *runs))
        assert figures(figure, *runs, clock=slower) == pytest.approx(times * plain, rel=1e-6)


def test_lengths_that_are_not_stated_are_nearly_alike_and_those_of_people_are_not() -> None:
    assert length_range(replace(ROW, lengths="fixed")) == (1.0, 1.0)
    assert length_range(replace(ROW, lengths="uniform", length_low=0.5, length_high=1.5)) == (0.5, 1.5)
    low, high = length_range(replace(ROW, lengths="not stated"))
    assert high < 2 * low
    low, high = length_range(replace(ROW, lengths="natural"))
    assert high > 2 * low
