"""How figures are shown to people: money, shares, rates, times. One place, so that every face says the same."""

from __future__ import annotations

from decimal import Decimal


def money(usd: Decimal | float) -> str:
    """`$28,250`; below ten dollars with cents."""
    value = Decimal(str(usd))
    return f"${value:,.2f}" if abs(value) < 10 else f"${value:,.0f}"


def signed_money(usd: Decimal | float) -> str:
    """`+$4,310`, `−$120`, `$0`."""
    value = Decimal(str(usd))
    if value == 0:
        return "$0"
    return ("+" if value > 0 else "−") + money(abs(value))


def share(value: Decimal | float) -> str:
    """`3.2 %`; whole above ten."""
    percent = float(value) * 100
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def count_words(number: int, what: str) -> str:
    """`1 warning`, `2 warnings`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def rate(per_second: Decimal | float) -> str:
    """Requests a second, three digits."""
    return f"{float(per_second):.3g}/s"


def duration(ms: Decimal | float) -> str:
    """`820 ms`, `1.50 s`."""
    value = float(ms)
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.2f} s"
