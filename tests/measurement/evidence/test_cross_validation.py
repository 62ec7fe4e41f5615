"""Held-out predictions know nothing of the group that they judge, nor do their intervals of how far off it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from measurement.evidence import cross_validation
from measurement.evidence.cross_validation import GROUPS, CrossValidation, Group
from measurement.evidence.fit import UNKNOWNS
from measurement.evidence.held_out import Residual, quantiles
from measurement.evidence.intervals import Intervals, SourceResidual, intervals_of
from measurement.evidence.predictions import PredictedFigure, predict_rows
from measurement.files.fit_files import load_measurements
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.coefficients import Metric, Quantiles

CATALOG = load_catalog()
RUNS = tuple(run for run in load_measurements(CATALOG) if run.gpu in ("A10G", "L4", "A100-80GB-PCIe"))
"""Three GPUs with few rows, so that a fit takes a tenth of a second."""


@pytest.fixture(scope="module")
def plain() -> CrossValidation:
    return CrossValidation(RUNS, CATALOG)


@pytest.mark.parametrize("by", GROUPS)
def test_a_group_s_own_figures_change_nothing_of_what_is_predicted_of_it(by: Group, plain: CrossValidation) -> None:
    judged = GROUPS[by](RUNS[0])

    def mine(told: CrossValidation) -> list[float]:
        pairs = zip(RUNS, told.predictions(by), strict=True)
        return [each.value for run, each in pairs if GROUPS[by](run) == judged and isinstance(each, PredictedFigure)]

    doubled = [replace(run, value=2.0 * (run.value or 0.0)) if GROUPS[by](run) == judged else run for run in RUNS]
    before = mine(plain)
    assert before
    assert mine(CrossValidation(doubled, CATALOG)) == before


@pytest.mark.parametrize("by", ["cells", "gpus"])
def test_no_row_is_among_those_that_its_interval_comes_from(
    by: Group, plain: CrossValidation, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind: list[set[str]] = []

    def seen(residuals: list[Residual]) -> dict[Metric, Quantiles]:
        behind.append({each.run.id for each in residuals})
        return quantiles(residuals)

    monkeypatch.setattr(cross_validation, "quantiles", seen)
    plain.predictions(by)
    groups = list(dict.fromkeys(map(GROUPS[by], RUNS)))
    assert len(behind) == 2 * len(groups)  # calibrated and analytic
    for group, analytic in zip(groups, behind[::2], strict=True):
        assert analytic == {run.id for run in RUNS if GROUPS[by](run) != group}


def test_no_row_of_a_source_is_among_those_that_its_intervals_come_from(
    plain: CrossValidation, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind: list[set[str]] = []

    def seen(residuals: list[SourceResidual]) -> Intervals:
        behind.append({each.cell[0] for each in residuals})
        return intervals_of(residuals)

    monkeypatch.setattr(cross_validation, "intervals_of", seen)
    plain.predictions("sources")
    sources = list(dict.fromkeys(run.source for run in RUNS))
    assert len(sources) > 1
    assert behind == [set(sources) - {source} for source in sources]


def test_answers_stand_in_the_order_of_the_runs_and_differ_from_the_shipped_fit_s(plain: CrossValidation) -> None:
    for by in GROUPS:
        answers = plain.predictions(by)
        assert [answer.id for answer in answers] == [run.id for run in RUNS]
        assert all(isinstance(answer, PredictedFigure) and answer.low < answer.high for answer in answers)
        assert answers != predict_rows(RUNS, CATALOG, load_coefficients())


def test_runs_that_a_fit_cannot_hold_are_predicted_too(plain: CrossValidation) -> None:
    total = replace(RUNS[0].figure, quantity="total_rate")
    more = replace(RUNS[0], id="own-1", figure=total, value=None, family="own")
    answers = CrossValidation((*RUNS, more), CATALOG).predictions("cells")
    assert answers[:-1] == plain.predictions("cells")
    assert isinstance(answers[-1], PredictedFigure)


def test_too_few_rows_are_no_table_to_fit() -> None:
    told = f"5 rows of 2 GPUs can be fitted; it takes {len(UNKNOWNS)} rows of two GPUs"
    with pytest.raises(ValueError, match=f"^{told}$"):
        CrossValidation(RUNS[:5], CATALOG)
    with pytest.raises(ValueError, match="of 1 GPUs"):
        CrossValidation([replace(run, gpu="L4") for run in RUNS], CATALOG)
