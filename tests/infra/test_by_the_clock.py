"""A lock whose nodes and replicas follow the clock: what the program registers, refuses, and leaves to AWS and KEDA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from infra import clock_rules, existing_preflight, preflight
from infra.guardrails import granted_by
from infra.guardrails import problems as guarded
from infra.purchases import shares
from infra.replica_hours import DRAIN_SECONDS, comes_before, goes_before
from infra.settings import ROOT, StackSettings
from infra.values import vllm
from planner.domain.engine_image import EngineCanary, EngineImage
from planner.plan.fleet import Replicas
from planner.plan.plan import Plan
from planner.plan.schedule import Schedule, Size
from tests import examples
from tests.infra import clocks, existing_sites, locks
from tests.infra.conftest import Run
from tests.infra.programs import Account, Registered
from tests.infra.test_purchases import names

GROUP, SCHEDULE = "aws:eks/nodeGroup:NodeGroup", "aws:autoscaling/schedule:Schedule"
URN = "urn:pulumi:prod::spillway::spillway:aws:NodeGroup"


def registered(run: Run, plan: Plan, state: dict[str, dict[str, Any]] | None = None) -> Registered:
    spot = locks.environment_text(purchase="{spot: {max_share: 100%}}", elastic=True)
    return run(plan, environment=spot, account=Account(state=state or {}))


def scheduled(made: Registered) -> dict[str, tuple[str, int]]:
    return {one.name: (one.inputs["recurrence"], one.inputs["desiredCapacity"]) for one in made.of(SCHEDULE)}


def test_a_group_may_have_as_many_nodes_as_its_hours_and_starts_with_the_most(run: Run) -> None:
    made = registered(run, clocks.elastic(nodes=(4, 2)))
    group = made.one(GROUP, "gpu-shared").inputs
    assert group["scalingConfig"] == {"minSize": 2, "desiredSize": 4, "maxSize": 4}
    assert made.one(GROUP, "gpu-vault").inputs["scalingConfig"]["minSize"] == 2
    assert scheduled(made) == {
        "gpu-shared-0742": ("42 7 * * 1-5", 4),
        "gpu-shared-2000": ("0 20 * * 1-5", 2),
    }
    for action in made.of(SCHEDULE):
        assert action.inputs["autoscalingGroupName"] == "eks-gpu-shared"
        assert action.inputs["timeZone"] == clocks.ZONE
        assert (action.inputs["minSize"], action.inputs["maxSize"]) == (-1, -1)
        assert action.inputs["scheduledActionName"] == action.name.rpartition("-")[2]


def test_each_way_of_buying_has_its_own_hours(run: Run) -> None:
    """By day 5 nodes, 2 of them spot; by night 2 on demand."""
    plan = clocks.elastic(nodes=(5, 2), spot=(2, 0))
    made = registered(run, plan)
    sizes = {group.name: group.inputs["scalingConfig"] for group in made.of(GROUP)}
    assert sizes["gpu-shared"] == {"minSize": 2, "desiredSize": 3, "maxSize": 3}
    assert sizes["gpu-shared-spot"] == {"minSize": 0, "desiredSize": 2, "maxSize": 2}
    assert scheduled(made) == {
        "gpu-shared-0742": ("42 7 * * 1-5", 3),
        "gpu-shared-2000": ("0 20 * * 1-5", 2),
        "gpu-shared-spot-0742": ("42 7 * * 1-5", 2),
        "gpu-shared-spot-2000": ("0 20 * * 1-5", 0),
    }
    machines = granted_by(plan, "prod").machines["shared"]
    assert (machines.most, machines.spot) == (3, 2)


def test_a_part_that_never_changes_has_no_hours() -> None:
    demand, spot = shares(locks.group(clocks.elastic(nodes=(4, 2), spot=(1, 1)), "shared"))
    assert demand.hours is not None
    assert (demand.nodes, demand.least) == (3, 1)
    assert spot.hours is None
    assert (spot.nodes, spot.least) == (1, 1)


def state_of(made: Registered) -> dict[str, dict[str, Any]]:
    """The state after a run: groups and their actions, with the nodes of the night."""
    state = {f"{URN}${GROUP}::{one.name}": dict(one.inputs) for one in made.of(GROUP)}
    for outputs in state.values():
        outputs["scalingConfig"] = {**outputs["scalingConfig"], "desiredSize": outputs["scalingConfig"]["minSize"]}
        outputs["status"] = "ACTIVE"
    return state | {f"{URN}${SCHEDULE}::{one.name}": dict(one.inputs) for one in made.of(SCHEDULE)}


def test_the_number_of_nodes_is_the_clocks_as_long_as_its_hours_stay(run: Run) -> None:
    plan = clocks.elastic(nodes=(4, 2))
    first = registered(run, plan)
    state = state_of(first)

    def left(made: Registered) -> dict[str, tuple[str, ...]]:
        return {group.name: made.ignored[GROUP, group.name] for group in made.of(GROUP)}

    number = ("scalingConfig.desiredSize",)
    assert left(first) == {"system": (), "gpu-shared": (), "gpu-vault": ()}
    again = registered(run, plan, state)
    assert left(again) == {"system": (), "gpu-shared": number, "gpu-vault": ()}
    assert scheduled(again) == scheduled(first)
    for changed in (
        clocks.elastic(nodes=(3, 2)),
        clocks.billed(locks.replaced(plan, "node_groups", "shared", warm_seconds=1800), "shared"),
        clocks.billed(locks.replaced(plan, "node_groups", "shared", schedule=clocks.hours(2, 4)), "shared"),
    ):
        assert left(registered(run, changed, state))["gpu-shared"] == ()


def test_what_shrinks_is_told_by_the_most_nodes_and_not_by_those_of_the_night(run: Run) -> None:
    state = state_of(registered(run, clocks.elastic(nodes=(4, 2))))
    moved = registered(run, clocks.elastic(nodes=(4, 2), spot=(2, 0)), state)
    assert "gpu-shared-spot" in names(moved.depends["spillway:aws:NodeGroup", "gpu-shared"])


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Warnings of the run."""
    heard: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", lambda message, *args, **kwargs: heard.append(message))
    return heard


def test_without_keda_the_run_ends_with_the_cluster_and_says_what_comes_next(run: Run, said: list[str]) -> None:
    made = run(clocks.elastic(), keda="false")
    assert made.names(GROUP) == ["system"]
    assert not made.of(":ServingPool")
    (told,) = [text for text in said if "DEP029" in text]
    for words in (
        "`chat-1xl40s`, `code-2xl40s` will follow the clock",
        "helm upgrade --install keda",
        "spillway:keda true",
    ):
        assert words in told


def test_without_keda_nothing_that_runs_is_taken_away(run: Run) -> None:
    urn = "urn:pulumi:prod::spillway::spillway:kubernetes:ServingPool::spillway-prod-chat-1xl40s"
    with pytest.raises(pulumi.RunError, match="DEP029") as refused:
        run(clocks.elastic(), account=Account(state={urn: {}}), keda="false")
    assert "nothing was changed" in str(refused.value)


def test_a_lock_of_fixed_sizes_needs_no_keda(run: Run) -> None:
    assert len(run(keda="false").of(":ServingPool")) == 3


def pool_values(plan: Plan, name: str = "chat-1xl40s", prometheus: str | None = None) -> dict[str, Any]:
    pool = next(pool for pool in plan.pools if pool.name == name)
    group = locks.group(plan, pool.node_group)
    place: dict[str, Any] = {"bucket": "models", "region": "us-east-1", "store_cidrs": ["52.216.0.0/15"]}
    return vllm(pool, group, image=None, prometheus=prometheus, **place)


def test_replicas_come_after_their_nodes_and_go_before_them() -> None:
    """Nodes come at 07:42 and go at 20:00. A node joins within five minutes; replicas are gone when the hour ends."""
    values = pool_values(clocks.elastic(nodes=(4, 2)))["autoscaling"]
    assert values == {
        "enabled": True,
        "minReplicas": 4,
        "maxReplicas": 8,
        "schedule": [{"start": "48 7 * * 1-5", "end": "57 19 * * 1-5", "timezone": clocks.ZONE, "replicas": 8}],
        "pollingSeconds": 15,
        "scaleDownSeconds": 0,
    }


def test_the_demand_stands_beside_the_clock_and_starts_no_first_replica() -> None:
    values = pool_values(clocks.asleep(), "extraction-1xl40s", "http://prometheus:9090")["autoscaling"]
    assert (values["minReplicas"], values["maxReplicas"], values["fallbackReplicas"]) == (0, 2, 0)
    assert values["schedule"][0]["end"] == "52 19 * * 1-5"
    assert values["demandPerReplica"] == pytest.approx(0.8 * 72)
    assert values["demandWakes"] is False


def test_the_times_hold_what_they_must_wait_for() -> None:
    chart = (ROOT / "charts" / "vllm" / "values.yaml").read_text()
    stated = {line.split(": ")[0].strip(): line.split(": ")[1] for line in chart.splitlines() if ": " in line}
    assert int(stated["preStopSeconds"]) + int(stated["shutdownTimeoutSeconds"]) + 5 == DRAIN_SECONDS
    assert goes_before(watched=False) * 60 >= 2 * 15 + DRAIN_SECONDS
    assert goes_before(watched=True) * 60 >= 2 * 15 + 300 + DRAIN_SECONDS
    plan = clocks.elastic()
    pool, group = plan.pools[0], locks.group(plan, "shared")
    assert 300 <= group.warm_seconds - comes_before(pool, group) * 60 < 360
    assert comes_before(pool, group.model_copy(update={"warm_seconds": 0})) == 2


def test_a_fixed_pool_states_its_replicas_and_nothing_of_a_clock() -> None:
    assert "autoscaling" not in pool_values(locks.plan())


Change = Callable[[Plan], Plan]
WEIRD = Schedule(
    timezone="Europe/Atlantis", sizes=(Size(day="mon", hour=8, count=2), Size(day="mon", hour=20, count=1))
)
REFUSED: dict[str, tuple[Change, str, str]] = {
    "no hours": (
        lambda p: locks.replaced(p, "node_groups", "shared", schedule=None),
        "DEP021",
        "no hours that say when",
    ),
    "other limits": (lambda p: locks.replaced(p, "node_groups", "shared", max_nodes=3), "DEP021", "2 to 4 nodes, not"),
    "no warm time": (lambda p: locks.replaced(p, "node_groups", "shared", warm_seconds=0), "DEP021", "how long"),
    "unknown zone": (lambda p: locks.replaced(p, "node_groups", "shared", schedule=WEIRD), "DEP021", "Atlantis"),
    "two zones": (
        lambda p: locks.replaced(p, "node_groups", "shared", spot=2, spot_schedule=WEIRD),
        "DEP021",
        "two time zones",
    ),
    "more spot than nodes": (
        lambda p: locks.replaced(p, "node_groups", "shared", spot=3, spot_schedule=clocks.hours(1, 3)),
        "DEP021",
        "spot nodes of as many",
    ),
    "replicas without hours": (
        lambda p: locks.replaced(p, "pools", "chat-1xl40s", replicas=Replicas(min=1, max=4)),
        "DEP021",
        "1 to 4 replicas, and no hours",
    ),
    "replicas of other limits": (
        lambda p: locks.replaced(p, "pools", "chat-1xl40s", replicas=Replicas(min=1, max=8, week=clocks.hours(8, 4))),
        "DEP021",
        "4 to 8, not 1 to 8",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_hours_that_do_not_hold_are_refused(case: str) -> None:
    change, code, words = REFUSED[case]
    found = [p for p in preflight.problems(change(clocks.elastic()), "inside") if words in p.message]
    assert [p.code for p in found] == [code], case


def test_hours_that_hold_are_taken() -> None:
    for plan in (clocks.elastic(), clocks.asleep(), clocks.elastic(nodes=(5, 2), spot=(2, 0))):
        assert preflight.problems(plan, "inside") == ()


def test_more_actions_than_aws_takes_are_told_before_anything_is_made() -> None:
    sizes = tuple(
        Size(day=day, hour=hour, count=1 + (hour * 7 + index * 5) % 90)
        for index, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
        for hour in range(24)
    )
    week = Schedule(timezone=clocks.ZONE, sizes=sizes)
    limits = {"min_nodes": min(week.by_hour), "max_nodes": max(week.by_hour), "warm_seconds": 300, "schedule": week}
    found = preflight.problems(locks.replaced(clocks.elastic(), "node_groups", "shared", **limits), "inside")
    assert [p.code for p in found if "its hours need" in p.message] == ["DEP028"]


def test_a_canary_of_a_pool_that_follows_the_clock_is_refused() -> None:
    plan = clocks.elastic()
    image = EngineImage(canary=EngineCanary(image="vllm/vllm-openai:v0.34.0@sha256:" + "3" * 64))
    tried = locks.on_platform(plan, engine=locks.planned_engine(image, plan))
    codes = [(p.code, p.message.split("`")[1]) for p in preflight.problems(tried, "inside")]
    assert codes == [("DEP065", "chat-1xl40s"), ("DEP065", "code-2xl40s")]


def test_an_action_that_moves_the_limits_of_its_group_is_refused_by_the_guardrails() -> None:
    granted = granted_by(clocks.elastic(), "prod")
    inputs = {"desiredCapacity": 2, "minSize": -1, "maxSize": -1}
    assert guarded(SCHEDULE, "x", inputs, granted) == ()
    for change in ({"maxSize": 9}, {"minSize": 0}, {"maxSize": None}):
        assert [p.code for p in guarded(SCHEDULE, "x", {**inputs, **change}, granted)] == ["DEP076"]


def test_nodes_of_a_cluster_that_is_there_are_not_given_back() -> None:
    plan = existing_sites.plan(existing_sites.ON_PREMISES, "twin")
    assert plan.platform.existing is not None
    elastic = clocks.elastic(plan)
    found = list(existing_preflight.plan_problems(elastic, plan.platform.existing))
    assert [p.code for p in found] == ["DEP021"]
    assert "cluster that is there already" in found[0].message
    fixed = locks.replaced(elastic, "node_groups", "shared", min_nodes=4, schedule=None, warm_seconds=0)
    assert list(existing_preflight.plan_problems(fixed, plan.platform.existing)) == []
    assert not clock_rules.waits_for_keda(fixed, StackSettings("prod", examples.ENVIRONMENTS))
