"""The report of a replay: one row an outcome, and how well the schedule was kept, as one JSON document.

    {"version": "1.0", "speed": 10, "wall_s": 31.2, "cpu_s": 4.1, "lag_ms": {"p50": …, "p95": …, "max": …},
     "columns": ["route", "arrival_ms", …], "requests": [["chat", 0.0, …], …]}

`lag_ms` says how late requests left. The columns are the fields of `ReplayOutcome`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from twin.replay.generator import ReplayOutcome

_COLUMNS = tuple(field.name for field in fields(ReplayOutcome))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of values, which need not be sorted. No values give NaN."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def document(outcomes: Sequence[ReplayOutcome], speed: float, wall_s: float, cpu_s: float) -> dict[str, object]:
    """Build the report of a run that took `wall_s` and cost this program `cpu_s` of processor time."""
    lags = [outcome.lag_ms for outcome in outcomes]
    return {
        "version": "1.0",
        "speed": speed,
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "lag_ms": {
            "p50": round(percentile(lags, 0.5), 3),
            "p95": round(percentile(lags, 0.95), 3),
            "max": round(max(lags), 3),
        },
        "columns": list(_COLUMNS),
        "requests": [[_cell(getattr(outcome, column)) for column in _COLUMNS] for outcome in outcomes],
    }


def _cell(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def write(path: Path, report: dict[str, object]) -> None:
    """Write aside, then rename, so that a reader never sees half a report."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    aside.write_text(json.dumps(report), encoding="utf-8")
    aside.replace(path)
