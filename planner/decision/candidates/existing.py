"""Machines that a team pays for already: what they cost, and as what they enter the market.

They cost their stated price every hour, used or not, and nothing more when they are used, but for the disk of a node.
A type that cannot be bought, because the region does not sell it or its price is not known, still serves with the
machines that are there. Nodes on them use the account's vCPU quota as all others do. Where the cluster is there
already, they are all that there is.
"""

from __future__ import annotations

from collections.abc import Iterable

from planner.domain.catalog import Catalog
from planner.domain.environment import Environment, ExistingMachines
from planner.domain.offerings import Offering, Offerings
from planner.words.units import HOURS_PER_MONTH


def existing_counts(machines: Iterable[ExistingMachines]) -> dict[str, int]:
    """Return how many machines are there by instance type; entries of the same type add up."""
    counts: dict[str, int] = {}
    for entry in machines:
        counts[entry.instance_type] = counts.get(entry.instance_type, 0) + entry.count
    return dict(sorted(counts.items()))


def existing_usd(machines: Iterable[ExistingMachines]) -> float:
    """Return what all of them cost, USD a month."""
    return float(sum(entry.usd_per_hour * entry.count * HOURS_PER_MONTH for entry in machines))


def with_existing(here: Offerings, environment: Environment, catalog: Catalog) -> Offerings:
    """Return what may be bought of these offerings, and those of existing types that may not, without a price.

    here: what is sold in the zones of the environment. A machine that is there although it is not sold there stands in
    any of the zones.
    """
    platform = environment.platform
    bought, sold = here.available(), {row.instance_type: row for row in here}
    priced = {row.instance_type for row in bought}
    rows = list(bought)
    for name in existing_counts(environment.hardware.existing):
        instance = catalog.instances.get(name)
        if instance is None or name in priced:
            continue
        missing = Offering(
            instance=instance,
            gpu=catalog.gpus[instance.gpu],
            region=platform.region,
            capacity_type="on-demand",
            zones=tuple(sorted(platform.zones)),
            price=None,
        )
        rows.append(sold.get(name, missing))
    return Offerings(tuple(sorted(rows, key=lambda row: (row.region, row.instance_type, row.capacity_type))))
