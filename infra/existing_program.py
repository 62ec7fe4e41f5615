"""An environment on a cluster that is there already: namespaces, policies, pools and the gateway, and nothing of AWS.

The cluster is asked before anything is registered. The provider bears its identity (the UID of namespace kube-system),
which is an output of the stack too, so that a context that leads elsewhere one day is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi.runtime.invoke import invoke

from infra import existing_facts, existing_preflight
from infra.charts import chart
from infra.existing_facts import ExistingFacts, UnreadableClusterError
from infra.existing_values import gateway_values, pool_values, toleration
from infra.gateway_release import GatewayArgs, GatewayRelease
from infra.inputs import DeployableLock
from infra.naming import ENVIRONMENT_LABEL, stack_prefix
from infra.platform_layer import PlatformLayer, PlatformLayerArgs
from infra.serving import ServingPool, ServingPoolArgs
from infra.settings import StackSettings
from planner.domain.existing_cluster import ExistingCluster
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem
from planner.words.names import bounded

UID = "cluster_uid"
"""Name of the output with the identity of the cluster."""
MADE = "cluster"
"""Name of the output of a stack that made its cluster."""


@dataclass(frozen=True)
class Site:
    """A site is a cluster that is there already, as it was found.

    facts: None where it could not be asked.
    problems: everything that speaks against deploying on it.
    """

    cluster: ExistingCluster
    facts: ExistingFacts | None
    problems: tuple[Problem, ...]


def site_of(plan: Plan, chosen: StackSettings) -> Site | None:
    """Return the cluster that a plan names, with what speaks against it; None where a plan makes one or needs none."""
    existing = plan.platform.existing
    if existing is None or not plan.pools:
        return None
    found = tuple(existing_preflight.plan_problems(plan, existing))
    rights = existing_preflight.rights_needed(plan, existing)
    try:
        facts = existing_facts.read_facts(existing.context, chosen.kubeconfig, rights)
    except UnreadableClusterError as error:
        hint = "see `kubectl config get-contexts`; spillway:kubeconfig or KUBECONFIG names another file"
        unreadable = Problem(
            "DEP040", f"the cluster of context `{existing.context}` cannot be read: {error}", hint=hint
        )
        return Site(existing, None, (*found, unreadable))
    outputs = _outputs()
    if MADE in outputs:
        message = f"this stack made a cluster on AWS, `{outputs[MADE]}`; the lock names one that is there already"
        found += (Problem("DEP041", message, hint="destroy the stack first, or deploy the lock as another stack"),)
    asked = existing_preflight.cluster_problems(plan, existing, facts, chosen.environment, outputs.get(UID))
    return Site(existing, facts, (*found, *asked))


def compose(site: Site, chosen: StackSettings, granted: DeployableLock) -> None:
    """Register everything of an environment on its cluster."""
    plan, existing, facts = granted.lock.plan, site.cluster, site.facts
    assert facts is not None  # a cluster that could not be asked is refused
    prefix = stack_prefix(chosen.environment)
    provider = kubernetes.Provider(
        "kubernetes",
        context=existing.context,
        kubeconfig=chosen.kubeconfig,
        cluster_identifier=facts.uid,
        enable_server_side_apply=True,
    )
    in_kubernetes = pulumi.ResourceOptions(providers=[provider])
    layer = PlatformLayer(prefix, _layer(plan, existing, facts, chosen.environment), in_kubernetes)
    ready = pulumi.ResourceOptions.merge(in_kubernetes, pulumi.ResourceOptions(depends_on=[layer]))
    groups = {group.name: group for group in plan.node_groups}
    pools = [
        ServingPool(
            bounded(f"{prefix}-{pool.name}", 40),
            ServingPoolArgs(
                pool=pool,
                group=groups[pool.node_group],
                account="",
                region=existing.weights.region or "",
                cluster_name=None,
                bucket=existing.weights.bucket or "",
                bucket_arn="",
                store_cidrs=list(existing.weights.cidrs),
                chart=chart("vllm"),
                image=chosen.engine_image,
                kubernetes=provider,
                adapt=partial(pool_values, pool=pool, group=groups[pool.node_group], existing=existing),
            ),
            ready,
        )
        for pool in plan.pools
    ]
    gateway = GatewayRelease(
        prefix,
        GatewayArgs(
            granted.lock,
            chart("gateway"),
            chosen.gateway_image,
            chosen.client_keys,
            chosen.provider_keys,
            adapt=partial(gateway_values, existing=existing),
        ),
        pulumi.ResourceOptions.merge(ready, pulumi.ResourceOptions(depends_on=pools)),
    )
    pulumi.export(UID, facts.uid)
    pulumi.export("pools", pulumi.Output.all(*[pool.release for pool in pools]))
    pulumi.export("gateway", gateway.address)


def _layer(plan: Plan, existing: ExistingCluster, facts: ExistingFacts, environment: str) -> PlatformLayerArgs:
    """Return what is made beside the charts; a device plugin only where the team asks for one."""
    kinds = [existing.nodes[name] for name in sorted({group.instance_type for group in plan.node_groups})]
    terms = (
        {
            "matchExpressions": [
                {"key": key, "operator": "In", "values": [value]} for key, value in sorted(kind.labels.items())
            ]
        }
        for kind in kinds
    )
    return PlatformLayerArgs(
        replica_sizes=frozenset(pool.engine.gpus for pool in plan.pools),
        namespace_labels={**existing_preflight.MANAGED, ENVIRONMENT_LABEL: environment},
        theirs=existing_preflight.theirs(facts),
        plugin_on=tuple(terms) if existing.device_plugin == "ours" else (),
        plugin_tolerations=tuple(toleration(taint) for kind in kinds for taint in kind.taints),
    )


def _outputs() -> Mapping[str, Any]:
    """Return the outputs of the stack as they stand in its state; none where it has none, or nobody can say."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        outputs = (invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}).get("outputs")
    except Exception as error:  # what `invoke` raises has no type of its own
        pulumi.log.warn(f"what is deployed cannot be read: {error}")
        return {}
    return outputs if isinstance(outputs, dict) else {}
