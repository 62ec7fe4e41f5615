"""The whole of an environment, from its lock. `__main__.py` at the root calls `deploy`.

Nothing is registered before the lock is verified and preflight has passed. The order follows from what needs what: model
store → network → cluster → system nodes → GPU nodes → platform layer → weights → pools → gateway. Pulumi removes in the
opposite order. Weights are copied while GPU nodes are still being made. Stage `cluster` ends at the system nodes: up to
there, nobody calls the Kubernetes API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pulumi
import pulumi_aws as aws

from infra import image_rules, ingress, inputs, moved, preflight, preflight_weights, secrets, settings
from infra.charts import chart, chart_image, engine_version
from infra.cluster import Cluster, ClusterArgs
from infra.cost_alarm import CostAlarm, CostAlarmArgs, billed_by_amazon
from infra.deployed import USD, deployed_outputs, has_cluster, has_gateway, usd_of
from infra.existing_network import FoundNetwork, find
from infra.gateway_release import GatewayArgs, GatewayRelease
from infra.guarding import guard
from infra.guardrails import granted_by
from infra.image_mirror import ImageMirror, ImageMirrorArgs
from infra.image_rules import RunningImages
from infra.images import Image
from infra.inputs import DeployableLock
from infra.load_balancer import LoadBalancer, LoadBalancerArgs
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
from infra.weights_copy import DEFAULT_IMAGE, copies, copy_seconds
from infra.weights_jobs import WeightsCopies, WeightsCopiesArgs
from planner.documents import routing
from planner.plan.platform import CLIENT_KEYS, HUB_ACCOUNT, ExistingNetwork
from planner.words.diagnostics import Problem, Problems
from planner.words.names import bounded

NEXT = (
    "stage `cluster` ends here: network, cluster and system nodes; no GPU node runs yet. Next, from a machine that "
    "reaches the cluster's endpoint: `pulumi config set spillway:stage all`, and `pulumi up` (docs/deploy.md)"
)


def deploy() -> None:
    """Register the selected stack. Raises `pulumi.RunError` with the reasons when it may not be deployed."""
    chosen, deployed = settings.read(), deployed_outputs()
    try:
        granted = inputs.deployable_lock(chosen, _engine(chosen), lambda: usd_of(deployed))
        place = moved.place(granted.lock.plan.platform, chosen.environment)
        images = _images(chosen)
        found = (
            *moved.problems(place, deployed),
            *preflight.problems(granted.lock.plan, chosen.runner, chosen.stage, has_gateway(deployed)),
            *image_rules.problems(granted.lock.plan, chosen, images),
            *_weights_problems(granted, chosen),
        )
        if any(problem.severity == "error" for problem in found):
            raise Problems(found, exit_code=1)
    except Problems as refusal:
        raise pulumi.RunError(inputs.message(refusal.problems, chosen.environment)) from refusal
    _announce(granted, found)
    pulumi.export("lock", granted.lock.digests.content)
    pulumi.export("override", granted.override)
    pulumi.export(USD, str(granted.lock.plan.cost.usd_per_month))
    for name, value in place.items():
        pulumi.export(name, value)
    guard(granted_by(granted.lock.plan, chosen.environment))
    if granted.lock.plan.pools:
        _build(chosen, granted, images, has_cluster(deployed))
    else:
        _serve_elsewhere(granted)


def _engine(chosen: StackSettings) -> str | None:
    """Return the version of vLLM that would run: the tag of the stack's own image, else the chart's."""
    return engine_version() if chosen.engine_image is None else chosen.engine_image.tag


def _images(chosen: StackSettings) -> RunningImages:
    """Return the images of the stack, each where it is published."""
    return RunningImages(
        engine=chosen.engine_image or chart_image("vllm"),
        gateway=chosen.gateway_image or chart_image("gateway"),
        device_plugin=Image.parse(DEVICE_PLUGIN_IMAGE),
    )


def _weights_problems(granted: DeployableLock, chosen: StackSettings) -> tuple[Problem, ...]:
    plan = granted.lock.plan
    return (
        *preflight_weights.problems(plan, chosen.weights, chosen.hub_token, chosen.accepted_licences),
        *preflight_weights.warnings(plan, chosen.weights, chosen.weights_image),
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
    if granted.lock.plan.platform.alerts is None and granted.lock.plan.pools:
        pulumi.log.info("nobody hears of a bill above the plan's: `platform.alerts` names no one")


def _serve_elsewhere(granted: DeployableLock) -> None:
    """Export a plan without pools. It has no cluster on its bill, so nothing is made, and the gateway runs where the
    team likes."""
    pulumi.log.info("the plan hosts nothing itself, so no cluster is made; run the gateway with output `policy`")
    pulumi.export("policy", routing.policy(granted.lock))


def _found(
    chosen: StackSettings, network: ExistingNetwork, region: str, provider: pulumi.ProviderResource
) -> FoundNetwork:
    """Return the network that is there. Raises `pulumi.RunError` with what speaks against it."""
    try:
        return find(network, region, provider)
    except Problems as refusal:
        raise pulumi.RunError(inputs.message(refusal.problems, chosen.environment)) from refusal


def _build(chosen: StackSettings, granted: DeployableLock, images: RunningImages, deployed: bool) -> None:
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
    if not empty or deployed:
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
    lock = granted.lock
    plan, platform, parts = lock.plan, lock.plan.platform, lock.plan.platform.cluster
    assert parts is not None  # preflight refuses a plan that has pools and no cluster
    prefix = stack_prefix(chosen.environment)
    amazon_only = pulumi.ResourceOptions(providers=[provider])
    found = None if platform.network is None else _found(chosen, platform.network, platform.region, provider)
    address = platform.image_mirror
    mirror = Mirror(address, platform.account, platform.region, prefix) if address else None
    pulled = image_rules.placed(images, mirror, chosen.pull_secrets)
    keys = secrets.key_store(plan, prefix)

    if platform.alerts is not None:
        CostAlarm(prefix, CostAlarmArgs(chosen.environment, billed_by_amazon(plan.cost), platform.alerts), amazon_only)
    store = ModelStore(prefix, ModelStoreArgs(chosen.protected, parts.model_bucket.old_version_days), amazon_only)
    network = found or Network(
        prefix,
        NetworkArgs(
            region=platform.region,
            account=platform.account,
            cidr=platform.cidr or "",
            zones=platform.zones,
            nat_zones=parts.nat_zones,
            flow_logs=parts.log_group("network-flows"),
            bucket_arn=store.arn,
            own_weights=own_places(plan.pools),
            layer_buckets=layer_buckets(pulled.all(), platform.region),
            state_bucket=chosen.state_bucket,
            public_zones=platform.zones if ingress.faces_internet(parts) else (),
        ),
        amazon_only,
    )
    cluster = Cluster(
        prefix,
        ClusterArgs(
            account=platform.account,
            region=platform.region,
            version=platform.kubernetes,
            vpc=network.vpc_id,
            subnets=[network.subnets[zone] for zone in sorted(network.subnets)],
            private_from=platform.private_from or network.cidrs,
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
        amazon_only,
        pulumi.ResourceOptions(depends_on=[*([network] if isinstance(network, Network) else []), *cluster.node_addons]),
    )
    system_nodes = ManagedNodeGroup(SYSTEM, system_args(parts.system_nodes, around), joinable)
    addons = cluster.add_cluster_addons(system_nodes, *([ADDON] if keys else []))
    pulumi.export("cluster", cluster.name)
    pulumi.export("model_bucket", store.bucket)
    if chosen.stage == "cluster":
        pulumi.log.info(NEXT)
        return
    groups = {}
    for group in plan.node_groups:
        tenants = sorted(pool.name for pool in plan.pools if pool.node_group == group.name)
        groups[group.name] = ManagedNodeGroup(f"gpu-{group.name}", gpu_args(group, tenants, around), joinable)

    in_kubernetes = in_cluster(cluster, platform)
    layer = PlatformLayer(
        prefix,
        PlatformLayerArgs(frozenset(pool.engine.gpus for pool in plan.pools), pulled.device_plugin),
        pulumi.ResourceOptions(providers=[in_kubernetes], depends_on=[*cluster.access, system_nodes]),
    )
    needed = copies(plan.pools) if chosen.weights == "synced" else ()
    weights = WeightsCopies(
        prefix,
        WeightsCopiesArgs(
            copies=needed,
            account=platform.account,
            region=platform.region,
            cluster_name=cluster.name,
            bucket=store.bucket,
            bucket_arn=store.arn,
            image=chosen.weights_image or DEFAULT_IMAGE,
            token_secret=chosen.hub_token,
            timeout_seconds=copy_seconds(float(parts.model_bucket.weights_gb)),
            kubernetes=in_kubernetes,
        ),
        pulumi.ResourceOptions.merge(
            amazon_only, pulumi.ResourceOptions(depends_on=[*cluster.access, system_nodes, *addons])
        ),
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
                amazon_only,
                pulumi.ResourceOptions(depends_on=[layer, groups[pool.node_group], *addons, *weights.of(pool)]),
            ),
        )
        for pool in plan.pools
    ]
    read = [secret_arns[name] for name in (CLIENT_KEYS, *keys.provider_keys)] if keys else []
    may_read = [GatewayIdentity(prefix, platform.account, cluster.name, read, amazon_only)] if keys else []
    balancer = None
    if parts.load_balancer is not None:
        balancer = LoadBalancer(
            prefix,
            LoadBalancerArgs(
                planned=parts.load_balancer,
                hostname=platform.ingress.hostname if platform.ingress else None,
                vpc_id=network.vpc_id,
                subnets=network.public_subnets if ingress.faces_internet(parts) else network.subnets,
                nodes_group=cluster.security_group,
                scaling_group=system_nodes.scaling_group,
                protected=chosen.protected,
            ),
            amazon_only,
        )
    gateway = GatewayRelease(
        prefix,
        GatewayArgs(
            lock,
            chart("gateway"),
            None if pulled.gateway == chart_image("gateway") else pulled.gateway,
            chosen.client_keys,
            chosen.provider_keys,
            keys,
            node_cidrs=network.node_cidrs,
            balancer=balancer.dns_name if balancer else None,
        ),
        pulumi.ResourceOptions(providers=[in_kubernetes], depends_on=[layer, *pools, *addons, *may_read]),
    )
    outside = pulumi.Output.all(balancer.dns_name if balancer else None, gateway.address)
    pulumi.export("address", outside.apply(lambda names: ingress.address(platform, *names)))
    pulumi.export("pools", pulumi.Output.all(*[pool.release for pool in pools]))
    pulumi.export("gateway", gateway.address)
