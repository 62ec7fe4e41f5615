"""Where a plan runs, and everything beside its GPU nodes that is built and billed for it.

The bill reads these values and so does the program that builds them, so that neither can decide anything by itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.plan.parts import PlanPart
from planner.words.numbers import Figure


class SystemNodes(PlanPart):
    """The CPU machines of everything that needs no GPU: DNS, controllers, the gateway."""

    instance_type: str
    nodes: int
    disk_gb: Annotated[int, Field(description="root volume of each node")]


class LogGroup(PlanPart):
    """One group of logs in CloudWatch."""

    name: Literal["control-plane", "network-flows"]
    retention_days: int
    gb_per_month: Annotated[Figure, Field(description="what is expected to be written; an assumption")]


class EncryptionKey(PlanPart):
    """One key of KMS."""

    name: Literal["secrets"]
    deletion_days: Annotated[int, Field(description="days that a deleted key can still be restored")]


class ModelBucket(PlanPart):
    """The bucket that holds the weights of all pools."""

    weights_gb: Annotated[Figure, Field(description="size of the weights, each checkpoint once, in 10⁹ bytes")]
    old_version_days: Annotated[int, Field(description="days after which a replaced object is removed")]


class ClusterParts(PlanPart):
    """What a plan that hosts anything itself needs beside its GPU nodes."""

    system_nodes: SystemNodes
    nat_zones: Annotated[tuple[str, ...], Field(description="zones with a NAT gateway and its public address")]
    keys: tuple[EncryptionKey, ...]
    log_groups: tuple[LogGroup, ...]
    model_bucket: ModelBucket

    def log_group(self, name: str) -> LogGroup:
        """The log group of that name. Errors: StopIteration, when the plan has none."""
        return next(group for group in self.log_groups if group.name == name)

    def key(self, name: str) -> EncryptionKey:
        """The key of that name. Errors: StopIteration, when the plan has none."""
        return next(key for key in self.keys if key.name == name)


class PlannedPlatform(PlanPart):
    """Where the plan runs. cluster: None when the plan hosts nothing itself, so that no cluster is made."""

    account: str
    region: str
    zones: tuple[str, ...]
    cidr: str
    public_cidrs: tuple[str, ...]
    deploy_role: str | None
    admin_roles: tuple[str, ...]
    kubernetes: str
    cluster: ClusterParts | None
