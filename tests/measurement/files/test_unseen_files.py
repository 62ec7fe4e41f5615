"""The table of sources that the fit never saw, and the intervals that ship."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from measurement.evidence.intervals import Interval, Intervals
from measurement.files.fit_files import shipped_runs
from measurement.files.interval_files import intervals_text, load_intervals, unseen_rows, unseen_runs
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
RAW = Path(__file__).parents[4] / "shared/data/benchmarks/more.csv"


def test_every_row_states_its_source_and_its_month() -> None:
    rows = unseen_rows()
    assert len(rows) == 442
    for row in rows:
        assert re.fullmatch(r"https://github\.com/[^/]+/[^/]+/tree/[0-9a-f]{7,40}", row["source"]), row["id"]
        assert re.fullmatch(r"20\d\d-\d\d", row["date"]), row["id"]
        assert row["quality"] in "AB"


def test_every_row_is_a_run_of_a_source_that_the_fit_did_not_see() -> None:
    runs = unseen_runs(CATALOG)
    assert len({run.id for run in runs}) == len(runs) == 442
    assert {run.source for run in runs}.isdisjoint(run.source for run in shipped_runs(CATALOG))
    assert len({run.source for run in runs}) == 6


def test_the_figures_are_those_that_were_published() -> None:
    if not RAW.exists():
        pytest.skip("the raw collection is not here")
    with RAW.open(encoding="utf-8") as file:
        raw = {row["id"]: row for row in csv.DictReader(file)}
    for row in unseen_rows():
        for name in ("metric", "value", "input_tokens", "output_tokens", "concurrency_or_rate", "flags", "regime"):
            assert row[name] == raw[row["id"]][name], (row["id"], name)


def test_intervals_come_back_as_they_were_written(tmp_path: Path) -> None:
    shipped = load_intervals()
    assert intervals_text(shipped) == (Path("measurement/data/intervals.json")).read_text(encoding="utf-8")
    assert {each.kind for each in shipped.intervals if each.load is None and each.provenance is None} == {
        "tpot",
        "ttft",
        "throughput",
    }
    assert "null" in intervals_text(Intervals([Interval("tpot", None, None, 1, 1, 0.5, 2.0)]))
