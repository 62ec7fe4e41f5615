"""Reads what ships of sources that the fit never saw: their rows, and the intervals that all sources give.

measurement/data/unseen.csv            the rows, in the columns of published tables
measurement/data/intervals.json        how far off each source is by a fit without it
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.resources import files

from pydantic import TypeAdapter

from measurement.evidence.intervals import Interval, Intervals
from measurement.evidence.published import PublishedRun, RowReader
from planner.domain.catalog import Catalog

UNSEEN, INTERVALS = "unseen.csv", "intervals.json"


def unseen_rows() -> tuple[Mapping[str, str], ...]:
    """The rows as words by column."""
    return tuple(csv.DictReader(_text(UNSEEN).splitlines()))


def unseen_runs(catalog: Catalog) -> tuple[PublishedRun, ...]:
    """The rows as the runs that reported them. Raises ValueError for one that cannot be read."""
    reader = RowReader(catalog)
    runs = []
    for row in unseen_rows():
        run = reader.read(row)
        if not isinstance(run, PublishedRun):
            raise ValueError(f"{UNSEEN}: {run.id}: {run.reason}")
        runs.append(run)
    return tuple(runs)


@lru_cache(maxsize=1)
def load_intervals() -> Intervals:
    """The intervals that ship with this version."""
    return Intervals(TypeAdapter(tuple[Interval, ...]).validate_json(_text(INTERVALS)))


def intervals_text(intervals: Intervals) -> str:
    """Intervals as a file holds them, one a line."""
    lines = (json.dumps(asdict(each), sort_keys=True) for each in intervals.intervals)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _text(name: str) -> str:
    return files("measurement").joinpath("data").joinpath(name).read_text(encoding="utf-8")
