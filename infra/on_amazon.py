"""An environment in an AWS account: network, cluster, machines, pools and gateway.

The order follows from what needs what: model store → network → cluster → system nodes → GPU nodes → platform layer →
weights → pools → gateway. Pulumi removes in the opposite order. Weights are copied while GPU nodes are made. A run ends
early where a secret has no value yet, at stage `cluster`, and where pools will follow the clock and KEDA is not there
yet: up to there, nobody calls the Kubernetes API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra import commitments, image_rules, ingress, secret_rules, upgrades
from infra.charts import unless_default
from infra.clock_rules import waits_for_keda
from infra.cluster import CLUSTER_ADDONS, NODE_ADDONS, Cluster, ClusterArgs
from infra.cost_alarm import CostAlarm, CostAlarmArgs, billed_by_amazon
from infra.deployed import has_cluster
from infra.existing_network import FoundNetwork, find
from infra.gateway_release import GatewayArgs, GatewayRelease
from infra.image_mirror import ImageMirror, ImageMirrorArgs
from infra.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.model_store import ModelStore, ModelStoreArgs
from infra.network import Network, NetworkArgs
from infra.node_group import SYSTEM, ManagedNodeGroup, NodeRole, Surroundings, gpu_args, system_args
from infra.platform_layer import PlatformLayer, PlatformLayerArgs
from infra.priorities import priorities, priority_of
from infra.providers import amazon, default_tags, in_cluster
from infra.purchases import shares
from infra.reach import Stage
from infra.registries import Mirror, layer_buckets
from infra.releases import RELEASES, Releases, releases
from infra.run import Run, export_plan
from infra.secret_store import ADDON, GatewayIdentity, SecretStore, SecretStoreArgs, asking
from infra.serving import ServingPool, ServingPoolArgs
from infra.strays import Adoption
from infra.telling import warn
from infra.values import own_places
from infra.weights_copy import DEFAULT_IMAGE, copies, copy_seconds
from infra.weights_jobs import WeightsCopies, WeightsCopiesArgs
from planner.plan.platform import CLIENT_KEYS, HUB_ACCOUNT, ClusterParts
from planner.words.names import bounded

NEXT = (
    "stage `cluster` ends here: network, cluster and system nodes; no GPU node runs yet. Next, from a machine that "
    "reaches the cluster's endpoint: `pulumi config set spillway:stage all`, and `pulumi up` (docs/deploy.md)"
)
SecretArns = Mapping[str, pulumi.Output[str]]


def build(run: Run) -> None:
    """Register the secrets, and all else once those that are needed have values.

    A stack that has a cluster already is never taken back to its secrets: what lacks a key there waits for it. Raises
    `Problems` with what speaks against secrets or networks that are there.
    """
    provider = amazon(run.plan.platform, run.chosen.environment)
    adoption = Adoption(run.chosen.environment, provider, run.state, run.plan)
    options = pulumi.ResourceOptions(providers=[provider], transformations=[adoption])
    wanted = secret_rules.names(run.plan)
    empty = secret_rules.without_value(run.plan, run.prefix, asking(provider)) if wanted else ()
    arns: SecretArns = {}
    if wanted:
        arns = SecretStore(run.prefix, SecretStoreArgs(run.prefix, wanted, run.chosen.protected), options).arns
        for name in empty:
            warn(secret_rules.problem(run.plan, run.prefix, name))
        pulumi.export("waiting_for", [secret_rules.physical_name(run.prefix, name) for name in empty])
    if empty and not has_cluster(run.state):
        pulumi.log.warn("nothing else is made before these secrets have values, so that nothing else is paid for")
        adoption.tell_rest("secrets")
        return
    export_plan(run)
    environment = _Environment(run, provider, options, arns)
    environment.register()
    adoption.tell_rest(environment.reached)


class _Environment:
    """The environment registers its parts one after the other; each reads the ones before it.

    `reached` is how far this run goes: to the cluster, where its stage says so or where KEDA must come next.
    """

    def __init__(
        self, run: Run, provider: aws.Provider, options: pulumi.ResourceOptions, secret_arns: SecretArns
    ) -> None:
        parts = run.plan.platform.cluster
        assert parts is not None  # preflight refuses a plan that has pools and no cluster
        self.run, self.provider, self.options, self.secret_arns = run, provider, options, secret_arns
        self.reached: Stage = "cluster" if waits_for_keda(run.plan, run.chosen) else run.chosen.stage
        self.parts: ClusterParts = parts
        address, platform = run.plan.platform.image_mirror, run.plan.platform
        self.mirror = Mirror(address, platform.account, platform.region, run.prefix) if address else None
        self.pulled = image_rules.placed(run.images, self.mirror, run.chosen.pull_secrets)
        self.keys = secret_rules.key_store(run.plan, run.prefix)

    def register(self) -> None:
        """Register everything, or what belongs to the stage."""
        run, platform = self.run, self.run.plan.platform
        if platform.alerts is None:
            pulumi.export("alarm", "none: `platform.alerts` names nobody")
        else:
            usd, committed = billed_by_amazon(run.plan.cost), commitments.counts_on(run.plan)
            watched = CostAlarmArgs(run.chosen.environment, usd, committed, platform.alerts)
            pulumi.export("alarm", CostAlarm(run.prefix, watched, self.options).budget)
        self.store = ModelStore(
            run.prefix, ModelStoreArgs(run.chosen.protected, self.parts.model_bucket.old_version_days), self.options
        )
        self.network = self._network()
        versions = self._releases()
        self.cluster = self._cluster(versions)
        self._machines(versions)
        pulumi.export("cluster", self.cluster.name)
        pulumi.export("model_bucket", self.store.bucket)
        pulumi.export(RELEASES, versions.output(platform))
        if self.reached == "cluster":
            if run.chosen.stage == "cluster":
                pulumi.log.info(NEXT)
            return
        self._gpu_machines()
        in_kubernetes = in_cluster(self.cluster, platform)
        layer = PlatformLayer(
            run.prefix,
            PlatformLayerArgs(tuple(priorities(run.plan, run.canaries)), self.pulled.device_plugin),
            pulumi.ResourceOptions(providers=[in_kubernetes], depends_on=[*self.cluster.access, self.system_nodes]),
        )
        self._gateway(in_kubernetes, layer, self._pools(in_kubernetes, layer))

    def _network(self) -> Network | FoundNetwork:
        run, platform = self.run, self.run.plan.platform
        if platform.network is not None:
            new = not has_cluster(run.state)
            return find(platform.network, platform.region, self.provider, new=new)
        assert platform.cidr is not None  # the planner gives one where no network is there
        return Network(
            run.prefix,
            NetworkArgs(
                region=platform.region,
                account=platform.account,
                cidr=platform.cidr,
                zones=platform.zones,
                nat_zones=self.parts.nat_zones,
                flow_logs=self.parts.log_group("network-flows"),
                bucket_arn=self.store.arn,
                own_weights=own_places(run.plan.pools),
                layer_buckets=layer_buckets(self.pulled.all(), platform.region),
                state_bucket=run.chosen.state_bucket,
                public_zones=platform.zones if ingress.faces_internet(self.parts) else (),
            ),
            self.options,
        )

    def _releases(self) -> Releases:
        asked = [*NODE_ADDONS, *CLUSTER_ADDONS, *([ADDON] if self.keys else [])]
        options = pulumi.InvokeOutputOptions(provider=self.provider)
        return releases(self.run.plan.platform, self.run.outputs, asked, self.run.chosen.addons, options)

    def _cluster(self, versions: Releases) -> Cluster:
        run, platform, network = self.run, self.run.plan.platform, self.network
        return Cluster(
            run.prefix,
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
                protected=run.chosen.protected,
                addons=versions.addons,
                logs=self.parts.log_group("control-plane"),
                secrets_key=self.parts.key("secrets"),
            ),
            self.options,
        )

    def _machines(self, versions: Releases) -> None:
        """Register the system nodes and the add-ons that need them."""
        run, platform = self.run, self.run.plan.platform
        failed = upgrades.failed_groups(run.state)
        for renewal in upgrades.renewals(run.state):
            warn(renewal)
        self.around = Surroundings(
            cluster_name=self.cluster.name,
            version=self.cluster.version,
            node_role=NodeRole(f"{run.prefix}-node", platform.region, self.options, self._repositories()).arn,
            subnets=self.network.subnets,
            tags=default_tags(run.chosen.environment),
            images=versions.images,
            recorded=upgrades.group_names(run.state),
            failed=frozenset(failed),
            state=run.state,
        )
        # A node that starts before its way out, or before the network plug-in is declared, joins late or never.
        way_out = [self.network] if isinstance(self.network, Network) else []
        self.joinable = pulumi.ResourceOptions.merge(
            self.options, pulumi.ResourceOptions(depends_on=[*way_out, *self.cluster.node_addons])
        )
        self.system_nodes = ManagedNodeGroup(SYSTEM, system_args(self.parts.system_nodes, self.around), self.joinable)
        self.addons = self.cluster.add_cluster_addons(self.system_nodes, *([ADDON] if self.keys else []))

    def _repositories(self) -> Sequence[pulumi.Input[str]]:
        """Register the mirror's rules, and return the repositories that nodes fill by pulling."""
        fetched = self.mirror.fetched(self.run.images.all()) if self.mirror else {}
        if self.mirror is None or not fetched:
            return ()
        arguments = ImageMirrorArgs(self.mirror, fetched, self.secret_arns.get(HUB_ACCOUNT))
        return ImageMirror(self.run.prefix, arguments, self.options).repositories

    def _gpu_machines(self) -> None:
        # Money for GPUs is spent once the system's own nodes stand; and an upgrade reaches them last.
        after_system = pulumi.ResourceOptions.merge(
            self.joinable, pulumi.ResourceOptions(depends_on=[self.system_nodes])
        )
        self.groups: dict[str, dict[str, ManagedNodeGroup]] = {}
        sizes = upgrades.group_sizes(self.run.state)
        for group in self.run.plan.node_groups:
            tenants = sorted(pool.name for pool in self.run.plan.pools if pool.node_group == group.name)
            made = self.groups[group.name] = {}
            for share in shares(group, sizes):
                # What shrinks waits until the others stand that take its place.
                waiting = pulumi.ResourceOptions(depends_on=[made[share.after]] if share.after else [])
                arguments = gpu_args(group, share, tenants, self.around)
                made[share.name] = ManagedNodeGroup(
                    share.name, arguments, pulumi.ResourceOptions.merge(after_system, waiting)
                )

    def _pools(self, in_kubernetes: kubernetes.Provider, layer: PlatformLayer) -> list[ServingPool]:
        run, platform = self.run, self.run.plan.platform
        weights = WeightsCopies(
            run.prefix,
            WeightsCopiesArgs(
                copies=copies(run.plan.pools) if image_rules.copies_weights(run.plan, run.chosen) else (),
                account=platform.account,
                region=platform.region,
                cluster_name=self.cluster.name,
                bucket=self.store.bucket,
                bucket_arn=self.store.arn,
                image=self.pulled.weights or DEFAULT_IMAGE,
                token_secret=run.chosen.hub_token,
                timeout_seconds=copy_seconds(float(self.parts.model_bucket.weights_gb)),
                kubernetes=in_kubernetes,
            ),
            self._after(*self.cluster.access, self.system_nodes, *self.addons),
        )
        return [
            ServingPool(
                bounded(f"{run.prefix}-{pool.name}", 40),
                ServingPoolArgs(
                    pool=pool,
                    group=run.group_of(pool),
                    account=platform.account,
                    region=platform.region,
                    cluster_name=self.cluster.name,
                    bucket=self.store.bucket,
                    bucket_arn=self.store.arn,
                    store_cidrs=self.network.store_cidrs,
                    image=unless_default(self.pulled.engine, "vllm"),
                    priority=priority_of(pool, run.plan).name,
                    canary=run.canaries.get(pool.name),
                    canary_image=self.pulled.canary,
                    pool_tls=platform.pool_tls,
                    kubernetes=in_kubernetes,
                    monitored=run.chosen.monitoring,
                    prometheus=run.chosen.demand_from,
                ),
                self._after(layer, *self.groups[pool.node_group].values(), *self.addons, *weights.of(pool)),
            )
            for pool in run.plan.pools
        ]

    def _gateway(self, in_kubernetes: kubernetes.Provider, layer: PlatformLayer, pools: list[ServingPool]) -> None:
        run, platform, keys = self.run, self.run.plan.platform, self.keys
        identity: list[pulumi.Resource] = []
        if keys is not None:
            read = [self.secret_arns[name] for name in (CLIENT_KEYS, *keys.provider_keys)]
            identity = [GatewayIdentity(run.prefix, platform.account, self.cluster.name, read, self.options)]
        balancer = self._balancer()
        gateway = GatewayRelease(
            run.prefix,
            GatewayArgs(
                run.granted.lock,
                self.pulled.gateway,
                run.chosen.client_keys,
                run.chosen.provider_keys,
                keys,
                node_cidrs=self.network.node_cidrs,
                balancer=balancer,
                monitored=run.chosen.monitoring,
            ),
            pulumi.ResourceOptions(providers=[in_kubernetes], depends_on=[layer, *pools, *self.addons, *identity]),
        )
        pulumi.export("pools", pulumi.Output.all(*[name for pool in pools for name in pool.releases]))
        pulumi.export("gateway", gateway.address)
        outside = pulumi.Output.all(balancer, gateway.address)
        pulumi.export("address", outside.apply(lambda names: ingress.address(platform, *names)))

    def _balancer(self) -> pulumi.Output[str] | None:
        """Register the load balancer, and return its DNS name; None where nothing stands in front of the gateway."""
        if self.parts.load_balancer is None:
            return None
        way, network = self.run.plan.platform.ingress, self.network
        return LoadBalancer(
            self.run.prefix,
            LoadBalancerArgs(
                planned=self.parts.load_balancer,
                hostname=way.hostname if way else None,
                vpc_id=network.vpc_id,
                subnets=network.public_subnets if ingress.faces_internet(self.parts) else network.subnets,
                nodes_group=self.cluster.security_group,
                scaling_group=self.system_nodes.scaling_group,
                protected=self.run.chosen.protected,
            ),
            self.options,
        ).dns_name

    def _after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self.options, pulumi.ResourceOptions(depends_on=list(resources)))
