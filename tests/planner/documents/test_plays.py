"""Lock → plays: spot nodes that are taken back, and the hours around the changes of a schedule."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.document import parse_policy
from planner.documents import daybreak, staging
from planner.documents.outline import NoPlay
from planner.documents.reclaiming import AFTER, DURING, pools_on_spot
from planner.documents.rehearsal import RehearsalStage, Script
from planner.documents.scenes import STEADY, Plot
from planner.documents.staging import RehearsalSettings
from planner.performance.loading import NODE_SECONDS
from planner.plan.fleet import Replicas
from planner.plan.plan import Plan
from planner.plan.schedule import Schedule, schedule
from planner.plan.traffic import PlanLevel
from tests.infra import locks
from tests.planner.documents.test_staging import SOURCES

SPOT_PRICE, PRICE = locks.HOURLY["g6e.12xlarge"] * Decimal("0.4"), locks.HOURLY["g6e.12xlarge"]


def played(plan: Plan, **settings: Any) -> tuple[Script, Plot]:
    staged = staging.script(locks.sealed(plan), SOURCES, dataclasses.replace(RehearsalSettings(), **settings))
    assert staged.plot is not None
    return staged, staged.plot


# -- a reclaim of spot nodes -------------------------------------------------------------------------------------------


def test_the_spot_nodes_of_one_zone_go_with_all_that_stands_on_them() -> None:
    """4 nodes, 2 of them spot, in two zones: one goes, with two replicas of chat and one of code."""
    staged, plot = played(locks.plan(shared_nodes=4, spot=2), play="reclaim", requests_per_second=1e6)
    assert [scene.phase for scene in plot.scenes] == [STEADY, DURING, AFTER]
    assert [scene.promised for scene in plot.scenes] == [True, False, False]
    assert [scene.planned_replicas["chat-1xl40s"] for scene in plot.scenes] == [8, 6, 8]
    assert [scene.planned_replicas["code-2xl40s"] for scene in plot.scenes] == [4, 3, 4]
    assert [scene.planned_replicas["extraction-1xl40s"] for scene in plot.scenes] == [2, 2, 2]
    assert plot.scenes[1].replicas == plot.scenes[1].planned_replicas  # all of it is on stage
    assert staged.kill is None
    assert "takes 1 of the 2 spot nodes of shared back" in plot.story


def test_others_come_when_they_are_warm_and_the_traffic_goes_on() -> None:
    staged, plot = played(locks.plan(shared_nodes=4, spot=2), play="reclaim", requests_per_second=60.0)
    away_s = NODE_SECONDS + 90.4
    assert plot.scenes[2].begins_ms - plot.scenes[1].begins_ms == pytest.approx(away_s * 1000)
    assert staged.duration_s == pytest.approx(240 + away_s)
    assert len({tuple(scene.shares.items()) for scene in plot.scenes}) == 1
    chat = [arrival.at_ms for arrival in staged.arrivals if arrival.route == "chat"]
    per_s = 8 * plot.scenes[0].shares["chat"]
    for begins_s in range(0, int(staged.duration_s) - 100, 100):  # no gap between two draws of the excerpt
        assert sum(begins_s <= at / 1000 < begins_s + 100 for at in chat) == pytest.approx(100 * per_s, rel=0.15)


def test_a_small_stage_still_shows_what_goes() -> None:
    _, plot = played(locks.plan(shared_nodes=4, spot=2), play="reclaim", requests_per_second=5.0)
    assert [scene.replicas["chat-1xl40s"] for scene in plot.scenes] == [4, 3, 4]


def test_what_nodes_cost_meanwhile_is_read_from_the_bill() -> None:
    _, plot = played(locks.plan(shared_nodes=4, spot=2), play="reclaim")
    whole = 2 * PRICE + 2 * SPOT_PRICE + 2 * locks.HOURLY["g6e.xlarge"]
    assert [round(scene.nodes_usd_per_hour or 0, 3) for scene in plot.scenes] == [
        round(whole, 3),
        round(whole - SPOT_PRICE, 3),
        round(whole, 3),
    ]
    assert plot.starting_usd == pytest.approx(SPOT_PRICE * 990 / 3600, rel=Decimal("0.001"))
    unpriced = locks.plan(shared_nodes=4, spot=2)
    cost = unpriced.cost.model_copy(update={"lines": tuple(e for e in unpriced.cost.lines if e.unit != "hour")})
    _, plot = played(unpriced.model_copy(update={"cost": cost}), play="reclaim")
    assert plot.scenes[0].nodes_usd_per_hour is plot.scenes[1].nodes_usd_per_hour is plot.starting_usd is None


def test_the_pool_that_loses_most_is_chosen() -> None:
    assert pools_on_spot(locks.plan(spot=1)) == ("chat-1xl40s", "code-2xl40s")
    assert pools_on_spot(locks.plan()) == ()


def test_without_spot_there_is_nothing_to_take() -> None:
    with pytest.raises(NoPlay, match="the plan has no spot nodes"):
        played(locks.plan(), play="reclaim")
    with pytest.raises(NoPlay, match="pool extraction-1xl40s has no spot nodes"):
        played(locks.plan(spot=1), play="reclaim", reclaim="extraction-1xl40s")


def test_the_gateway_gets_the_names_of_the_cluster() -> None:
    staged, _ = played(locks.plan(spot=1), play="reclaim")
    document = staged.policy(RehearsalStage({}, "http://127.0.0.1:29999"))
    pools = parse_policy(json.dumps(document).encode()).policy.pools
    assert pools["chat-1xl40s"].address == "vllm-chat-1xl40s.serving.svc.cluster.local:8000"


# -- night, morning and evening ----------------------------------------------------------------------------------------


def by_day(*hours: tuple[int, int]) -> Schedule:
    """A schedule of equal days, as (hour, count) in order."""
    day = [next((count for hour, count in reversed(hours) if hour <= at), hours[-1][1]) for at in range(24)]
    found = schedule("Europe/Berlin", tuple(day * 7))
    assert found is not None
    return found


def level(name: str, hours: int, rate: float) -> PlanLevel:
    rates = {"chat": rate, "code": rate / 4, "extraction": rate / 4}
    return PlanLevel.model_validate(
        {"name": name, "hours": hours, "mean_requests_per_second": rates, "planned_requests_per_second": rates}
    )


def elastic(chat: Schedule | None = None) -> Plan:
    """Chat has 2 replicas at night, 4 from 6:00, 8 from 9:00, and 2 from 20:00; code keeps its 4."""
    plan = locks.plan(shared_nodes=4)
    chat = chat or by_day((6, 4), (9, 8), (20, 2))
    nodes = by_day((6, 3), (9, 4), (20, 2))
    sizes = Replicas(min=min(chat.by_hour), max=max(chat.by_hour), week=chat)
    plan = locks.replaced(plan, "pools", "chat-1xl40s", replicas=sizes)
    plan = locks.replaced(plan, "node_groups", "shared", schedule=nodes, min_nodes=2, warm_seconds=1200)
    levels = (level("peak", 335, 16.0), level("level-2", 91, 8.0), level("trough", 304, 2.0))
    return plan.model_copy(update={"levels": levels})


def test_the_way_from_the_least_to_the_most_and_back() -> None:
    staged, plot = played(elastic(), play="morning", requests_per_second=1e6)
    assert [scene.phase for scene in plot.scenes] == ["night", "from mon 6:00", "from mon 9:00", "from mon 20:00"]
    assert [scene.level for scene in plot.scenes] == ["trough", "level-2", "peak", "trough"]
    assert [scene.replicas["chat-1xl40s"] for scene in plot.scenes] == [2, 4, 8, 2]
    assert [scene.replicas["code-2xl40s"] for scene in plot.scenes] == [4, 4, 4, 4]
    assert all(scene.promised for scene in plot.scenes)
    assert staged.level == "peak"
    assert plot.warm_s == {"chat-1xl40s": 1200.0}
    chat = [arrival.at_ms for arrival in staged.arrivals if arrival.route == "chat"]
    counts = [sum(0 <= at_ms - scene.begins_ms < 150_000 for at_ms in chat) for scene in plot.scenes]
    assert counts == [pytest.approx(rate * 150, rel=0.1) for rate in (2, 8, 16, 2)]


def test_each_part_has_the_traffic_of_its_own_replicas() -> None:
    """On a small stage 2 and 8 replicas are 1 and 4: half of the night's traffic, and half of the day's."""
    _, plot = played(elastic(), play="morning", requests_per_second=30.0)
    staged = [scene.replicas["chat-1xl40s"] for scene in plot.scenes]
    assert staged == [1, 2, 4, 1]
    assert [scene.shares["chat"] for scene in plot.scenes] == [0.5] * 4


def test_nodes_are_paid_for_by_the_hour_and_while_they_start() -> None:
    _, plot = played(elastic(), play="morning")
    rest = 2 * locks.HOURLY["g6e.xlarge"]
    assert [float(scene.nodes_usd_per_hour or 0) for scene in plot.scenes] == pytest.approx(
        [float(nodes * PRICE + rest) for nodes in (2, 3, 4, 2)], rel=1e-4
    )
    assert float(plot.starting_usd or 0) == pytest.approx(float(2 * PRICE * 1200 / 3600), rel=1e-4)


def test_a_pool_may_be_gone_at_night() -> None:
    _, plot = played(elastic(by_day((6, 4), (9, 8), (20, 0))), play="morning", requests_per_second=30.0)
    assert [scene.replicas["chat-1xl40s"] for scene in plot.scenes] == [0, 1, 2, 0]


def test_the_night_may_lie_over_the_end_of_the_week() -> None:
    """Only Sunday evening until Monday 5:00 is empty."""
    week = [8] * 168
    week[-4:], week[:5] = [2] * 4, [2] * 5
    found = schedule("UTC", tuple(week))
    outline = daybreak.outline(elastic(found))
    assert [part.phase for part in outline.parts[:2]] == ["night", "from mon 5:00"]
    assert outline.parts[-1].phase == "from sun 20:00"


def test_without_a_schedule_there_is_no_morning() -> None:
    with pytest.raises(NoPlay, match="no size in the plan follows the clock"):
        played(locks.plan(), play="morning")
