"""An environment never moves: another account, region or name than what is deployed is refused, until it is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra import moved
from infra.lasting_names import keeps_name
from planner.plan.platform import ExistingNetwork
from tests.engine import Engine, stage
from tests.infra import locks
from tests.infra.checkout import checkout
from tests.infra.conftest import Run
from tests.infra.programs import Account, run_program
from tests.infra.test_policy_engine import api_only

STANDS = {"account": locks.ACCOUNT, "region": "us-east-1", "prefix": "spillway-prod"}
ELSEWHERE = {"account": "210987654321", "region": "eu-west-1", "prefix": "spillway-other"}


def test_the_program_says_where_it_stands(run: Run) -> None:
    assert STANDS.items() <= run().outputs.items()
    assert moved.place(locks.plan().platform, "prod") == STANDS


@pytest.mark.parametrize("part", STANDS)
def test_each_part_of_the_place_is_guarded(run: Run, part: str) -> None:
    run()
    assert run_program("prod", {}, Account(outputs=STANDS)).outputs["lock"]
    with pytest.raises(Exception, match="DEP079") as refusal:
        run_program("prod", {}, Account(outputs=STANDS | {part: ELSEWHERE[part]}))
    assert f"{part} {STANDS[part]}, and what is deployed has {part} {ELSEWHERE[part]}" in str(refusal.value)
    assert "pulumi destroy" in str(refusal.value)


CLUSTER = ("aws:eks/cluster:Cluster", "spillway-prod")
VPC = ("aws:ec2/vpc:Vpc", "spillway-prod")


def own_network(cidr: str = "10.64.0.0/16", zones: tuple[str, ...] = locks.ZONES) -> dict[str, dict[str, Any]]:
    """State of an environment in a network of its own, by URN."""
    subnets = {("aws:ec2/subnet:Subnet", zone): {"availabilityZoneId": zone} for zone in zones}
    found: dict[tuple[str, str], dict[str, Any]] = {
        VPC: {"cidrBlock": cidr},
        CLUSTER: {"vpcConfig": {"vpcId": "vpc-0a"}},
        **subnets,
    }
    return {f"urn:pulumi:prod::spillway::{token}::{name}": outputs for (token, name), outputs in found.items()}


def test_a_network_is_fixed_before_a_new_one_is_made(run: Run) -> None:
    """EKS moves no cluster into another network: it would say so when the new one stands."""
    assert run(account=Account(state=own_network())).outputs["lock"]
    with pytest.raises(Exception, match=r"DEP079.*a network of 10\.64\.0\.0/16.*has a network of 10\.99\.0\.0/16"):
        run(account=Account(state=own_network("10.99.0.0/16")))


def test_a_network_without_a_cluster_may_be_another_one(run: Run) -> None:
    state = {urn: outputs for urn, outputs in own_network("10.99.0.0/16").items() if ":Cluster" not in urn}
    assert run(account=Account(state=state)).outputs["lock"]


def test_a_zone_more_is_refused_and_a_zone_less_is_not(run: Run) -> None:
    assert run(account=Account(state=own_network(zones=(*locks.ZONES, "use1-az1")))).outputs["lock"]
    with pytest.raises(Exception, match=r"DEP079.*zone use1-az6, and what is deployed has no subnet there"):
        run(account=Account(state=own_network(zones=(locks.ZONES[0], "use1-az1"))))


def test_nobody_moves_between_a_network_of_ones_own_and_one_that_is_there() -> None:
    platform = locks.plan().platform
    there = ExistingNetwork(vpc="vpc-0b", subnets=dict.fromkeys(locks.ZONES, "subnet-0a"))
    found = platform.model_copy(update={"cidr": None, "network": there})
    state = {CLUSTER: {"vpcConfig": {"vpcId": "vpc-0b"}}}
    assert list(moved.network_problems(found, state)) == []
    (problem,) = moved.network_problems(platform, state)
    assert "has VPC vpc-0b" in problem.message
    (problem,) = moved.network_problems(found, {CLUSTER: {"vpcConfig": {"vpcId": "vpc-0c"}}})
    assert "VPC vpc-0b, and what is deployed has VPC vpc-0c" in problem.message
    (problem,) = moved.network_problems(found, {VPC: {"cidrBlock": "10.64.0.0/16"}, **state})
    assert "has a network of 10.64.0.0/16" in problem.message
    assert list(moved.network_problems(found, {})) == []


BALANCER = "aws:lb/loadBalancer:LoadBalancer"
HAD = {"internal": True, "subnets": ["subnet-a", "subnet-b"], "name": "spillway-prod-0123456"}


@pytest.mark.parametrize(
    ("stated", "keeps"),
    [
        ({"internal": True, "subnets": ["subnet-b", "subnet-a"]}, True),
        ({"internal": True, "subnets": ["subnet-a", "subnet-b", "subnet-c"]}, True),
        ({"internal": True, "subnets": [object(), object()]}, True),  # what is known only when it is made
        ({"internal": False, "subnets": ["subnet-a", "subnet-b"]}, False),
        ({"internal": True, "subnets": ["subnet-a", "subnet-d"]}, False),
        ({"internal": True, "subnets": [object()]}, False),
    ],
)
def test_a_balancer_that_is_replaced_needs_another_name(stated: dict[str, Any], keeps: bool) -> None:
    assert keeps_name(BALANCER, HAD, stated) is keeps
    assert keeps_name("aws:ec2/launchTemplate:LaunchTemplate", HAD, stated)


def test_all_that_moved_and_all_that_preflight_finds_is_told_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setenv("SPILLWAY_RUNNER", "outside")
    with pytest.raises(Exception, match="DEP014") as refusal:
        run_program("prod", {}, Account(outputs=ELSEWHERE))
    assert str(refusal.value).count("DEP079") == 3


@pytest.mark.engine
def test_the_engine_remembers_through_every_refusal(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    pulumi = Engine(stage(tmp_path / "stage"), root, "prod")
    text = locks.environment_text(routes=("chat",))
    locks.write(root / "environments", api_only(1000), environment=text)
    first = pulumi.up()
    assert first.status == 0, first.output

    there = locks.on_platform(api_only(1000), region="us-west-2", zones=("usw2-az1", "usw2-az2"))
    text = text.replace("us-east-1", "us-west-2").replace("use1-az4, use1-az6", "usw2-az1, usw2-az2")
    locks.write(root / "environments", there, environment=text)
    for refused in (pulumi.up(), pulumi.up()):
        assert refused.status != 0
        assert "region us-west-2, and what is deployed has region us-east-1" in "\n".join(refused.diagnostics)
        assert "Traceback" not in refused.output
    assert pulumi.destroy().status == 0
    afterwards = pulumi.preview()
    assert afterwards.status == 0, afterwards.output
