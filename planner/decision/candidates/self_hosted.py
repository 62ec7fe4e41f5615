"""Self-hosted candidates: a replica joined with the machine that carries it, which is what can be bought.

Capacity depends on the GPUs alone; of instance types with the same GPUs the cheapest that has enough beside them is
taken. Names decide replacement: a class is named by model, precision, GPU and its place on the node.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from planner.decision.candidates.omissions import Candidate, Dominated, Omission, WeakHost
from planner.decision.candidates.replicas import Replica
from planner.decision.candidates.shapes import Shape
from planner.decision.choice.question import ReplicaClass
from planner.domain.offerings import Offering, Offerings
from planner.domain.prices import Price

LONGEST_NAME = 48
"""Characters of a pool's name: a Helm release takes 53, and `vllm-` stands before it."""
HOST_MEMORY_MIB_PER_GPU = 12_000
HOST_CPU_M_PER_GPU = 3_000
"""What a vLLM worker needs beside its GPU: one busy core and its shared memory, and room for the weight loader. An
assumption; instance types with less for each GPU are left out."""


@dataclass(frozen=True)
class SelfHosted:
    """A replica class, the replica that it stands for, and the offering that carries it."""

    replica_class: ReplicaClass
    replica: Replica
    offering: Offering
    price: Price

    @property
    def shape(self) -> Shape:
        return self.replica.shape

    @property
    def name(self) -> str:
        """Name of the class, and of the pool that it becomes."""
        return self.replica_class.name

    @property
    def identity(self) -> Candidate:
        """The class by its catalog keys."""
        return replace(self.shape.identity, instance_type=self.offering.instance.key)

    @property
    def group_name(self) -> str:
        """The node group that it stands on: shared by instance type, or the class's own."""
        k = self.replica_class
        return k.name if k.exclusive else f"{slug(k.instance_type)}-on-demand"


def self_hosted_classes(
    replicas: Iterable[Replica], offerings: Offerings, disk_usd_per_hour: float, storage_usd_per_gb: float
) -> tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]:
    """All classes, sorted by name, and the instance types that fell.

    offerings: what may be bought, in the region and its zones and with a price. disk_usd_per_hour: of every node.
    storage_usd_per_gb: USD a month for 10⁹ bytes in the model bucket.
    """
    hosts, omitted = _hosts(offerings)
    found = [
        SelfHosted(
            _replica_class(replica, offering, float(price.usd) + disk_usd_per_hour, storage_usd_per_gb),
            replica,
            offering,
            price,
        )
        for replica in replicas
        for offering, price in hosts.get(replica.shape.gpu.key, ())
        if offering.instance.gpu_count % replica.shape.tensor_parallel_size == 0
    ]
    return tuple(sorted(found, key=lambda h: h.replica_class.name)), omitted


def slug(text: str) -> str:
    """A name as Kubernetes wants it: lower-case letters, digits, hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def bounded(name: str, most: int = LONGEST_NAME) -> str:
    """The name, or its beginning and a digest of all of it when it is too long for a release."""
    if len(name) <= most:
        return name
    return f"{name[: most - 7].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _hosts(offerings: Offerings) -> tuple[dict[str, list[tuple[Offering, Price]]], tuple[Omission, ...]]:
    """By GPU, the cheapest instance type of each number of GPUs that has enough CPU and memory beside them."""
    omitted: list[Omission] = []
    best: dict[tuple[str, int], tuple[Offering, Price]] = {}
    priced = [(row, row.price) for row in offerings if row.price is not None]
    for offering, price in sorted(priced, key=lambda pair: (pair[1].usd, pair[0].instance.key)):
        instance, candidate = offering.instance, Candidate(instance_type=offering.instance.key)
        key = (offering.gpu.key, instance.gpu_count)
        small = instance.allocatable_memory_mib < HOST_MEMORY_MIB_PER_GPU * instance.gpu_count
        if small or instance.allocatable_cpu_m < HOST_CPU_M_PER_GPU * instance.gpu_count or instance.bare_metal:
            omitted.append(Omission(candidate, WeakHost()))
        elif key in best:
            omitted.append(Omission(candidate, Dominated(Candidate(instance_type=best[key][0].instance.key))))
        else:
            best[key] = (offering, price)
    hosts: dict[str, list[tuple[Offering, Price]]] = {}
    for (gpu, _), pair in sorted(best.items()):
        hosts.setdefault(gpu, []).append(pair)
    return hosts, tuple(omitted)


def _replica_class(
    replica: Replica, offering: Offering, node_usd_per_hour: float, storage_usd_per_gb: float
) -> ReplicaClass:
    shape, instance = replica.shape, offering.instance
    place = f"{shape.gpu.key}-{shape.tensor_parallel_size}of{instance.gpu_count}"
    tenancy = "" if shape.tenancy == "shared" else shape.tenancy
    parts = [shape.model.key, shape.quantization.name, place, replica.variant, tenancy]
    return ReplicaClass(
        name=bounded("-".join(slug(part) for part in parts if part)),
        model=shape.model.key,
        instance_type=instance.key,
        gpus_per_node=instance.gpu_count,
        tensor_parallel_size=shape.tensor_parallel_size,
        vcpus_per_node=instance.vcpu,
        quota_family=instance.quota,
        usd_per_node_hour=node_usd_per_hour,
        exclusive=shape.tenancy != "shared",
        capacity={key: answer.requests_per_second for key, answer in replica.capacities.items()},
        weights=shape.checkpoint,
        weights_usd_per_month=shape.checkpoint_gb * storage_usd_per_gb,
    )
