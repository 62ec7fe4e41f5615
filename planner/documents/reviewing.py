"""From two locks to a review: everything that a reviewer is told of a change, side by side, as one value.

It is composed here of what others find: the differences (`diff`), why the bill changed (`attribution`), the risks, the
figures, and what a deployment touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from planner.documents.attribution import by_two_sums
from planner.documents.diff import by_price, compare
from planner.documents.lock import Lock
from planner.documents.review import (
    FORMAT_VERSION,
    Attribution,
    Cause,
    Check,
    LineReview,
    PriceRow,
    Promise,
    Review,
    Risk,
    RouteReview,
)
from planner.documents.review_figures import ZERO, Side, pool_reviews, review_figures, route_reviews
from planner.documents.risks import is_of_key, lost_latencies, risks
from planner.documents.sentences import percent
from planner.documents.touched import replacements, touched
from planner.domain.catalog import Catalog
from planner.domain.places import Places
from planner.domain.prices import PriceSnapshot, earliest_day
from planner.money.cost import cluster_items
from planner.plan.parts import VerdictState
from planner.plan.plan import Plan
from planner.plan.review import Verdict
from planner.words.numbers import figure
from planner.words.spans import Document

STATES: tuple[VerdictState, ...] = ("pass", "warn", "deny")
"""States of a check, the worst last."""
NOTHING_KNOWN = Catalog(
    models={},
    all_gpus={},
    instances={},
    regions={},
    providers={},
    places=Places(),
    apis=(),
    prices=PriceSnapshot("", {}),
    rows={},
    price_rows={},
)
"""A catalog of nothing."""


def review(
    base: Lock | None,
    proposed: Lock,
    base_name: str,
    document: Document,
    today: date,
    attribution: Attribution | None = None,
    rules: Iterable[Check] = (),
    catalog: Catalog | None = None,
    of_rules: Iterable[Risk] = (),
) -> Review:
    """Return the review of a lock against its base.

    base_name: where the base came from.
    document: the environment's file, which knows the lines of its keys.
    attribution: what changed the bill by how much; None for the sums of old and new prices alone.
    rules: what a team's own rules say.
    catalog: what is known of providers, places and models today; without it the risks say of them that nobody knows.
    of_rules: risks of a change to the rules of the team.
    """
    old, new = Side(base) if base else None, Side(proposed)
    diff = compare(base, proposed)
    exchanged = replacements(old, new)
    checks = (*_checks(old.plan if old else None, new.plan), *rules)
    routes = tuple(route_reviews(old, new, diff.parts))
    found = risks(old, new, catalog or NOTHING_KNOWN, document, (*of_rules, *lost_latencies(routes)))
    missing = tuple(_missing_prices(new.plan))
    return Review(
        format_version=FORMAT_VERSION,
        environment=proposed.name,
        base=base_name if base else "",
        state=max((c.state for c in checks if not c.overridden), key=STATES.index, default="pass"),
        headline=_headline(base, proposed, not diff.empty, routes, checks, found, missing),
        base_usd_per_month=old.plan.cost.usd_per_month if old else None,
        usd_per_month=new.plan.cost.usd_per_month,
        change_usd_per_month=diff.delta if old else None,
        figures=tuple(review_figures(old, new)),
        risks=found,
        attribution=_with_risks(attribution or by_two_sums(base, proposed, document), found),
        routes=routes,
        pools=tuple(pool_reviews(old, new, {*exchanged.keys(), *exchanged.values()})),
        touched=tuple(touched(diff.parts, old, new)),
        lines=tuple(_lines(old.plan if old else None, new.plan)),
        checks=checks,
        gone_checks=tuple(_gone_checks(old.plan if old else None, new.plan)),
        prices=tuple(_prices(old.plan if old else None, new.plan, today)),
        kept=new.plan.kept.words if new.plan.kept else "",
        missing_prices=missing,
        assumptions=tuple(note for route in new.plan.routes if route.load for note in route.load.notes),
    )


def _with_risks(attribution: Attribution, found: Sequence[Risk]) -> Attribution:
    """Name the risk of each cause that is one too. They stand at the same key, or in a line that states both.

    A cause whose figure counts others in is marked as they are: what they save together is saved at their risk.
    """
    causes: list[Cause] = []
    first = 0
    for cause in attribution.causes:
        kinds = [r.kind for r in found if r.where and r.where == cause.where and is_of_key(r.kind, cause.name)]
        first = len(causes) if cause.usd_per_month is not None else first
        causes.append(cause.model_copy(update={"risk": kinds[0]}) if kinds else cause)
        if kinds and not causes[first].risk:
            causes[first] = causes[first].model_copy(update={"risk": kinds[0]})
    return attribution.model_copy(update={"causes": tuple(causes)})


def _headline(
    base: Lock | None,
    proposed: Lock,
    changed: bool,
    routes: Sequence[RouteReview],
    checks: Iterable[Check],
    found: Iterable[Risk],
    missing: Sequence[str],
) -> str:
    """Return the change and the total, then what a reader must know of it, the gravest first."""
    usd = proposed.plan.cost.usd_per_month
    bound = f"≥ ${usd:,.0f} ({_count(len(missing), 'price')} missing)" if missing else f"${usd:,.0f} total"
    told = [bound]
    if base is not None and not changed:
        told.insert(0, "unchanged")
    elif base is not None:
        told.insert(0, _change(base, proposed))
    if kinds := list(dict.fromkeys(risk.kind for risk in found)):
        told.append(f"{'risk' if len(kinds) == 1 else 'risks'}: {', '.join(kinds)}")
    if promises := _promises_kept([promise for route in routes for promise in route.promises]):
        told.append(promises)
    for state, word in (("deny", "denial"), ("warn", "warning")):
        if count := sum(check.state == state and not check.overridden for check in checks):
            told.append(_count(count, word))
    return f"Plan for {proposed.name}: {' · '.join(told)}"


def _change(base: Lock, proposed: Lock) -> str:
    old, new = base.plan.cost.usd_per_month, proposed.plan.cost.usd_per_month
    if old == new:
        return "$0 / month"
    sign = "+" if new > old else "−"
    share = f" ({sign}{percent(abs(new - old) / old)})" if old else ""
    return f"{sign}{_dollars(abs(new - old))} / month{share}"


def _dollars(usd: Decimal) -> str:
    return f"${usd:,.2f}" if usd < 10 else f"${usd:,.0f}"


def _promises_kept(promises: Iterable[Promise]) -> str:
    """Say whether the latencies that are promised are expected; empty where nothing is promised."""
    asked = [promise for promise in promises if promise.target_ms is not None]
    known = [promise for promise in asked if promise.expected_ms is not None]
    if any(p.expected_ms > p.target_ms for p in known if p.expected_ms is not None and p.target_ms is not None):
        return "SLOs missed"
    return "SLOs met" if len(known) == len(asked) and asked else "SLOs met where known" if known else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _checks(old: Plan | None, new: Plan) -> tuple[Check, ...]:
    """Return the verdicts of the plan, each beside that of the base which says the same or has its name."""
    before = list(old.verdicts) if old else []
    checks = []
    for verdict in new.verdicts:
        named = [each for each in before if each.name == verdict.name]
        was = next((each for each in named if each == verdict), named[0] if named else None)
        same = was is not None and was.state == verdict.state
        checks.append(
            Check(
                rule=verdict.name,
                state=verdict.state,
                message=verdict.message,
                base_state=was.state if was else None,
                standing=same and was is not None and (verdict.state == "pass" or was.message == verdict.message),
            )
        )
    return tuple(checks)


def _gone_checks(old: Plan | None, new: Plan) -> Iterable[Check]:
    """Yield the verdicts of the base whose name the plan has no more."""
    names = {verdict.name for verdict in new.verdicts}
    gone: Iterable[Verdict] = (verdict for verdict in (old.verdicts if old else ()) if verdict.name not in names)
    for verdict in gone:
        yield Check(
            rule=verdict.name, state=verdict.state, message=verdict.message, base_state=verdict.state, standing=False
        )


def _lines(old: Plan | None, new: Plan) -> Iterable[LineReview]:
    before, after = by_price(old.cost.lines if old else ()), by_price(new.cost.lines)
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


def _missing_prices(plan: Plan) -> Iterable[str]:
    """Yield the keys of what the cluster uses and the bill has no line for, because nobody knows its price."""
    if plan.platform.cluster is None:
        return
    billed = {line.price for line in plan.cost.lines}
    for _, key, quantity in cluster_items(plan.platform.region, plan.platform.cluster):
        if quantity and key not in billed:
            yield key


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
    """Return the days since the first day that the text may mean; None where that is no date, or in the future."""
    try:
        day = earliest_day(as_of)
    except ValueError:
        return None
    return (today - day).days if day <= today else None
