"""A load as people say it: each statement is the rate that one computes by hand, and months are factors."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.documents.environment_file import parse
from planner.domain.environment import Environment, Horizon
from planner.domain.load import load_of, months, months_later, promised_ms, route_week, statements, uncertainty
from planner.domain.route import Route, Slo
from planner.domain.scaling import scaled
from planner.domain.traffic import Traffic
from planner.domain.workload import Mix
from tests.planner.plans import ENVIRONMENT

MIX = Mix((800.0, 1600.0), (100.0, 300.0), (0.5, 0.5))  # 1,200 in and 200 out: 1,400 tokens a request
FLAT = (1.0,) * 168
PEAKED = (3.0, *(165 / 167,) * 167)
SLO = {"ttft_p95": {"base": "1s", "per_1k_input": "500ms"}, "tpot_p95": "40ms"}


def route(slo: dict[str, Any] | None = None, **traffic: Any) -> Route:
    parts: dict[str, Any] = {"traffic": Traffic.model_validate(traffic), "slo": Slo.model_validate(slo or SLO)}
    return Route.model_construct(**parts)


def horizon(start: str = "2026-12-01", length: int = 12) -> Horizon:
    return Horizon.model_validate({"start": start, "months": length})


@pytest.mark.parametrize(
    ("traffic", "mean", "words"),
    [
        ({"requests_per_second": {"mean": 2.5}}, 2.5, "2.5 requests/s"),
        ({"requests_per_second": {"peak": 6}}, 2, "6 requests/s in the busiest hour"),
        ({"requests": {"per_day": "12k"}}, 12_000 / 86_400, "12,000 requests a day"),
        ({"requests": {"per_month": "1M"}}, 1_000_000 / (730 * 3600), "1,000,000 requests a month"),
        ({"tokens": {"per_day": "7M"}}, 5_000 / 86_400, "7,000,000 tokens a day at 1,400 a request"),
        ({"tokens": {"per_month": "14B"}}, 1e7 / (730 * 3600), "14,000,000,000 tokens a month at 1,400 a request"),
        # 1 s + 1.2 · 0.5 s + 199 · 40 ms = 9.56 s; 500 / 39.56 s in the busiest hour, which is three times the mean
        (
            {"users": {"concurrent": 500, "think_time": "30s"}},
            500 / 39.56 / 3,
            "500 people at once, who think for 30s and wait 9.56 s for an answer",
        ),
    ],
)
def test_each_statement_is_the_rate_that_one_computes_by_hand(traffic: dict[str, Any], mean: float, words: str) -> None:
    (stated,) = statements(route(**traffic), MIX, PEAKED)
    assert stated.mean == pytest.approx(mean)
    assert stated.words == words
    load = load_of(route(**traffic), MIX, PEAKED, horizon())
    assert load.mean == pytest.approx(mean)
    assert load.busiest == pytest.approx(3 * mean)


@pytest.mark.parametrize(
    "traffic",
    [
        {"requests_per_second": {"mean": 2.5}},
        {"requests_per_second": {"peak": 6}},
        {"requests": {"per_day": "12k"}},
        {"requests": {"per_month": "1M"}},
        {"tokens": {"per_day": "7M"}},
        {"tokens": {"per_month": "14B"}},
        {"users": {"concurrent": 500, "think_time": "30s"}},
    ],
)
def test_a_multiple_of_each_statement_is_a_multiple_of_the_rate(traffic: dict[str, Any]) -> None:
    environment, _ = parse(ENVIRONMENT, "a.yaml")
    alone = environment.model_copy(update={"routes": {"chat": route(**traffic)}})
    ones, more = (load_of(each.routes["chat"], MIX, PEAKED, each.horizon) for each in (alone, scaled(alone, 1.7)))
    assert more.mean == pytest.approx(1.7 * ones.mean)
    assert more.busiest == pytest.approx(1.7 * ones.busiest)


def test_the_first_statement_decides_and_the_others_are_kept() -> None:
    stated: dict[str, Any] = {
        "users": {"concurrent": 10, "think_time": "30s"},
        "tokens": {"per_month": "14B"},
        "requests": {"per_day": 100, "per_month": 3000},
        "requests_per_second": {"peak": 9, "mean": 3},
    }
    load = load_of(route(**stated), MIX, PEAKED, horizon())
    assert (load.statement.key, load.mean) == (("requests_per_second", "mean"), 3)
    assert [statement.key for statement in load.agreeing] == [
        ("requests_per_second", "peak"),
        ("requests", "per_day"),
        ("requests", "per_month"),
        ("tokens", "per_month"),
        ("users",),
    ]


def test_a_load_that_is_not_stated_is_refused() -> None:
    with pytest.raises(ValueError, match="says nothing of its load"):
        load_of(route(), MIX, FLAT, horizon())


@pytest.mark.parametrize(
    ("slo", "promised"),
    [
        (SLO, 9560),
        ({**SLO, "e2e_p95": "5s"}, 5000),
        ({**SLO, "e2e_p95": "20s"}, 9560),
        ({"e2e_p95": "20s"}, 20_000),
        ({"ttft_p95": "1s", "tokens_per_second": 25}, 1000 + 199 * 40),
        ({"ttft_p95": "1s", "tpot_p95": "100ms", "tokens_per_second": 25}, 1000 + 199 * 40),
        ({"ttft_p95": "1s"}, None),
        ({"tpot_p95": "40ms"}, None),
    ],
)
def test_the_promised_response_is_what_the_slo_says_at_mean_lengths(
    slo: dict[str, Any], promised: float | None
) -> None:
    expected = promised if promised is None else pytest.approx(promised)
    assert promised_ms(Slo.model_validate(slo), MIX) == expected


def test_a_promise_of_one_token_needs_no_time_for_others() -> None:
    assert promised_ms(Slo.model_validate({"ttft_p95": "1s"}), Mix((1000.0,), (1.0,), (1.0,))) == 1000


def test_people_without_a_promise_cannot_be_turned_into_a_rate() -> None:
    users = {"users": {"concurrent": 5, "think_time": "0s"}}
    (stated,) = statements(route({"ttft_p95": "1s"}, **users), MIX, FLAT)
    assert stated.mean is None
    (stated,) = statements(route(**users), MIX, FLAT)
    assert stated.mean == pytest.approx(5 / 9.56)


@given(st.integers(1, 10**6), st.floats(0, 1e7), st.floats(1, 1e6))
def test_fewer_requests_come_where_people_think_or_wait_longer(people: int, think_ms: float, wait_ms: float) -> None:
    def rate(think: float, wait: float) -> float:
        users = {"users": {"concurrent": people, "think_time": f"{think:.3f}ms"}}
        (stated,) = statements(route({"e2e_p95": f"{wait:.3f}ms"}, **users), MIX, FLAT)
        assert stated.mean is not None
        return stated.mean

    assert rate(think_ms, wait_ms) >= rate(2 * think_ms, wait_ms)
    assert rate(think_ms, wait_ms) > rate(think_ms, 2 * wait_ms)
    assert rate(think_ms, wait_ms) * (think_ms + wait_ms) == pytest.approx(people * 1000, rel=1e-2)


def test_growth_and_seasons_make_the_months() -> None:
    traffic = Traffic.model_validate({"growth_per_month": "10%", "seasons": {12: 1.5, "2": 0.5}})
    found = months(traffic, horizon("2026-12-15", 15))
    assert [f"{month.first:%Y-%m-%d}" for month in found[:3]] == ["2026-12-15", "2027-01-15", "2027-02-15"]
    assert [month.factor for month in found[:4]] == pytest.approx([1.5, 1.1, 1.21 * 0.5, 1.331])
    assert found[12].factor == pytest.approx(1.1**12 * 1.5)
    assert len(found) == 15


def test_machines_are_sized_for_the_highest_month_of_the_quarter_and_usage_for_its_mean() -> None:
    growing = load_of(route(requests={"per_day": 86_400}, growth_per_month="3%"), MIX, FLAT, horizon())
    assert growing.capacity_factor == pytest.approx(1.03**2)
    assert growing.usage_factor == pytest.approx((1 + 1.03 + 1.03**2) / 3)
    seasonal = load_of(route(requests={"per_day": 86_400}, seasons={1: 2, 11: 9}), MIX, FLAT, horizon())
    assert seasonal.capacity_factor == 2
    assert seasonal.usage_factor == pytest.approx(4 / 3)
    short = load_of(route(requests={"per_day": 86_400}, growth_per_month="3%"), MIX, FLAT, horizon(length=1))
    assert (short.capacity_factor, short.usage_factor) == (1, 1)
    constant = load_of(route(requests={"per_day": 86_400}), MIX, FLAT, horizon())
    assert (constant.capacity_factor, constant.usage_factor) == (1, 1)


@pytest.mark.parametrize(
    ("day", "count", "later"),
    [
        (date(2026, 12, 1), 3, date(2027, 3, 1)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2027, 11, 30), 3, date(2028, 2, 29)),
        (date(2026, 1, 31), 0, date(2026, 1, 31)),
        (date(2026, 1, 31), 36, date(2029, 1, 31)),
    ],
)
def test_the_same_day_some_months_later(day: date, count: int, later: date) -> None:
    assert months_later(day, count) == later


def test_uncertainty_is_the_routes_own_or_that_of_the_plan() -> None:
    def environment(traffic: str = "", planning: str = "") -> Environment:
        text = ENVIRONMENT.replace("{mean: 0.8}", f"{{mean: 0.8}}{traffic}") + planning
        return parse(text, "a.yaml")[0]

    assert uncertainty(environment(), "extraction") == 0.2
    assert uncertainty(environment(planning="planning: {demand_uncertainty: 35%}\n"), "extraction") == 0.35
    assert uncertainty(environment(", uncertainty: 0%", "planning: {demand_uncertainty: 35%}\n"), "extraction") == 0
    assert uncertainty(environment(", uncertainty: 5%"), "chat") == 0.2


def test_the_week_of_a_route_is_its_profile_in_its_zone() -> None:
    week = route_week(route(profile="batch-nightly", timezone="Asia/Tokyo"), horizon())
    assert (max(week), week[12], week[14], week[23]) == (3, 0, 3, 0)  # 21:00 and 23:00, 8:00 in Tokyo
    with pytest.raises(ValueError, match="zeros"):
        route_week(route(profile=[0] * 168), horizon())
