"""The bill: cost lines with quantity, unit, unit price, source and day. Renderers only format them.

Fixed lines run every hour of the month whether there is traffic or not; usage lines follow the tokens. A price that is
missing never becomes a line of zero: the caller hears of the gap before any plan is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from planner.domain.environment import Platform
from planner.domain.gaps import Gap
from planner.domain.prices import Price, PriceSnapshot
from planner.plan.cost import Cost, CostLine
from planner.words.numbers import dollars, figure
from planner.words.units import HOURS_PER_MONTH

SYSTEM_NODE = "m6a.large"
SYSTEM_NODES = 2
SYSTEM_DISK_GB = 30
"""CPU machines for DNS, controllers and the gateway."""
NODE_DISK_GB = 200
"""Root volume of a GPU node: the image of the engine, logs; weights stay on the instance store or stream from S3."""
LOGS_GB_PER_MONTH = 20
"""Control-plane and flow logs of a small cluster. An assumption; the bill shows the line."""
PLATFORM = "platform"


def line(
    name: str, component: str, kind: Literal["fixed", "usage"], quantity: float | Decimal, price: Price
) -> CostLine:
    """One line; the amount is the rounded quantity times the unit price, so that a reader can check it by hand."""
    shown = figure(quantity)
    return CostLine(
        name=name,
        component=component,
        kind=kind,
        quantity=shown,
        unit=price.unit,
        unit_price=price.usd,
        usd_per_month=dollars(shown * price.usd),
        price=price.key,
        source=price.source,
        as_of=price.as_of,
    )


def bill(lines: Iterable[CostLine], low: Decimal | None = None, high: Decimal | None = None) -> Cost:
    """Lines, sorted, with their sums. low, high: what the fixed GPU lines would be at the edges of the error interval,
    as differences from this bill in USD (≤ 0 and ≥ 0)."""
    ordered = tuple(sorted(lines, key=lambda entry: (entry.component, entry.name)))
    fixed = sum((entry.usd_per_month for entry in ordered if entry.kind == "fixed"), Decimal("0.00"))
    usage = sum((entry.usd_per_month for entry in ordered if entry.kind == "usage"), Decimal("0.00"))
    total = fixed + usage
    return Cost(
        lines=ordered,
        fixed_usd_per_month=fixed,
        usage_usd_per_month=usage,
        usd_per_month=total,
        low_usd_per_month=total + (low or 0),
        high_usd_per_month=total + (high or 0),
    )


def platform_lines(platform: Platform, prices: PriceSnapshot) -> tuple[tuple[CostLine, ...], tuple[Gap, ...]]:
    """What any self-hosting costs beside GPUs: control plane, NAT, system nodes, logs, key."""
    region = platform.region
    gateways = {"none": 0, "single": 1, "per-zone": len(platform.zones)}[platform.nat]
    items: list[tuple[str, str, float]] = [
        ("EKS control plane", f"platform/{region}/eks-control-plane", HOURS_PER_MONTH),
        ("NAT gateways", f"platform/{region}/nat-gateway", HOURS_PER_MONTH * gateways),
        ("public addresses of NAT", f"platform/{region}/public-ipv4", HOURS_PER_MONTH * gateways),
        ("control-plane and flow logs", f"platform/{region}/logs-ingest", LOGS_GB_PER_MONTH),
        ("encryption key", f"platform/{region}/kms-key", 1),
        ("system node volumes", disk_key(region), SYSTEM_DISK_GB * SYSTEM_NODES),
        (f"system nodes ({SYSTEM_NODES} × {SYSTEM_NODE})", f"ec2/{region}/{SYSTEM_NODE}/on-demand", 730 * SYSTEM_NODES),
    ]
    lines, gaps = [], []
    for name, key, quantity in items:
        price = prices.price(key)
        if price is None:
            gaps.append(prices.gap(key))
        elif quantity:
            lines.append(line(name, PLATFORM, "fixed", quantity, price))
    return tuple(lines), tuple(gaps)


def disk_usd_per_hour(region: str, prices: PriceSnapshot) -> float | Gap:
    """What the root volume of a node costs an hour."""
    price = prices.price(disk_key(region))
    return float(price.usd) * NODE_DISK_GB / HOURS_PER_MONTH if price else prices.gap(disk_key(region))


def disk_key(region: str) -> str:
    """Key of the price of node disks."""
    return f"platform/{region}/ebs-gp3-storage"
