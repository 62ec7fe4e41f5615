"""Weeks and load levels: means are one, hours are 730, peaks stay, volume is conserved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.domain.demand import ProfileName, hourly_rates, level_of_each_hour, levels, week_profile
from planner.words.units import HOURS_PER_WEEK

START = date(2026, 12, 1)
NAMES: tuple[ProfileName, ...] = ("flat", "office-hours", "global", "batch-nightly")
WEEK = st.lists(st.floats(0.01, 100), min_size=HOURS_PER_WEEK, max_size=HOURS_PER_WEEK)
DAY = st.lists(st.floats(0.01, 100), min_size=24, max_size=24)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata"])
def test_named_profiles_have_mean_one(name: ProfileName, zone: str) -> None:
    week = week_profile(name, ZoneInfo(zone), START)
    assert len(week) == HOURS_PER_WEEK
    assert sum(week) == pytest.approx(HOURS_PER_WEEK)
    assert min(week) >= 0


@given(WEEK, st.integers(-12, 14))
def test_any_168_numbers_become_multipliers(loads: list[float], offset: int) -> None:
    week = week_profile(loads, timezone(timedelta(hours=offset)), START)
    assert sum(week) == pytest.approx(HOURS_PER_WEEK)
    mean = sum(loads) / HOURS_PER_WEEK
    assert week[(24 - offset) % HOURS_PER_WEEK] == pytest.approx(loads[24] / mean)


def test_office_hours_follow_the_local_clock_in_winter_and_in_summer() -> None:
    busiest = {
        start: max(range(24), key=lambda hour: week_profile("office-hours", ZoneInfo("Europe/Berlin"), start)[hour])
        for start in (date(2026, 12, 1), date(2026, 6, 1))
    }
    assert busiest == {date(2026, 12, 1): 9, date(2026, 6, 1): 8}


def test_weekends_are_quiet_and_monday_is_first() -> None:
    week = week_profile("office-hours", UTC, START)
    assert week[5 * 24 + 10] == pytest.approx(week[10] / 4)
    assert week[10] == max(week)


def test_nightly_batches_leave_the_day_empty() -> None:
    week = week_profile("batch-nightly", UTC, START)
    assert week[12] == 0
    assert week[23] == week[5] == 3


def test_global_load_is_flatter_than_one_offices_and_ignores_the_zone() -> None:
    spread = week_profile("global", ZoneInfo("Asia/Tokyo"), START)
    assert max(spread) < max(week_profile("office-hours", UTC, START))
    assert spread == week_profile("global", UTC, START)


def test_a_week_in_which_the_clock_changes_still_has_mean_one() -> None:
    week = week_profile([float(hour) for hour in range(HOURS_PER_WEEK)], ZoneInfo("Europe/Berlin"), date(2026, 10, 19))
    assert sum(week) == pytest.approx(HOURS_PER_WEEK)


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ([1.0] * 24, "168 numbers"),
        ([0.0] * 168, "no load"),
        ([1.0] * 167 + [-1.0], "hour 167"),
        ([float("nan")] + [1.0] * 167, "hour 0"),
        ("office", "office-hours"),
    ],
)
def test_bad_profiles_are_refused(profile: Sequence[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        week_profile(profile, UTC, START)


def _three_routes() -> dict[str, tuple[float, ...]]:
    berlin = ZoneInfo("Europe/Berlin")
    return {
        "chat": hourly_rates(12, week_profile("office-hours", berlin, START)),
        "code": hourly_rates(2, week_profile("global", berlin, START)),
        "extract": hourly_rates(3, week_profile("batch-nightly", berlin, START)),
    }


def test_levels_of_three_routes() -> None:
    found = levels(_three_routes(), 6, {"chat": 1.38, "code": 1.56})
    assert len(found) == 6
    assert [level.name for level in found] == ["peak", "peak-code", "level-3", "peak-extract", "level-5", "trough"]
    totals = [sum(level.rates.values()) for level in found]
    assert totals == sorted(totals, reverse=True)
    peak = found[0]
    assert peak.planned["chat"] == pytest.approx(1.38 * peak.rates["chat"])
    assert peak.planned["extract"] == peak.rates["extract"]


def test_order_of_the_routes_changes_nothing() -> None:
    routes = _three_routes()
    backwards = dict(reversed(list(routes.items())))
    assert levels(routes) == levels(backwards)


def test_a_flat_week_is_one_level() -> None:
    (level,) = levels({"chat": (5.0,) * HOURS_PER_WEEK})
    assert (level.name, level.hours, level.rates) == ("peak", Decimal("730.00"), {"chat": 5.0})


def test_a_short_week_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="code: a week has 168 hours"):
        levels({"code": [1.0] * 24})
    assert levels({}) == ()


@given(st.dictionaries(st.sampled_from("abcd"), DAY, min_size=1), st.integers(6, 9))
@settings(max_examples=40, deadline=None)
def test_levels_keep_hours_volume_and_peaks(days: dict[str, list[float]], count: int) -> None:
    routes = {name: day * 7 for name, day in days.items()}
    found = levels(routes, count)
    assert sum(level.hours for level in found) == Decimal(730)
    assert len({level.name for level in found}) == len(found)
    assert len(found) <= max(count, len(routes) + 2)
    totals = [sum(hour) for hour in zip(*routes.values(), strict=True)]
    assert max(sum(level.rates.values()) for level in found) == pytest.approx(max(totals))
    for name, week in routes.items():
        assert max(level.rates[name] for level in found) == pytest.approx(max(week))
        volume = sum(float(level.hours) * level.rates[name] for level in found)
        assert volume == pytest.approx(sum(week) / HOURS_PER_WEEK * 730, rel=1e-3)


def test_more_levels_come_closer_to_the_week() -> None:
    routes = _three_routes()

    def error(count: int) -> float:
        found = levels(routes, count)
        return sum(
            min(sum((level.rates[name] - routes[name][hour]) ** 2 for name in routes) for level in found)
            for hour in range(HOURS_PER_WEEK)
        )

    assert error(6) > error(9) > error(14)


@given(
    st.dictionaries(
        st.sampled_from(("chat", "code")), st.lists(st.integers(0, 9), min_size=168, max_size=168), min_size=1
    ),
    st.integers(2, 8),
)
def test_each_hour_belongs_to_the_level_that_counts_it(weeks: dict[str, list[int]], count: int) -> None:
    hourly = {route: [float(rate) for rate in week] for route, week in weeks.items()}
    names = level_of_each_hour(hourly, count)
    assert len(names) == 168
    for level in levels(hourly, count):
        inside = [hour for hour, name in enumerate(names) if name == level.name]
        assert len(inside) * 730 / 168 == pytest.approx(float(level.hours), abs=0.02)
        for route, week in hourly.items():
            assert sum(week[hour] for hour in inside) / len(inside) == pytest.approx(level.rates[route])
