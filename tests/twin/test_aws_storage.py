from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program
from twin.aws import existing
from twin.aws.account import AwsError

BUCKET, KEY, LOGS = "aws:s3/bucket:Bucket", "aws:kms/key:Key", "aws:cloudwatch/logGroup:LogGroup"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_a_model_bucket_with_all_its_settings(program: Program) -> None:
    key = program.create(KEY, "key", enableKeyRotation=True).outputs["arn"]

    bucket = program.create(BUCKET, "Models")
    assert bucket.id.startswith("models-")
    assert bucket.outputs["arn"] == f"arn:aws:s3:::{bucket.id}"
    name = bucket.id
    default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}
    program.create(ENCRYPTION, "e", bucket=name, rules=[{"applyServerSideEncryptionByDefault": default}])
    program.create(
        "aws:s3/bucketVersioning:BucketVersioning",
        "v",
        bucket=name,
        versioningConfiguration={"status": "Enabled"},
    )
    program.create(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "l",
        bucket=name,
        rules=[{"id": "old", "status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 30}}],
    )
    program.create("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "p", bucket=name, blockPublicAcls=True)
    program.destroy()
    assert program.store.is_empty()


@pytest.mark.parametrize(
    ("token", "inputs", "complaint"),
    [
        (
            "aws:s3/bucketVersioning:BucketVersioning",
            {"versioningConfiguration": {"status": "Enabled"}},
            "NoSuchBucket",
        ),
        ("aws:s3/bucketPolicy:BucketPolicy", {"policy": "{}"}, "NoSuchBucket"),
    ],
)
def test_settings_of_a_bucket_that_is_not_there(
    program: Program, token: str, inputs: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(AwsError, match=complaint):
        program.create(token, "x", bucket="nobody-s-bucket", **inputs)


def test_keys_that_are_not_there_encrypt_nothing(program: Program) -> None:
    missing = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    with pytest.raises(AwsError, match="NotFoundException"):
        program.create(LOGS, "l", kmsKeyId=missing)


def test_log_retention_is_one_that_the_service_has(program: Program) -> None:
    with pytest.raises(AwsError, match="retentionInDays"):
        program.create(LOGS, "l", retentionInDays=31)


def test_a_bucket_with_objects_goes_only_by_force(program: Program) -> None:
    from twin.aws.account import Account
    from twin.aws.world import transaction

    program.create(BUCKET, "full", bucket="full-bucket")
    with transaction(program.store) as (state, world):
        Account(state, world, "us-east-1").call("s3", "PutObject", Bucket="full-bucket", Key="a", Body=b"x")
    with pytest.raises(AwsError, match="BucketNotEmpty"):
        program.delete("full")


def test_a_listener_needs_a_certificate_that_is_there(program: Program) -> None:
    subnets = program.network()
    vpc = program.states["vpc"][1].id
    balancer = program.create(
        "aws:lb/loadBalancer:LoadBalancer", "nlb", loadBalancerType="network", internal=True, subnets=subnets
    ).id
    targets = program.create(
        "aws:lb/targetGroup:TargetGroup", "tg", port=8080, protocol="TCP", targetType="ip", vpcId=vpc
    ).id
    listener = {
        "loadBalancerArn": balancer,
        "port": 443,
        "protocol": "TLS",
        "defaultActions": [{"type": "forward", "targetGroupArn": targets}],
    }
    with pytest.raises(AwsError, match="certificate must be specified"):
        program.create("aws:lb/listener:Listener", "l", **listener)
    with pytest.raises(AwsError, match="CertificateNotFound"):
        program.create("aws:lb/listener:Listener", "l", **listener, certificateArn=CERTIFICATE)
    existing.provide(program.store, "us-east-1", certificates=[CERTIFICATE])
    program.create("aws:lb/listener:Listener", "l", **listener, certificateArn=CERTIFICATE)
    program.destroy()
    assert program.store.is_empty()


def test_a_budget_reaches_somebody(program: Program) -> None:
    notification = {
        "comparisonOperator": "GREATER_THAN",
        "threshold": 100,
        "thresholdType": "PERCENTAGE",
        "notificationType": "ACTUAL",
        "subscriberEmailAddresses": ["team@example.com"],
    }
    wanted = {"budgetType": "COST", "timeUnit": "MONTHLY", "limitUnit": "USD", "notifications": [notification]}
    program.create("aws:budgets/budget:Budget", "plan", **wanted, limitAmount="1000")
    program.update("plan", **wanted, limitAmount="1200")
    with pytest.raises(AwsError, match=r"TimeUnit is .WEEKLY."):
        program.create("aws:budgets/budget:Budget", "odd", **{**wanted, "timeUnit": "WEEKLY"}, limitAmount="1")
