"""GPUs, the instance types that carry them, regions, and the offerings that can be bought in a region.

An offering is an instance type in one region under one purchase option, with its zones and its price. `Offerings` is a
set with filters that return such a set: `offerings.in_region("us-east-1").available()`. An offering without a price
stays in the set, so that its gap can be told, until `available()` drops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from planner.domain.gaps import Gap
from planner.domain.prices import Price, PriceSnapshot
from planner.domain.purchases import Commitment, spot_key

Link = Literal["pcie3", "pcie4", "pcie5-p2p", "nvlink-ampere", "nvlink-hopper", "nvlink-blackwell"]
"""How the GPUs of one machine talk to each other; `planner.performance` has communication terms for each."""

CapacityType = Literal["on-demand", "spot", "reserved", "capacity-block"]
QuotaFamily = Literal["G", "P"]
Support = Literal["native", "weight-only"]


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU.

    key: name in the catalog.
    name: full name, as a plan prints it.
    architecture: NVIDIA's name of the generation.
    compute_capability: CUDA's number of the generation, like `8.9`.
    memory_gb: memory by the data sheet, GB.
    memory_reported_mib: memory as the driver or EC2 reports it, MiB.
    memory_bytes: memory as the engine sees it (torch), of which `gpu_memory_utilization` is a share, bytes.
    memory_provenance: `measured`, or `analytic` when `memory_bytes` is 0.993 × what is reported.
    bandwidth_gb_per_s: memory bandwidth, GB/s.
    tflops: dense arithmetic rate by dtype, TFLOP/s (TOP/s for int8).
    link: how the GPUs of one machine talk to each other.
    link_gb_per_s: rate of NVLink per GPU, both directions together, GB/s; 0 without NVLink.
    pcie_gb_per_s: rate of PCIe in one direction, GB/s.
    tdp_watt: most power that the card draws, watt.
    formats: weight format → `native`, or `weight-only` when the arithmetic stays in 16 bit.
    spellings: how publications write it. A name means this GPU when it holds all words of a spelling (`gpu_names`).
    runtime_names: names that drivers and runtimes report.
    source, as_of: where these facts were read, and the day that the source states.
    note: what else a reader should know.
    assumed_for: words that leave open which card is meant; they mean this one where nothing else says which.
    assumed: which of these figures nobody states, and how they follow from others. A plan on this GPU says so.
    """

    key: str
    name: str
    architecture: str
    compute_capability: str
    memory_gb: int
    memory_reported_mib: int
    memory_bytes: int
    memory_provenance: Literal["measured", "analytic"]
    bandwidth_gb_per_s: int
    tflops: Mapping[str, float]
    link: Link
    link_gb_per_s: int
    pcie_gb_per_s: int
    tdp_watt: int
    formats: Mapping[str, Support]
    spellings: tuple[str, ...]
    runtime_names: tuple[str, ...]
    source: str
    as_of: str
    note: str = ""
    assumed_for: tuple[str, ...] = ()
    assumed: str = ""

    def supports(self, form: str) -> Support | None:
        """Return how this GPU runs weights of that format; None when it does not."""
        return self.formats.get(form)


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """One EC2 instance type with GPUs.

    key: its name, like `g6e.12xlarge`.
    family: the part of the name before the dot.
    gpu: key of its GPU.
    gpu_count: GPUs in one machine.
    vcpu: virtual CPUs.
    ram_gib: memory, GiB.
    allocatable_cpu_m: CPU that Kubernetes can give to pods, thousandths of a vCPU.
    allocatable_memory_mib: memory that Kubernetes can give to pods, MiB.
    max_pods: pods that fit on the node, by its network addresses.
    local_nvme_gb: disks inside the machine, GB; 0 without.
    network_baseline_gbps, network_peak_gbps: network rate, for ever and for a short time, gigabit/s.
    efa_interfaces: interfaces of the Elastic Fabric Adapter; 0 without.
    ebs_baseline_mbps, ebs_max_mbps: rate to network disks, for ever and for a short time, megabit/s.
    bare_metal: whether it comes without a hypervisor.
    quota: family whose vCPU quota it counts against.
    source, as_of: where these facts were read, and the day that the source states.
    note: what else a reader should know.
    """

    key: str
    family: str
    gpu: str
    gpu_count: int
    vcpu: int
    ram_gib: float
    allocatable_cpu_m: int
    allocatable_memory_mib: int
    max_pods: int
    local_nvme_gb: int
    network_baseline_gbps: float
    network_peak_gbps: float
    efa_interfaces: int
    ebs_baseline_mbps: int
    ebs_max_mbps: int
    bare_metal: bool
    quota: QuotaFamily
    source: str
    as_of: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Region:
    """One AWS region: what is sold in which of its zones.

    key: its name, like `eu-central-1`.
    families: zone ids that sell the types of a family, by family.
    types: zone ids that sell a type, where they are not those of its family; none when no zone does.
    missing: what is not known, so that nothing can be planned here; empty where nothing is missing.
    source, as_of: where this was read, and the day that the source states.
    """

    key: str
    families: Mapping[str, tuple[str, ...]]
    source: str
    as_of: str
    types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: str = ""

    def zones_of(self, instance_type: str) -> tuple[str, ...]:
        """Return the zone ids that sell an instance type; none where the region does not sell it."""
        family = instance_type.partition(".")[0]
        return self.types.get(instance_type, self.families.get(family, ()))


@dataclass(frozen=True, kw_only=True)
class UnplannedHardware:
    """Hardware that people ask for and that no plan uses.

    key: the word for it: a family of instance types, or a card.
    words: further words for it.
    reason: why no plan uses it, as a sentence.
    source, as_of: where this was read, and the day that the source states.
    """

    key: str
    words: tuple[str, ...]
    reason: str
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class Offering:
    """An instance type in a region, under one purchase option.

    instance, gpu: rows of the catalog.
    region: AWS region.
    capacity_type: the purchase option.
    zones: zone ids of the region that sell it.
    price: USD per hour; None is a named gap.
    spot: USD per hour of a spot machine in its zones; None where a plan buys none.
    committed: each commitment that a plan may take, with USD per hour; those without a price are absent.
    """

    instance: InstanceType
    gpu: Gpu
    region: str
    capacity_type: CapacityType
    zones: tuple[str, ...]
    price: Price | None
    spot: Price | None = None
    committed: tuple[tuple[Commitment, Price], ...] = ()

    @property
    def instance_type(self) -> str:
        """Name of the instance type."""
        return self.instance.key

    @property
    def price_key(self) -> str:
        """Key of its price in a price snapshot."""
        return f"ec2/{self.region}/{self.instance.key}/{self.capacity_type}"

    @property
    def price_keys(self) -> frozenset[str]:
        """Return the keys of all prices that it could be bought at, in whatever way. Those of spot are by zone."""
        spot = {spot_key(self.region, self.instance.key, zone) for zone in self.zones} if self.spot else set()
        return frozenset({self.price_key} | spot | {price.key for _, price in self.committed})


@dataclass(frozen=True)
class Offerings:
    """A set of offerings with filters that return such a set.

    rows: the offerings, sorted by region, instance type and purchase option.
    """

    rows: tuple[Offering, ...]

    def __iter__(self) -> Iterator[Offering]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def in_region(self, region: str) -> Offerings:
        """Return the offerings of one region."""
        return self._where(lambda row: row.region == region)

    def in_zones(self, zones: Iterable[str]) -> Offerings:
        """Return the offerings that at least one of these zones sells, each narrowed to those zones."""
        wanted = frozenset(zones)
        narrowed = (replace(row, zones=tuple(z for z in row.zones if z in wanted)) for row in self.rows)
        return Offerings(tuple(row for row in narrowed if row.zones))

    def available(self) -> Offerings:
        """Return the offerings that a plan may buy: those with a price and a zone."""
        return self._where(lambda row: row.price is not None and bool(row.zones))

    def gpus(self) -> tuple[Gpu, ...]:
        """Return the GPUs in this set, sorted by key."""
        return tuple(sorted({row.gpu.key: row.gpu for row in self.rows}.values(), key=lambda gpu: gpu.key))

    def gaps(self, prices: PriceSnapshot) -> tuple[Gap, ...]:
        """Return one named gap for each offering without a price."""
        return tuple(prices.gap(row.price_key) for row in self.rows if row.price is None)

    def _where(self, keep: Callable[[Offering], bool]) -> Offerings:
        return Offerings(tuple(row for row in self.rows if keep(row)))


def offerings_in(
    region: Region,
    instances: Mapping[str, InstanceType],
    gpus: Mapping[str, Gpu],
    prices: PriceSnapshot,
    capacity_type: CapacityType,
) -> Offerings:
    """Return every instance type that a region sells, with its price under that purchase option."""
    rows = [
        Offering(
            instance=instance,
            gpu=gpus[instance.gpu],
            region=region.key,
            capacity_type=capacity_type,
            zones=zones,
            price=prices.price(f"ec2/{region.key}/{key}/{capacity_type}"),
        )
        for key, instance in sorted(instances.items())
        if (zones := region.zones_of(key))
    ]
    return Offerings(tuple(rows))


def all_offerings(
    regions: Mapping[str, Region],
    instances: Mapping[str, InstanceType],
    gpus: Mapping[str, Gpu],
    prices: PriceSnapshot,
    capacity_type: CapacityType,
) -> Offerings:
    """Return what all regions sell. It reads every region; a plan asks for the offerings of one."""
    each = (offerings_in(regions[name], instances, gpus, prices, capacity_type) for name in sorted(regions))
    return Offerings(tuple(row for offerings in each for row in offerings))
