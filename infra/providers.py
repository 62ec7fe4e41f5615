"""The providers of the program. Each is explicit, so that no resource lands in an account or cluster by accident.

`Pulumi.yaml` disables default providers. A resource without one of these fails instead of taking the caller's own.
"""

from __future__ import annotations

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.cluster import Cluster
from infra.kubeconfig import kubeconfig
from infra.naming import ENVIRONMENT_TAG, stack_prefix
from planner.plan.platform import PlannedPlatform


def default_tags(environment: str) -> dict[str, str]:
    """Return the tags of everything that can be tagged. They say nothing that changes from plan to plan."""
    return {ENVIRONMENT_TAG: environment, "managed-by": "pulumi"}


def amazon(platform: PlannedPlatform, environment: str) -> aws.Provider:
    """Make the provider of AWS in the lock's region and, whoever calls, in the lock's account only."""
    role = platform.deploy_role
    return aws.Provider(
        "aws",
        region=platform.region,
        allowed_account_ids=[platform.account],
        assume_roles=[aws.ProviderAssumeRoleArgs(role_arn=role, session_name=stack_prefix(environment))]
        if role
        else None,
        default_tags=aws.ProviderDefaultTagsArgs(tags=default_tags(environment)),
    )


def in_cluster(cluster: Cluster, platform: PlannedPlatform) -> kubernetes.Provider:
    """Make the provider of Kubernetes in the environment's cluster, usable once those who deploy have access.

    The identifier is the cluster's ARN and not derived from the kubeconfig, so that a rotated certificate replaces
    nothing. A cluster that does not answer is an error, and the state keeps its objects: who else than a person could
    tell a cluster that is gone from a network that is down? Maps and Secrets change in place, because pods that mount
    them follow by themselves.
    """
    arguments = (cluster.name, cluster.endpoint, cluster.certificate)
    text = pulumi.Output.all(*arguments).apply(
        lambda values: kubeconfig(values[0], values[1], values[2], platform.region, platform.deploy_role)
    )
    return kubernetes.Provider(
        "kubernetes",
        kubeconfig=text,
        cluster_identifier=cluster.arn,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        opts=pulumi.ResourceOptions(depends_on=cluster.access),
    )
