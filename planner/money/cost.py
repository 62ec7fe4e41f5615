"""The bill: cost lines with quantity, unit, unit price, source and day. Renderers only format them.

Fixed lines run every hour of the month, whether there is traffic or not. Usage lines follow the tokens. A price that is
missing never becomes a line of zero. Without the price of the control plane, of system nodes or of disks there is no
plan (`is_needed`). What else a cluster is billed for is small against its machines: without a price it has no line, and
the plan names it with its quantity (`unpriced_items`).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from planner.domain.gaps import Gap
from planner.domain.prices import Price, PriceSnapshot
from planner.plan.cost import Cost, CostLine
from planner.plan.platform import ClusterParts
from planner.words.numbers import dollars, figure
from planner.words.units import HOURS_PER_MONTH

DAYS_PER_MONTH = Decimal(HOURS_PER_MONTH) / 24
"""Days of the planning month."""
NOTHING = Decimal("0.00")
PLATFORM = "platform"
"""Component of the lines that no single node group or route causes."""
UNPRICED = "bill"
"""Name of the verdict that tells what is not on the bill, because nobody knows its price."""
STARTING = ", starting nodes, "
"""Part of the name of a line for nodes that are paid for and do not serve yet; their number a month follows."""
NEEDED_ITEMS = ("eks-control-plane", "ebs-gp3-storage")
"""Items of the platform without whose price no plan is made."""


def line(
    name: str, component: str, kind: Literal["fixed", "usage"], quantity: float | Decimal, price: Price
) -> CostLine:
    """Return one line. Its amount is the rounded quantity × the unit price, so that a reader can check it by hand."""
    rounded = figure(quantity)
    return CostLine(
        name=name,
        component=component,
        kind=kind,
        quantity=rounded,
        unit=price.unit,
        unit_price=price.usd,
        usd_per_month=dollars(rounded * price.usd),
        price=price.key,
        source=price.source,
        as_of=price.as_of,
    )


def bill(lines: Iterable[CostLine]) -> Cost:
    """Return the lines, sorted, with their sums. The ends of the range are the sum, until somebody sets them."""
    ordered = tuple(sorted(lines, key=lambda entry: (entry.component, entry.name)))
    fixed = sum((entry.usd_per_month for entry in ordered if entry.kind == "fixed"), NOTHING)
    usage = sum((entry.usd_per_month for entry in ordered if entry.kind == "usage"), NOTHING)
    total = fixed + usage
    return Cost(
        lines=ordered,
        fixed_usd_per_month=fixed,
        usage_usd_per_month=usage,
        usd_per_month=total,
        low_usd_per_month=total,
        high_usd_per_month=total,
    )


def cluster_lines(
    region: str, parts: ClusterParts, prices: PriceSnapshot
) -> tuple[tuple[CostLine, ...], tuple[Gap, ...]]:
    """Return what the parts of a cluster cost beside its GPU nodes, and a gap for each price that is missing."""
    lines, gaps = [], []
    for name, key, quantity in cluster_items(region, parts):
        price = prices.price(key)
        if price is None:
            gaps.append(prices.gap(key))
        elif quantity:
            lines.append(line(name, PLATFORM, "fixed", quantity, price))
    return tuple(lines), tuple(gaps)


def cluster_items(region: str, parts: ClusterParts) -> tuple[tuple[str, str, Decimal], ...]:
    """Return (name, key of its price, quantity a month) of everything that the parts of a cluster are billed for.

    Logs are billed when they are written and while they are kept. A record is kept for the whole retention:

        GB kept = GB written a month × days of retention / days of a month
    """
    nodes, gateways = parts.system_nodes, len(parts.nat_zones)
    written = sum((group.gb_per_month for group in parts.log_groups), Decimal(0))
    stored = sum((group.gb_per_month * group.retention_days / DAYS_PER_MONTH for group in parts.log_groups), Decimal(0))
    items: tuple[tuple[str, str, Decimal | float], ...] = (
        ("EKS control plane", _item(region, "eks-control-plane"), HOURS_PER_MONTH),
        ("NAT gateways", _item(region, "nat-gateway"), HOURS_PER_MONTH * gateways),
        ("public addresses of NAT", _item(region, "public-ipv4"), HOURS_PER_MONTH * gateways),
        ("logs written", _item(region, "logs-ingest"), written),
        ("logs kept", _item(region, "logs-storage"), stored),
        ("encryption keys", _item(region, "kms-key"), len(parts.keys)),
        ("model weights in the bucket", storage_key(region), parts.model_bucket.weights_gb),
        ("system node volumes", disk_key(region), nodes.disk_gb * nodes.nodes),
        (
            f"system nodes ({nodes.nodes} × {nodes.instance_type})",
            f"ec2/{region}/{nodes.instance_type}/on-demand",
            HOURS_PER_MONTH * nodes.nodes,
        ),
    )
    if parts.secrets:
        items += (("secrets", _item(region, "secret"), len(parts.secrets)),)
    if parts.mirrored_images_gb is not None:
        items += (("images in the account's registry", _item(region, "ecr-storage"), parts.mirrored_images_gb),)
    items += _balancer_items(region, parts)
    return tuple((name, key, figure(quantity)) for name, key, quantity in items)


def _balancer_items(region: str, parts: ClusterParts) -> tuple[tuple[str, str, Decimal | float], ...]:
    """Return what a load balancer is billed for, in the form of `cluster_items`: its hours, the capacity that it is
    expected to use, and its public addresses."""
    balancer = parts.load_balancer
    if balancer is None:
        return ()
    return (
        ("load balancer", _item(region, "nlb"), HOURS_PER_MONTH),
        ("capacity of the load balancer", _item(region, "nlb-lcu"), HOURS_PER_MONTH * balancer.capacity_units),
        (
            "public addresses of the load balancer",
            _item(region, "public-ipv4"),
            HOURS_PER_MONTH * balancer.public_addresses,
        ),
    )


def is_needed(key: str) -> bool:
    """Say whether no plan is made without this price of the platform: those of machines, disks and control planes."""
    kind, _, rest = key.partition("/")
    return kind != PLATFORM or rest.rpartition("/")[2] in NEEDED_ITEMS


def unpriced_items(region: str, parts: ClusterParts, prices: PriceSnapshot) -> tuple[tuple[str, str, Decimal], ...]:
    """Return (name, key of its price, quantity a month) of all that a cluster uses and that has no price."""
    return tuple(item for item in cluster_items(region, parts) if item[2] and prices.price(item[1]) is None)


def disk_key(region: str) -> str:
    """Return the key of the price of node disks, USD a GB-month."""
    return _item(region, "ebs-gp3-storage")


def storage_key(region: str) -> str:
    """Return the key of the price of the model bucket, USD a GB-month."""
    return _item(region, "s3-storage")


def _item(region: str, item: str) -> str:
    return f"platform/{region}/{item}"
