"""The whole of an environment, from its lock. `__main__.py` at the root calls `deploy`.

Nothing is registered before the lock is verified and preflight has passed. The order follows from what needs what:
model store → network → cluster → nodes → platform layer → pools → gateway. Pulumi removes in the opposite order.
"""

from __future__ import annotations

import pulumi

from infra import inputs, moved, preflight, settings
from infra.charts import chart, engine_version
from infra.cluster import Cluster, ClusterArgs
from infra.cost_alarm import CostAlarm, CostAlarmArgs, billed_by_amazon
from infra.deployed import USD, deployed_outputs, usd_of
from infra.gateway_release import GatewayArgs, GatewayRelease
from infra.guarding import guard
from infra.guardrails import granted_by
from infra.inputs import DeployableLock
from infra.model_store import ModelStore, ModelStoreArgs
from infra.naming import stack_prefix
from infra.network import Network, NetworkArgs
from infra.node_group import SYSTEM, ManagedNodeGroup, NodeRole, Surroundings, gpu_args, system_args
from infra.platform_layer import PlatformLayer, PlatformLayerArgs
from infra.providers import amazon, default_tags, in_cluster
from infra.serving import ServingPool, ServingPoolArgs
from infra.settings import StackSettings
from infra.values import own_places
from planner.documents import routing
from planner.words.diagnostics import Problems
from planner.words.names import bounded


def deploy() -> None:
    """Register the selected stack. Raises `pulumi.RunError` with the reasons when it may not be deployed."""
    chosen, deployed = settings.read(), deployed_outputs()
    try:
        granted = inputs.deployable_lock(chosen, _engine(chosen), lambda: usd_of(deployed))
        place = moved.place(granted.lock.plan.platform, chosen.environment)
        against = (*moved.problems(place, deployed), *preflight.problems(granted.lock.plan, chosen.runner))
        if against:
            raise Problems(against, exit_code=1)
    except Problems as refusal:
        raise pulumi.RunError(inputs.message(refusal.problems, chosen.environment)) from refusal
    _announce(granted, chosen)
    pulumi.export("lock", granted.lock.digests.content)
    pulumi.export("override", granted.override)
    pulumi.export(USD, str(granted.lock.plan.cost.usd_per_month))
    for name, value in place.items():
        pulumi.export(name, value)
    guard(granted_by(granted.lock.plan, chosen.environment))
    if granted.lock.plan.pools:
        _compose(chosen, granted)
    else:
        _serve_elsewhere(granted)


def _engine(chosen: StackSettings) -> str | None:
    """Return the version of vLLM that would run: the tag of the stack's own image, else the chart's."""
    return engine_version() if chosen.engine_image is None else chosen.engine_image.tag


def _announce(granted: DeployableLock, chosen: StackSettings) -> None:
    """Say what does not stop the run but should not be overlooked."""
    for warning in granted.warnings:
        pulumi.log.warn(f"{warning.code}: {warning.message}")
    if granted.override is not None:
        aside = "; ".join(f"{problem.code} {problem.message}" for problem in granted.set_aside)
        pulumi.log.warn(f"spillway:override ({granted.override}) set aside: {aside or 'nothing; remove it'}")
    if chosen.gateway_image is None and granted.lock.plan.pools:
        pulumi.log.warn("spillway:gatewayImage is not set: no registry has the chart's own name (docs/deploy.md)")


def _serve_elsewhere(granted: DeployableLock) -> None:
    """Export a plan without pools. It has no cluster on its bill, so nothing is made, and the gateway runs where the
    team likes."""
    pulumi.log.info("the plan hosts nothing itself, so no cluster is made; run the gateway with output `policy`")
    pulumi.export("policy", routing.policy(granted.lock))


def _compose(chosen: StackSettings, granted: DeployableLock) -> None:
    lock = granted.lock
    plan, platform, parts = lock.plan, lock.plan.platform, lock.plan.platform.cluster
    assert parts is not None  # preflight refuses a plan that has pools and no cluster
    prefix = stack_prefix(chosen.environment)
    amazon_only = pulumi.ResourceOptions(providers=[amazon(platform, chosen.environment)])

    if platform.alerts is None:
        pulumi.export("alarm", "none: `platform.alerts` names nobody")
    else:
        alarm = CostAlarm(
            prefix, CostAlarmArgs(chosen.environment, billed_by_amazon(plan.cost), platform.alerts), amazon_only
        )
        pulumi.export("alarm", alarm.budget)
    store = ModelStore(prefix, ModelStoreArgs(chosen.protected, parts.model_bucket.old_version_days), amazon_only)
    network = Network(
        prefix,
        NetworkArgs(
            region=platform.region,
            account=platform.account,
            cidr=platform.cidr,
            zones=platform.zones,
            nat_zones=parts.nat_zones,
            flow_logs=parts.log_group("network-flows"),
            bucket_arn=store.arn,
            own_weights=own_places(plan.pools),
        ),
        amazon_only,
    )
    cluster = Cluster(
        prefix,
        ClusterArgs(
            account=platform.account,
            region=platform.region,
            version=platform.kubernetes,
            subnets=[network.subnets[zone] for zone in sorted(network.subnets)],
            public_cidrs=platform.public_cidrs,
            deploy_role=platform.deploy_role,
            admin_roles=platform.admin_roles,
            protected=chosen.protected,
            addons=chosen.addons,
            logs=parts.log_group("control-plane"),
            secrets_key=parts.key("secrets"),
        ),
        amazon_only,
    )
    around = Surroundings(
        cluster_name=cluster.name,
        version=cluster.version,
        node_role=NodeRole(f"{prefix}-node", platform.region, amazon_only).arn,
        subnets=network.subnets,
        tags=default_tags(chosen.environment),
    )
    # A node that starts before its way out, or before the network plug-in is declared, joins late or never.
    joinable = pulumi.ResourceOptions.merge(
        amazon_only, pulumi.ResourceOptions(depends_on=[network, *cluster.node_addons])
    )
    system_nodes = ManagedNodeGroup(SYSTEM, system_args(parts.system_nodes, around), joinable)
    groups = {}
    for group in plan.node_groups:
        tenants = sorted(pool.name for pool in plan.pools if pool.node_group == group.name)
        groups[group.name] = ManagedNodeGroup(f"gpu-{group.name}", gpu_args(group, tenants, around), joinable)
    addons = cluster.add_cluster_addons(system_nodes)

    in_kubernetes = in_cluster(cluster, platform)
    layer = PlatformLayer(
        prefix,
        PlatformLayerArgs(frozenset(pool.engine.gpus for pool in plan.pools)),
        pulumi.ResourceOptions(providers=[in_kubernetes], depends_on=[*cluster.access, system_nodes]),
    )
    pools = [
        ServingPool(
            bounded(f"{prefix}-{pool.name}", 40),
            ServingPoolArgs(
                pool=pool,
                group=next(group for group in plan.node_groups if group.name == pool.node_group),
                account=platform.account,
                region=platform.region,
                cluster_name=cluster.name,
                bucket=store.bucket,
                bucket_arn=store.arn,
                store_cidrs=network.store_cidrs,
                chart=chart("vllm"),
                image=chosen.engine_image,
                kubernetes=in_kubernetes,
            ),
            pulumi.ResourceOptions.merge(
                amazon_only, pulumi.ResourceOptions(depends_on=[layer, groups[pool.node_group], *addons])
            ),
        )
        for pool in plan.pools
    ]
    gateway = GatewayRelease(
        prefix,
        GatewayArgs(lock, chart("gateway"), chosen.gateway_image, chosen.client_keys, chosen.provider_keys),
        pulumi.ResourceOptions(providers=[in_kubernetes], depends_on=[layer, *pools, *addons]),
    )
    _export(cluster, store, pools, gateway)


def _export(cluster: Cluster, store: ModelStore, pools: list[ServingPool], gateway: GatewayRelease) -> None:
    pulumi.export("cluster", cluster.name)
    pulumi.export("model_bucket", store.bucket)
    pulumi.export("pools", pulumi.Output.all(*[pool.release for pool in pools]))
    pulumi.export("gateway", gateway.address)
