"""Container registries of AWS: repositories, their lifecycle rules, and rules by which they fetch what others publish.

moto keeps repositories. It has no pull-through rules, so they are imitated here with what AWS requires of them.
"""

from __future__ import annotations

import re
from typing import Any

from twin.aws.account import Account, AwsError, imitates
from twin.aws.kinds import CreatedResource, ResourceKind, UpdatedResource, paths
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties

_RULES = "ecr.pullThroughCacheRules"
_UPSTREAMS = {
    "registry-1.docker.io": True,
    "ghcr.io": True,
    "public.ecr.aws": False,
    "quay.io": False,
    "registry.k8s.io": False,
}
"""Registries that AWS fetches from, and whether only with an account there."""
_PREFIX = re.compile(r"(?=.{2,30}$)(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*/?")


@imitates("ecr", "CreatePullThroughCacheRule")
def _create_rule(aws: Account, request: dict[str, Any]) -> dict[str, Any]:
    def refuse(code: str, message: str) -> AwsError:
        return AwsError("ecr", "CreatePullThroughCacheRule", code, message)

    prefix, upstream = request["ecrRepositoryPrefix"], request["upstreamRegistryUrl"]
    credential = request.get("credentialArn")
    if not _PREFIX.fullmatch(prefix):
        raise refuse("InvalidParameterException", f"Invalid parameter at 'ecrRepositoryPrefix': {prefix}")
    if upstream not in _UPSTREAMS:
        raise refuse("UnsupportedUpstreamRegistryException", f"The upstream registry {upstream} is not supported")
    if prefix in aws.state.tables.setdefault(_RULES, {}):
        raise refuse("PullThroughCacheRuleAlreadyExistsException", f"A rule with the prefix {prefix} already exists")
    if _UPSTREAMS[upstream] and credential is None:
        raise refuse("InvalidParameterException", f"{upstream} requires a credentialArn")
    if credential is not None:
        _require_account(aws, credential, refuse)
    rule = {"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": upstream, "credentialArn": credential}
    aws.state.tables[_RULES][prefix] = rule
    return {**rule, "registryId": aws.id}


def _require_account(aws: Account, arn: str, refuse: Any) -> None:
    """Require a secret that AWS takes an account from: its name begins as AWS says, and it has a value."""
    if ":secret:ecr-pullthroughcache/" not in arn:
        raise refuse("InvalidParameterException", "the secret's name must begin with ecr-pullthroughcache/")
    try:
        aws.call("secretsmanager", "GetSecretValue", SecretId=arn)
    except AwsError as error:
        message = f"The secret {arn} has no value that can be read"
        raise refuse("UnableToAccessSecretException", message) from error


def _make_rule(aws: Account, inputs: Properties) -> CreatedResource:
    rule = aws.call("ecr", "CreatePullThroughCacheRule", **aws.request("ecr", "CreatePullThroughCacheRule", inputs))
    return CreatedResource(rule["ecrRepositoryPrefix"], {"registryId": aws.id})


def _delete_rule(aws: Account, old: ResourceState) -> None:
    aws.state.tables.get(_RULES, {}).pop(old.id, None)


def _make_repository(aws: Account, inputs: Properties) -> CreatedResource:
    settings = {
        "imageScanningConfiguration": inputs.get("imageScanningConfiguration"),
        "encryptionConfiguration": next(iter(inputs.get("encryptionConfigurations") or ()), None),
        "imageTagMutability": inputs.get("imageTagMutability"),
    }
    request = aws.request("ecr", "CreateRepository", {"repositoryName": inputs["name"], **settings})
    made = aws.call("ecr", "CreateRepository", **request)["repository"]
    return CreatedResource(
        made["repositoryName"],
        {"arn": made["repositoryArn"], "registryId": aws.id, "repositoryUrl": made["repositoryUri"]},
    )


def _delete_repository(aws: Account, old: ResourceState) -> None:
    aws.call("ecr", "DeleteRepository", repositoryName=old.id, force=bool(old.inputs.get("forceDelete")))


def _put_lifecycle(aws: Account, inputs: Properties) -> CreatedResource:
    aws.call(
        "ecr", "PutLifecyclePolicy", repositoryName=inputs["repository"], lifecyclePolicyText=str(inputs["policy"])
    )
    return CreatedResource(inputs["repository"], {"registryId": aws.id})


def _update_lifecycle(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _put_lifecycle(aws, inputs)
    return UpdatedResource({})


def _delete_lifecycle(aws: Account, old: ResourceState) -> None:
    """Delete the rule. The provider takes one whose repository is gone for deleted."""
    try:
        aws.call("ecr", "DeleteLifecyclePolicy", repositoryName=old.id)
    except AwsError as error:
        if error.code not in ("RepositoryNotFoundException", "LifecyclePolicyNotFoundException"):
            raise


KINDS = (
    ResourceKind(
        "aws:ecr/pullThroughCacheRule:PullThroughCacheRule",
        create=_make_rule,
        update=None,
        delete=_delete_rule,
    ),
    ResourceKind(
        "aws:ecr/repository:Repository",
        create=_make_repository,
        delete=_delete_repository,
        replace_on=paths("name encryptionConfigurations region"),
        defaults={"imageTagMutability": "MUTABLE"},
    ),
    ResourceKind(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        create=_put_lifecycle,
        update=_update_lifecycle,
        delete=_delete_lifecycle,
        replace_on=paths("repository region"),
    ),
)
