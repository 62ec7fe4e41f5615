"""A benchmark run in our own words: what is in flight, what ruled it, what the model would have expected."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from measurement.calibration.runs import Latency, closed_form_figures, expected_figures
from measurement.evidence.engines import step_tokens
from measurement.evidence.rows import FIGURES
from measurement.evidence.run_clocks import RunClocks
from planner.edges.performance_files import load_coefficients
from tests.measurement.calibration.own_runs import class_of, good_run, measured, open_run, own


def test_littles_law_gives_what_is_in_flight() -> None:
    assert good_run(8).in_flight == pytest.approx(8 / 1.02)
    assert open_run(0.5).in_flight == pytest.approx(0.99 * 0.5 * (0.742 + 127 * 0.0615))


def test_a_file_without_e2e_has_it_put_together() -> None:
    run = replace(good_run(8), e2e_ms=Latency())
    assert run.mean_e2e_ms == pytest.approx(742 + 127 * 61.5)
    assert replace(run, ttft_ms=Latency()).in_flight is None


@pytest.mark.parametrize(
    ("rate", "cap", "completed", "closed"),
    [
        (None, 8, 160, True),
        (1.0, None, 160, False),
        (0.5, 64, 78, False),  # the rate is reached, the cap never fills
        (5.0, 8, 155, True),  # the cap held it back: eight were in flight
        (5.0, 64, 155, False),  # neither: the client did not even fill the cap
    ],
)
def test_what_gave_way_rules_a_run_with_a_rate_and_a_cap(
    rate: float | None, cap: int | None, completed: int, closed: bool
) -> None:
    run = replace(good_run(8), rate_per_s=rate, concurrency=cap, completed=completed, duration_s=160.0)
    assert run.is_closed_loop is closed
    assert run.load == (cap if closed else pytest.approx(max(1.0, run.in_flight or 0.0)))


def test_repetitions_are_one_condition_and_other_lengths_another() -> None:
    first, again = own(good_run(8), number=1), own(good_run(8, tpot=63.0), number=2)
    assert first.condition == again.condition
    others = [good_run(9), good_run(8, inputs=2048), good_run(8, outputs=256), open_run(1.0)]
    assert len({first.condition, *(own(run).condition for run in others)}) == 5
    assert own(good_run(8), class_of(ranks=2)).condition != first.condition


def test_a_closed_loop_gives_a_fit_both_figures_and_an_open_one_its_steps() -> None:
    rows = own(good_run(8)).fitted_runs()
    assert [(row.run.figure, row.run.value) for row in rows] == [(FIGURES["tpot"], 61.5), (FIGURES["ttft"], 742.0)]
    assert {(r.run.gpu, r.run.concurrency, r.run.engine_key, r.engines) for r in rows} == {("L4", 8, "vllm", 1)}
    assert [row.run.figure for row in own(open_run(1.0)).fitted_runs()] == [FIGURES["tpot"]]
    assert [row.run.figure for row in own(good_run(8, outputs=1)).fitted_runs()] == [FIGURES["ttft"]]


def test_a_row_of_an_own_run_has_its_deployment_and_its_conditions() -> None:
    ran_on = replace(class_of(gpu="H100", ranks=2, version="0.33.0"), max_num_batched_tokens=4096)
    row = own(good_run(16, inputs=2048, outputs=256), ran_on).fitted_runs()[0]
    run = row.run
    assert (run.model, run.dense, run.experts, run.kv) == ("llama-3.1-8b-instruct", "fp8", "fp8", "bf16")
    assert (run.gpu, run.gpus, run.tensor_parallel_size, run.engine_version) == ("H100", 2, 2, "0.33.0")
    assert (run.input_tokens, run.output_tokens, run.lengths, run.concurrency) == (2048, 256, "fixed", 16)
    assert (row.step_tokens, row.kv_tokens) == (4096, math.inf)
    assert (run.source, run.quality, run.id) == ("own", "A", "own-000000000000")
    conditions = own(good_run(16, inputs=2048, outputs=256), ran_on).conditions()
    assert replace(conditions, run=replace(conditions.run, value=run.value)) == row


def test_expectations_follow_the_steps_of_the_clock() -> None:
    """Twice as long a step is twice as long a token, and a first token that is later by the same share of its steps."""
    c, run = load_coefficients(), own(good_run(16))
    (once,), (twice,) = (expected_figures([run], c, [factor]) for factor in (1.0, 2.0))
    assert twice.tpot_ms == pytest.approx(2 * once.tpot_ms, rel=0.01)
    entry = c.engines["vllm"].entry_ms + 16 * c.engines["vllm"].entry_ms_per_request
    assert twice.ttft_ms - entry == pytest.approx(2 * (once.ttft_ms - entry), rel=0.02)


def test_the_closed_form_is_near_the_simulator_for_one_client() -> None:
    run = own(good_run(1))
    (told,) = expected_figures([run], load_coefficients(), [1.0])
    quick = closed_form_figures(run.deployment, 1, 1024, 128, load_coefficients())
    assert quick.tpot_ms == pytest.approx(told.tpot_ms, rel=0.02)
    assert quick.ttft_ms == pytest.approx(told.ttft_ms, rel=0.1)


def test_first_tokens_wait_longer_the_more_is_offered() -> None:
    c = load_coefficients()
    slow, fast = (expected_figures([own(open_run(rate))], c, [1.0])[0] for rate in (0.2, 1.5))
    assert slow.ttft_ms < fast.ttft_ms
    assert slow.tpot_ms < fast.tpot_ms


def test_nothing_is_expected_of_no_runs() -> None:
    assert expected_figures([], load_coefficients(), []) == ()


def test_tokens_of_a_step_are_the_engines_default_unless_stated() -> None:
    assert class_of().batched_tokens == step_tokens("vllm", class_of().gpu)
    assert replace(class_of(), max_num_batched_tokens=4096).batched_tokens == 4096


def test_api_servers_share_the_sequences_in_the_clock_and_in_the_fit() -> None:
    shipped = load_coefficients()
    one, four = class_of(), replace(class_of(), api_server_count=4)
    sending = one.clock(shipped, 1024).server_ms_per_sequence
    assert sending == shipped.engines["vllm"].server_ms_per_token > 0
    assert four.clock(shipped, 1024) == replace(one.clock(shipped, 1024), server_ms_per_sequence=sending / 4)
    rows = [
        each
        for ran_on in (one, four)
        for each in own(good_run(), ran_on).fitted_runs()
        if each.run.figure.kind == "tpot"
    ]
    assert list(RunClocks(rows).clocks(shipped).server_ms_per_sequence) == pytest.approx([sending, sending / 4])


def test_a_run_that_one_server_holds_up_is_quicker_with_four() -> None:
    shipped = load_coefficients()
    vllm = replace(shipped.engines["vllm"], server_ms_per_token=5.0)
    slow = replace(shipped, engines={**shipped.engines, "vllm": vllm})
    runs = [own(good_run(64), replace(class_of(), api_server_count=servers)) for servers in (1, 4)]
    one, four = expected_figures(runs, slow, [1.0, 1.0])
    assert one.tpot_ms > 0.95 * 5.0 * 64
    assert four.tpot_ms < one.tpot_ms / 2


def test_measured_runs_of_the_tests_are_what_they_claim() -> None:
    """The factor of the other tests: a run on a replica 1.3 times slower has tokens 1.3 times as long."""
    (plain,), (slow,) = measured(1.0, conditions=((8, 1024, 128),)), measured(1.3, conditions=((8, 1024, 128),))
    assert slow.figures()["tpot"] == pytest.approx(1.3 * plain.figures()["tpot"], rel=0.01)
