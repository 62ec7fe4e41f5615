"""The bill over the horizon: its charges sum to the bill of each month, whatever the phases, and nothing is lost."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.documents.finance import Finance, finance_of
from planner.plan.phases import mean_usd_per_month
from planner.words.numbers import cents_of, dollars
from tests.planner.plans import bent, lock, plan

START, END = date(2026, 12, 1), date(2027, 12, 1)
BILL = plan().cost.usd_per_month


def phased(*later: tuple[date, str | None]) -> Finance:
    """The bill of the plan by hand until the first of these days, and of a sum or of nothing from each on."""
    days = [START, *(day for day, _ in later), END]
    costs = [str(BILL), *(usd for _, usd in later)]
    phases: list[dict[str, Any]] = [
        {
            "start": first,
            "end": after,
            "ended": [] if index == 0 else ["openai/gpt-5.4-mini"],
            "routes": [],
            "fleet": f"{index + 1} × g6e.12xlarge" if usd else "",
            "usd_per_month": usd,
            "why_not": "" if usd else "no model serves chat",
        }
        for index, ((first, after), usd) in enumerate(zip(pairwise(days), costs, strict=True))
    ]
    return finance_of(lock(bent(plan(), {"phases": phases})))


def by_month(finance: Finance) -> dict[date, Decimal]:
    sums: dict[date, Decimal] = {}
    for charge in finance.charges:
        month = charge.period.month_start
        sums[month] = sums.get(month, Decimal(0)) + charge.usd
    return sums


def test_every_month_is_the_bill_and_every_line_stands_in_it_once() -> None:
    finance = finance_of(lock())
    assert by_month(finance) == dict.fromkeys(
        [date(2026, 12, 1), *(date(2027, month, 1) for month in range(1, 12))], BILL
    )
    assert finance.usd == 12 * BILL
    assert len(finance.charges) == 12 * len(plan().cost.lines)
    assert [item.line for item in finance.items] == list(plan().cost.lines)
    assert all(item.usd == 12 * item.usd_per_month for item in finance.items)
    assert sum(item.usd for item in finance.items) == finance.usd


def test_a_phase_that_begins_in_a_month_shares_it_by_days() -> None:
    """15 of the 28 days of February are at the old bill: 15/28 of it to the cent, and 13/28 of the new one."""
    finance = phased((date(2027, 2, 16), "20000.00"))
    months = by_month(finance)
    assert months[date(2027, 1, 1)] == BILL
    assert months[date(2027, 2, 1)] == dollars(BILL * 15 / 28) + dollars(Decimal(20000) * 13 / 28)
    assert months[date(2027, 3, 1)] == Decimal("20000.00")
    (later,) = [item for item in finance.items if item.phase]
    assert later.usd == dollars(Decimal(20000) * 13 / 28) + 9 * Decimal(20000)
    assert sum(item.usd for item in finance.items) == finance.usd == sum(months.values())
    mean = mean_usd_per_month(finance.lock.plan.phases)
    assert mean is not None
    assert abs(finance.usd / 12 - mean) < Decimal("0.01") * mean, "whole months and days weigh nearly the same"


def test_a_phase_in_which_nothing_can_serve_is_told_and_never_zero() -> None:
    finance = phased((date(2027, 3, 1), None))
    assert finance.usd == 3 * BILL
    assert [phase.start for phase in finance.unserved] == [date(2027, 3, 1)]
    assert {charge.period.month_start for charge in finance.charges} == {START, date(2027, 1, 1), date(2027, 2, 1)}
    assert all(item.phase is None for item in finance.items)


@settings(max_examples=40, deadline=None)
@given(
    days=st.lists(st.integers(1, 364), max_size=4, unique=True).map(sorted),
    dollars_each=st.lists(st.integers(1, 10**7), min_size=4, max_size=4),
)
def test_charges_sum_to_the_items_and_cover_each_day_once(days: list[int], dollars_each: list[int]) -> None:
    later = [(START + timedelta(days=day), f"{usd / 100:.2f}") for day, usd in zip(days, dollars_each, strict=False)]
    finance = phased(*later)
    assert sum(item.usd for item in finance.items) == finance.usd == sum(charge.usd for charge in finance.charges)
    spans = sorted({(charge.period.start, charge.period.end) for charge in finance.charges})
    assert [start for start, _ in spans] == [START, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == END
    for charge in finance.charges:
        assert charge.usd >= 0
        assert (charge.line is None) == (charge.period.phase is not None)


@given(
    amounts=st.lists(st.integers(0, 10**9).map(lambda cents: Decimal(cents) / 100), max_size=30),
    factor=st.decimals("0.0001", "200", places=4),
)
def test_parts_sum_to_the_rounded_whole_and_none_is_further_off_than_a_cent(
    amounts: list[Decimal], factor: Decimal
) -> None:
    parts = cents_of(amounts, factor)
    assert sum(parts, Decimal(0)) == dollars(sum(amounts, Decimal(0)) * factor)
    for part, amount in zip(parts, amounts, strict=True):
        assert part >= 0
        assert abs(part - amount * factor) <= Decimal("0.01")


@pytest.mark.parametrize("months", [1, 5, 36])
def test_the_horizon_has_as_many_months_as_the_environment_says(months: int) -> None:
    base = lock()
    environment = {**base.environment, "horizon": {"start": "2027-01-31", "months": months}}
    finance = finance_of(base.model_copy(update={"environment": environment}))
    assert finance.months == months
    assert len(by_month(finance)) == months
    assert finance.usd == months * BILL
