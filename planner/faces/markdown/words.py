"""How a template writes the figures of a review: amounts, changes, promises, places. Only a change is computed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from planner.documents.review import Check, FigureUnit, Place, Promise, ReviewFigure
from planner.faces.figures import count_words, duration, money, share, signed_money
from planner.faces.markdown.escaping import MISSING, Markdown, code, plain

ARROW = " → "
STATES = {"pass": "✅", "warn": "⚠️", "deny": "⛔"}


def filters() -> dict[str, Callable[..., object]]:
    """Return what a template may apply to a value, by name."""
    return {
        "code": code,
        "plain": plain,
        "money": _known(money),
        "signed": _known(signed_money),
        "share": _known(share),
        "duration": _known(duration),
        "days": lambda days: MISSING if days is None else count_words(days, "day"),
        "place": place_words,
        "icon": lambda state: STATES[state],
        "per_million": lambda usd: amount(usd, "USD per 1M tokens"),
        "counted": count_words,
    }


def amount(value: Decimal | None, unit: FigureUnit) -> str:
    """Write a figure in its unit. What is not known is a dash."""
    if value is None:
        return MISSING
    match unit:
        case "USD a month":
            return money(value)
        case "USD per 1M tokens":
            return f"${value:,.3f}"
        case "share":
            return share(value)
        case "ms":
            return duration(value)
        case _:
            return f"{value.normalize():,f}"


def change(figure: ReviewFigure) -> str:
    """Write what a figure gains or loses, with its share of the base; a dash where a side is not known."""
    if figure.base is None or figure.proposed is None:
        return MISSING
    delta = figure.proposed - figure.base
    if delta == 0:
        return "none"
    percent = f" ({_percent(delta / figure.base)})" if figure.base else ""
    if figure.unit == "USD a month":
        return f"{signed_money(delta)}{percent}"
    if figure.unit == "share":
        points = abs(delta) * 100
        return f"{_sign(delta)}{points:.1f} points" if points >= Decimal("0.05") else f"< {_sign(delta)}0.1 points"
    return f"{_sign(delta)}{amount(abs(delta), figure.unit)}{percent}"


def was_now(was: object, now: object, shown: Callable[[object], object] = str) -> str:
    """Write both sides of a value, like `2 → 3`, or one where they read the same or there was none before.

    shown: how a side is written.
    """
    before, after = (MISSING if side is None else str(shown(side)) for side in (was, now))
    return after if before in (after, MISSING) else f"{before}{ARROW}{after}"


def promise_words(promise: Promise) -> str:
    """Write a promise, like `TTFT 1.10 s → 1.19 s of 1.50 s`. One that is not kept is marked.

    Where the target is another one, each time stands with its own: `TPOT 59 ms of 60 ms → 24 ms of 25 ms`.
    """
    before, after = ([_ms(time) for time in side] for side in _sides(promise))
    if None not in before and before[1] != after[1]:
        told = was_now(
            " of ".join(str(each or MISSING) for each in before), " of ".join(str(each or MISSING) for each in after)
        )
    else:
        told = f"{was_now(before[0], after[0])} of {was_now(before[1], after[1])}"
    late = promise.target_ms is not None and promise.expected_ms is not None and promise.expected_ms > promise.target_ms
    mark = f" {STATES['warn']}" if late else ""
    return f"{promise.metric} {told}{mark}"


def _sides(promise: Promise) -> tuple[tuple[Decimal | None, Decimal | None], ...]:
    """Return the time and its target on both sides."""
    return (promise.base_expected_ms, promise.base_target_ms), (promise.expected_ms, promise.target_ms)


def place_words(place: Place | None) -> Markdown:
    """Write a place as code, like `prod.yaml:8`; nothing without one."""
    return code(f"{place.file}:{place.line}") if place is not None else Markdown("")


def in_order(checks: tuple[Check, ...]) -> dict[str, tuple[Check, ...]]:
    """Return checks in the groups in which a reader meets them, each by rule.

    `first` are denials and what is new; `standing` are warnings that the base has too; `passed` is the rest.
    """

    def group(check: Check) -> str:
        if check.state == "deny" or check.overridden or (check.state == "warn" and not check.standing):
            return "first"
        return "standing" if check.state == "warn" else "passed"

    def rank(check: Check) -> tuple[bool, bool, str]:
        return (bool(check.overridden), check.state != "deny", check.rule)

    ordered = sorted(checks, key=rank)
    return {name: tuple(c for c in ordered if group(c) == name) for name in ("first", "standing", "passed")}


def _known(shown: Callable[..., str]) -> Callable[..., str]:
    return lambda value: MISSING if value is None else shown(value)


def _ms(value: Decimal | None) -> str | None:
    return None if value is None else duration(value)


def _sign(value: Decimal) -> str:
    return "+" if value > 0 else "−"


def _percent(ratio: Decimal) -> str:
    return f"{_sign(ratio)}{abs(ratio) * 100:,.0f} %" if abs(ratio) >= Decimal("0.005") else "< 1 %"
