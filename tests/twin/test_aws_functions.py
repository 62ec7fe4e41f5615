from __future__ import annotations

import json
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


def test_who_and_where(program: Program) -> None:
    ask = program.provider.invoke
    assert ask("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == "123456789012"
    assert ask("aws:index/getRegion:getRegion", {})["name"] == "us-east-1"
    assert ask("aws:index/getPartition:getPartition", {})["partition"] == "aws"


def test_a_secret_shows_itself_and_never_its_value(program: Program) -> None:
    with pytest.raises(OperationError, match="ResourceNotFoundException"):
        program.provider.invoke("aws:secretsmanager/getSecret:getSecret", {"name": "provider-key"})
    existing.provide(program.store, "us-east-1", secrets=["provider-key"])
    found = program.provider.invoke("aws:secretsmanager/getSecret:getSecret", {"name": "provider-key"})
    assert found["name"] == "provider-key"
    assert not any("value" in key.lower() or "string" in key.lower() for key in found)
    assert program.store.is_empty()


def test_a_policy_document_reads_as_the_provider_writes_it(program: Program) -> None:
    statement = {
        "actions": ["sts:AssumeRole", "sts:TagSession"],
        "principals": [{"type": "Service", "identifiers": ["pods.eks.amazonaws.com"]}],
        "conditions": [{"test": "StringEquals", "variable": "aws:SourceAccount", "values": ["123456789012"]}],
    }
    found = program.provider.invoke("aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [statement]})
    assert json.loads(found["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
            }
        ],
    }


def test_offerings_say_which_zones_have_a_type(program: Program) -> None:
    found = program.provider.invoke(
        "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings",
        {
            "locationType": "availability-zone-id",
            "filters": [{"name": "instance-type", "values": ["p6-b200.48xlarge"]}],
        },
    )
    assert found["locations"] == ["use1-az6"]


def test_questions_change_nothing_and_unknown_ones_are_refused(program: Program) -> None:
    with pytest.raises(OperationError, match="does not answer"):
        program.provider.invoke("aws:rds/getCluster:getCluster", {})
    assert program.store.load().generation == 0
