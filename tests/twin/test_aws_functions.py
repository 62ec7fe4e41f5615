from __future__ import annotations

from pathlib import Path

import pytest

from tests.twin.aws_program import Program
from twin.aws import existing
from twin.aws.existing import network_cidr, provide_network
from twin.provider.contract import OperationError


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_zones_have_names_and_ids_in_one_order(program: Program) -> None:
    zones = program.provider.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available"})
    pairs = dict(zip(zones["names"], zones["zoneIds"], strict=True))
    assert pairs["us-east-1a"] == "use1-az6"
    fewer = program.provider.invoke(
        "aws:index/getAvailabilityZones:getAvailabilityZones", {"excludeZoneIds": ["use1-az3"]}
    )
    assert set(zones["zoneIds"]) - set(fewer["zoneIds"]) == {"use1-az3"}


def test_the_caller_is_the_account(program: Program) -> None:
    caller = program.provider.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})
    assert caller["accountId"] == "123456789012"


def test_a_secret_shows_itself_and_never_its_value(program: Program) -> None:
    with pytest.raises(OperationError, match="ResourceNotFoundException"):
        program.provider.invoke("aws:secretsmanager/getSecret:getSecret", {"name": "provider-key"})
    existing.provide(program.store, "us-east-1", secrets=["provider-key"])
    secret = program.provider.invoke("aws:secretsmanager/getSecret:getSecret", {"name": "provider-key"})
    assert secret["name"] == "provider-key"
    assert not any("value" in key.lower() or "string" in key.lower() for key in secret)
    assert program.store.is_empty()


def test_offerings_say_which_zones_have_a_type(program: Program) -> None:
    offerings = program.provider.invoke(
        "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings",
        {
            "locationType": "availability-zone-id",
            "filters": [{"name": "instance-type", "values": ["p6-b200.48xlarge"]}],
        },
    )
    assert offerings["locations"] == ["use1-az6"]


def test_questions_change_nothing_and_unknown_ones_are_refused(program: Program) -> None:
    with pytest.raises(OperationError, match="does not answer"):
        program.provider.invoke("aws:rds/getCluster:getCluster", {})
    assert program.store.load().generation == 0


@pytest.mark.parametrize(("way_out", "dns"), [(True, True), (False, False)])
def test_a_network_that_people_made_is_described(program: Program, way_out: bool, dns: bool) -> None:
    zones = ("use1-az4", "use1-az6")
    made = provide_network(program.store, "us-east-1", "172.20.0.0/16", zones, way_out=way_out, dns=dns)
    ask = program.provider.invoke
    vpc = ask("aws:ec2/getVpc:getVpc", {"id": made.vpc})
    assert (vpc["cidrBlock"], vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) == ("172.20.0.0/16", True, dns)
    assert network_cidr(program.store.load(), made.vpc) == "172.20.0.0/16"
    for zone, subnet in made.subnets.items():
        found = ask("aws:ec2/getSubnet:getSubnet", {"id": subnet})
        assert (found["vpcId"], found["availabilityZoneId"]) == (made.vpc, zone)
        assert found["availableIpAddressCount"] > 4000
        filters = [{"name": "association.subnet-id", "values": [subnet]}]
        tables = ask("aws:ec2/getRouteTables:getRouteTables", {"vpcId": made.vpc, "filters": filters})["ids"]
        routes = [r for t in tables for r in ask("aws:ec2/getRouteTable:getRouteTable", {"routeTableId": t})["routes"]]
        assert [bool(route["natGatewayId"]) for route in routes] == ([True] if way_out else [])
    wanted = [{"name": "vpc-id", "values": [made.vpc, "vpc-0ffffffff"]}]
    assert ask("aws:ec2/getVpcs:getVpcs", {"filters": wanted})["ids"] == [made.vpc]
    assert program.store.is_empty()


def test_the_addresses_of_s3_are_told(program: Program) -> None:
    found = program.provider.invoke("aws:ec2/getPrefixList:getPrefixList", {"name": "com.amazonaws.us-east-1.s3"})
    assert len(found["cidrBlocks"]) > 1
