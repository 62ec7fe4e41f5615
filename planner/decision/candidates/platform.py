"""What any self-hosting needs beside GPU nodes: the sizes that this release chooses for every environment.

These values go into the lock. The bill reads them there, and so does the program that builds them.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from planner.decision.inputs import Inputs
from planner.domain.environment import Platform
from planner.domain.ingress import Ingress, PoolTls
from planner.domain.networks import derived_cidr
from planner.domain.prices import PriceSnapshot
from planner.plan.ingress import (
    PlannedGateway,
    PlannedIngress,
    PlannedIngressClass,
    PlannedLoadBalancer,
    PlannedPoolTls,
)
from planner.plan.platform import (
    CLIENT_KEYS,
    HUB_ACCOUNT,
    ClusterParts,
    EncryptionKey,
    LogGroup,
    ModelBucket,
    SystemNodes,
)

SYSTEM_NODES = SystemNodes(instance_type="m6a.large", nodes=2, disk_gb=30)
"""They run DNS, metrics, storage and two gateways. There are two of them, because the gateways may not share one."""
SYSTEM_TYPES = (SYSTEM_NODES.instance_type, "m6i.large", "m7i.large", "m7a.large", "c7i.xlarge")
"""Types that system nodes may be of, the first choice first: two vCPUs and 8 GiB, the last four and 8 GiB."""
NODE_DISK_GB = 200
"""Root volume of a GPU node, GB. It holds the image of the engine (some 10 GiB, twice during a rollout) and what pods
write. Where a machine has NVMe disks of its own, they hold both."""
LOG_GROUPS = (
    LogGroup(name="control-plane", retention_days=90, gb_per_month=12),
    LogGroup(name="network-flows", retention_days=30, gb_per_month=8),
)
"""The amounts are assumptions for a small cluster; the bill shows them."""
NETWORK_LOG = "network-flows"
"""The log that belongs to the network, and is not made where the network is there already."""
SECRETS_KEY = EncryptionKey(name="secrets", deletion_days=30)
OLD_VERSION_DAYS = 30
"""Days for which the model bucket keeps a replaced object, so that a wrong upload can be undone."""


MIRRORED_IMAGES_GB = Decimal(12)
"""The image of the engine, some 10 GB compressed, and the small ones. Each further version of the engine adds to it."""
CAPACITY_UNITS = 1
"""Capacity units of a load balancer in use: one holds 50 new TLS connections a second, 3,000 open ones and 1 GB an
hour. This is an assumption; the bill shows it."""


def cluster_parts(
    platform: Platform, weights_gb: float, prices: PriceSnapshot, key_variables: Iterable[str] = ()
) -> ClusterParts:
    """Return what is built for a cluster in this environment.

    weights_gb: size of all weights, 10⁹ bytes.
    key_variables: variables with the keys of all hosted models that could be chosen.
    """
    zones = tuple(sorted(platform.zones))
    there = platform.network.vpc is not None  # ways out and flow logs are then its owner's
    nat_zones = {"none": (), "single": zones[:1], "per-zone": zones}["none" if there else platform.nat]
    return ClusterParts(
        system_nodes=_system_nodes(platform.region, prices),
        nat_zones=nat_zones,
        keys=(SECRETS_KEY,),
        log_groups=tuple(group for group in LOG_GROUPS if not there or group.name != NETWORK_LOG),
        model_bucket=ModelBucket(weights_gb=weights_gb, old_version_days=OLD_VERSION_DAYS),
        secrets=_secrets(platform, key_variables),
        mirrored_images_gb=MIRRORED_IMAGES_GB if platform.images.mirror == "ecr" else None,
        load_balancer=_load_balancer(platform),
    )


def planned_ingress(ingress: Ingress) -> PlannedIngress | None:
    """Return who may call the gateway; None when the environment does not say."""
    if ingress == Ingress():
        return None
    shared, own_class = ingress.gateway_api, ingress.ingress_class
    return PlannedIngress(
        hostname=ingress.hostname,
        namespaces=tuple(sorted({*ingress.namespaces})),
        gateway_api=shared and PlannedGateway.model_validate(shared.model_dump()),
        ingress_class=own_class and PlannedIngressClass.model_validate(own_class.model_dump()),
    )


def planned_pool_tls(wanted: PoolTls | None) -> PlannedPoolTls | None:
    """Return how the gateway and its pools speak TLS; None when they speak clear text."""
    return None if wanted is None else PlannedPoolTls(authority=wanted.authority, issuer=wanted.issuer)


def _load_balancer(platform: Platform) -> PlannedLoadBalancer | None:
    """Return the load balancer of the environment. It stands in every zone, since a node of any may hold a gateway."""
    wanted = platform.ingress.load_balancer
    if wanted is None:
        return None
    return PlannedLoadBalancer(
        scheme=wanted.scheme,
        cidrs=tuple(sorted({*wanted.cidrs})),
        certificate=wanted.certificate,
        hosted_zone=wanted.hosted_zone,
        public_addresses=len(platform.zones) if wanted.scheme == "internet-facing" else 0,
        capacity_units=CAPACITY_UNITS,
    )


def network_cidr(inputs: Inputs) -> str | None:
    """Return the addresses of the network that is made: those that are stated, else those of the prior plan, as
    others would build everything anew, else derived ones. None where a network is there already."""
    platform, prior = inputs.environment.platform, inputs.prior
    if platform.network.vpc is not None:
        return None
    if platform.network.cidr is not None:
        return platform.network.cidr
    locked = prior.platform if prior is not None else None
    stays = locked is not None and (locked.account, locked.region) == (platform.account, platform.region)
    kept = locked.cidr if locked is not None and stays else None
    return kept or derived_cidr(inputs.name, platform.region)


def _secrets(platform: Platform, key_variables: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the secrets that are kept in AWS Secrets Manager, sorted.

    There is one for the clients' keys and one for each key of an API account, whether the plan of today uses that
    account or not. So a plan that begins to use it finds its key.
    """
    names = {CLIENT_KEYS, *key_variables} if platform.secrets == "secrets-manager" else set[str]()
    if platform.images.mirror == "ecr":
        names.add(HUB_ACCOUNT)
    return tuple(sorted(names))


def _system_nodes(region: str, prices: PriceSnapshot) -> SystemNodes:
    """Return system nodes of the first type that has a price in the region; of the first choice where none has."""
    priced = (name for name in SYSTEM_TYPES if prices.price(f"ec2/{region}/{name}/on-demand") is not None)
    return SYSTEM_NODES.model_copy(update={"instance_type": next(priced, SYSTEM_NODES.instance_type)})
