"""How a load became a rate, as the plan tells it: the words, what was assumed, and what comes after the quarter."""

from __future__ import annotations

from decimal import Decimal

import pytest

from planner.decision.answer.loads import planned_load
from planner.decision.candidates.demand import Demand, demand
from planner.documents.environment_file import parse
from planner.domain.scaling import scaled
from planner.plan.traffic import PlannedLoad
from tests.planner.plans import ENVIRONMENT

CHAT = "requests_per_second: {mean: 5}"  # office-hours in Berlin: the busiest hour has 2.63 × the mean


def asked(traffic: str, scale: float = 1.0) -> Demand:
    assert CHAT in ENVIRONMENT
    environment, _ = parse(ENVIRONMENT.replace(CHAT, traffic), "a.yaml")
    return demand(scaled(environment, scale), {})


def told(traffic: str) -> PlannedLoad:
    return planned_load(asked(traffic).routes[0])


def test_a_mean_rate_needs_no_words_and_no_notes() -> None:
    load = told(CHAT)
    assert (load.stated, load.notes, load.plan_again_by) == (None, (), None)
    assert load.mean_requests_per_second == 5
    assert float(load.busiest_hour_requests_per_second) == pytest.approx(13.1, abs=0.1)
    assert load.capacity_factor == load.usage_factor == 1


def test_other_statements_are_named_with_what_they_stand_for() -> None:
    load = told("requests: {per_day: 12k, per_month: 365k}")
    assert load.stated == "12,000 requests a day"
    assert load.notes == (
        "it is also stated as 365,000 requests a month (0.139 requests/s); they agree, and the first decides",
    )


def test_people_say_what_was_assumed_of_them() -> None:
    load = told("users: {concurrent: 500, think_time: 30s}")
    # 1.2 s + 1.155 · 0.3 s + 210 · 60 ms
    assert load.stated == "500 people at once, who think for 30s and wait 14.1 s for an answer"
    assert float(load.busiest_hour_requests_per_second) == pytest.approx(500 / 44.1465, rel=1e-4)
    (note,) = load.notes
    assert note.endswith("answered at once they would send 16.7 requests/s, and a slower system gets fewer")
    assert "the more" not in note
    (note,) = told("users: {concurrent: 5, think_time: 0s}").notes
    assert note.endswith("without time to think they send more the faster they are answered")


def test_growth_names_the_quarter_and_what_comes_after_it() -> None:
    load = told(f"{CHAT}, growth_per_month: 10%")
    assert (load.capacity_factor, load.usage_factor) == (Decimal("1.21"), Decimal("1.10333"))
    assert load.plan_again_by == "2027-03-01"
    assert load.notes == (
        "machines are sized for 1.21 × the stated load, the highest month before 2027-03-01, and usage is billed at "
        "1.1 ×, their mean",
        "2027-11 has 2.85 × and this plan does not hold for it: plan again by 2027-03-01",
    )


def test_a_season_after_the_quarter_is_named_with_its_month() -> None:
    notes = told(f"{CHAT}, seasons: {{11: 3, 12: 1.5}}").notes
    assert notes[-1] == "2027-11 has 3 × and this plan does not hold for it: plan again by 2027-03-01"
    notes = told(f"{CHAT}, seasons: {{5: 3, 12: 1.5}}").notes
    assert notes[-1] == (
        "2027-05 has 3 × and this plan does not hold for it; the horizon ends in 2027-11 with 1 ×: "
        "plan again by 2027-03-01"
    )
    notes = told(f"{CHAT}, seasons: {{12: 1.5}}").notes
    assert notes[-1] == "no later month is higher; the horizon ends in 2027-11 with 1 ×"


def test_a_season_that_the_horizon_never_reaches_is_said_once() -> None:
    text = ENVIRONMENT.replace(CHAT, f"{CHAT}, seasons: {{8: 3, 9: 1}}").replace("months: 12", "months: 6")
    (route, _) = demand(parse(text, "a.yaml")[0], {}).routes
    assert planned_load(route).notes == ("seasons: the horizon has no month 8 and 9",)


def test_levels_are_billed_at_the_mean_and_planned_for_the_highest_month() -> None:
    base, grown = asked(CHAT), asked(f"{CHAT}, growth_per_month: 10%")
    for before, after in zip(base.levels, grown.levels, strict=True):
        assert after.rates["chat"] == pytest.approx(before.rates["chat"] * 1.1033, rel=1e-3)
        # independent arrivals burst a little less at a higher rate
        assert before.planned["chat"] * 1.2 < after.planned["chat"] <= before.planned["chat"] * 1.21
        assert after.rates["extraction"] == before.rates["extraction"]
    double = asked(CHAT, scale=2)
    assert [level.rates["chat"] for level in double.levels] == pytest.approx(
        [2 * level.rates["chat"] for level in base.levels]
    )


def test_the_rarest_load_has_room_for_one_request_in_five_minutes() -> None:
    for level in asked("requests_per_second: {mean: 0.000001}").levels:
        assert level.rates["chat"] < 1e-5
        assert level.planned["chat"] == pytest.approx(1 / 300)
    busy = asked(CHAT)
    assert all(level.planned["chat"] > 1 / 300 for level in busy.levels)
