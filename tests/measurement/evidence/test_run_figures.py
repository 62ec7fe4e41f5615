"""What a run would report, from a clock and by formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from measurement.evidence.published import PublishedRun
from measurement.evidence.run_figures import CROWDING, Figures, RunConditions, closed_form
from planner.performance.step_time import StepClock, clock_table
from tests.measurement.evidence import rows
from tests.measurement.evidence.rows import deployed
from tests.planner.performance.clocks import CLOCK

ROW = replace(rows.ROW, input_tokens=500.0, output_tokens=100.0, lengths="fixed", max_num_batched_tokens=8192)
AT_ONCE = replace(ROW, concurrency=None, regime="saturation")


def conditions(*runs: PublishedRun) -> RunConditions:
    return RunConditions.of([deployed(run) for run in runs])


def by_formula(*runs: PublishedRun, clock: StepClock = CLOCK, entry_ms: float = 0.0) -> Figures:
    return closed_form(conditions(*runs), clock_table([clock] * len(runs), 1), np.full(len(runs), entry_ms))


def test_a_row_becomes_the_conditions_of_its_run() -> None:
    found = conditions(ROW, replace(ROW, lengths="not stated", concurrency=300))
    assert found.inputs.tolist() == [500, 500]
    assert found.outputs.tolist() == [100, 100]
    assert found.clients.tolist() == [8, 300]
    assert found.held.tolist() == [8, 256]  # the engine's own limit, as nothing else is stated
    assert found.fixed.tolist() == [True, False]
    assert found.step_tokens.tolist() == [8192, 8192]
    assert found.engines.tolist() == [1, 1]
    assert found.only(np.array([False, True])).clients.tolist() == [300]


def test_lengths_are_fixed_where_all_are_the_same() -> None:
    found = conditions(
        replace(ROW, lengths="fixed", length_low=1.0, length_high=1.0),
        replace(ROW, lengths="uniform", length_low=0.5, length_high=1.5),
        replace(ROW, lengths="natural"),
    )
    assert found.fixed.tolist() == [True, False, False]


def test_a_run_that_offers_everything_at_once_has_as_many_clients_as_the_engine_holds() -> None:
    found = conditions(AT_ONCE, replace(AT_ONCE, input_tokens=8000.0))
    assert found.clients.tolist() == [deployed(AT_ONCE).places, deployed(replace(AT_ONCE, input_tokens=8000.0)).places]
    assert found.held.tolist() == found.clients.tolist()
    assert found.held[1] < 10


def test_a_cache_that_holds_less_holds_fewer_clients() -> None:
    long = replace(ROW, concurrency=64, input_tokens=8000.0, regime="kv_or_seq_limited")
    found = conditions(long, replace(long, regime="fixed_concurrency"))
    assert found.clients.tolist() == [64, 64]
    assert found.held[0] == pytest.approx(deployed(long).kv_tokens / 8050.0)
    assert 1 < found.held[0] < 10
    assert found.held[1] == 64  # its source says that none waited


def test_copies_of_an_engine_share_the_clients_and_add_their_rates() -> None:
    four = replace(ROW, gpus=4, data_parallel_size=4, concurrency=32)
    assert conditions(four).clients.tolist() == [8]
    one, all_four = by_formula(ROW), by_formula(four)
    assert all_four.rate == pytest.approx(4 * one.rate)
    assert all_four.tpot_ms.tolist() == one.tpot_ms.tolist()


def test_tpot_is_the_clocks_own() -> None:
    assert by_formula(ROW).tpot_ms[0] == pytest.approx(CLOCK.tpot_ms(8, 500, 100))


def test_the_first_token_waits_for_those_that_start_with_it() -> None:
    """Half of the others where all requests are equal, a tenth where they vary; TPOT does not depend on that."""
    added = CLOCK.prefill_added_ms(8, 8 * 550, 500)
    step = CLOCK.step_ms(8, 8 * 550)
    equal, varied = by_formula(ROW), by_formula(replace(ROW, lengths="not stated"))
    assert equal.ttft_ms[0] == pytest.approx(step + added * (1 + 0.5 * 7))
    assert varied.ttft_ms[0] == pytest.approx(step + added * (1 + CROWDING * 7))
    assert equal.tpot_ms == varied.tpot_ms


def test_the_time_before_the_first_step_is_a_part_of_ttft_and_of_a_request() -> None:
    plain, late = by_formula(ROW), by_formula(ROW, entry_ms=30.0)
    assert late.ttft_ms[0] == pytest.approx(plain.ttft_ms[0] + 30.0)
    assert late.tpot_ms.tolist() == plain.tpot_ms.tolist()
    assert 1 / late.rate[0] == pytest.approx(1 / plain.rate[0] + 30.0 / (8 * 100 * 1e3))


def test_the_rate_is_littles_law() -> None:
    found = by_formula(ROW)
    life_ms = found.ttft_ms[0] + 99 * found.tpot_ms[0]
    assert found.rate[0] == pytest.approx(8 * 100 / life_ms * 1e3)


def test_long_prompts_take_several_steps() -> None:
    """Two chunks of 1,000 tokens each: two steps for the first token of a lone client, and two in each other's way."""
    row = replace(ROW, input_tokens=2000.0, max_num_batched_tokens=1000)
    n, context = 8, 8 * 2050
    step, shared = CLOCK.step_ms(n, context), CLOCK.step_ms(n, context, 1000, 1000)
    found = by_formula(row)
    assert found.tpot_ms[0] == pytest.approx(step + 7 / 100 * 2 * (shared - step))
    assert found.ttft_ms[0] == pytest.approx(2 * step + 2 * (shared - step) * (1 + 0.5 * 7))


def test_more_clients_than_the_server_keeps_up_with_bring_no_more_tokens() -> None:
    """Each token takes the server 0.5 ms, so that it sends 2,000 a second at most, however many clients there are."""
    slow, loads = replace(CLOCK, server_ms_per_sequence=0.5), [replace(ROW, concurrency=n) for n in (4, 100, 200)]
    few, many, more = by_formula(*loads, clock=slow).rate
    assert few == pytest.approx(by_formula(*loads).rate[0], rel=1e-3)
    assert (many, more) == pytest.approx((2000.0, 2000.0), rel=0.01)
    assert by_formula(*loads).rate[1] > 2500


@pytest.mark.parametrize(("share", "longer"), [(0.5, 1.0), (1.0, 2 ** (1 / 8)), (3.0, 3.0)])
def test_the_edge_between_engine_and_server_is_round(share: float, longer: float) -> None:
    """A lone client, whose server takes this share of a step: the slower one binds, and both where they are equal."""
    alone = replace(ROW, concurrency=1)
    engine_ms = CLOCK.step_ms(1, 550)
    found = by_formula(alone, clock=replace(CLOCK, server_ms_per_sequence=share * engine_ms)).tpot_ms[0]
    assert found == pytest.approx(longer * engine_ms, rel=1e-3)
    assert found >= max(1.0, share) * engine_ms


def test_each_run_reports_its_own_figure() -> None:
    figures = Figures(np.array([100.0] * 3), np.array([20.0] * 3), np.array([700.0] * 3))
    assert figures.by_metric(np.array(["ttft", "tpot", "throughput"])).tolist() == [100.0, 20.0, 700.0]
