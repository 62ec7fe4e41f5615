"""The hours behind a plan: they are the lock's own levels or nothing, and their parts add up to its figures."""

from __future__ import annotations

from decimal import Decimal

import pytest

from planner.documents.hours import HourOfRoute, hours_of_routes, levels_of_pool
from planner.documents.lock import Lock, load
from planner.edges.reporting import billed_weeks
from planner.edges.workspace import Workspace
from planner.plan.fleet import Replicas
from planner.plan.schedule import schedule
from tests.examples import ENVIRONMENTS, environment_name, lock_paths

NAMES = [environment_name(path) for path in lock_paths()]


def _lock(name: str) -> Lock:
    path = Workspace(ENVIRONMENTS).lock_path(name)
    return load(path.read_text(encoding="utf-8"), str(path))


def _weeks(name: str) -> dict[str, tuple[float, ...]]:
    return billed_weeks(_lock(name), Workspace(ENVIRONMENTS).wanted(name))


def _hours(name: str) -> dict[str, tuple[HourOfRoute, ...]]:
    return hours_of_routes(_lock(name).plan, _weeks(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_hours_are_those_of_the_levels(name: str) -> None:
    plan, hours = _lock(name).plan, _hours(name)
    assert set(hours) == {route.name for route in plan.routes}
    for route, week in hours.items():
        assert len(week) == 168
        for level in plan.levels:
            inside = [hour.requests_per_second for hour in week if hour.level == level.name]
            assert len(inside) * 730 / 168 == pytest.approx(float(level.hours), abs=0.02)
            assert sum(inside) / len(inside) == pytest.approx(float(level.mean_requests_per_second[route]), rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_what_apis_take_of_the_week_is_the_planned_share_of_the_month(name: str) -> None:
    plan, hours = _lock(name).plan, _hours(name)
    for route in plan.routes:
        week = hours[route.name]
        for hour in week:
            assert hour.own + hour.api + hour.refused == pytest.approx(hour.requests_per_second)
            assert min(hour.own, hour.api, hour.refused) >= 0
        total = sum(hour.requests_per_second for hour in week)
        assert sum(hour.api for hour in week) / total == pytest.approx(float(route.spill_share), abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_band_that_an_api_takes_whole_needs_no_share_by_level(name: str) -> None:
    plan, weeks = _lock(name).plan, _weeks(name)
    first, *others = plan.routes
    whole = [band.model_copy(update={"weights": {}, "api_share": Decimal(1)}) for band in first.bands]
    told, left_out = (
        [band.model_copy(update={"spill_by_level": spilled}) for band in whole]
        for spilled in ({level.name: Decimal(1) for level in plan.levels}, {})
    )
    hours = [
        hours_of_routes(plan.model_copy(update={"routes": (first.model_copy(update={"bands": bands}), *others)}), weeks)
        for bands in (told, left_out)
    ]
    assert hours[0] == hours[1]
    assert sum(hour.api for hour in hours[1][first.name]) > 0


def test_another_week_is_not_told() -> None:
    weeks = _weeks("prod")
    shifted = {**weeks, "chat": (*weeks["chat"][1:], weeks["chat"][0])}
    assert hours_of_routes(_lock("prod").plan, shifted) == {}
    louder = {**weeks, "chat": tuple(rate * 1.01 for rate in weeks["chat"])}
    assert hours_of_routes(_lock("prod").plan, louder) == {}
    assert hours_of_routes(_lock("prod").plan, {"chat": weeks["chat"]}) == {}


def test_an_environment_that_lost_a_route_has_no_week() -> None:
    lock, wanted = _lock("prod"), Workspace(ENVIRONMENTS).wanted("dev")
    assert billed_weeks(lock, wanted) == {}


@pytest.mark.parametrize("name", [name for name in NAMES if _lock(name).plan.pools])
def test_a_pool_is_as_full_as_the_plan_says(name: str) -> None:
    plan = _lock(name).plan
    for pool in plan.pools:
        levels = levels_of_pool(plan, pool)
        assert sum(Decimal(str(level.hours)) for level in levels) == 730
        assert [level.wanted for level in levels] == sorted((level.wanted for level in levels), reverse=True)
        assert all(level.served <= level.wanted + 1e-9 for level in levels)
        busiest = max(level.served for level in levels) / pool.replicas.max
        assert busiest == pytest.approx(float(pool.peak_utilization), rel=5e-3)


def test_a_pool_without_capacities_is_not_drawn() -> None:
    plan = _lock("prod").plan
    assert levels_of_pool(plan, plan.pools[0].model_copy(update={"capacity": ()})) == ()


def test_a_pool_that_follows_the_clock_has_most_in_the_hours_that_keep_most_busy() -> None:
    plan = _lock("prod").plan
    pool = plan.pools[0]
    most = pool.replicas.max
    hours = tuple(most if 8 <= hour % 24 < 20 else 0 for hour in range(168))
    asleep = pool.model_copy(update={"replicas": Replicas(min=0, max=most, week=schedule("UTC", hours))})
    levels = sorted(levels_of_pool(plan, asleep), key=lambda level: -level.served)
    assert [level.there for level in levels] == sorted((level.there for level in levels), reverse=True)
    assert {level.there for level in levels} == {0, most}
    assert {level.there for level in levels_of_pool(plan, pool)} == {most}
