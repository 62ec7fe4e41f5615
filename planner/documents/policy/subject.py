"""What rules are held against, and how a figure is held against its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from planner.documents.lock import Lock
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.plan.parts import VerdictState
from planner.plan.plan import Plan
from planner.plan.traffic import FallbackApi, PlannedRoute


class Finding(NamedTuple):
    """What a rule finds: a state with a sentence."""

    state: VerdictState
    message: str


@dataclass(frozen=True)
class Base:
    """What a plan is compared with.

    usd_per_month: its bill, USD a month.
    lock: its lock; None where only the bill is known.
    """

    usd_per_month: Decimal
    lock: Lock | None = None


def as_base(lock: Lock | None) -> Base | None:
    """Return a lock as what others are compared with; None where there is none."""
    return None if lock is None else Base(lock.plan.cost.usd_per_month, lock)


@dataclass(frozen=True)
class Subject:
    """What is judged, and on which day.

    base: what it is compared with; None where nothing is known to compare with.
    engine: version of the engine that would run; None where that is not known.
    """

    lock: Lock
    catalog: Catalog
    today: date
    base: Base | None = None
    engine: str | None = None

    @property
    def plan(self) -> Plan:
        """Return the plan."""
        return self.lock.plan

    @cached_property
    def environment(self) -> Environment:
        """The environment that the plan answers."""
        return self.lock.answered_environment()

    def routes(self, named: Sequence[str]) -> tuple[PlannedRoute, ...]:
        """Return the routes of some names; all when none is named."""
        return tuple(route for route in self.plan.routes if not named or route.name in named)

    def strangers(self, named: Sequence[str]) -> Iterator[Finding]:
        """Yield a warning for each route that a rule names and that the plan does not have."""
        known = {route.name for route in self.plan.routes}
        for name in named:
            if name not in known:
                yield Finding("warn", f"not judged: the plan has no route `{name}`")

    def apis(self, named: Sequence[str]) -> dict[str, FallbackApi]:
        """Return the hosted models to which requests of some routes may go, by name."""
        used = {name for route in self.routes(named) for name in route.fallback}
        return {api.name: api for api in self.plan.apis if api.name in used}


def above(figure: Any, limits: Any, words: str, shown: Callable[[Any], str]) -> Finding:
    """Hold a figure against limits above which it warns and is denied.

    words: the figure as a sentence. shown: writes a limit.
    """
    if limits.deny is not None and figure > limits.deny:
        return Finding("deny", f"{words}: more than {shown(limits.deny)}")
    if limits.warn is not None and figure > limits.warn:
        return Finding("warn", f"{words}: more than {shown(limits.warn)}")
    return Finding("pass", f"{words}, of {shown(limits.warn if limits.deny is None else limits.deny)}")
