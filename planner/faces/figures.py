"""How figures are shown to people: money, shares, durations, counts. One place, so that every face says the same."""

from __future__ import annotations

from decimal import Decimal

from planner.plan.traffic import PlannedAvailability
from planner.words.units import duration_words, show_floor, show_share


def money(usd: Decimal | float) -> str:
    """Write dollars like `$28,250`, with cents below ten dollars."""
    value = Decimal(str(usd))
    return f"${value:,.2f}" if abs(value) < 10 else f"${value:,.0f}"


def signed_money(usd: Decimal | float) -> str:
    """Write dollars with their sign, like `+$4,310`, `−$120` or `$0`."""
    value = Decimal(str(usd))
    if value == 0:
        return "$0"
    return ("+" if value > 0 else "−") + money(abs(value))


def available(expected: PlannedAvailability | None, asked: Decimal) -> str:
    """Write an expected availability with what is asked, like `99.97 % of 99.9 %`."""
    if expected is None:
        return "not computed"
    if expected.share is None:
        return f"not known, {at_least(asked)} asked"
    bound = "≥ " if expected.not_known else ""
    return f"{bound}{at_least(expected.share)} of {show_share(float(asked)).replace('%', ' %')}"


def at_least(value: Decimal) -> str:
    """Write a share near one with three decimals at most, rounded down."""
    return show_floor(value).replace("%", " %")


def share(value: Decimal | float) -> str:
    """Write a share like `3.2 %`, without decimals from 10 % on; one that is not nothing never reads as nothing."""
    percent = float(value) * 100
    if 0 < percent < 0.05:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def count_words(number: int, what: str) -> str:
    """Write a number of things, like `1 warning` or `2 warnings`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def rate(requests_per_second: Decimal | float, beside: Decimal | float | None = None) -> str:
    """Write a rate like `1,250 requests/s` or `0.139 requests/s`, and a very low one like `2.6 requests a day`.

    beside: the rate whose unit it takes; its own where there is none.
    """
    value = float(requests_per_second)
    if float(value if beside is None else beside) < 0.01:
        return f"{float(f'{value * 86_400:.3g}'):,g} requests a day"
    return f"{value:,.0f} requests/s" if value >= 100 else f"{value:.3g} requests/s"


def duration(ms: Decimal | float) -> str:
    """Write milliseconds like `820 ms` or `1.50 s`."""
    return duration_words(float(ms))
