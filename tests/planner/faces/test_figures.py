"""Figures as people read them: the same everywhere, never with more digits than they are worth."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.faces.figures import count_words, duration, money, share, signed_money


@pytest.mark.parametrize(
    ("usd", "text"),
    [("28250", "$28,250"), ("9.999", "$10.00"), ("9.5", "$9.50"), ("0", "$0.00"), ("1234567.89", "$1,234,568")],
)
def test_money(usd: str, text: str) -> None:
    assert money(Decimal(usd)) == text
    assert money(float(usd)) == text


@pytest.mark.parametrize(("usd", "text"), [("4310", "+$4,310"), ("-120", "−$120"), ("0", "$0"), ("-0.5", "−$0.50")])
def test_signed(usd: str, text: str) -> None:
    assert signed_money(Decimal(usd)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 %"),
        (0.00015, "< 0.1 %"),
        (0.0006, "0.1 %"),
        (0.032, "3.2 %"),
        (0.1, "10 %"),
        (1, "100 %"),
        (0.856, "86 %"),
    ],
)
def test_share(value: float, text: str) -> None:
    assert share(value) == text


def test_counts() -> None:
    assert [count_words(number, "warning") for number in (0, 1, 2)] == ["0 warnings", "1 warning", "2 warnings"]


def test_durations() -> None:
    assert (duration(820), duration(999.4), duration(1500)) == ("820 ms", "999 ms", "1.50 s")


@given(st.decimals(-(10**7), 10**7, places=2))
def test_a_sign_is_the_only_difference(usd: Decimal) -> None:
    assert signed_money(usd).lstrip("+−") == (money(abs(usd)) if usd else "$0")
