"""What a schema cannot say of an environment file: parts that contradict each other, or together say too little.

The module works on the values as they were read, so that a contradiction is told in the same run as a wrong unit
elsewhere. It passes over what has the wrong form, of which the schema tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.documents.length_rules import length_problems
from planner.documents.loads import load_stated
from planner.words.diagnostics import Problem
from planner.words.spans import Document, Path, mapping_at, value_at


def contradictions(document: Document) -> Iterator[Problem]:
    """Yield all contradictions of a file (ENV005, ENV002), in the order of its parts."""
    yield from _zones(document)
    for name, route in mapping_at(document.value, "routes").items():
        path: Path = ("routes", name)
        yield from _lengths_known(document, path, route)
        yield from load_stated(document, path)
        yield from _profile(document, path)
        yield from length_problems(document, (*path, "tokens"))


def _zones(document: Document) -> Iterator[Problem]:
    """Require that no zone stands twice: zones are places that do not fail together."""
    zones = value_at(document.value, ("platform", "zones"))
    seen: set[str] = set()
    for index, zone in enumerate(zones if isinstance(zones, list) else ()):
        if str(zone) in seen:
            where = document.at(("platform", "zones", index))
            yield Problem("ENV005", f"zone `{zone}` stands twice", where, "name each zone once")
        seen.add(str(zone))


def _lengths_known(document: Document, path: Path, route: Any) -> Iterator[Problem]:
    """Require that token lengths come from a trace or are declared."""
    if isinstance(route, dict) and value_at(route, ("traffic", "trace")) is None and route.get("tokens") is None:
        hint = "add `traffic.trace:` or `tokens: {input: {mean, p95}, output: {mean, p95}}`"
        message = f"route `{path[-1]}` has neither a trace nor token lengths"
        yield Problem("ENV005", message, document.key(path), hint)


def _profile(document: Document, path: Path) -> Iterator[Problem]:
    """Require that a week has requests: without any, it has no shape to scale."""
    where: Path = (*path, "traffic", "profile")
    hours = value_at(document.value, where)
    if isinstance(hours, list) and hours and all(hour == 0 for hour in hours):
        hint = "write how the hours compare, at least one of them above 0"
        yield Problem("ENV005", "every hour of the profile is 0", document.at(where), hint)
