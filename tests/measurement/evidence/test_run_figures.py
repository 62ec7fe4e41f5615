"""What a run would report, from a clock: by formula, and by the simulator that judges the formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from measurement.evidence.benchmarks import EngineName, Measurement, Subject, subjects

from measurement.evidence.run_figures import CROWDING, Figures, RunConditions, closed_form, simulated_figures
from planner.edges.catalog_files import load_catalog
from planner.performance.memory import MemoryFit, memory_fit
from planner.performance.step_time import StepClock, clock_table
from tests.measurement.evidence import rows
from tests.planner.performance.engine import Engine, Request, clock_of

CATALOG = load_catalog()
CLOCK = clock_of(
    dense_read_ms=10.0,
    dense_compute_ms_per_token=0.02,
    kv_read_ms_per_token=0.0002,
    attention_ms_per_token_pair=1e-6,
    overhead_ms=1.0,
    overhead_ms_per_sequence=0.01,
    comm_ms_per_token=0.001,
    comm_ms_per_step=0.5,
)
ROW = replace(rows.ROW, input_tokens=500.0, output_tokens=100.0, lengths="fixed", max_num_batched_tokens=8192)


def subject(row: Measurement) -> Subject:
    return subjects([row], CATALOG.models, CATALOG.all_gpus)[0][0]


def runs(*measured: Measurement) -> RunConditions:
    return RunConditions.of([subject(row) for row in measured])


def by_formula(*measured: Measurement, clock: StepClock = CLOCK) -> Figures:
    return closed_form(runs(*measured), clock_table([clock] * len(measured), 1))


def by_simulator(*measured: Measurement, clock: StepClock = CLOCK) -> Figures:
    return simulated_figures(runs(*measured), clock_table([clock] * len(measured), 1))


# The conditions of a run


def test_a_row_becomes_the_conditions_of_its_run() -> None:
    found = runs(ROW, replace(ROW, lengths="spread", concurrency=300))
    assert found.inputs.tolist() == [500, 500]
    assert found.outputs.tolist() == [100, 100]
    assert found.in_flight.tolist() == [8, 300]
    assert found.fixed.tolist() == [True, False]
    assert found.saturated.tolist() == [False, False]
    assert found.kv_tokens.tolist() == [np.inf, np.inf]  # a run of fixed concurrency is one that waits for no cache
    assert found.places.tolist() == [256, 300]  # a benchmark of 300 clients has set the limit so high
    assert found.only(np.array([False, True])).in_flight.tolist() == [300]


@pytest.mark.parametrize(
    ("engine", "gpu", "tokens", "places"),
    [
        ("vllm", "H100", 8192, 1024),
        ("vllm", "L4", 2048, 256),
        ("trt-llm", "H100", 32768, 2048),
        ("sglang", "L4", 8192, 1024),
        ("tgi", "H100", 4096, 128),
    ],
)
def test_limits_are_the_engine_s_own_where_none_are_stated(
    engine: EngineName, gpu: str, tokens: float, places: float
) -> None:
    row = replace(ROW, engine=engine, gpu=gpu, max_num_batched_tokens=None, input_tokens=10, output_tokens=10)
    found = runs(row, replace(row, max_num_batched_tokens=512), replace(row, concurrency=None))
    assert found.step_tokens.tolist() == [tokens, 512, tokens]
    assert found.places[0] == places
    assert found.in_flight[2] == places  # short requests: the limit of the batch binds, not the cache


@pytest.mark.parametrize(
    ("gpu", "version", "offline", "tokens", "places"),
    [
        ("A100-80GB", "0.12.0", False, 2048, 256),
        ("A100-80GB", "0.8.5", False, 8192, 1024),
        ("B200", "0.19.0", False, 8192, 1024),
        ("B200", "0.33.0", False, 16384, 1024),
        ("H100", "0.12.0", True, 16384, 1024),
    ],
)
def test_vllms_limits_follow_gpu_release_and_use(
    gpu: str, version: str, offline: bool, tokens: float, places: float
) -> None:
    row = replace(
        ROW, engine="vllm", gpu=gpu, engine_version=version, offline=offline, max_num_batched_tokens=None, date=""
    )
    assert runs(row).step_tokens.tolist() == [tokens]
    assert runs(row).places[0] == places


def test_a_saturated_run_holds_what_fits_the_cache() -> None:
    row = replace(ROW, concurrency=None, input_tokens=8000.0, regime="saturation")
    given = subject(row)
    fit = memory_fit(
        given.model, given.quantization, given.gpu, tensor_parallel_size=1, max_num_seqs=64, max_model_len=1,
        gpu_memory_utilization=0.9,
    )  # fmt: skip
    assert isinstance(fit, MemoryFit)
    assert runs(row).in_flight[0] == pytest.approx(fit.sequences(8050.0))
    assert 1 < runs(row).in_flight[0] < 10
    # TensorRT-LLM reserves the whole answer when it admits a request, the others take blocks as they go
    answers = replace(row, input_tokens=500.0, output_tokens=4000.0)
    assert runs(replace(answers, engine="trt-llm")).in_flight < runs(answers).in_flight


# The formula


def test_tpot_is_the_clocks_own() -> None:
    assert by_formula(ROW).tpot_ms[0] == pytest.approx(CLOCK.tpot_ms(8, 500, 100))


def test_the_first_token_waits_for_those_that_start_with_it() -> None:
    """Half of the others where all requests are equal, a tenth where they vary; TPOT does not depend on that."""
    added = CLOCK.prefill_added_ms(8, 8 * 550, 500)
    step = CLOCK.step_ms(8, 8 * 550)
    equal, varied = by_formula(ROW), by_formula(replace(ROW, lengths="spread"))
    assert equal.ttft_ms[0] == pytest.approx(step + added * (1 + 0.5 * 7))
    assert varied.ttft_ms[0] == pytest.approx(step + added * (1 + CROWDING * 7))
    assert equal.tpot_ms == varied.tpot_ms


def test_the_rate_is_littles_law() -> None:
    found = by_formula(ROW)
    life_ms = found.ttft_ms[0] + 99 * found.tpot_ms[0]
    assert found.rate[0] == pytest.approx(8 * 100 / life_ms * 1e3)


def test_a_saturated_rate_shares_each_prompt_among_all() -> None:
    row = replace(ROW, concurrency=None, regime="saturation")
    n = runs(row).in_flight[0]
    step, added = CLOCK.step_ms(n, n * 550), CLOCK.prefill_added_ms(n, n * 550, 500)
    assert by_formula(row).rate[0] == pytest.approx(1e3 * 100 * n / (100 * step + n * added))


def test_a_faster_loop_yields_more() -> None:
    for figures in (by_formula, by_simulator):
        found = figures(*(replace(ROW, concurrency=n) for n in (1, 4, 16, 64)))
        assert found.rate.tolist() == sorted(found.rate)
        assert found.tpot_ms.tolist() == sorted(found.tpot_ms)
        alone = 1e3 * 100 / (CLOCK.prefill_ms(500) + 99 * CLOCK.step_ms(1, 550))
        assert found.rate[0] == pytest.approx(alone, rel=0.01)


def test_each_run_reports_its_own_figure_and_only_ttft_has_the_entry() -> None:
    figures = Figures(np.array([100.0] * 3), np.array([20.0] * 3), np.array([700.0] * 3))
    found = figures.by_metric(np.array(["ttft", "tpot", "throughput"]), np.array([30.0] * 3))
    assert found.tolist() == [130.0, 20.0, 700.0]


def test_what_the_formula_lacks_of_the_simulator_is_a_factor() -> None:
    measured = [ROW, replace(ROW, concurrency=64, lengths="spread")]
    formula, simulator = by_formula(*measured), by_simulator(*measured)
    again = formula.times(simulator.over(formula))
    for name in ("ttft_ms", "tpot_ms", "rate"):
        assert getattr(again, name) == pytest.approx(getattr(simulator, name), rel=1e-12)


# The simulator


def test_tpot_agrees_with_the_engine_step_by_step() -> None:
    """A closed loop of eight clients, run through the reference engine."""
    finished = Engine(CLOCK, 64, 1e6).run_closed([Request(40.0 * k, 500, 100) for k in range(8)], rounds=12)
    told = [request.tpot_ms for request in finished[8:]]
    assert by_formula(ROW).tpot_ms[0] == pytest.approx(np.mean(told), rel=0.03)
    assert by_simulator(ROW).tpot_ms[0] == pytest.approx(np.median(told), rel=0.03)


def test_ttft_is_the_mean_with_the_first_wave() -> None:
    """All clients start at once, so the first wave waits for each other's prompts; the mean is over every request."""
    clients = 16
    row = replace(ROW, concurrency=clients, input_tokens=2000.0)
    finished = Engine(CLOCK, 64, 1e6).run_closed([Request(0.0, 2000, 100) for _ in range(clients)], rounds=10)
    assert len(finished) == 10 * clients
    every = [request.ttft_ms for request in finished]
    later = [request.ttft_ms for request in finished if request.arrival_ms > 0]
    found = by_simulator(row).ttft_ms[0]
    assert found == pytest.approx(np.mean(every), rel=0.05)
    assert np.mean(every) > 1.1 * np.mean(later)


def test_saturated_runs_keep_the_formula() -> None:
    row = replace(ROW, concurrency=None, regime="saturation")
    formula, both = by_formula(row), by_simulator(row, ROW)
    assert (both.rate[0], both.tpot_ms[0]) == (formula.rate[0], formula.tpot_ms[0])
    assert both.ttft_ms[1] == by_simulator(ROW).ttft_ms[0]


def test_a_cache_that_is_too_small_makes_clients_wait() -> None:
    """A run that says it was limited has the cache of its GPU; what does not fit it waits before its first token."""
    many = replace(ROW, concurrency=64, input_tokens=2000.0, output_tokens=500.0)
    free, limited = by_simulator(many), by_simulator(replace(many, regime="kv_or_seq_limited"))
    assert limited.ttft_ms[0] > 3 * free.ttft_ms[0]
    assert limited.tpot_ms[0] < free.tpot_ms[0]


def test_equal_runs_are_told_the_same_wherever_they_stand() -> None:
    measured = [replace(ROW, concurrency=n) for n in (4, 16, 4, 32, 16)]
    found = by_simulator(*measured)
    assert found.ttft_ms[0] == found.ttft_ms[2]
    assert found.ttft_ms[1] == found.ttft_ms[4]
    assert found.ttft_ms[3] == by_simulator(measured[3]).ttft_ms[0]


@pytest.mark.parametrize("factor", [1.2, 3.0])
def test_a_slower_engine_takes_longer_and_yields_less(factor: float) -> None:
    measured = [ROW, replace(ROW, concurrency=64), replace(ROW, concurrency=None, regime="saturation")]
    for figures in (by_formula, by_simulator):
        plain, slow = figures(*measured), figures(*measured, clock=CLOCK.slower_by(factor))
        assert slow.ttft_ms == pytest.approx(factor * plain.ttft_ms, rel=1e-6)
        assert slow.tpot_ms == pytest.approx(factor * plain.tpot_ms, rel=1e-6)
        assert slow.rate == pytest.approx(plain.rate / factor, rel=1e-6)
