"""The tables of the report: rows of text from a review and its plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from planner.documents.review import Check, Review, ReviewFigure, RouteReview
from planner.faces.figures import at_least, duration, money, share, signed_money
from planner.faces.report.chart import NONE, UNKNOWN, Table, columns, filled
from planner.plan.plan import Plan


@dataclass(frozen=True)
class Told:
    """A figure in words. base: what it was, and how it changes; empty where there is no base."""

    name: str
    value: str
    base: str


@dataclass(frozen=True)
class ToldCheck:
    """A check in words. is_new: whether the base had none like it. notes: who may override it, or who did."""

    rule: str
    state: str
    message: str
    is_new: bool
    notes: str


def figures(review: Review) -> Iterator[Told]:
    """Yield the figures that a reviewer compares, with their base."""
    for each in review.figures:
        base = ""
        if each.base is not None and each.proposed is not None:
            base = "as before" if each.base == each.proposed else f"was {_in_unit(each, each.base)}"
        yield Told(each.name, _in_unit(each, each.proposed), base)


def lines(review: Review) -> Table:
    """Return the bill, a row each line, and the sum."""
    has_base = review.base_usd_per_month is not None
    rows = []
    for line in sorted(review.lines, key=lambda each: (each.component, each.name)):
        usd = [money(line.usd_per_month)]
        if has_base:
            usd = [money(line.base_usd_per_month), *usd, signed_money(line.usd_per_month - line.base_usd_per_month)]
        price = _price(line.unit_price if line.unit_price is not None else line.base_unit_price)
        rows.append((line.name, *usd, f"{price} / {line.unit}", line.component, line.kind))
    usd = [money(review.usd_per_month)]
    if review.base_usd_per_month is not None:
        change = signed_money(review.usd_per_month - review.base_usd_per_month)
        usd = [money(review.base_usd_per_month), *usd, change]
    rows.append(("total", *usd, "", "", ""))
    titles = ("base, USD a month", "proposed, USD a month", "change") if has_base else ("USD a month",)
    names = columns("what", *titles, "unit price, USD", words=("part", "kind"))
    return Table("Each line is quantity × unit price", names, tuple(rows))


def causes(review: Review) -> Table:
    """Return every cause of the change, also those that are counted in the group before them."""
    rows = tuple(
        (
            cause.what,
            "counted above" if cause.usd_per_month is None else signed_money(cause.usd_per_month),
            _or_none(cause.old),
            _or_none(cause.new),
            f"{cause.where.file}:{cause.where.line}" if cause.where else "",
        )
        for cause in review.attribution.causes
    )
    names = columns("cause", "USD a month", words=("old", "new", "where"))
    return filled(Table("What changed, and where it stands", names, rows))


def routes(review: Review) -> Table:
    """Return the routes with their data, their cost, their expected availability and who serves them."""
    has_base = review.base_usd_per_month is not None
    told_at_all = any(route.availability is not None for route in review.routes)
    rows = []
    for route in review.routes:
        usd = [_money(route.usd_per_month)]
        if has_base:
            usd = [_money(route.base_usd_per_month), *usd]
        per_token = route.usd_per_million_tokens
        row = (
            route.name,
            *usd,
            NONE if per_token is None else money(per_token),
            NONE if route.api_share is None else share(route.api_share),
            *(_available(route) if told_at_all else ()),
            route.privacy,
            route.served,
        )
        told = (route.presence, "; ".join(route.changes)) if has_base else ()
        rows.append((*row, *told))
    titles = ("base, USD a month", "USD a month") if has_base else ("USD a month",)
    words = ("data", "served by", *(("against the base", "what changes") if has_base else ()))
    promised = ("availability asked", "availability expected") if told_at_all else ()
    names = columns("route", *titles, "USD per 1M tokens", "requests to APIs", *promised, words=words)
    return filled(Table("Cost, data and service of each route", names, tuple(rows)))


def _available(route: RouteReview) -> tuple[str, str]:
    """Return the availability that a route asks for and the expected one."""
    asked = NONE if route.asked_availability is None else at_least(route.asked_availability)
    return asked, UNKNOWN if route.availability is None else at_least(route.availability)


def pools(review: Review, plan: Plan) -> Table:
    """Return the pools with their machines and what limits them."""
    has_base = review.base_usd_per_month is not None
    replicas = {pool.name: pool for pool in plan.pools}
    rows = []
    for pool in review.pools:
        here = replicas.get(pool.name)
        nodes = [f"{pool.nodes}"] if not has_base else [f"{pool.base_nodes}", f"{pool.nodes}"]
        rows.append(
            (
                pool.name,
                *nodes,
                here.replicas.words if here else NONE,
                _money(pool.usd_per_month),
                UNKNOWN if pool.token_share is None else share(pool.token_share),
                share(here.peak_utilization) if here else NONE,
                f"{pool.instance_type} {pool.purchase}",
                pool.limited_by or NONE,
                *((pool.presence,) if has_base else ()),
            )
        )
    titles = ("machines of the base", "machines") if has_base else ("machines",)
    words = ("machine", "limited by", *(("against the base",) if has_base else ()))
    names = columns("pool", *titles, "replicas", "USD a month", "of all tokens", "peak use", words=words)
    return Table("What runs", names, tuple(rows))


def touched(review: Review) -> Table:
    """Return the parts that a deployment touches."""
    rows = tuple((part.part, part.presence, "; ".join(part.changes) or NONE, part.order) for part in review.touched)
    names = columns("part", words=("against the base", "what changes", "order"))
    return filled(Table("Parts of the deployment", names, rows))


def checks(review: Review) -> tuple[tuple[ToldCheck, ...], Table]:
    """Return the checks that a reader must see, the worst first, and the table of the others."""
    order = {"deny": 0, "warn": 1, "pass": 2}
    listed = sorted(review.checks, key=lambda check: (order[check.state], check.rule))
    seen = [check for check in listed if check.state == "deny" or (check.state == "warn" and not check.standing)]
    rest = [check for check in listed if check not in seen]
    has_base = review.base_usd_per_month is not None
    gone = tuple((check.rule, f"was {check.state}", check.message) for check in review.gone_checks)
    told = tuple(ToldCheck(c.rule, c.state, c.message, has_base and not c.standing, _notes(c)) for c in seen)
    standing = sum(check.state == "warn" for check in rest)
    words = f"{standing} that warned before, and those that pass" if standing else "Checks that pass"
    rows = tuple((check.rule, check.state, " ".join((check.message, _notes(check))).strip()) for check in rest)
    return told, Table(words, columns("check", words=("state", "message")), (*rows, *gone))


def phases(plan: Plan) -> Table:
    """Return the phases of the horizon, where a hosted model of the plan ends inside it."""
    rows = tuple(
        (
            f"{phase.start} to {phase.end}",
            "no plan" if phase.usd_per_month is None else money(phase.usd_per_month),
            ", ".join(phase.ended) or NONE,
            phase.fleet or NONE,
            "; ".join(f"{r.name}: {', then '.join(r.served_by)}" for r in phase.routes) or phase.why_not,
        )
        for phase in plan.phases
    )
    names = columns("days", "USD a month", words=("ends", "machines", "who serves"))
    return Table("Over the horizon", names, rows)


def omitted(plan: Plan) -> Table:
    """Return how many candidates fell, and why."""
    rows = tuple((each.reason, f"{each.count:,}") for each in sorted(plan.omitted, key=lambda e: (-e.count, e.reason)))
    return Table("Candidates that fell, and why", columns("reason", "candidates"), rows)


def prices(review: Review) -> Table:
    """Return the prices of the bill with their ages and sources."""
    has_base = review.base_usd_per_month is not None
    rows = []
    for price in review.prices:
        age = "in the future" if price.age_days is None else f"{price.age_days:,}"
        usd = [_price(price.base_unit_price), _price(price.unit_price)] if has_base else [_price(price.unit_price)]
        rows.append((price.name, *usd, age, price.unit, price.as_of, price.source))
    titles = ("base, USD", "USD") if has_base else ("USD",)
    names = columns("price", *titles, "age, days", words=("for one", "as of", "source"))
    return Table("Prices that the bill uses", names, tuple(rows))


def change_words(review: Review) -> str:
    """Return the change of the bill in words."""
    base = review.base_usd_per_month
    if base is None:
        return ""
    delta = review.usd_per_month - base
    if not delta:
        return "no change of the bill"
    percent = f" ({delta / base * 100:+,.0f} %)".replace("-", "−") if base else ""
    return f"{signed_money(delta)} a month{percent}"


def _notes(check: Check) -> str:
    notes: list[str] = []
    if check.overridden:
        notes.append(f"Overridden: {check.overridden}.")
    elif check.may_override:
        notes.append(f"May be overridden by {check.may_override}.")
    if check.where:
        notes.append(f"{check.where.file}:{check.where.line}")
    return " ".join(notes)


def _in_unit(each: ReviewFigure, value: Decimal | None) -> str:
    if value is None:
        return NONE
    if each.unit.startswith("USD"):
        return money(value)
    if each.unit == "share":
        return share(value)
    return duration(value) if each.unit == "ms" else f"{value:,f}"


def _money(usd: Decimal | None) -> str:
    return NONE if usd is None else money(usd)


def _price(usd: Decimal | None) -> str:
    return NONE if usd is None else f"${usd:,f}"


def _or_none(text: str | None) -> str:
    return NONE if text is None else text
