"""The account's registry: repositories, and rules that fetch what others publish as AWS requires."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws_program import Program
from twin.aws import existing, moto_state
from twin.aws.account import AwsError

RULE = "aws:ecr/pullThroughCacheRule:PullThroughCacheRule"
SECRET = "aws:secretsmanager/secret:Secret"
HUB = {"ecrRepositoryPrefix": "team/hub", "upstreamRegistryUrl": "registry-1.docker.io"}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_a_registry_that_is_filled_from_docker_hub(program: Program) -> None:
    secret = program.create(SECRET, "s", name="ecr-pullthroughcache/team", recoveryWindowInDays=0)
    with pytest.raises(AwsError, match="UnableToAccessSecretException"):
        program.create(RULE, "early", **HUB, credentialArn=secret.id)
    existing.fill(program.store, "us-east-1", {"ecr-pullthroughcache/team": "{}"})
    program.create(RULE, "rule", **HUB, credentialArn=secret.id)
    with pytest.raises(AwsError, match="PullThroughCacheRuleAlreadyExistsException"):
        program.create(RULE, "second", **HUB, credentialArn=secret.id)
    repository = program.create(
        "aws:ecr/repository:Repository",
        "r",
        name="team/hub/vllm/vllm-openai",
        forceDelete=True,
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfigurations=[{"encryptionType": "AES256"}],
    )
    assert repository.outputs["arn"].endswith(":repository/team/hub/vllm/vllm-openai")
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 6}
    rules = [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]
    program.create(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy", "l", repository=repository.id, policy=json.dumps({"rules": rules})
    )
    moto_state.discard()  # as another process finds the account
    program.destroy()
    assert program.store.is_empty()


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        (HUB, "requires a credentialArn"),
        (
            {**HUB, "credentialArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:docker-hub"},
            "must begin with",
        ),
        ({**HUB, "upstreamRegistryUrl": "nvcr.io"}, "UnsupportedUpstreamRegistryException"),
        ({"upstreamRegistryUrl": "quay.io", "ecrRepositoryPrefix": "x" * 31}, "ecrRepositoryPrefix"),
    ],
)
def test_rules_that_aws_does_not_take(program: Program, inputs: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AwsError, match=complaint):
        program.create(RULE, "rule", **inputs)


def test_a_secret_tells_whether_it_has_a_value_and_not_which(program: Program) -> None:
    def versions() -> list[dict[str, Any]]:
        asked = {"secretId": "team/key"}
        found: list[dict[str, Any]] = program.provider.invoke(
            "aws:secretsmanager/getSecretVersions:getSecretVersions", asked
        )["versions"]
        return found

    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        versions()
    program.create(SECRET, "s", name="team/key", recoveryWindowInDays=0)
    assert versions() == []
    existing.fill(program.store, "us-east-1", {"team/key": "a value"})
    (version,) = versions()
    assert version["versionStages"] == ["AWSCURRENT"]
    assert "a value" not in json.dumps(version)
