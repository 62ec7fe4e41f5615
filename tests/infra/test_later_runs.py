"""A run that ends early says of what it did not come to that a later one takes it, and nothing of the kind else."""

from __future__ import annotations

import pytest

from infra.later_runs import Reached, may_be_built, told
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.variants import everything

GROUP, TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"
BALANCER, VPC = "aws:lb/loadBalancer:LoadBalancer", "aws:ec2/vpc:Vpc"


@pytest.mark.parametrize(
    ("token", "name", "reached", "may"),
    [
        (GROUP, "gpu-vault", "cluster", True),
        (TEMPLATE, "gpu-vault", "cluster", True),
        (GROUP, "gpu-gone", "cluster", False),
        (GROUP, "gpu-vault", "all", False),
        (GROUP, "gpu-gone", "secrets", False),
        (GROUP, "system", "cluster", False),
        (GROUP, "system", "secrets", True),
        (BALANCER, "spillway-prod", "cluster", True),
        (BALANCER, "spillway-prod", "all", False),
        (VPC, "spillway-prod", "cluster", False),
        (VPC, "spillway-prod", "secrets", True),
    ],
)
def test_what_is_left_to_a_later_run_is_not_unknown(token: str, name: str, reached: Reached, may: bool) -> None:
    assert may_be_built(locks.plan(), token, name, reached) is may


def test_stage_cluster_leaves_to_the_next_what_it_does_not_register(run: Run) -> None:
    """All that only stage `all` registers, with a tag by which it could be found, may be built later."""
    plan = everything()
    whole = {(r.type, r.name) for r in run(plan, **locks.IMAGES).resources if "tags" in r.inputs}
    first = {(r.type, r.name) for r in run(plan, stage="cluster", **locks.IMAGES).resources if "tags" in r.inputs}
    found_by_tag = {each for each in whole - first if each[0] != "aws:iam/role:Role" and "Rule" not in each[0]}
    assert len(found_by_tag) > 8
    assert [each for each in sorted(found_by_tag) if not may_be_built(plan, *each, "cluster")] == []


def test_it_is_told_with_its_cost_and_the_run_that_takes_it() -> None:
    problem = told(GROUP, "spillway-prod:gpu-vault", "it costs about $1,234 a month", "cluster")
    assert (problem.code, problem.severity) == ("DEP085", "warning")
    assert "NodeGroup spillway-prod:gpu-vault is at AWS and not in the state" in problem.message
    assert problem.message.endswith("it costs about $1,234 a month")
    assert problem.hint is not None
    assert "stage `all`" in problem.hint
