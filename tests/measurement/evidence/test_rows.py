"""Runs become rows of the fit's table and come back; the shipped table is what the published rows become."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path

import pytest

from measurement.evidence.predictions import PredictedFigure, predict_rows
from measurement.evidence.published import PublishedRun, Unpredictable
from measurement.evidence.rows import fit_row, fit_rows, published_run
from measurement.files.fit_files import load_measurements, shipped_runs
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from tests.measurement.evidence.test_published import CATALOG, READER, read

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "data" / "benchmarks" / "measured.csv"


@pytest.mark.parametrize(
    "changed",
    [{"value": ""}, {"quality": "C"}, {"metric": "e2e_ms_mean"}, {"metric": "ttft_ms_p99"}, {"metric": "total_tok_s"},
     {"concurrency_or_rate": "4 req/s"}, {"metric": "itl_ms_p50"}],
)  # fmt: skip
def test_figures_that_the_table_of_the_fit_does_not_hold(changed: dict[str, str]) -> None:
    assert fit_row(read()) is not None
    assert fit_row(read(**changed)) is None


def test_requests_count_as_tokens_where_nothing_else_tells_them() -> None:
    requests = read(id="own-0002", metric="req_s", value="2.5")
    (row,) = fit_rows([requests])
    assert (row.metric, row.value) == ("throughput", 2.5 * 200.0)
    tokens = read(id="own-0003", metric="output_tok_s", value="498")
    elsewhere = read(id="own-0004", metric="req_s", value="2.5", concurrency_or_rate="9 concurrent")
    assert [row.id for row in fit_rows([requests, tokens, elsewhere])] == ["own-0003", "own-0004"]


@pytest.mark.parametrize("metric", ["tpot_ms_p50", "ttft_ms_p50", "output_tok_s"])
@pytest.mark.parametrize("flags", ["tp2", "tp2; fixed lengths"])
def test_a_row_of_the_table_is_predicted_as_its_run_was(metric: str, flags: str) -> None:
    run = read(metric=metric, flags=flags)
    row = fit_row(run)
    assert row is not None
    back = published_run(row, run.family)
    assert fit_row(back) == row
    answers = predict_rows([run, back], CATALOG, load_coefficients())
    assert isinstance(answers[0], PredictedFigure)
    assert answers[0] == answers[1]


def test_the_shipped_table_holds_models_of_one_shape_as_one_family() -> None:
    runs = shipped_runs(load_catalog())
    families = {run.model: run.family for run in runs}
    assert families["llama-3.3-70b-instruct"] == families["llama-3.1-70b-instruct"] == "llama-3-70b-instruct"
    assert families["qwen3-32b"] == "qwen3-32b"
    assert fit_rows(runs) == load_measurements()


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the raw benchmark rows are not beside this checkout")
def test_the_shipped_table_is_what_the_published_rows_become() -> None:
    shipped = {row.id: row for row in load_measurements()}
    with PUBLISHED.open(newline="") as file:
        runs = [READER.read(row) for row in csv.DictReader(file)]
    assert [run for run in runs if isinstance(run, Unpredictable)] == []
    made = {row.id: row for row in fit_rows([run for run in runs if isinstance(run, PublishedRun)])}
    assert set(made) == set(shipped)
    for key, row in made.items():
        ours, theirs = asdict(row), asdict(shipped[key])
        assert ours.pop("value") == pytest.approx(theirs.pop("value"), rel=1e-4)
        shapes = [CATALOG.models[each.pop("model")].architecture for each in (ours, theirs)]
        assert shapes[0].layers == shapes[1].layers
        assert shapes[0].params_total == pytest.approx(shapes[1].params_total, rel=0.01)
        assert ours == pytest.approx(theirs), key
