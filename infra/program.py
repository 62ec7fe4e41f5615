"""The whole of an environment, from its lock. `__main__.py` at the root calls `deploy`.

Nothing is registered before the lock is verified and preflight has passed. The order follows from what needs what:
model store → network → cluster → nodes → platform layer → pools → gateway. Pulumi removes in the opposite order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pulumi
import pulumi_aws as aws

from infra import image_rules, inputs, preflight, secrets, settings
from infra.charts import chart, chart_image, engine_version
from infra.cluster import Cluster, ClusterArgs
from infra.deployed import USD, deployed_usd, is_deployed
from infra.gateway_release import GatewayArgs, GatewayRelease
from infra.image_mirror import ImageMirror, ImageMirrorArgs
from infra.image_rules import RunningImages
from infra.images import Image
from infra.inputs import DeployableLock
from infra.model_store import ModelStore, ModelStoreArgs
from infra.naming import stack_prefix
from infra.network import Network, NetworkArgs
from infra.node_group import SYSTEM, ManagedNodeGroup, NodeRole, Surroundings, gpu_args, system_args
from infra.platform_layer import DEVICE_PLUGIN_IMAGE, PlatformLayer, PlatformLayerArgs
from infra.providers import amazon, default_tags, in_cluster
from infra.registries import Mirror, layer_buckets
from infra.secret_store import ADDON, GatewayIdentity, SecretStore, SecretStoreArgs, asking
from infra.serving import ServingPool, ServingPoolArgs
from infra.settings import StackSettings
from infra.values import own_places
from planner.documents import routing
from planner.plan.platform import CLIENT_KEYS, HUB_ACCOUNT
from planner.words.diagnostics import Problem, Problems
from planner.words.names import bounded


def deploy() -> None:
    """Register the selected stack. Raises `pulumi.RunError` with the reasons when it may not be deployed."""
    chosen = settings.read()
    try:
        granted = inputs.deployable_lock(chosen, _engine(chosen), deployed_usd)
        images = _images(chosen)
        found = (
            *preflight.problems(granted.lock.plan, chosen.runner),
            *image_rules.problems(granted.lock.plan, chosen, images),
        )
        if any(problem.severity == "error" for problem in found):
            raise Problems(found, exit_code=1)
    except Problems as refusal:
        raise pulumi.RunError(inputs.message(refusal.problems, chosen.environment)) from refusal
    _announce(granted, found)
    pulumi.export("override", granted.override)
    if granted.lock.plan.pools:
        _build(chosen, granted, images)
    else:
        _serve_elsewhere(granted)


def _engine(chosen: StackSettings) -> str | None:
    """Return the version of vLLM that would run: the tag of the stack's own image, else the chart's."""
    return engine_version() if chosen.engine_image is None else chosen.engine_image.tag


def _images(chosen: StackSettings) -> RunningImages:
    """Return the images of the stack, each where it is published."""
    return RunningImages(
        engine=chosen.engine_image or chart_image("vllm"),
        gateway=chosen.gateway_image,
        device_plugin=Image.parse(DEVICE_PLUGIN_IMAGE),
    )


def _announce(granted: DeployableLock, found: Iterable[Problem]) -> None:
    """Say what does not stop the run but should not be overlooked."""
    for warning in granted.warnings:
        pulumi.log.warn(f"{warning.code}: {warning.message}")
    for problem in found:
        pulumi.log.warn(f"{problem.code}: {problem.message}; {problem.hint}")
    if granted.override is not None:
        aside = "; ".join(f"{problem.code} {problem.message}" for problem in granted.set_aside)
        pulumi.log.warn(f"spillway:override ({granted.override}) set aside: {aside or 'nothing; remove it'}")


def _serve_elsewhere(granted: DeployableLock) -> None:
    """Export a plan without pools. It has no cluster on its bill, so nothing is made, and the gateway runs where the
    team likes."""
    pulumi.log.info("the plan hosts nothing itself, so no cluster is made; run the gateway with output `policy`")
    _export_plan(granted)
    pulumi.export("policy", routing.policy(granted.lock))


def _build(chosen: StackSettings, granted: DeployableLock, images: RunningImages) -> None:
    """Make the secrets, and all else once those that are needed have values.

    A stack that has a cluster already is never taken back to its secrets: what lacks a key there waits for it.
    """
    plan, prefix = granted.lock.plan, stack_prefix(chosen.environment)
    provider = amazon(plan.platform, chosen.environment)
    if not secrets.names(plan):
        _compose(chosen, granted, images, {}, provider)
        return
    try:
        empty = secrets.without_value(plan, prefix, asking(provider))
    except Problems as refusal:
        raise pulumi.RunError(inputs.message(refusal.problems, chosen.environment)) from refusal
    made = SecretStore(
        prefix,
        SecretStoreArgs(prefix, secrets.names(plan), chosen.protected),
        pulumi.ResourceOptions(providers=[provider]),
    )
    for name in empty:
        problem = secrets.problem(plan, prefix, name)
        pulumi.log.warn(f"{problem.code}: {problem.message}; {problem.hint}")
    pulumi.export("waiting_for", [secrets.physical_name(prefix, name) for name in empty])
    if not empty or is_deployed():
        _compose(chosen, granted, images, made.arns, provider)
    else:
        pulumi.log.warn("nothing else is made before these secrets have values, so that nothing else is paid for")


def _compose(
    chosen: StackSettings,
    granted: DeployableLock,
    images: RunningImages,
    secret_arns: Mapping[str, pulumi.Output[str]],
    provider: aws.Provider,
) -> None:
    _export_plan(granted)
    lock = granted.lock
    plan, platform, parts = lock.plan, lock.plan.platform, lock.plan.platform.cluster
    assert parts is not None  # preflight refuses a plan that has pools and no cluster
    prefix = stack_prefix(chosen.environment)
    amazon_only = pulumi.ResourceOptions(providers=[provider])
    address = platform.image_mirror
    mirror = Mirror(address, platform.account, platform.region, prefix) if address else None
    pulled = image_rules.placed(images, mirror, chosen.pull_secrets)
    keys = secrets.key_store(plan, prefix)

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
            layer_buckets=layer_buckets(pulled.all(), platform.region),
            state_bucket=chosen.state_bucket,
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
    fetched = mirror.fetched(images.all()) if mirror else {}
    filled = (
        ImageMirror(prefix, ImageMirrorArgs(mirror, fetched, secret_arns.get(HUB_ACCOUNT)), amazon_only)
        if mirror and fetched
        else None
    )
    around = Surroundings(
        cluster_name=cluster.name,
        version=cluster.version,
        node_role=NodeRole(f"{prefix}-node", platform.region, amazon_only, filled.repositories if filled else ()).arn,
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
    addons = cluster.add_cluster_addons(system_nodes, *([ADDON] if keys else []))

    in_kubernetes = in_cluster(cluster, platform)
    layer = PlatformLayer(
        prefix,
        PlatformLayerArgs(frozenset(pool.engine.gpus for pool in plan.pools), pulled.device_plugin),
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
                image=None if pulled.engine == chart_image("vllm") else pulled.engine,
                kubernetes=in_kubernetes,
            ),
            pulumi.ResourceOptions.merge(
                amazon_only, pulumi.ResourceOptions(depends_on=[layer, groups[pool.node_group], *addons])
            ),
        )
        for pool in plan.pools
    ]
    read = [secret_arns[name] for name in (CLIENT_KEYS, *keys.provider_keys)] if keys else []
    may_read = [GatewayIdentity(prefix, platform.account, cluster.name, read, amazon_only)] if keys else []
    gateway = GatewayRelease(
        prefix,
        GatewayArgs(
            lock,
            chart("gateway"),
            pulled.gateway,
            chosen.client_keys,
            chosen.provider_keys,
            keys,
        ),
        pulumi.ResourceOptions(providers=[in_kubernetes], depends_on=[layer, *pools, *addons, *may_read]),
    )
    _export(cluster, store, pools, gateway)


def _export_plan(granted: DeployableLock) -> None:
    """Export what is deployed and what it costs: of a plan, and not of the secrets that come before it."""
    pulumi.export("lock", granted.lock.digests.content)
    pulumi.export(USD, str(granted.lock.plan.cost.usd_per_month))


def _export(cluster: Cluster, store: ModelStore, pools: list[ServingPool], gateway: GatewayRelease) -> None:
    pulumi.export("cluster", cluster.name)
    pulumi.export("model_bucket", store.bucket)
    pulumi.export("pools", pulumi.Output.all(*[pool.release for pool in pools]))
    pulumi.export("gateway", gateway.address)
