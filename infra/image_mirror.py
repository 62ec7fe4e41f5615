"""The account's own registry as a mirror: a repository for each published image, filled when a node first asks for it.

Amazon's registry would make the repositories by itself and leave them behind. Made here, they go with the environment,
and nodes need no right to make any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.registries import Mirror, Registry

VERSIONS_KEPT = 6
"""Images that a repository keeps. An older one that a node still asks for is fetched again."""


@dataclass(frozen=True)
class ImageMirrorArgs:
    """Arguments of the mirror.

    fetched: paths of the images by the registry that publishes them.
    hub_account: ARN of the secret with an account at Docker Hub; None where nothing comes from there.
    """

    mirror: Mirror
    fetched: Mapping[Registry, Sequence[str]]
    hub_account: pulumi.Input[str] | None


class ImageMirror(pulumi.ComponentResource):
    """The mirror's output is `repositories`, their ARNs, known once each can be filled."""

    repositories: tuple[pulumi.Output[str], ...]

    def __init__(self, name: str, args: ImageMirrorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:aws:ImageMirror", name, None, opts)
        rules = {registry: self._rule(name, registry, args) for registry in args.fetched}
        made = [
            self._repository(args.mirror.cached(registry), path, rules[registry])
            for registry, paths in args.fetched.items()
            for path in paths
        ]
        self.repositories = tuple(made)
        self.register_outputs({"repositories": list(self.repositories)})

    def _rule(self, name: str, registry: Registry, args: ImageMirrorArgs) -> aws.ecr.PullThroughCacheRule:
        assert registry.upstream is not None
        return aws.ecr.PullThroughCacheRule(
            f"{name}-{registry.short}",
            ecr_repository_prefix=args.mirror.cached(registry),
            upstream_registry_url=registry.upstream,
            credential_arn=args.hub_account if registry.needs_account else None,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _repository(self, cached: str, path: str, rule: aws.ecr.PullThroughCacheRule) -> pulumi.Output[str]:
        repository = aws.ecr.Repository(
            f"{cached}/{path}",
            name=f"{cached}/{path}",
            # A tag that moves is fetched anew; what runs is named by its digest.
            image_tag_mutability="MUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="AES256")],
            force_delete=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.ecr.LifecyclePolicy(
            f"{cached}/{path}",
            repository=repository.name,
            policy=_newest(VERSIONS_KEPT),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.all(repository.arn, rule.id).apply(lambda values: str(values[0]))


def _newest(count: int) -> str:
    """Return the rule that keeps the newest images of a repository."""
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count}
    rule = {"rulePriority": 1, "description": "newest", "selection": selection, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]}, sort_keys=True)
