"""Hosts: the machines that may carry replicas, and what they cost.

Capacity depends on the GPUs alone, so that of several instance types with the same GPUs only the cheapest that has
enough CPU and memory is taken, and those of which machines are paid for already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.hardware_rules import MachineRules
from planner.decision.candidates.omissions import Dominated, Omission, WeakHost
from planner.decision.candidates.shapes import Shape
from planner.domain.offerings import Offering, Offerings

HOST_MEMORY_MIB_PER_GPU = 12_000
HOST_CPU_M_PER_GPU = 3_000
"""What a vLLM worker needs beside its GPU (MiB, thousandths of a vCPU): a busy core, shared memory, and room for the
weight loader. Both are assumptions. Instance types with less for each GPU are left out."""
NONE: Mapping[str, int] = {}


@dataclass(frozen=True)
class Host:
    """A host is an instance type that may carry a GPU.

    routes: the routes that it may serve.
    is_cheapest: whether it is the cheapest of its GPUs and their number. Another one is there because machines of it
    are paid for, or because the rules of the environment treat it differently; its classes name it.
    usd_per_hour: cost of a machine that is bought, with its disk, USD an hour.
    existing: number of machines that are there already.
    usd_per_existing_hour: what using one of these costs, USD an hour: its disk.
    usd_per_spot_hour: cost of a spot machine with its disk, USD an hour; None where a plan buys none.
    commitments: cost of a machine under each commitment with its disk, USD an hour, by the commitment's key, sorted.
    zones: zones that sell it; 1 where nothing depends on them.
    owned: number of the machines that are there already and are one's own: they have no disk that is paid for.
    blocks: number of those that are of a capacity block.
    """

    offering: Offering
    routes: frozenset[str]
    is_cheapest: bool
    usd_per_hour: float
    existing: int = 0
    usd_per_existing_hour: float = 0.0
    usd_per_spot_hour: float | None = None
    commitments: tuple[tuple[str, float], ...] = ()
    zones: int = 1
    owned: int = 0
    blocks: int = 0

    @property
    def least_usd_per_existing_hour(self) -> float:
        """Return the least that using a machine that is there already costs, USD an hour."""
        return 0.0 if self.owned else self.usd_per_existing_hour

    def least_usd_per_hour(self, exclusive: bool) -> float:
        """Return the least that a machine costs that is bought, with its disk, USD an hour. Exclusive ones are never
        spot."""
        ways = [self.usd_per_hour, *(usd for _, usd in self.commitments)]
        if self.usd_per_spot_hour is not None and not exclusive:
            ways.append(self.usd_per_spot_hour)
        return min(ways)


@dataclass(frozen=True)
class Hosts:
    """The hosts of an environment, by GPU, those with the fewest GPUs first."""

    by_gpu: Mapping[str, Sequence[Host]]

    def of(self, shape: Shape) -> list[Host]:
        """Return the hosts whose GPUs replicas of a shape divide evenly, and that may serve one of its routes."""
        routes = {route.name for route in shape.routes}
        return [
            host
            for host in self.by_gpu.get(shape.gpu.key, ())
            if host.offering.instance.gpu_count % shape.gpus == 0 and not routes.isdisjoint(host.routes)
        ]


def hosts(
    offerings: Offerings,
    existing: Mapping[str, int],
    rules: MachineRules,
    disk_usd_per_hour: float,
    by_zone: bool = False,
    owned: Mapping[str, int] = NONE,
    blocks: Mapping[str, int] = NONE,
) -> tuple[Hosts, tuple[Omission, ...]]:
    """Return the instance types that may carry replicas, and omissions of the others.

    These are, of each number of GPUs, those than which no other is as cheap in every way of buying, among those that
    have enough CPU and memory and that the rules treat alike; and the existing ones.

    offerings: what may be bought, which is sold in the environment's zones and has a price; and what is there already.
    existing: number of machines that are there already, by instance type.
    rules: which routes a machine may serve.
    disk_usd_per_hour: cost of the disk of a node, USD an hour.
    by_zone: whether it counts in how many zones a machine is sold.
    owned, blocks: how many of the existing ones are one's own, and of a capacity block.
    """
    omissions: list[Omission] = []
    best: dict[tuple[str, int, frozenset[str], frozenset[str]], list[Offering]] = {}
    taken: set[tuple[str, int]] = set()
    found: dict[str, list[Host]] = {}
    for offering in sorted(offerings, key=_by_price):
        instance, candidate = offering.instance, Candidate(instance_type=offering.instance.key)
        routes = rules.machine_routes(instance)
        key = (offering.gpu.key, instance.gpu_count, routes, rules.machine_fans(instance))
        bare = instance.bare_metal and instance.key not in existing
        small = instance.allocatable_memory_mib < HOST_MEMORY_MIB_PER_GPU * instance.gpu_count
        if small or instance.allocatable_cpu_m < HOST_CPU_M_PER_GPU * instance.gpu_count or bare:
            omissions.append(Omission(candidate, WeakHost()))
            continue
        omissions += rules.ruled_out(instance, candidate)
        if not routes:
            continue
        better = next((other for other in best.get(key, ()) if _is_as_good(other, offering, by_zone)), None)
        if better is not None and instance.key not in existing:
            omissions.append(Omission(candidate, Dominated(Candidate(instance_type=better.instance.key))))
        else:
            best.setdefault(key, []).append(offering)
            host = _host(offering, routes, key[:2] not in taken, existing, disk_usd_per_hour, by_zone)
            host = replace(host, owned=owned.get(instance.key, 0), blocks=blocks.get(instance.key, 0))
            found.setdefault(offering.gpu.key, []).append(host)
            taken.add(key[:2])
    return Hosts({gpu: _in_order(each) for gpu, each in found.items()}), tuple(omissions)


def _is_as_good(other: Offering, offering: Offering, by_zone: bool) -> bool:
    """Say whether another offering that costs no more on demand is as cheap in every other way, in as many zones."""
    if by_zone and len(other.zones) < len(offering.zones):
        return False
    if offering.spot is not None and (other.spot is None or other.spot.usd > offering.spot.usd):
        return False
    prices = {commitment: price.usd for commitment, price in other.committed}
    return all(each in prices and prices[each] <= price.usd for each, price in offering.committed)


def _host(
    offering: Offering,
    routes: frozenset[str],
    is_cheapest: bool,
    existing: Mapping[str, int],
    disk_usd_per_hour: float,
    by_zone: bool,
) -> Host:
    price, name = offering.price, offering.instance.key
    return Host(
        offering=offering,
        routes=routes,
        is_cheapest=is_cheapest,
        usd_per_hour=(0.0 if price is None else float(price.usd)) + disk_usd_per_hour,
        existing=existing.get(name, 0),
        usd_per_existing_hour=disk_usd_per_hour if name in existing or offering.committed else 0.0,
        usd_per_spot_hour=None if offering.spot is None else float(offering.spot.usd) + disk_usd_per_hour,
        commitments=tuple(sorted((c.key, float(p.usd) + disk_usd_per_hour) for c, p in offering.committed)),
        zones=max(1, len(offering.zones)) if by_zone else 1,
    )


def _in_order(several: Iterable[Host]) -> list[Host]:
    return sorted(
        several, key=lambda host: (host.offering.instance.gpu_count, not host.is_cheapest, host.offering.instance_type)
    )


def _by_price(offering: Offering) -> tuple[bool, Decimal, str]:
    """Return the key that sorts offerings by price, those without one last, ties by name."""
    price = offering.price
    return price is None, Decimal(0) if price is None else price.usd, offering.instance.key
