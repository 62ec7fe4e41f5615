"""What AWS would refuse half an hour into `up` is said beforehand, all of it in one run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra import kept_state
from infra.kept_state import DELETE_UNREACHABLE
from infra.preflight import problems
from planner.plan.fleet import Replicas
from planner.plan.plan import Plan
from tests.infra import locks


def test_a_good_plan_may_go() -> None:
    assert problems(locks.plan(), "inside") == ()
    assert problems(locks.on_platform(locks.plan(), public_cidrs=("203.0.113.7/32",)), "outside") == ()


WITHOUT_NAT = locks.CLUSTER.model_copy(update={"nat_zones": ()})
BAD: dict[str, tuple[Callable[[Plan], Plan], str]] = {
    "one zone": (lambda p: locks.on_platform(p, zones=("use1-az4",)), "DEP010"),
    "zone names": (lambda p: locks.on_platform(p, zones=("us-east-1a", "us-east-1b")), "DEP011"),
    "a local zone": (lambda p: locks.on_platform(p, zones=("use1-az4", "usw2-lax1-az1")), "DEP011"),
    "a small network": (lambda p: locks.on_platform(p, cidr="10.0.0.0/24"), "DEP011"),
    "no cluster": (lambda p: locks.on_platform(p, cluster=None), "DEP027"),
    "no way out": (lambda p: locks.on_platform(p, cluster=WITHOUT_NAT), "DEP012"),
    "an endpoint for all": (lambda p: locks.on_platform(p, public_cidrs=("0.0.0.0/0",)), "DEP013"),
    "an endpoint for all of IPv6": (lambda p: locks.on_platform(p, public_cidrs=("::/0",)), "DEP013"),
    "no CIDR": (lambda p: locks.on_platform(p, public_cidrs=("203.0.113.7/8",)), "DEP013"),
    "spot": (lambda p: locks.replaced(p, "node_groups", "shared", capacity_type="spot"), "DEP020"),
    "elastic nodes": (lambda p: locks.replaced(p, "node_groups", "shared", max_nodes=9), "DEP021"),
    "elastic pools": (lambda p: locks.replaced(p, "pools", "chat-1xl40s", replicas=Replicas(min=1, max=4)), "DEP021"),
    "a zone outside": (lambda p: locks.replaced(p, "node_groups", "vault", zones=("use1-az1",)), "DEP022"),
    "no zone": (lambda p: locks.replaced(p, "node_groups", "vault", zones=()), "DEP022"),
    "a shared vault": (lambda p: locks.replaced(p, "pools", "chat-1xl40s", node_group="vault"), "DEP023"),
    "no such group": (lambda p: locks.replaced(p, "pools", "chat-1xl40s", node_group="nowhere"), "DEP024"),
    "too many GPUs": (lambda p: locks.replaced(p, "node_groups", "shared", gpus_per_node=1), "DEP024"),
    "a long name": (lambda p: locks.replaced(p, "pools", "chat-1xl40s", name="x" * 50), "DEP026"),
    "open vault": (lambda p: locks.replaced(p, "node_groups", "vault", exclusive=False), "DEP025"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(case: str) -> None:
    spoil, code = BAD[case]
    found = problems(spoil(locks.plan()), "inside")
    assert code in {problem.code for problem in found}
    assert all(problem.hint for problem in found)


def test_all_problems_are_told_at_once() -> None:
    plan = locks.plan()
    for case in ("one zone", "no way out", "spot", "open vault"):
        plan = BAD[case][0](plan)
    assert {problem.code for problem in problems(plan, "inside")} >= {"DEP010", "DEP012", "DEP020", "DEP025"}


def test_a_private_endpoint_needs_a_machine_inside() -> None:
    (problem,) = problems(locks.plan(), "outside")
    assert problem.code == "DEP014"
    assert "10.64.0.0/16" in problem.message


@pytest.mark.parametrize(
    ("variables", "codes"),
    [
        ({}, []),
        ({DELETE_UNREACHABLE: ""}, []),
        ({DELETE_UNREACHABLE: "false"}, []),
        ({DELETE_UNREACHABLE: "true"}, ["DEP080"]),
    ],
)
def test_a_run_may_not_forget_a_cluster_that_does_not_answer(variables: dict[str, str], codes: list[str]) -> None:
    assert [problem.code for problem in kept_state.problems(variables)] == codes
