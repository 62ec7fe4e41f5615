"""What a report needs from disk: the lock and its base, the week of each route, the page's parts; and its files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from planner.decision.candidates.weeks import week_of
from planner.documents.lock import Lock
from planner.domain.demand import hourly_rates
from planner.edges.files import write_text
from planner.edges.workspace import Wanted
from planner.words.diagnostics import Problem, Problems

PARTS = ("parts.html.j2", "report.html.j2", "script.js", "style.css")
"""Files of the page."""


def page_parts() -> dict[str, str]:
    """Return the text of each part of the page, by file name."""
    folder = resources.files("planner.faces.report") / "templates"
    return {name: (folder / name).read_text(encoding="utf-8") for name in PARTS}


def billed_weeks(lock: Lock, wanted: Wanted) -> dict[str, tuple[float, ...]]:
    """Return the requests/s of each route in the 168 hours of a week, in UTC, at the load that is billed.

    It is empty where the environment lacks a route of the lock, and for a lock that does not tell its load.
    """
    weeks = {}
    for route in lock.plan.routes:
        asked = wanted.environment.routes.get(route.name)
        if asked is None or route.load is None:
            return {}
        trace = wanted.traces.get(asked.traffic.trace or "")
        week = week_of(asked, trace, wanted.environment.horizon.start)
        weeks[route.name] = hourly_rates(
            float(route.load.mean_requests_per_second * route.load.usage_factor), week.profile
        )
    return weeks


def write_report(path: Path, html: str) -> None:
    """Write the page. Raises `Problems` with IO002."""
    write_text(path, html)


def write_charts(folder: Path, charts: Mapping[str, str]) -> tuple[Path, ...]:
    """Write pictures by name into a folder, which is made where it is missing. Raises `Problems` with IO002."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problems([Problem("IO002", f"{folder} cannot be made: {error.strerror}")]) from error
    paths = tuple(folder / f"{name}.svg" for name in charts)
    for path, svg in zip(paths, charts.values(), strict=True):
        write_text(path, svg)
    return paths
