"""Own runs as corrections: how far a factor is believed, what counts as measured, how wide the range stays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from measurement.calibration.corrections import calibrations, shrunk_factor
from measurement.calibration.runs import OwnRun, expected_figures
from measurement.evidence.deployed_runs import DeployedRun
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.calibration import Calibration, Caps, Correction, evidence
from planner.performance.coefficients import Coefficients, Quantiles
from planner.plan.parts import Provenance
from tests.measurement.calibration.own_runs import CONDITIONS, measured, own, unrefined

SHIPPED = load_coefficients()
GPUS = load_catalog().gpus
CLASS = "llama-3.1-8b-instruct/fp8"


def of(runs: Sequence[OwnRun], caps: dict[str, Caps] | None = None) -> dict[str, Calibration]:
    return calibrations(runs, caps or {}, GPUS, SHIPPED, unrefined)


def correction(runs: Sequence[OwnRun]) -> Correction:
    return of(runs)["L4"].corrections[CLASS]


@pytest.mark.parametrize("k", [1, 2, 3, 6, 30])
def test_a_factor_is_believed_by_k_over_k_plus_three(k: int) -> None:
    assert shrunk_factor([math.log(1.4)] * k) == pytest.approx(1.4 ** (k / (k + 3)))
    assert shrunk_factor([]) == 1.0


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_gpu_that_is_slower_gets_its_factor(count: int) -> None:
    found = correction(measured(1.3, conditions=CONDITIONS[:count]))
    assert found.step == pytest.approx(1.3 ** (count / (count + 3)), rel=0.01)
    assert (found.conditions, found.tensor_parallel_sizes) == (count, (1,))


def test_first_tokens_get_a_factor_of_their_own_only_where_they_need_it() -> None:
    assert correction(measured(1.0, 1.05)).first_token == 1.0
    late = correction(measured(1.0, 1.6))
    assert late.first_token == pytest.approx(1.6 ** (6 / 9), rel=0.02)
    assert late.step == pytest.approx(1.0, abs=0.01)


def test_repetitions_are_no_further_evidence() -> None:
    once = measured(1.3, conditions=CONDITIONS[:2])
    thrice = [replace(run, digest=f"sha256:{n:064x}") for n in range(3) for run in once]
    assert correction(thrice) == correction(once)


def test_a_correction_predicts_the_runs_better_than_the_shipped_model() -> None:
    runs = measured(1.4, 1.3)
    calibration = of(runs)["L4"]
    found = calibration.corrections[CLASS]
    for run, before, after in zip(
        runs,
        expected_figures(runs, SHIPPED, [1.0] * len(runs)),
        expected_figures(runs, calibration.coefficients, [found.step] * len(runs)),
        strict=True,
    ):
        tpot, ttft = run.figures()["tpot"], run.figures()["ttft"]
        assert abs(math.log(tpot / after.tpot_ms)) < 0.5 * abs(math.log(tpot / before.tpot_ms))
        assert abs(math.log(ttft / (after.ttft_ms * found.first_token))) < 0.7 * abs(math.log(ttft / before.ttft_ms))


def test_residuals_are_of_runs_that_their_factor_did_not_see() -> None:
    """Six runs that are 1.3 times slower, each by the five others: 1.3 to the 3/8 is left of each."""
    residuals = correction(measured(1.3)).residuals["step"]
    left = 3 / 8 * math.log(1.3)
    assert residuals.rows == 6
    assert math.log(residuals.p50) == pytest.approx(left, rel=0.05)
    assert math.log(residuals.p90) == pytest.approx(1.2816 * left * math.sqrt(7 / 5), rel=0.05)
    assert residuals.p10 * residuals.p90 == pytest.approx(1.0)
    assert correction(measured(1.3, conditions=CONDITIONS[:1])).residuals == {}


def test_the_refit_hears_the_rows_of_its_own_gpu_only() -> None:
    heard: list[list[str]] = []

    def refine(start: Coefficients, rows: Sequence[DeployedRun]) -> Coefficients:
        heard.append(sorted({row.run.gpu for row in rows}))
        return replace(start, overhead_ms=start.overhead_ms * 2)

    runs = [*measured(1.0, conditions=CONDITIONS[:2]), *measured(1.0, conditions=CONDITIONS[:2], gpu="H100")]
    found = calibrations(runs, {}, GPUS, SHIPPED, refine)
    assert heard == [["H100"], ["L4"]]
    assert all(each.coefficients.overhead_ms == 2 * SHIPPED.overhead_ms for each in found.values())


def test_the_order_of_files_changes_nothing() -> None:
    runs = measured(1.3, 1.2)
    assert of(runs) == of(tuple(reversed(runs)))


def test_a_micro_benchmark_alone_is_a_calibration() -> None:
    found = of([], {"L4": Caps(0.5)})
    assert found["L4"].coefficients.dense_bandwidth <= 0.5
    assert found["L4"].corrections == {}
    known = evidence(SHIPPED, found["L4"], "L4", CLASS, 1)
    assert (known.provenance, known.step) == ("calibrated", 1.0)


# What plans take from it.


def test_without_a_calibration_everything_is_as_shipped() -> None:
    for gpu in GPUS:
        known = evidence(SHIPPED, None, gpu, CLASS, 1)
        assert (known.coefficients, known.step, known.first_token) == (SHIPPED, 1.0, 1.0)
        assert (known.provenance, known.margin) == (SHIPPED.provenance(gpu), SHIPPED.margin(gpu))
        assert known.interval == SHIPPED.interval(gpu)


def test_only_the_very_class_is_measured() -> None:
    calibration = of(measured(1.3))["L4"]
    very = evidence(SHIPPED, calibration, "L4", CLASS, 1)
    other_size = evidence(SHIPPED, calibration, "L4", CLASS, 2)
    other_model = evidence(SHIPPED, calibration, "L4", "qwen3-8b/fp8", 1)
    assert (very.provenance, other_size.provenance, other_model.provenance) == ("measured", "calibrated", "calibrated")
    assert very.step == other_size.step > 1.1
    assert other_model.step == 1.0


def test_the_more_runs_the_narrower_but_never_narrower_than_they_support() -> None:
    """Runs that the model predicts exactly still leave the share of doubt that k runs cannot take away."""
    widths = []
    for count in (1, 2, 4, 6):
        found = of(measured(1.0, conditions=CONDITIONS[:count]))["L4"]
        known = evidence(SHIPPED, found, "L4", CLASS, 1)
        low, high = known.interval
        assert low < 1.0 < high == known.margin
        widths.append(math.log(high / low))
        untold = evidence(SHIPPED, found, "L4", "another/fp8", 1).interval
        assert math.log(high) >= math.sqrt(3 / (count + 3)) * math.log(untold[1]) * 0.999
    assert all(more <= fewer * (1 + 1e-12) for fewer, more in pairwise(widths))
    assert widths[0] > 1.2 * widths[-1]


def test_runs_that_scatter_widen_the_range() -> None:
    even = measured(1.0)
    noisy = [
        own(replace(run.run, tpot_ms=run.run.tpot_ms.times(1.6 if n % 2 else 1 / 1.6)), number=n)
        for n, run in enumerate(even)
    ]
    quiet, loud = (evidence(SHIPPED, of(runs)["L4"], "L4", CLASS, 1) for runs in (even, noisy))
    assert loud.interval[1] > 1.2 * quiet.interval[1]
    assert loud.interval[0] < quiet.interval[0]


def test_a_gpu_moves_from_analytic_to_calibrated_as_runs_come_together() -> None:
    quantiles: dict[Provenance, Quantiles] = {
        "calibrated": Quantiles(100, 0.8, 1.0, 1.2),
        "analytic": Quantiles(100, 0.5, 1.0, 2.0),
    }
    shipped = replace(
        SHIPPED,
        measured_rows={},
        residuals={name: {**SHIPPED.residuals[name], "step": q} for name, q in quantiles.items()},
    )
    bare = Calibration(shipped, {}, None)
    highs = []
    for runs in (0, 3, 27):
        found = replace(bare, corrections={"other/bf16": Correction(1.0, 1.0, runs, (1,), {})} if runs else {})
        known = evidence(shipped, found, "T4", CLASS, 1)
        assert known.provenance == ("calibrated" if runs else "analytic")
        highs.append(known.interval[1])
    assert highs[0] == pytest.approx(2.0)
    assert highs[1] == pytest.approx(math.sqrt(2.0 * 1.2))
    assert highs[2] == pytest.approx(1.2**0.9 * 2.0**0.1)


def test_a_margin_is_never_below_one() -> None:
    fast = Correction(0.7, 1.0, 6, (1,), {"step": Quantiles(6, 0.99, 1.0, 1.01)})
    known = evidence(SHIPPED, Calibration(SHIPPED, {CLASS: fast}), "L4", CLASS, 1)
    assert known.margin >= 1.0
    assert known.step == 0.7
