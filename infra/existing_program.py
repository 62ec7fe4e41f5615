"""An environment on a cluster that is there already: namespaces, policies, pools and the gateway, and nothing of AWS.

The cluster is asked before anything is registered. The provider bears its identity (the UID of namespace kube-system),
which is an output of the stack too, so that a context that leads elsewhere one day is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_kubernetes as kubernetes

from infra import existing_facts, existing_preflight, image_rules
from infra.charts import unless_default
from infra.deployed import has_cluster
from infra.existing_facts import ExistingFacts, Right, UnreadableClusterError
from infra.existing_rights import rights_needed
from infra.existing_values import gateway_values, pool_values, toleration
from infra.gateway_release import GatewayArgs, GatewayRelease
from infra.image_rules import RunningImages
from infra.naming import ENVIRONMENT_LABEL
from infra.platform_layer import PlatformLayer, PlatformLayerArgs
from infra.priorities import priorities, priority_of
from infra.run import Run, export_plan
from infra.serving import ServingPool, ServingPoolArgs
from planner.domain.existing_cluster import ExistingCluster
from planner.words.diagnostics import Problem
from planner.words.names import bounded

UID = "cluster_uid"
"""Name of the output with the identity of the cluster."""


@dataclass(frozen=True)
class Site:
    """A site is a cluster that is there already, as it was found.

    facts: None where it could not be asked.
    problems: everything that speaks against deploying on it.
    """

    cluster: ExistingCluster
    facts: ExistingFacts | None
    problems: tuple[Problem, ...]


def site_of(run: Run) -> Site | None:
    """Return the cluster that a plan names, with what speaks against it; None where a plan makes one or needs none."""
    plan, chosen = run.plan, run.chosen
    existing = plan.platform.existing
    if existing is None or not plan.pools:
        return None
    found = tuple(existing_preflight.plan_problems(plan, existing))

    def rights(namespaces: Mapping[str, Mapping[str, str]]) -> tuple[Right, ...]:
        theirs = existing_preflight.theirs(namespaces)
        return rights_needed(run.granted.lock, existing, theirs, monitored=chosen.monitoring)

    try:
        facts = existing_facts.read_facts(existing.context, chosen.kubeconfig, rights)
    except UnreadableClusterError as error:
        hint = "see `kubectl config get-contexts`; spillway:kubeconfig or KUBECONFIG names another file"
        unreadable = Problem(
            "DEP040", f"the cluster of context `{existing.context}` cannot be read: {error}", hint=hint
        )
        return Site(existing, None, (*found, unreadable))
    if has_cluster(run.state):
        message = "this stack made a cluster on AWS, and the lock names one that is there already"
        found += (Problem("DEP041", message, hint="destroy the stack first, or deploy the lock as another stack"),)
    asked = existing_preflight.cluster_problems(plan, existing, facts, chosen.environment, run.outputs.get(UID))
    return Site(existing, facts, (*found, *asked))


def build(run: Run, site: Site) -> None:
    """Register everything of an environment on its cluster."""
    plan, chosen, existing, facts = run.plan, run.chosen, site.cluster, site.facts
    assert facts is not None  # a cluster that could not be asked is refused
    export_plan(run)
    pulled = image_rules.placed(run.images, None, chosen.pull_secrets)
    provider = kubernetes.Provider(
        "kubernetes",
        context=existing.context,
        kubeconfig=chosen.kubeconfig,
        cluster_identifier=facts.uid,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
    in_kubernetes = pulumi.ResourceOptions(providers=[provider])
    layer = PlatformLayer(run.prefix, _layer(run, pulled, existing, facts), in_kubernetes)
    ready = pulumi.ResourceOptions.merge(in_kubernetes, pulumi.ResourceOptions(depends_on=[layer]))
    pools = [
        ServingPool(
            bounded(f"{run.prefix}-{pool.name}", 40),
            ServingPoolArgs(
                pool=pool,
                group=run.group_of(pool),
                account="",
                region=existing.weights.region or "",
                cluster_name=None,
                bucket=existing.weights.bucket or "",
                bucket_arn="",
                store_cidrs=list(existing.weights.cidrs),
                image=unless_default(pulled.engine, "vllm"),
                priority=priority_of(pool, plan).name,
                canary=run.canaries.get(pool.name),
                canary_image=pulled.canary,
                pool_tls=plan.platform.pool_tls,
                kubernetes=provider,
                monitored=chosen.monitoring,
                prometheus=chosen.demand_from,
                adapt=partial(pool_values, pool=pool, group=run.group_of(pool), existing=existing),
            ),
            ready,
        )
        for pool in plan.pools
    ]
    gateway = GatewayRelease(
        run.prefix,
        GatewayArgs(
            run.granted.lock,
            pulled.gateway,
            chosen.client_keys,
            chosen.provider_keys,
            monitored=chosen.monitoring,
            adapt=partial(gateway_values, existing=existing),
        ),
        pulumi.ResourceOptions.merge(ready, pulumi.ResourceOptions(depends_on=pools)),
    )
    pulumi.export(UID, facts.uid)
    pulumi.export("pools", pulumi.Output.all(*[name for pool in pools for name in pool.releases]))
    pulumi.export("gateway", gateway.address)


def _layer(run: Run, pulled: RunningImages, existing: ExistingCluster, facts: ExistingFacts) -> PlatformLayerArgs:
    """Return what is made beside the charts; a device plugin only where the team asks for one."""
    kinds = [existing.nodes[name] for name in sorted({group.instance_type for group in run.plan.node_groups})]
    terms = (
        {
            "matchExpressions": [
                {"key": key, "operator": "In", "values": [value]} for key, value in sorted(kind.labels.items())
            ]
        }
        for kind in kinds
    )
    return PlatformLayerArgs(
        priorities=tuple(priorities(run.plan, run.canaries)),
        device_plugin=pulled.device_plugin,
        namespace_labels={**existing_preflight.MANAGED, ENVIRONMENT_LABEL: run.chosen.environment},
        theirs=existing_preflight.theirs(facts.namespaces),
        plugin_on=tuple(terms) if existing.device_plugin == "ours" else (),
        plugin_tolerations=tuple(toleration(taint) for kind in kinds for taint in kind.taints),
    )
