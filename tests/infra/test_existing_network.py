"""A network that is there: what AWS says of it is judged before anything is made, and nothing of it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.existing_network import SubnetFacts, VpcFacts, subnet_problems, vpc_problems
from infra.preflight import problems
from planner.plan.plan import Plan
from planner.plan.platform import ExistingNetwork
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Account, Registered, run_program

VPC = "vpc-0a1b2c3d"
SUBNETS = {"use1-az4": "subnet-0a1b2c34", "use1-az6": "subnet-0a1b2c36"}
GOOD = SubnetFacts(SUBNETS["use1-az4"], VPC, "use1-az4", 4000, way_out=True)


def there(**changes: Any) -> Plan:
    parts = {"nat_zones": (), "log_groups": locks.CLUSTER.log_groups[:1]}
    network = ExistingNetwork(vpc=VPC, subnets=SUBNETS)
    return locks.on_platform(locks.on_cluster(**parts), **{"cidr": None, "network": network, **changes})


def answers(**changes: Any) -> dict[str, dict[str, Any]]:
    """What AWS answers: token -> answer."""
    return {
        "getVpc": {
            "id": VPC,
            "cidrBlock": "172.20.0.0/16",
            "cidrBlockAssociations": [{"cidrBlock": "172.20.0.0/16"}, {"cidrBlock": "100.64.0.0/16"}],
            "enableDnsSupport": True,
            "enableDnsHostnames": True,
            **changes.get("vpc", {}),
        },
        "getRouteTable": {"routes": [{"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1"}], **changes.get("table", {})},
        "getPrefixList": {"cidrBlocks": ["52.216.0.0/15", "3.5.0.0/19"]},
        "getVpcs": {"ids": [VPC]},
        "getSubnets": {"ids": sorted(SUBNETS.values())},
        "getRouteTables": {"ids": ["rtb-1"]},
        "readStackOutputs": {"outputs": {}},
        "getSubnet": {"vpcId": VPC, "availableIpAddressCount": 4000, **changes.get("subnet", {})},
    }


@pytest.fixture
def registered(environments: Path) -> Registered:
    locks.write(environments, there())
    return run_program("prod", {}, Account(answer=answering(answers())))


def answering(known: dict[str, dict[str, Any]]) -> Any:
    def answer(token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        name = token.rpartition(":")[2]
        found = dict(known[name])
        if name == "getSubnet":
            zone = next(zone for zone, subnet in SUBNETS.items() if subnet == arguments["id"])
            found.setdefault("availabilityZoneId", zone)
        return found

    return answer


def test_nothing_of_the_network_is_made(registered: Registered) -> None:
    for kind in ("Vpc", "Subnet", "NatGateway", "Eip", "InternetGateway", "VpcEndpoint", "RouteTable", "FlowLog"):
        assert registered.of(f":{kind}") == []


def test_the_cluster_and_its_nodes_stand_in_it(registered: Registered) -> None:
    assert registered.one("eks/cluster:Cluster").inputs["vpcConfig"]["subnetIds"] == sorted(SUBNETS.values())
    assert registered.one("eks/nodeGroup:NodeGroup", "system").inputs["subnetIds"] == sorted(SUBNETS.values())
    group = registered.one(":SecurityGroup")
    assert group.inputs["vpcId"] == VPC
    rules = {rule.inputs["cidrIpv4"] for rule in registered.of(":SecurityGroupIngressRule")}
    assert rules == {"172.20.0.0/16", "100.64.0.0/16"}


def test_pools_may_read_from_the_addresses_of_s3(registered: Registered) -> None:
    release = registered.one(":Chart", "chat")
    assert release.inputs["values"]["networkPolicy"]["modelStoreCidrs"] == ["3.5.0.0/19", "52.216.0.0/15"]


def test_everything_that_speaks_against_it_is_told_at_once(environments: Path) -> None:
    locks.write(environments, there())
    bad = answers(
        vpc={"enableDnsHostnames": False},
        table={"routes": [{"cidrBlock": "10.0.0.0/8"}]},
        subnet={"availableIpAddressCount": 5, "vpcId": "vpc-0ffffffff"},
    )
    with pytest.raises(pulumi.RunError) as caught:
        run_program("prod", {}, Account(answer=answering(bad)))
    for code in ("DEP031", "DEP032", "DEP033", "DEP034"):
        assert code in str(caught.value)
    assert "nothing was changed" in str(caught.value)


def test_what_aws_does_not_know_is_told(environments: Path) -> None:
    locks.write(environments, there())
    with pytest.raises(pulumi.RunError) as caught:
        run_program(
            "prod", {}, Account(answer=answering(answers() | {"getVpcs": {"ids": []}, "getSubnets": {"ids": []}}))
        )
    for identifier in (VPC, *SUBNETS.values()):
        assert f"the account has no `{identifier}` in us-east-1" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"vpc": "vpc-0ffffffff"}, ["DEP031"]),
        ({"zone": "use1-az1"}, ["DEP031"]),
        ({"way_out": False}, ["DEP033"]),
        ({"free": 63}, ["DEP034"]),
    ],
)
def test_a_subnet_is_judged(changes: dict[str, Any], codes: list[str]) -> None:
    found = list(subnet_problems(SubnetFacts(**{**vars(GOOD), **changes}), VPC, "use1-az4"))
    assert [problem.code for problem in found] == codes


@pytest.mark.parametrize(("resolves", "codes"), [(True, []), (False, ["DEP032"])])
def test_a_vpc_is_judged(resolves: bool, codes: list[str]) -> None:
    assert [problem.code for problem in vpc_problems(VpcFacts(VPC, (), resolves))] == codes


def test_preflight_asks_for_a_subnet_in_each_zone_and_for_no_nat() -> None:
    assert problems(there(), "inside") == ()
    lacking = there(network=ExistingNetwork(vpc=VPC, subnets={"use1-az4": "subnet-0a1b2c34"}))
    assert [problem.code for problem in problems(lacking, "inside")] == ["DEP011"]


def test_a_made_network_admits_itself_or_those_that_are_named(run: Run) -> None:
    def admitted(plan: Plan) -> set[str]:
        return {rule.inputs["cidrIpv4"] for rule in run(plan).of(":SecurityGroupIngressRule")}

    assert admitted(locks.plan()) == {"10.64.0.0/16"}
    assert admitted(locks.on_platform(locks.plan(), private_from=("10.8.0.0/16",))) == {"10.8.0.0/16"}


def test_the_first_stage_ends_at_the_system_nodes(environments: Path) -> None:
    locks.write(environments, locks.plan())
    registered = run_program("prod", {"stage": "cluster"}, Account(answer=answering(answers())))
    assert registered.names("eks/nodeGroup:NodeGroup") == ["system"]
    assert not [item for item in registered.resources if item.type.startswith("kubernetes:")]
    assert registered.outputs.keys() >= {"cluster", "model_bucket"}
