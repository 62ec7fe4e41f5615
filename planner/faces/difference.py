"""A review for the terminal: the change in a line, risks first, why the bill changed, what it buys, what is touched.

Nothing is computed here but sums of what the review says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from rich.console import RenderableType
from rich.text import Text

from planner.documents.review import Cause, Check, Place, Review, ReviewFigure, RouteReview, changes_something
from planner.faces.figures import count_words, duration, money, share, signed_money
from planner.faces.layout import above, below, figures, names, sentences
from planner.faces.prose import Prose, Words
from planner.faces.tables import FoldingTable

STATES = {"pass": "green", "warn": "yellow", "deny": "red"}
"""Colour of a check by its state."""


def review_view(review: Review) -> Iterator[RenderableType]:
    """Yield the review, section by section: what no reviewer may miss stands before what a change saves."""
    yield _headline(review)
    if not changes_something(review):
        if any(map(_always_told, review.checks)):
            yield from _checks(review)
        return
    if review.risks:
        yield _risks(review)
    yield _why(review)
    yield _figures(review)
    yield _routes(review)
    yield _components(review)
    if review.kept:
        yield Prose(f"least churn: {review.kept}", "", "  ")
    yield from _checks(review)
    if review.touched:
        yield _touched(review)


def _headline(review: Review) -> Prose:
    """Return the headline. A change that a risk pays for is yellow and not green."""
    change = review.change_usd_per_month
    text = Text(review.headline, style="bold")
    if change:
        told = f"{signed_money(change)} / month"
        style = "bold red" if change > 0 else "bold yellow" if review.risks else "bold green"
        text.highlight_words([told], style=style)
    return Prose(text, rest="  ")


def _risks(review: Review) -> FoldingTable:
    rows = [(Text(risk.kind, style="bold red"), f"{risk.what}{_place(risk.where)}") for risk in review.risks]
    return FoldingTable("Risks of this change", (*names("risk"), *sentences("what")), rows, (below("what"),))


def _place(where: Place | None) -> str:
    return f"   {where.file}:{where.line}" if where else ""


def _why(review: Review) -> FoldingTable:
    rows: list[tuple[Words, Words]] = []
    for cause in review.attribution.causes:
        usd = "" if cause.usd_per_month is None else signed_money(cause.usd_per_month)
        rows.append((f"{'' if usd else '  '}{_told(cause)}", Text(usd, style="yellow" if cause.risk else "")))
    change = review.usd_per_month - (review.base_usd_per_month or Decimal(0))
    rows.append((Text("sum", style="bold"), Text(signed_money(change), style="bold")))
    return FoldingTable(
        "Why it changed",
        (*sentences("what"), *figures("usd")),
        rows,
        has_head=False,
        caption=review.attribution.note,
    )


def _told(cause: Cause) -> str:
    prices = f": {cause.old or 'none'} → {cause.new or 'none'}" if cause.kind == "prices" and cause.name else ""
    risk = f" (a risk: {cause.risk})" if cause.risk else ""
    return f"{cause.what}{prices}{risk}{_place(cause.where)}"


def _figures(review: Review) -> FoldingTable:
    rows: list[tuple[Words, ...]] = []
    for each in review.figures:
        change = "" if each.base is None or each.proposed is None else _signed(each, each.proposed - each.base)
        rows.append((_name(each), _value(each, each.base), _value(each, each.proposed), change))
    columns = (*names("figure"), *figures("base", "proposed", "change"))
    return FoldingTable("Side by side", columns, rows, (above("figure"),))


def _name(each: ReviewFigure) -> str:
    return f"{each.name}, a month" if each.unit == "USD a month" else each.name


def _value(each: ReviewFigure, value: Decimal | None) -> str:
    if value is None:
        return "none"
    if each.unit == "share":
        return share(value)
    if each.unit == "USD per 1M tokens":
        return f"${value:.3f}"
    return money(value) if each.unit == "USD a month" else f"{value:,f}"


def _signed(each: ReviewFigure, change: Decimal) -> str:
    if each.unit == "USD a month":
        return signed_money(change)
    sign = "+" if change > 0 else "−" if change < 0 else ""
    told = _value(each, abs(change))
    if each.unit != "share":
        return f"{sign}{told}"
    return f"< {sign}0.1 points" if told.startswith("<") else f"{sign}{told.replace('%', 'points')}"


def _routes(review: Review) -> FoldingTable:
    rows: list[tuple[Words, ...]] = []
    for route in review.routes:
        rows.append(
            (
                route.name,
                "" if route.presence == "same" else route.presence,
                _class(route),
                _both(route.base_usd_per_month, route.usd_per_month, money),
                _both(route.base_usd_per_million_tokens, route.usd_per_million_tokens, lambda usd: f"${usd:.3f}"),
                _both(route.base_api_share, route.api_share, share),
                *(_promise(route, metric) for metric in ("TTFT", "TPOT")),
                route.served,
            )
        )
    return FoldingTable(
        "Routes",
        (
            *names("route", "change", "data"),
            *figures("$ / month", "$ / 1M tokens", "API share", "TTFT p95", "TPOT p95"),
            *sentences("served by"),
        ),
        rows,
        (below("served by"), below("TTFT p95", "TPOT p95"), below("data"), below("$ / 1M tokens", "API share")),
    )


def _class(route: RouteReview) -> Text:
    """Return the class of a route's data; one that changed stands out."""
    if route.base_privacy in (None, route.privacy):
        return Text(route.privacy)
    return Text(f"{route.base_privacy} → {route.privacy}", style="bold yellow")


def _both(base: Decimal | None, proposed: Decimal | None, write: Callable[[Decimal], str]) -> str:
    told = [("none" if value is None else write(value)) for value in (base, proposed)]
    return told[0] if told[0] == told[1] else " → ".join(told)


def _promise(route: RouteReview, metric: str) -> str:
    promise = next((each for each in route.promises if each.metric == metric), None)
    if promise is None:
        return ""
    before = _expected(promise.base_expected_ms, promise.base_target_ms)
    after = _expected(promise.expected_ms, promise.target_ms)
    return after if before in (after, "") else f"{before} → {after or 'gone'}"


def _expected(time: Decimal | None, target: Decimal | None) -> str:
    if time is None:
        return "" if target is None else f"not known, of {duration(target)}"
    return f"{duration(time)}, no target" if target is None else f"{duration(time)} of {duration(target)}"


def _components(review: Review) -> FoldingTable:
    base: dict[str, Decimal] = {}
    proposed: dict[str, Decimal] = {}
    for line in review.lines:
        base[line.component] = base.get(line.component, Decimal(0)) + line.base_usd_per_month
        proposed[line.component] = proposed.get(line.component, Decimal(0)) + line.usd_per_month
    rows: list[list[Words]] = []
    same = Decimal(0)
    for component in sorted(base, key=lambda name: (-abs(proposed[name] - base[name]), name)):
        old, new = base[component], proposed[component]
        if old == new:
            same += new
        else:
            rows.append([component, *(money(usd) if usd else "$0" for usd in (old, new)), signed_money(new - old)])
    if same:
        rows.append(_styled_row("dim", "everything else", money(same), money(same), "$0"))
    change = review.usd_per_month - (review.base_usd_per_month or Decimal(0))
    totals = [money(review.base_usd_per_month or 0), money(review.usd_per_month), signed_money(change)]
    rows.append(_styled_row("bold", "total", *totals))
    columns = (*names("component"), *figures("base", "proposed", "change"))
    missing = (
        f"without a price, and not in the sum: {', '.join(review.missing_prices)}" if review.missing_prices else ""
    )
    return FoldingTable("Cost a month", columns, rows, (above("component"),), missing)


def _styled_row(style: str, *cells: str) -> list[Words]:
    return [Text(cell, style=style) for cell in cells]


def _checks(review: Review) -> Iterator[FoldingTable]:
    if rows := [*_changed_checks(review)]:
        yield FoldingTable("Checks", (*names("check", "state"), *sentences("what")), rows, (below("what"),))


def _changed_checks(review: Review) -> Iterator[Sequence[Words]]:
    """Yield denials, warnings that the base has not, checks that changed or went, and how many warnings stand."""
    standing = 0
    for check in review.checks:
        if check.standing and not _always_told(check):
            standing += check.state != "pass"
        elif check.state != "pass" or check.base_state not in (None, "pass"):
            told = f"{check.message}; overridden: {check.overridden}" if check.overridden else check.message
            yield (check.rule, Text(_became(check), style=STATES[check.state]), told)
    for check in review.gone_checks:
        if check.state != "pass":
            yield (check.rule, "gone", f"was {check.state}: {check.message}")
    if standing:
        yield ("", "", Text(f"{count_words(standing, 'warning')} as on the base", style="dim"))


def _always_told(check: Check) -> bool:
    """Say whether a check is told though the base has it too: it denies, or somebody overrode it."""
    return check.state == "deny" or bool(check.overridden)


def _became(check: Check) -> str:
    changed = check.base_state is not None and check.base_state != check.state
    return f"{check.base_state} → {check.state}" if changed else check.state


def _touched(review: Review) -> FoldingTable:
    rows: list[tuple[Words, ...]] = []
    for part in review.touched:
        rows.append((part.part, part.presence, "\n".join([*part.changes, *([part.order] if part.order else [])])))
    columns = (*names("part", "change"), *sentences("in"))
    return FoldingTable("What a deployment touches", columns, rows, (below("in"),))
