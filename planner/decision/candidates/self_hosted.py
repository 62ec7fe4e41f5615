"""Self-hosted candidates: a replica joined with the machine that carries it, which is what can be bought.

Capacity depends on the GPUs alone, so that of several instance types with the same GPUs only the cheapest that has
enough CPU and memory is taken, and those of which machines are paid for already. A class is named by its model,
precision, GPU and place on the node; a deployment replaces what changes its name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from planner.decision.candidates.hardware_rules import MachineRules
from planner.decision.candidates.omissions import Candidate, Dominated, Omission, WeakHost
from planner.decision.candidates.replicas import Replica
from planner.decision.candidates.shapes import Shape, held_words
from planner.decision.choice.question import ReplicaClass
from planner.domain.offerings import Offering, Offerings
from planner.domain.prices import Price
from planner.words.names import bounded

LONGEST_NAME = 48
"""Characters of a pool's name: a Helm release takes 53, and `vllm-` stands before it."""
HOST_MEMORY_MIB_PER_GPU = 12_000
HOST_CPU_M_PER_GPU = 3_000
"""What a vLLM worker needs beside its GPU (MiB, thousandths of a vCPU): a busy core, shared memory, and room for the
weight loader. Both are assumptions. Instance types with less for each GPU are left out."""


@dataclass(frozen=True)
class SelfHosted:
    """A self-hosted class comes with the replica that it stands for and the machine that carries it.

    replica_class: the class in the plain numbers of the question.
    offering: the instance type in the region.
    price: USD an hour of the instance type, with its source; None where only machines that are there may be used.
    """

    replica_class: ReplicaClass
    replica: Replica
    offering: Offering
    price: Price | None

    @property
    def shape(self) -> Shape:
        """Return the shape of its replicas."""
        return self.replica.shape

    @property
    def name(self) -> str:
        """Return the name of the class, and of the pool that it becomes."""
        return self.replica_class.name

    @property
    def identity(self) -> Candidate:
        """Return the class as a candidate, by its catalog keys."""
        cap = self.replica.max_num_seqs if self.replica.variant else 0
        tenancy = self.shape.tenancy if self.replica_class.exclusive else ""
        machine = self.offering.instance.key
        return replace(self.shape.identity, instance_type=machine, max_num_seqs=cap, tenancy=tenancy)

    @property
    def group_name(self) -> str:
        """Return the name of its node group: its own, or the one of all classes on this instance type."""
        k = self.replica_class
        return k.name if k.exclusive else f"{slug(k.instance_type)}-on-demand"


def self_hosted_classes(
    replicas: Iterable[Replica],
    offerings: Offerings,
    existing: Mapping[str, int],
    disk_usd_per_hour: float,
    storage_usd_per_gb: float,
    rules: MachineRules,
) -> tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]:
    """Return all classes, sorted by name, and omissions of instance types.

    offerings: what may be bought, which is sold in the environment's zones and has a price; and what is there already.
    existing: number of machines that are there already, by instance type.
    disk_usd_per_hour: cost of the disk of a node, USD an hour.
    storage_usd_per_gb: cost of 10⁹ bytes in the model bucket, USD a month.
    rules: which routes a machine may serve.
    """
    hosts, omissions = _hosts(offerings, existing, rules)
    classes = []
    for replica in replicas:
        for host in hosts.get(replica.shape.gpu.key, ()):
            if host.offering.instance.gpu_count % replica.shape.tensor_parallel_size:
                continue
            served = _for_routes(replica, host.routes)
            if served.rates:
                k = _replica_class(served, host, existing, disk_usd_per_hour, storage_usd_per_gb)
                classes.append(SelfHosted(k, served, host.offering, host.offering.price))
    return tuple(sorted(classes, key=lambda c: c.name)), omissions


def slug(text: str) -> str:
    """Spell a name as Kubernetes wants it: in lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _for_routes(replica: Replica, routes: frozenset[str]) -> Replica:
    """Return the replica with its bands of these routes alone; the same one where they are all of its routes."""
    if routes.issuperset(route for route, _ in replica.rates):
        return replica
    return replace(replica, rates={key: rate for key, rate in replica.rates.items() if key[0] in routes})


@dataclass(frozen=True)
class _Host:
    """A host is an instance type that may carry a GPU.

    routes: the routes that it may serve.
    is_cheapest: whether it is the cheapest of its GPUs and their number. Another one is there because machines of it
    are paid for, or because the rules of the environment treat it differently; its classes name it.
    """

    offering: Offering
    routes: frozenset[str]
    is_cheapest: bool


def _hosts(
    offerings: Offerings, existing: Collection[str], rules: MachineRules
) -> tuple[dict[str, list[_Host]], tuple[Omission, ...]]:
    """Return for each GPU the instance types that may carry it, and omissions of the others.

    These are the cheapest of each number of GPUs, among those that have enough CPU and memory and that the rules treat
    alike, and the `existing` ones.
    """
    omissions: list[Omission] = []
    best: dict[tuple[str, int, frozenset[str], frozenset[str]], Offering] = {}
    taken: set[tuple[str, int]] = set()
    hosts: dict[str, list[_Host]] = {}
    for offering in sorted(offerings, key=_by_price):
        instance, candidate = offering.instance, Candidate(instance_type=offering.instance.key)
        routes = rules.machine_routes(instance)
        key = (offering.gpu.key, instance.gpu_count, routes, rules.machine_fans(instance))
        small = instance.allocatable_memory_mib < HOST_MEMORY_MIB_PER_GPU * instance.gpu_count
        if small or instance.allocatable_cpu_m < HOST_CPU_M_PER_GPU * instance.gpu_count or instance.bare_metal:
            omissions.append(Omission(candidate, WeakHost()))
            continue
        omissions += rules.ruled_out(instance, candidate)
        if not routes:
            continue
        if key in best and instance.key not in existing:
            omissions.append(Omission(candidate, Dominated(Candidate(instance_type=best[key].instance.key))))
        else:
            best.setdefault(key, offering)
            hosts.setdefault(offering.gpu.key, []).append(_Host(offering, routes, key[:2] not in taken))
            taken.add(key[:2])
    for gpu in hosts:
        hosts[gpu].sort(
            key=lambda host: (host.offering.instance.gpu_count, not host.is_cheapest, host.offering.instance_type)
        )
    return hosts, tuple(omissions)


def _by_price(offering: Offering) -> tuple[bool, Decimal, str]:
    """Return the key that sorts offerings by price, those without one last, ties by name."""
    price = offering.price
    return price is None, Decimal(0) if price is None else price.usd, offering.instance.key


def _replica_class(
    replica: Replica, host: _Host, existing: Mapping[str, int], disk_usd_per_hour: float, storage_usd_per_gb: float
) -> ReplicaClass:
    shape, instance, price = replica.shape, host.offering.instance, host.offering.price
    place = f"{shape.gpu.key}-{shape.tensor_parallel_size}of{instance.gpu_count}"
    if not host.is_cheapest:
        place += f"-{instance.key}"
    tenancy = "" if shape.tenancy == "shared" else shape.tenancy
    parts = [shape.model.key, shape.quantization.name, place, replica.variant, *held_words(shape.held), tenancy]
    return ReplicaClass(
        name=bounded("-".join(slug(part) for part in parts if part), LONGEST_NAME),
        model=shape.model.key,
        instance_type=instance.key,
        gpus_per_node=instance.gpu_count,
        tensor_parallel_size=shape.tensor_parallel_size,
        vcpus_per_node=instance.vcpu,
        quota_family=instance.quota,
        usd_per_node_hour=(0.0 if price is None else float(price.usd)) + disk_usd_per_hour,
        exclusive=shape.tenancy != "shared",
        capacity=replica.rates,
        weights=shape.checkpoint,
        weights_usd_per_month=shape.checkpoint_gb * storage_usd_per_gb,
        reads=shape.reads,
        existing=existing.get(instance.key, 0),
        usd_per_existing_node_hour=disk_usd_per_hour if instance.key in existing else 0.0,
        may_buy=price is not None,
    )
