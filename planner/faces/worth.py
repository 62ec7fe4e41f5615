"""What moves a plan, for the terminal: what its limits are worth, how far it swings, and what its promises cost."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from planner.documents.explanation import Values
from planner.faces.figures import money, signed_money
from planner.faces.layout import below, figures, left_out, names, sentences
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable
from planner.plan.worth import LimitWorth, MovedPlan, Swing

PICTURE = ""
"""Label of the bars. They repeat a figure, so no caption names them when they give way."""
LONGEST_BAR = 20
"""Columns of the bar of the widest end."""
NO_PLAN = "no plan"
SAME = "as in the plan"
"""What is said of a plan with the same machines, modes and models; its replicas and shares may differ."""


def worth_view(found: Values) -> Iterator[RenderableType]:
    """Yield the plan in one line, the tables, and what is left out."""
    yield _headline(found)
    if found.limits:
        yield _limits(found)
    if found.swings:
        yield _swings(found)
    if found.premiums:
        yield _premiums(found)
    if found.others:
        yield _others(found)
    if found.left_out:
        yield Group(*(Prose(each, "· ", "  ") for each in found.left_out))


def _headline(found: Values) -> Prose:
    text = Text(f"What moves the plan for {found.environment}: ", style="bold")
    text.append(f"{money(found.usd_per_month)} / month", style="bold cyan")
    text.append(f" with {found.fleet}; each figure is from a plan of its own, made without the lock")
    locked = found.locked_usd_per_month
    if locked is not None and locked != found.usd_per_month:
        text.append(f". The locked plan costs {money(locked)}: it is stale, or keeps its pools")
    if not found.all_proven:
        text.append(". Some of the plans are the best found and not proven, so that differences of them may be off")
    return Prose(text, rest="  ")


def _limits(found: Values) -> FoldingTable:
    rows = [
        (
            each.limit if moved is each.moved[0] else "",
            _amount(each.stated, each.unit) if moved is each.moved[0] else "",
            _amount(each.used, each.unit) if moved is each.moved[0] else "",
            moved.change,
            _more(moved),
            _limit_words(each, moved),
        )
        for each in found.limits
        for moved in each.moved
    ]
    return FoldingTable(
        "One step of each limit",
        (*names("limit"), *figures("allowed", "used"), *names("step"), *figures("$ / month"), *sentences("then")),
        rows,
        (below("then"), below("allowed", "used")),
        "quotas in vCPU, limits of accounts a minute; used is the most, before what a lost node would add",
    )


def _limit_words(each: LimitWorth, moved: MovedPlan) -> str:
    if moved is each.moved[0] and not each.binds and moved.usd_per_month is not None:
        return "does not bind"
    return _then(moved)


def _swings(found: Values) -> FoldingTable:
    most = max(
        (abs(end.more_usd_per_month or Decimal(0)) for swing in found.swings for end in _ends(swing)),
        default=Decimal(0),
    )
    rows: list[tuple[Words, ...]] = [
        (
            swing.cause if end is swing.low else "",
            end.change,
            NO_PLAN if end.usd_per_month is None else money(end.usd_per_month),
            _more(end),
            _bar(end, most),
            _then(end),
        )
        for swing in found.swings
        for end in _ends(swing)
    ]
    return FoldingTable(
        "What is uncertain, the widest first",
        (
            *names("cause", "end"),
            *figures("$ / month", "difference"),
            *names(PICTURE),
            *sentences("then"),
        ),
        rows,
        (left_out(PICTURE), below("then")),
        "all is planned anew at each end; with fixed machines the bill moves as `spillway show` says",
    )


def _ends(swing: Swing) -> tuple[MovedPlan, MovedPlan]:
    return swing.low, swing.high


def _bar(end: MovedPlan, most: Decimal) -> str:
    more = end.more_usd_per_month
    return "" if not more or not most else "█" * max(1, round(float(abs(more) / most) * LONGEST_BAR))


def _premiums(found: Values) -> FoldingTable:
    rows: list[tuple[Words, ...]] = [
        (
            each.promise,
            _premium(each.usd_per_month),
            each.without.change,
            _then(each.without),
        )
        for each in found.premiums
    ]
    return FoldingTable(
        "What promises cost",
        (*names("promise"), *figures("$ / month"), *names("without it"), *sentences("then")),
        rows,
        (below("then"), below("without it")),
    )


def _premium(usd: Decimal | None) -> str:
    return "not known" if usd is None else money(usd) if usd else "$0"


def _others(found: Values) -> FoldingTable:
    return FoldingTable(
        "Plans of another kind",
        (*names("plan"), *figures("$ / month", "difference"), *sentences("what it is")),
        [(each.change, money(each.usd_per_month or 0), _more(each), _then(each)) for each in found.others],
        (below("what it is"),),
        "the cheapest on other GPUs, or with a route in another mode",
    )


def _then(moved: MovedPlan) -> str:
    return moved.why_not if moved.usd_per_month is None else moved.instead or SAME


def _more(moved: MovedPlan) -> str:
    return NO_PLAN if moved.more_usd_per_month is None else signed_money(moved.more_usd_per_month)


def _amount(value: Decimal, unit: str) -> str:
    if unit.startswith("USD"):
        return money(value)
    return f"{value:,.0f}" if value >= 10 or not value else f"{float(value):.2g}"
