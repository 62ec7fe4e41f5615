"""The intervals that ship."""

from __future__ import annotations

from pathlib import Path

from measurement.evidence.intervals import Interval, Intervals
from measurement.files.interval_files import INTERVALS, intervals_text, load_intervals

DATA = Path(__file__).parents[3] / "measurement" / "data"


def test_intervals_come_back_as_they_were_written() -> None:
    shipped = load_intervals()
    assert intervals_text(shipped) == (DATA / INTERVALS).read_text(encoding="utf-8")
    assert {each.kind for each in shipped.intervals if each.load is None and each.provenance is None} == {
        "tpot",
        "ttft",
        "throughput",
    }
    assert "null" in intervals_text(Intervals([Interval("tpot", None, None, 1, 1, 0.5, 2.0)]))
