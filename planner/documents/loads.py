"""What an environment says of its load, judged: a statement at least, which can be turned into a rate, and no two that
contradict each other.

Lengths of a trace decide what tokens and people stand for, so that the check needs the traces. It passes over parts of
the wrong form, of which the schema tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Any, TypeVar
from zoneinfo import ZoneInfoNotFoundError

from pydantic import ValidationError

from planner.domain.environment import Horizon
from planner.domain.environment_part import EnvironmentPart
from planner.domain.load import AGREEMENT, Statement, route_week, statements
from planner.domain.route import DeclaredLengths, DeclaredTokens, Route, Slo
from planner.domain.traces import TraceSummary
from planner.domain.traffic import LEAST_REQUESTS_PER_SECOND, MOST_REQUESTS_PER_SECOND, Traffic
from planner.domain.workload import route_workload
from planner.words.diagnostics import Problem, Span
from planner.words.spans import Document, Path, mapping_at, value_at

STATEMENTS = ("requests_per_second", "requests", "tokens", "users")
"""Keys below `traffic` that state a load."""
_SHAPE = ("trace", "profile", "timezone")
"""Keys below `traffic` on which it depends what a statement means."""
_Part = TypeVar("_Part", bound=EnvironmentPart)


def load_stated(document: Document, path: Path) -> Iterator[Problem]:
    """Require that a route states its load (ENV005). path: of the route."""
    traffic = value_at(document.value, (*path, "traffic"))
    if not isinstance(traffic, dict):
        return
    stated = [traffic.get(key) for key in STATEMENTS]
    if not any(
        amount is not None for part in stated for amount in (part.values() if isinstance(part, dict) else [part])
    ):
        hint = "write one of requests_per_second: {mean: 2}, requests: {per_day: 10k}, tokens: {per_month: 50M}, users"
        message = f"route `{path[-1]}` does not say how many requests come"
        yield Problem("ENV005", message, document.key((*path, "traffic")), hint)


def load_problems(document: Document, trace_of: Callable[[str], TraceSummary | None]) -> Iterator[Problem]:
    """Yield what is wrong with the loads of all routes (ENV005). `trace_of` gives None for a trace with a problem."""
    start = _part(Horizon, value_at(document.value, ("horizon",))) or Horizon(start=date(2026, 1, 1))
    for name, raw in mapping_at(document.value, "routes").items():
        route = _route(raw)
        if route is None:
            continue
        trace = trace_of(route.traffic.trace) if route.traffic.trace else None
        if not (_complete(route.lengths) if route.lengths else trace):
            continue
        try:
            week, mix = route_week(route, start), route_workload(route, trace, 1.0).mix
        except (ValueError, OSError, ZoneInfoNotFoundError):
            continue
        yield from _judged(document, ("routes", name, "traffic"), statements(route, mix, week), max(week))


def _judged(document: Document, path: Path, stated: tuple[Statement, ...], highest: float) -> Iterator[Problem]:
    """Judge the statements of one route. highest: its busiest hour ÷ the mean of the week."""
    possible = []
    for statement in stated:
        where = document.key((*path, *statement.key))
        if statement.mean is None:
            message = f"{statement.words}: the SLO does not say how long they wait, so no rate follows"
            yield Problem(
                "ENV005", message, where, "add slo.e2e_p95, or slo.ttft_p95 with slo.tpot_p95; or state a rate"
            )
        elif not LEAST_REQUESTS_PER_SECOND <= statement.mean <= MOST_REQUESTS_PER_SECOND:
            least, most = f"{LEAST_REQUESTS_PER_SECOND:.6f}", f"{MOST_REQUESTS_PER_SECOND:,.0f}"
            message = f"{statement.words} are {statement.mean:.3g} requests/s on average"
            yield Problem("ENV005", message, where, f"loads from {least} to {most} requests/s are planned")
        else:
            possible.append((statement, statement.mean))
    for statement, mean in possible[1:]:
        first, decides = possible[0]
        if abs(mean / decides - 1) > AGREEMENT + 1e-9:
            where = document.key((*path, *statement.key))
            yield _contradiction(first, statement, document.key((*path, *first.key)), where, highest)


def _contradiction(first: Statement, other: Statement, at: Span | None, where: Span | None, highest: float) -> Problem:
    """Return the problem of two statements that differ, in the same unit, with the lines of both."""
    assert first.mean
    assert other.mean
    line = f" (line {at.line})" if at else ""
    message = (
        f"two loads contradict each other: {_in_rate(other)}, and {_in_rate(first)}{line}"
        f": {_times(other.mean / first.mean)}"
    )
    hint = f"keep one of them, or correct the other: they may differ by {AGREEMENT:.0%}"
    if {first.key[-1], other.key[-1]} == {"mean", "peak"}:
        peak = other.mean * highest / first.mean
        if peak < 1:
            place = f", line {at.line}" if at else ""
            message = f"the busiest hour has less load ({other.words}) than the mean of the week ({first.words}{place})"
            hint = "check which of them is which"
        else:
            hint = (
                f"the busiest hour of this profile is {highest:.3g} × its mean, and here it is {peak:.3g} ×:"
                " leave one of them out, or give the profile that you have"
            )
    return Problem("ENV005", message, where, hint)


def _in_rate(statement: Statement) -> str:
    key = ".".join(statement.key)
    return f"`{key}` ({statement.words}) means {statement.mean:.3g} requests/s over the week"


def _times(ratio: float) -> str:
    return f"{ratio:.3g} ×" if ratio >= 1 else f"1/{1 / ratio:.3g}"


def _route(raw: Any) -> Route | None:
    """Return a route with the parts that decide its load, as far as they have the right form; None without lengths."""
    if not isinstance(raw, dict) or not isinstance(raw.get("traffic"), dict):
        return None
    stated = {key: raw["traffic"][key] for key in (*STATEMENTS, *_SHAPE) if key in raw["traffic"]}
    read = {key: value for key, value in stated.items() if _part(Traffic, {key: value}) is not None}
    traffic, slo, tokens = _part(Traffic, read), _part(Slo, raw.get("slo")), _part(DeclaredTokens, raw.get("tokens"))
    lost = set(_SHAPE) & (stated.keys() - read.keys())
    if traffic is None or lost or slo is None or (tokens is None and raw.get("tokens") is not None):
        return None
    parts: dict[str, Any] = {"traffic": traffic, "slo": slo, "tokens": tokens}
    return Route.model_construct(**parts)


def _complete(lengths: Iterable[DeclaredLengths]) -> bool:
    """Say whether declared lengths are enough to know their means; otherwise another check tells."""
    return all((side.mean and side.p95) or side.histogram for side in lengths)


def _part(kind: type[_Part], raw: Any) -> _Part | None:
    try:
        return kind.model_validate(raw)
    except ValidationError:
        return None
