"""Reads and writes `measurement/data/intervals.json`: how far off each source is by a fit without it."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache
from importlib.resources import files

from pydantic import TypeAdapter

from measurement.evidence.intervals import Interval, Intervals

INTERVALS = "intervals.json"


@lru_cache(maxsize=1)
def load_intervals() -> Intervals:
    """The intervals that ship with this version."""
    text = files("measurement").joinpath("data").joinpath(INTERVALS).read_text(encoding="utf-8")
    return Intervals(TypeAdapter(tuple[Interval, ...]).validate_json(text))


def intervals_text(intervals: Intervals) -> str:
    """Intervals as a file holds them, one a line."""
    lines = (json.dumps(asdict(each), sort_keys=True) for each in intervals.intervals)
    return "[\n" + ",\n".join(lines) + "\n]\n"
