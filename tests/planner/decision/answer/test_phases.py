"""A hosted model that ends inside the horizon serves until its day, and the plan says what follows, with its price."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.decision.answer.phases import phases
from planner.decision.inputs import Inputs
from planner.decision.optimize import optimize
from planner.documents.arithmetic import arithmetic
from planner.documents.environment_file import parse
from planner.domain.agreements import Agreements
from planner.domain.apis import Lifecycle
from planner.domain.catalog import Catalog
from planner.domain.discounts import Discount
from planner.domain.prices import Price
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan
from planner.plan.review import Verdict
from tests.planner import plans

pytestmark = pytest.mark.usefixtures("alone")

KEPT: CapacitiesByDigest = {}
TEXT = """\
version: 1
platform: {{account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}}
horizon: {{start: 2026-12-01, months: {months}}}
routes:
  chat:
    traffic: {{profile: flat, requests_per_second: {{mean: 0.02}}}}
    tokens: {{input: {{mean: 600, p95: 1500}}, output: {{mean: 150, p95: 300}}}}
    slo: {{ttft_p95: 2s, tpot_p95: 80ms}}
    data: internal
    quality: {{accept: [{accept}], source: a test, date: 2026-11-01}}
api: {{providers: {{{providers}}}}}
quotas: {{G: 64, P: 0}}
"""


def inputs(accept: str, months: int = 12, providers: str = "openai: {}", catalog: Catalog | None = None) -> Inputs:
    environment, _ = parse(TEXT.format(accept=accept, months=months, providers=providers), "test.yaml")
    return Inputs(environment, catalog or load_catalog(), load_coefficients(), {})


@lru_cache(maxsize=16)
def planned(accept: str, months: int = 12, providers: str = "openai: {}") -> Plan:
    return optimize(inputs(accept, months, providers), kept=KEPT).plan


def told(plan: Plan, name: str) -> list[Verdict]:
    return [verdict for verdict in plan.verdicts if verdict.name == name]


def with_lifecycle(key: str, **changes: Any) -> Catalog:
    """The shipped catalog with other columns of one hosted model."""
    catalog = load_catalog()
    rows = tuple(replace(row, **changes) if row.key == key else row for row in catalog.apis)
    return replace(catalog, apis=rows)


def test_a_model_that_ends_later_serves_until_then_and_the_rest_is_priced() -> None:
    """It ends on 2027-01-14, 44 days into the year; then the accepted open model is hosted."""
    plan, alone = planned("qwen3-8b, gpt-4o-mini"), planned("qwen3-8b")
    first, then = plan.phases
    assert (first.start, first.end, first.ended) == (date(2026, 12, 1), date(2027, 1, 14), ())
    assert (then.start, then.end, then.ended) == (date(2027, 1, 14), date(2027, 12, 1), ("openai/gpt-4o-mini",))
    assert [route.served_by for phase in plan.phases for route in phase.routes] == [
        ("openai/gpt-4o-mini",),
        ("qwen3-8b",),
    ]
    assert [route.mode for phase in plan.phases for route in phase.routes] == ["api", "self-host"]
    assert first.usd_per_month == plan.cost.usd_per_month < 20
    assert then.usd_per_month == alone.cost.usd_per_month > 500
    mean = (44 * plan.cost.usd_per_month + 321 * alone.cost.usd_per_month) / 365
    assert plan.mean_usd_per_month == mean.quantize(Decimal("0.01"))
    (verdict,) = told(plan, "retirement")
    assert verdict.state == "warn"
    assert f"until then ${plan.cost.usd_per_month} a month; then chat by qwen3-8b, on " in verdict.message
    assert f"${alone.cost.usd_per_month:,} a month" in verdict.message
    assert "accept it for chat" in verdict.message  # the successor that its provider names
    assert arithmetic(plan, inputs("qwen3-8b, gpt-4o-mini").environment) == ()


def test_a_model_that_is_called_at_a_further_address_ends_as_well() -> None:
    asked = inputs("qwen3-8b, gpt-4o-mini")
    routes = {"chat": asked.environment.routes["chat"].model_copy(update={"residency": ("us",)})}
    asked = replace(asked, environment=asked.environment.model_copy(update={"routes": routes}))
    plan = optimize(asked, kept=KEPT).plan
    assert [phase.ended for phase in plan.phases] == [(), ("openai/gpt-4o-mini",)]
    assert [route.served_by for phase in plan.phases for route in phase.routes] == [
        ("openai/gpt-4o-mini@us",),
        ("qwen3-8b",),
    ]
    (verdict,) = told(plan, "retirement")
    assert "then chat by qwen3-8b, on " in verdict.message
    assert "accept it for chat" in verdict.message
    assert arithmetic(plan, asked.environment) == ()


def test_the_months_of_the_horizon_are_those_of_the_calendar() -> None:
    """Two months from 2026-12-01 end on 2027-02-01, after 2027-01-14; one month ends before it."""
    assert len(planned("qwen3-8b, gpt-4o-mini", 2).phases) == 2
    plan = planned("qwen3-8b, gpt-4o-mini", 1)
    assert (plan.phases, plan.mean_usd_per_month) == ((), None)
    (verdict,) = told(plan, "retirement")
    assert (verdict.state, verdict.message) == ("pass", "openai/gpt-4o-mini ends on 2027-01-14, after the horizon")
    assert plan.cost == planned("qwen3-8b, gpt-4o-mini").cost


def test_an_accepted_successor_takes_over() -> None:
    plan = planned("gpt-4o-mini, gpt-5.4-mini")
    assert plan.phases[1].routes[0].served_by == ("openai/gpt-5.4-mini",)
    usd = plan.phases[1].usd_per_month
    assert usd is not None
    assert plan.cost.usd_per_month < usd < 100


def test_without_anything_after_it_the_plan_is_denied() -> None:
    plan = planned("gpt-4o-mini")
    assert plan.phases[-1].usd_per_month is None
    assert plan.phases[-1].end == date(2027, 12, 1)
    assert plan.mean_usd_per_month is None
    (verdict,) = told(plan, "retirement")
    assert verdict.state == "deny"
    assert "openai/gpt-4o-mini ends on 2027-01-14" in verdict.message
    assert "route `chat`" in verdict.message
    assert verdict.message.endswith("its provider names gpt-6-luna instead of gpt-4o-mini: accept it for chat")
    assert arithmetic(plan, inputs("gpt-4o-mini").environment) == ()


def test_a_reserve_that_ends_changes_nothing_and_passes() -> None:
    """gpt-5.6-luna serves; the dearer gpt-5.1 stands behind it and ends in April."""
    plan = planned("gpt-5.6-luna, gpt-5.1")
    assert plan.routes[0].fallback == ("openai/gpt-5.6-luna", "openai/gpt-5.1")
    assert [phase.usd_per_month for phase in plan.phases] == [plan.cost.usd_per_month] * 2
    (verdict,) = told(plan, "retirement")
    assert verdict.state == "pass"
    assert "openai/gpt-5.1 ends on 2027-04-01" in verdict.message


def test_every_day_on_which_a_model_ends_makes_a_phase() -> None:
    """2026-12-11 (two models), 2027-01-14, 2027-04-01: the cheapest that is left serves, and never for less."""
    plan = planned("gpt-5, o3, gpt-4o-mini, gpt-5.1, gpt-5.4-mini")
    assert [phase.ended for phase in plan.phases[1:]] == [
        ("openai/gpt-5", "openai/o3"),
        ("openai/gpt-4o-mini",),
        ("openai/gpt-5.1",),
    ]
    costs = [phase.usd_per_month for phase in plan.phases]
    assert costs == sorted(costs, key=lambda usd: usd or 0)
    assert all(before.end == after.start for before, after in pairwise(plan.phases))


def test_a_plan_on_models_without_an_end_says_when_that_was_read() -> None:
    (verdict,) = told(planned("gpt-5.4-mini"), "retirement")
    assert (verdict.state, verdict.message) == ("pass", "openai/gpt-5.4-mini: no end was announced as of 2026-11-29")
    assert not told(planned("gpt-5.4-mini"), "gap retirement")


@pytest.mark.parametrize(
    ("lifecycle", "words"),
    [
        (None, "how long openai/gpt-5.4-mini is served has not been read"),
        (
            Lifecycle(state="not-before", not_before=date(2026, 11, 30), source="a page", as_of="2026-05"),
            "openai/gpt-5.4-mini was promised until 2026-11-30 only, and its end may be announced any day",
        ),
    ],
    ids=["never read", "a promise that has passed"],
)
def test_not_known_is_not_never(lifecycle: Lifecycle | None, words: str) -> None:
    catalog = with_lifecycle("openai/gpt-5.4-mini", lifecycle=lifecycle)
    (verdict,) = told(optimize(inputs("gpt-5.4-mini", catalog=catalog), kept=KEPT).plan, "gap retirement")
    assert (verdict.state, verdict.message) == ("warn", words)


def test_an_end_that_a_guess_denies_is_an_assumption() -> None:
    weak = Lifecycle(state="none-announced", weak=True, source="a list", as_of="2026-05", note="a guess")
    plan = optimize(
        inputs("gpt-5.4-mini", catalog=with_lifecycle("openai/gpt-5.4-mini", lifecycle=weak)), kept=KEPT
    ).plan
    (verdict,) = told(plan, "assumptions")
    assert verdict.state == "pass"
    assert "that no end of openai/gpt-5.4-mini is announced rests on weak evidence" in verdict.message
    assert not told(plan, "gap retirement")


def test_a_promise_beyond_the_start_passes_with_its_day() -> None:
    promised = Lifecycle(state="not-before", not_before=date(2027, 10, 7), source="a page", as_of="2026-10")
    catalog = with_lifecycle("openai/gpt-5.4-mini", lifecycle=promised)
    plan = optimize(inputs("gpt-5.4-mini", catalog=catalog), kept=KEPT).plan
    (verdict,) = told(plan, "retirement")
    assert verdict.message == "openai/gpt-5.4-mini is promised until 2027-10-07 at least"


NAMES = ("openai/gpt-5.4", "openai/gpt-5.4-mini", "openai/gpt-5.6-luna")
DAYS = st.dates(date(2026, 10, 1), date(2028, 3, 1))


@given(st.lists(st.none() | DAYS, min_size=3, max_size=3), st.integers(1, 24))
def test_phases_cover_the_horizon_and_every_end_begins_one(ends: list[date | None], months: int) -> None:
    asked = inputs("gpt-5.4", months)
    changed = dict(zip(NAMES, ends, strict=True))
    rows = tuple(replace(row, retires=changed[row.key]) if row.key in changed else row for row in asked.catalog.apis)
    asked = replace(asked, catalog=replace(asked.catalog, apis=rows))
    plan = plans.bent(plans.plan(), {"routes/0/fallback": list(NAMES)})
    seen: list[Inputs] = []

    def again(other: Inputs) -> Plan:
        seen.append(other)
        return plan

    horizon, found = asked.environment.horizon, phases(plan, asked, again)
    inside = {day for day in ends if day is not None and horizon.start < day < horizon.end}
    assert {phase.start for phase in found[1:]} == inside
    assert len(found) == (len(inside) + 1 if inside else 0)
    if found:
        assert (found[0].start, found[-1].end) == (horizon.start, horizon.end)
        assert all(before.end == after.start for before, after in pairwise(found))
        assert {name for phase in found for name in phase.ended} == {n for n, day in changed.items() if day in inside}
    for phase, other in zip(found[1:], seen, strict=True):
        serving = {row.key for row in other.catalog.apis if row.serves_on(horizon.start)}
        assert not any(day is not None and day <= phase.start and name in serving for name, day in changed.items())


BILLED, OTHER, WEIGHED = "ec2/us-east-1/g6.xlarge/on-demand", "ec2/us-east-1/p5.48xlarge/on-demand", "api/groq/x/input"
spans = st.tuples(DAYS, st.none() | DAYS)


@given(
    st.dictionaries(st.sampled_from(["ec2/g6", "ec2/p5", "api", "ec2"]), spans, max_size=4),
    st.none() | DAYS,
    st.booleans(),
)
def test_phases_begin_where_a_model_ends_or_a_price_of_the_bill_moves(
    agreed: dict[str, tuple[date, date | None]], end: date | None, moves: bool
) -> None:
    """The plan pays BILLED alone; WEIGHED is the price of another candidate, and OTHER that of none."""
    asked = inputs("gpt-5.4", 12)
    listed = {key: Price(key, Decimal(4), "hour", "a list", "2026-11-01") for key in (BILLED, OTHER, WEIGHED)}
    discounts = tuple(
        Discount(on=on, percent=Decimal(10 + place), source="EDP", as_of=first.isoformat(), until=last)
        for place, (on, (first, last)) in enumerate(sorted(agreed.items()))
        if last is None or last >= first
    )
    agreements = Agreements(listed, {}, discounts)
    rows = tuple(replace(row, retires=end) if row.key == NAMES[0] else row for row in asked.catalog.apis)
    asked = replace(asked, catalog=replace(asked.catalog, apis=rows, agreements=agreements))
    bill = [line.model_copy(update={"price": BILLED}) for line in plans.plan().cost.lines]
    plan = plans.bent(plans.plan(), {"routes/0/fallback": list(NAMES)})
    plan = plan.model_copy(update={"cost": plan.cost.model_copy(update={"lines": tuple(bill)})})
    asked_on: list[dict[str, Price]] = []

    def again(other: Inputs) -> Plan:
        usd = plan.cost.usd_per_month + (len(asked_on) + 1 if moves else 0)
        asked_on.append(dict(other.catalog.prices.rows))
        return plan.model_copy(update={"cost": plan.cost.model_copy(update={"usd_per_month": usd})})

    horizon = asked.environment.horizon
    days = agreements.turns(horizon.start, horizon.end)
    found = phases(plan, asked, again, {WEIGHED})
    ends = {end} if end is not None and horizon.start < end < horizon.end else set()
    needed, now = set(ends), horizon.start
    for day in days:
        before, after = agreements.on(now), agreements.on(day)
        if before[BILLED].usd != after[BILLED].usd or after[WEIGHED].usd < before[WEIGHED].usd:
            needed.add(day)
        now = max([now, *(each for each in needed if each <= day)])
    assert len(asked_on) == len(needed)
    starts = {phase.start for phase in found[1:]}
    assert starts == (needed if moves else ends)
    if found:
        assert (found[0].start, found[-1].end) == (horizon.start, horizon.end)
        assert all(before.end == after.start for before, after in pairwise(found))
        assert all(phase.ended or phase.repriced for phase in found[1:])
    for phase, prices in zip(found[1:], asked_on, strict=False) if moves else ():
        assert prices == dict(agreements.on(phase.start))
