"""Machines that a team pays for already: what they cost, and as what they enter the market.

They are machines of one's own, capacity blocks that are there, capacity reservations, and what `hardware.existing`
states, in the order in which they are filled. They cost their price every hour, used or not, and nothing more when they
are used, but for the disk of a node. A type that cannot be bought, because the region does not sell it or its price is
not known, still serves with the machines that are there. Nodes on them use the account's vCPU quota as all others do,
but for one's own machines and blocks. One's own have no disk that AWS bills. Where the cluster is there already, they
are all that there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from planner.domain.catalog import Catalog
from planner.domain.environment import Environment, Hardware
from planner.domain.gaps import Gap
from planner.domain.offerings import Offering, Offerings
from planner.domain.owning import DAY, SOURCE, Owned, owned
from planner.domain.prices import ON_DEMAND, Price
from planner.words.diagnostics import Problem, Problems
from planner.words.units import HOURS_PER_MONTH

STATED = "environment/"
"""Beginning of the key of a price that the environment states, and no snapshot."""

PaidKind = Literal["owned", "block", "reservation", "existing"]
WORDS: dict[PaidKind, str] = {
    "owned": "owned",
    "block": "capacity block",
    "reservation": "reserved capacity",
    "existing": "existing",
}
"""How lines of the bill call machines that are paid for already."""


@dataclass(frozen=True)
class PaidPart:
    """A part of what one machine costs.

    name: what the part is; empty where it is all.
    quantity: amount a month, in the unit of the price.
    """

    name: str
    quantity: Decimal
    price: Price


@dataclass(frozen=True)
class PaidMachines:
    """Machines of one entry of the environment that are paid for whether they are used or not.

    kind: as what they are paid for.
    reservation: id of the reservation or block; empty for others.
    parts: what one of them costs.
    """

    kind: PaidKind
    instance_type: str
    count: int
    parts: tuple[PaidPart, ...]
    reservation: str = ""

    @property
    def usd_per_month(self) -> Decimal:
        """Return what one of them costs, USD a month."""
        return sum((part.quantity * part.price.usd for part in self.parts), Decimal(0))


def paid_machines(environment: Environment, catalog: Catalog) -> tuple[PaidMachines, ...]:
    """Return all machines that are paid for already, in the order in which they are filled.

    Raises `Problems` where an entry has no price.
    """
    bought = environment.purchase
    found = [_own(each) for each in owned_machines(environment, catalog)]
    for index, block in enumerate(bought.capacity_blocks):
        words = f"{block.reservation}, ${block.upfront:,} at once for {block.start} to {block.end}"
        key = f"{STATED}purchase.capacity_blocks[{index}]/{block.instance_type}"
        price = Price(key, block.usd_per_hour, "hour", words, DAY)
        found.append(PaidMachines("block", block.instance_type, block.count, (_hours(price),), block.reservation))
    for index, each in enumerate(bought.reservations):
        key = f"ec2/{environment.platform.region}/{each.instance_type}/{ON_DEMAND}"
        if (listed := catalog.prices.price(key)) is None:
            gap = catalog.prices.gap(key)
            about = ("purchase", "reservations", index)
            raise Problems([Problem("ENV020", gap.message, hint=gap.hint, about=about)], exit_code=1)
        found.append(PaidMachines("reservation", each.instance_type, each.count, (_hours(listed),), each.reservation))
    return (*found, *stated_machines(environment.hardware))


def stated_machines(hardware: Hardware) -> Iterator[PaidMachines]:
    """Yield the machines that `hardware.existing` states."""
    for index, entry in enumerate(hardware.existing):
        key = f"{STATED}hardware.existing[{index}]/{entry.instance_type}"
        day = DAY if entry.as_of is None else entry.as_of.isoformat()
        price = Price(key, entry.usd_per_hour, "hour", entry.source or SOURCE, day)
        yield PaidMachines("existing", entry.instance_type, entry.count, (_hours(price),))


def owned_machines(environment: Environment, catalog: Catalog) -> Iterator[Owned]:
    """Yield the machines of one's own with what they cost. Raises `Problems` where something of it is not known."""
    place = catalog.places.of_region(environment.platform.region)
    for index, entry in enumerate(environment.purchase.owned):
        found = owned(index, entry, catalog.instances, catalog.owning, place, catalog.places)
        if isinstance(found, Gap):
            raise Problems([Problem("ENV002", found.message, hint=found.hint, about=("purchase", "owned", index))])
        yield found


def existing_counts(machines: Iterable[PaidMachines], *kinds: PaidKind) -> dict[str, int]:
    """Return how many machines are there by instance type, of some kinds or of all.

    Entries of the same type add up.
    """
    counts: dict[str, int] = {}
    for entry in machines:
        if not kinds or entry.kind in kinds:
            counts[entry.instance_type] = counts.get(entry.instance_type, 0) + entry.count
    return dict(sorted(counts.items()))


def existing_usd(machines: Iterable[PaidMachines]) -> float:
    """Return what all of them cost, USD a month."""
    return float(sum(each.usd_per_month * each.count for each in machines))


def with_existing(here: Offerings, environment: Environment, catalog: Catalog) -> Offerings:
    """Return what may be bought of these offerings, and those of existing types that may not, without a price.

    here: what is sold in the zones of the environment. A machine that is there although it is not sold there stands in
    any of the zones.
    """
    platform = environment.platform
    bought, sold = here.available(), {row.instance_type: row for row in here}
    priced = {row.instance_type for row in bought}
    rows = list(bought)
    for name in existing_counts(paid_machines(environment, catalog)):
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


def _hours(price: Price) -> PaidPart:
    return PaidPart("", Decimal(HOURS_PER_MONTH), price)


def _own(each: Owned) -> PaidMachines:
    parts = (
        PaidPart(
            part.name,
            part.quantity,
            Price(f"{STATED}purchase.owned[{each.index}]/{part.name}", part.usd, part.unit, part.source, part.as_of),
        )
        for part in each.parts
    )
    return PaidMachines("owned", each.like.key, each.machines, tuple(parts))
