"""Which runs may calibrate, and why others may not."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from measurement.calibration.refusals import (
    FASTEST_SHARE,
    climbs,
    expectation_refusals,
    least_compute_ms,
    refusals,
    run_refusals,
)
from measurement.calibration.runs import BenchRun, Deployment, Latency
from measurement.evidence.deployed_runs import stored_quantization
from measurement.files.fit_files import load_measurements
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from tests.measurement.calibration.own_runs import class_of, good_run, measured, open_run, own


def codes(run: BenchRun, ran_on: Deployment | None = None) -> list[str]:
    found = refusals(own(run, ran_on))
    assert all(refusal.message and refusal.hint for refusal in found)
    return [refusal.code for refusal in found]


@pytest.mark.parametrize("run", [good_run(1), good_run(8), good_run(32, inputs=512), open_run(0.8)])
def test_a_good_run_has_nothing_against_it(run: BenchRun) -> None:
    assert codes(run) == []


def test_a_hundred_requests_are_enough_and_fewer_are_not() -> None:
    run = replace(good_run(1), completed=99, duration_s=99 * 8.6)
    assert codes(run) == ["CAL010"]
    assert codes(replace(run, completed=100, duration_s=100 * 8.6)) == []


def test_two_in_a_hundred_may_fail() -> None:
    run = replace(good_run(20, inputs=256), completed=980)
    run = replace(run, duration_s=980 / 20 * (run.mean_e2e_ms or 0) / 1e3)
    assert codes(replace(run, failed=20)) == []
    assert codes(replace(run, failed=21)) == ["CAL011"]


def test_everything_at_once_is_saturated() -> None:
    assert codes(replace(good_run(8), concurrency=None)) == ["CAL012"]


@pytest.mark.parametrize(("reached", "refused"), [(0.95, []), (0.89, ["CAL012"]), (0.5, ["CAL012"])])
def test_a_rate_must_be_reached(reached: float, refused: list[str]) -> None:
    run = open_run(1.0)
    assert codes(replace(run, duration_s=run.completed / reached)) == refused


def test_a_short_run_that_only_ends_late_is_told_to_be_longer() -> None:
    """100 requests at 4/s take 25 s to send; the last one's 8 s are the end of the run, no queue."""
    run = replace(open_run(4.0, inputs=128), completed=100, duration_s=33.5, in_order_ms=(700.0, 710.0) * 50)
    (found,) = [refusal for refusal in run_refusals(run) if refusal.code == "CAL012"]
    assert "longer" in found.hint
    queued = replace(run, in_order_ms=tuple(700.0 + 40 * n for n in range(100)))
    (found,) = [refusal for refusal in run_refusals(queued) if refusal.code == "CAL012"]
    assert "offer less" in found.hint


def test_latencies_that_climb_to_the_end_are_a_queue() -> None:
    run = open_run(0.8)
    queue = tuple(700.0 + 15.0 * n for n in range(200))
    assert codes(replace(run, in_order_ms=queue)) == ["CAL012"]
    assert codes(replace(run, in_order_ms=tuple(reversed(queue)))) == []


@pytest.mark.parametrize("seed", range(20))
def test_chance_is_no_climb(seed: int) -> None:
    draw = random.Random(seed)
    assert not climbs([draw.lognormvariate(6.0, 0.6) for _ in range(300)])
    assert not climbs([draw.lognormvariate(6.0, 0.6) for _ in range(29)])
    assert climbs([draw.lognormvariate(6.0, 0.1) * (1 + n / 100) for n in range(300)])


def test_more_in_flight_than_the_cache_holds_is_a_queue() -> None:
    """An L4 holds some dozens of sequences of 4,096 tokens of an 8B model in fp8."""
    assert codes(good_run(8, inputs=4096, ttft=1700.0)) == []
    assert codes(good_run(400, inputs=4096, tpot=900.0, ttft=90000.0)) == ["CAL012"]


def test_a_client_that_does_not_fill_its_places_is_slow() -> None:
    run = good_run(16, inputs=256)
    assert codes(replace(run, duration_s=1.5 * run.duration_s)) == ["CAL013"]
    assert codes(replace(run, duration_s=1.05 * run.duration_s)) == []


def test_few_rounds_are_start_and_end() -> None:
    run = good_run(64, inputs=256)
    short = replace(run, completed=150, duration_s=150 / 64 * (run.mean_e2e_ms or 0) / 1e3)
    assert codes(short) == ["CAL013"]


def test_a_client_that_sends_late_is_slow() -> None:
    assert codes(replace(good_run(8), client_delay_ms=500.0)) == []
    assert codes(replace(good_run(8), client_delay_ms=1200.0)) == ["CAL013"]
    assert codes(replace(good_run(8), doubts=("conversations were loaded late",))) == ["CAL013"]


def test_an_open_loop_shorter_than_three_of_its_requests_is_start_and_end() -> None:
    run = replace(open_run(5.0, inputs=128), completed=110, duration_s=22.0)
    assert "CAL013" in codes(run)


def test_cached_or_repeated_prompts_are_a_warm_cache() -> None:
    assert codes(replace(good_run(8), cached_tokens=40.0)) == []  # a chat template's common beginning
    assert codes(replace(good_run(8), cached_tokens=600.0)) == ["CAL014"]
    assert codes(replace(good_run(8), repeated_prompts="150 of 160 prompts were sent before")) == ["CAL014"]


def test_a_first_token_sooner_than_the_gpu_can_compute_is_a_warm_cache() -> None:
    """4,096 tokens × 2 × 7 G active weights take 0.32 s at 75 % of an L4's 242 fp8 TFLOPS."""
    least = least_compute_ms(class_of(), 4096)
    shape = class_of().model.architecture
    assert least == pytest.approx(2e3 * shape.dense_params * 4096 / (FASTEST_SHARE * 242e12))
    assert codes(good_run(8, inputs=4096, ttft=1.05 * least)) == []
    assert codes(good_run(8, inputs=4096, ttft=0.9 * least)) == ["CAL014"]
    assert codes(good_run(8, inputs=4096, ttft=0.6 * least), class_of(ranks=2)) == []


def test_a_run_that_computed_more_than_the_gpu_can_is_a_warm_cache() -> None:
    """Late first tokens hide it from one prompt; the tokens of the whole run do not."""
    run = good_run(64, inputs=8000, outputs=16, tpot=40.0, ttft=9000.0)
    ran_on = class_of("llama-3.1-8b-instruct", "H100", 1, "fp8")
    assert "CAL014" not in [r.code for r in refusals(own(run, ran_on))]
    fast = good_run(64, inputs=8000, outputs=16, tpot=40.0, ttft=3500.0)
    (found,) = [r for r in refusals(own(fast, ran_on)) if r.code == "CAL014"]
    assert "the run took" in found.message


def test_no_published_prompt_beats_the_floor() -> None:
    """The bound is a bound: not one of the published times to the first token lies below it, most far above.

    Copies of the attention share out the prompts, so that only runs without them are held against one engine's bound.
    """
    catalog = load_catalog()
    ratios = []
    for run in load_measurements(catalog):
        model, gpu = catalog.models[run.model], catalog.all_gpus[run.gpu]
        if run.figure.kind == "ttft" and run.data_parallel_size == 1 and run.value is not None:
            quantization = stored_quantization(model, run.dense, run.experts)
            ran_on = Deployment(model, quantization, gpu, run.tensor_parallel_size)
            ratios.append(run.value / least_compute_ms(ran_on, run.input_tokens))
    assert len(ratios) > 500
    assert 1.0 < min(ratios) < 2.0


def test_a_token_sooner_than_its_weights_are_read_was_not_made_there() -> None:
    assert codes(good_run(1, tpot=12.0)) == ["CAL003"]
    assert codes(good_run(1, tpot=12.0), class_of(gpu="H100")) == []


def test_a_replica_that_does_not_load_was_not_measured() -> None:
    assert codes(good_run(8), class_of("llama-3.3-70b-instruct", "L4", 1, "fp8")) == ["CAL003"]
    assert codes(good_run(8), class_of("deepseek-r1", "A10G", 1, "fp8-block")) == ["CAL003"]
    assert codes(good_run(1, inputs=131_000, outputs=500, ttft=20_000.0), class_of(gpu="H100")) == ["CAL003"]


@pytest.mark.parametrize("ranks", [3, 16])
def test_a_number_of_gpus_that_is_not_modelled_was_not_measured(ranks: int) -> None:
    """Three do not divide the attention heads; sixteen span several nodes, whose links no figure is made for."""
    assert codes(good_run(8), class_of(gpu="H100", ranks=ranks)) == ["CAL003"]


@pytest.mark.parametrize(
    ("slower", "refused"), [(1.0, []), (2.5, []), (0.5, []), (3.5, ["CAL016"]), (0.25, ["CAL016"])]
)
def test_a_run_far_off_the_model_was_of_something_else(slower: float, refused: list[str]) -> None:
    (run,) = measured(slower, conditions=((1, 128, 128),))
    found = expectation_refusals(run, load_coefficients())
    assert [refusal.code for refusal in found] == refused
    assert all("--gpu, --tensor-parallel-size, --quantization" in refusal.hint for refusal in found)


def test_an_open_loop_is_held_to_the_model_too() -> None:
    run = open_run(0.8)
    assert expectation_refusals(own(run), load_coefficients()) == ()
    (found,) = expectation_refusals(own(run, class_of(gpu="H100")), load_coefficients())
    assert found.code == "CAL016"


def test_a_run_without_tpot_is_held_to_nothing() -> None:
    assert expectation_refusals(own(replace(good_run(8, outputs=1), tpot_ms=Latency())), load_coefficients()) == ()


def test_conditions_that_are_not_modelled_are_refused() -> None:
    assert codes(replace(good_run(8), strange=("tokens were drafted by speculative decoding",))) == ["CAL015"]
    assert codes(good_run(8), class_of(version="0.5.4")) == ["CAL015"]
    assert codes(good_run(8), class_of(version="0.33.0")) == []


def test_all_reasons_are_told_at_once() -> None:
    run = replace(good_run(8), completed=50, failed=5, cached_tokens=900.0, duration_s=200.0, strange=("a ramp",))
    assert sorted(codes(run)) == ["CAL010", "CAL011", "CAL013", "CAL014", "CAL015"]


def test_a_run_without_tpot_may_still_be_judged() -> None:
    run = replace(good_run(8, outputs=1), tpot_ms=Latency())
    assert codes(run) == []
