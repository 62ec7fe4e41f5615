from __future__ import annotations

from pathlib import Path

import pytest

from tests.twin.aws_program import Program
from twin.aws import existing
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
