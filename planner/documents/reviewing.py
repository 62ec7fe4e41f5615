"""From two locks to a review: figures, routes, pools, cost lines, checks and prices, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from planner.documents.changes import change_words
from planner.documents.diff import Diff, PartChange, compare
from planner.documents.lock import Lock
from planner.documents.review import (
    FORMAT_VERSION,
    Attribution,
    Cause,
    Check,
    FigureUnit,
    LineReview,
    Place,
    PoolReview,
    Presence,
    PriceRow,
    Promise,
    Review,
    ReviewFigure,
    RouteReview,
    Touched,
)
from planner.plan.fleet import Pool, PoolCapacity
from planner.plan.plan import Plan
from planner.plan.review import Verdict
from planner.plan.traffic import PlannedRoute
from planner.words.numbers import figure
from planner.words.spans import Document

ZERO = Decimal(0)
STATES = ("pass", "warn", "deny")


def review(
    base: Lock | None,
    proposed: Lock,
    base_name: str,
    document: Document,
    today: date,
    attribution: Attribution | None = None,
    rules: Iterable[Check] = (),
) -> Review:
    """Return the review of a lock against its base.

    base_name: where the base came from.
    document: the environment's file, which knows the lines of its keys.
    attribution: what changed the bill by how much; None for the sums of old and new prices alone.
    rules: what a team's own rules say.
    """
    old, new = base.plan if base else None, proposed.plan
    diff = compare(base, proposed)
    checks = (*_checks(old, new), *rules)
    state = max((c.state for c in checks if not c.overridden), key=STATES.index, default="pass")
    return Review(
        format_version=FORMAT_VERSION,
        environment=proposed.name,
        base=base_name if base else "",
        state=state,
        headline=_headline(diff, checks),
        base_usd_per_month=old.cost.usd_per_month if old else None,
        usd_per_month=new.cost.usd_per_month,
        figures=tuple(_figures(base, proposed)),
        risks=(),
        attribution=attribution or _by_two_sums(diff, document),
        routes=tuple(_routes(old, new)),
        pools=tuple(_pools(old, new)),
        touched=tuple(_touched(part) for part in diff.parts),
        lines=tuple(_lines(old, new)),
        checks=checks,
        prices=tuple(_prices(old, new, today)),
        kept="",
        missing_prices=(),
        assumptions=tuple(note for route in new.routes if route.load for note in route.load.notes),
    )


def _headline(diff: Diff, checks: Iterable[Check]) -> str:
    sign = "+" if diff.delta > 0 else "−" if diff.delta < 0 else ""
    percent = f" ({diff.delta / diff.base_usd:+.0%})" if diff.base_usd and diff.delta else ""
    warnings = sum(check.state == "warn" for check in checks)
    told = f" · {warnings} warning{'s' if warnings != 1 else ''}" if warnings else ""
    change = f"{sign}${abs(diff.delta):,.0f} / month{percent} · " if not diff.first else ""
    return f"Plan for {diff.name}: {change}${diff.proposed_usd:,.0f} total{told}"


def _figures(base: Lock | None, proposed: Lock) -> Iterable[ReviewFigure]:
    """Yield the figures that a reviewer compares, the bill first."""
    old, new = base.plan if base else None, proposed.plan

    def row(name: str, unit: FigureUnit, read: str) -> ReviewFigure:
        before = figure(getattr(old.cost, read)) if old else None
        return ReviewFigure(name=name, unit=unit, base=before, proposed=figure(getattr(new.cost, read)))

    yield row("expected", "USD a month", "usd_per_month")
    yield row("fixed", "USD a month", "fixed_usd_per_month")
    yield row("usage", "USD a month", "usage_usd_per_month")
    yield row("low", "USD a month", "low_usd_per_month")
    yield row("high", "USD a month", "high_usd_per_month")


def _by_two_sums(diff: Diff, document: Document) -> Attribution:
    causes = [
        Cause(
            kind="environment",
            name="",
            what="first plan" if diff.first else "the environment, at old prices",
            old=None,
            new=None,
            usd_per_month=diff.by_inputs,
        )
    ]
    for change in diff.inputs:
        span = document.at(change.path)
        causes.append(
            Cause(
                kind="environment",
                name=".".join(map(str, change.path)),
                what=change_words(change),
                old=None if change.old is None else str(change.old),
                new=None if change.new is None else str(change.new),
                usd_per_month=None,
                where=Place(file=span.file, line=span.line) if span else None,
            )
        )
    if not diff.first:
        causes.append(
            Cause(
                kind="prices",
                name="",
                what="prices",
                old=diff.snapshots[0],
                new=diff.snapshots[1],
                usd_per_month=diff.by_prices,
            )
        )
    return Attribution(causes=tuple(causes), note="")


def _presence(old: object, new: object) -> Presence:
    return "added" if old is None else "removed" if new is None else "same" if old == new else "changed"


def _routes(old: Plan | None, new: Plan) -> Iterable[RouteReview]:
    before = {route.name: route for route in old.routes} if old else {}
    after = {route.name: route for route in new.routes}
    for name in sorted({*before, *after}):
        was, will = before.get(name), after.get(name)
        either = will or was
        assert either is not None
        yield RouteReview(
            name=name,
            presence=_presence(was, will),
            privacy=either.privacy,
            base_usd_per_month=was.usd_per_month if was else None,
            usd_per_month=will.usd_per_month if will else None,
            base_usd_per_million_tokens=was.usd_per_million_tokens if was else None,
            usd_per_million_tokens=will.usd_per_million_tokens if will else None,
            base_api_share=was.spill_share if was else None,
            api_share=will.spill_share if will else None,
            served=", ".join((either.model or "no own pool", *either.fallback)),
            promises=tuple(_promises(old, was, new, will)),
            changes=(),
        )


def _promises(old: Plan | None, was: PlannedRoute | None, new: Plan, will: PlannedRoute | None) -> Iterable[Promise]:
    before, after = _worst(old, was), _worst(new, will)
    yield Promise(
        metric="TPOT",
        base_target_ms=was.slo.tpot_p95_ms if was else None,
        target_ms=will.slo.tpot_p95_ms if will else None,
        base_expected_ms=max((c.tpot_p95_ms for c in before), default=None),
        expected_ms=max((c.tpot_p95_ms for c in after), default=None),
    )


def _worst(plan: Plan | None, route: PlannedRoute | None) -> list[PoolCapacity]:
    if plan is None or route is None:
        return []
    used = {(pool, band) for band, each in enumerate(route.bands) for pool, part in each.weights.items() if part}
    return [c for pool in plan.pools for c in pool.capacity if c.route == route.name and (pool.name, c.band) in used]


def _pools(old: Plan | None, new: Plan) -> Iterable[PoolReview]:
    before = {pool.name: pool for pool in old.pools} if old else {}
    after = {pool.name: pool for pool in new.pools}
    for name in sorted({*before, *after}):
        was, will = before.get(name), after.get(name)
        either: Pool | None = will or was
        plan = new if will else old
        assert either is not None
        assert plan is not None
        group = next(group for group in plan.node_groups if group.name == either.node_group)
        yield PoolReview(
            name=name,
            presence=_presence(was, will),
            model=either.model,
            instance_type=group.instance_type,
            purchase=group.capacity_type,
            base_nodes=_nodes(old, was),
            nodes=_nodes(new, will),
            base_usd_per_month=_component_usd(old, was),
            usd_per_month=_component_usd(new, will),
            token_share=None,
            limited_by=either.capacity[0].binding if either.capacity else "",
        )


def _nodes(plan: Plan | None, pool: Pool | None) -> int:
    if plan is None or pool is None:
        return 0
    return next(group.max_nodes for group in plan.node_groups if group.name == pool.node_group)


def _component_usd(plan: Plan | None, pool: Pool | None) -> Decimal | None:
    if plan is None or pool is None:
        return None
    return sum((line.usd_per_month for line in plan.cost.lines if line.component == pool.node_group), ZERO)


def _touched(part: PartChange) -> Touched:
    return Touched(
        part=f"{part.kind} {part.name}",
        presence=part.change,
        changes=(*part.summary, *(change_words(change) for change in part.details)),
        values=tuple(
            (
                ".".join(map(str, change.path)),
                None if change.old is None else str(change.old),
                None if change.new is None else str(change.new),
            )
            for change in part.details
        ),
        order="",
    )


def _lines(old: Plan | None, new: Plan) -> Iterable[LineReview]:
    before = {(line.component, line.price, line.kind): line for line in (old.cost.lines if old else ())}
    after = {(line.component, line.price, line.kind): line for line in new.cost.lines}
    for key in sorted({*before, *after}):
        was, will = before.get(key), after.get(key)
        either = will or was
        assert either is not None
        yield LineReview(
            component=either.component,
            name=either.name,
            kind=either.kind,
            base_usd_per_month=was.usd_per_month if was else ZERO,
            usd_per_month=will.usd_per_month if will else ZERO,
            base_unit_price=figure(was.unit_price) if was else None,
            unit_price=figure(will.unit_price) if will else None,
            unit=either.unit,
            source=either.source,
            as_of=either.as_of,
        )


def _checks(old: Plan | None, new: Plan) -> tuple[Check, ...]:
    before: dict[str, Verdict] = {verdict.name: verdict for verdict in (old.verdicts if old else ())}
    checks = []
    for verdict in new.verdicts:
        was = before.get(verdict.name)
        checks.append(
            Check(
                rule=verdict.name,
                state=verdict.state,
                message=verdict.message,
                base_state=was.state if was else None,
                standing=was is not None and was.state == verdict.state,
            )
        )
    return tuple(checks)


def _prices(old: Plan | None, new: Plan, today: date) -> Iterable[PriceRow]:
    before = {line.price: line.unit_price for line in (old.cost.lines if old else ())}
    for key, line in sorted({line.price: line for line in new.cost.lines}.items()):
        yield PriceRow(
            name=key,
            unit=line.unit,
            unit_price=figure(line.unit_price),
            base_unit_price=figure(before[key]) if key in before else None,
            source=line.source,
            as_of=line.as_of,
            age_days=_age(line.as_of, today),
        )


def _age(as_of: str, today: date) -> int | None:
    """Return the days since the last day that the text may mean; None where it is not over."""
    try:
        day = date.fromisoformat(as_of)
    except ValueError:
        return None
    return (today - day).days if day <= today else None
