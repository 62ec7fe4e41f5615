"""Self-hosted candidates: a replica joined with the machine that carries it, which is what can be bought.

A class is named by its model, precision, GPU and place on the node; a deployment replaces what changes its name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from planner.decision.candidates.candidate import LORA, Candidate, cache_word
from planner.decision.candidates.hosts import Host, Hosts
from planner.decision.candidates.replicas import CAPS, Replica
from planner.decision.candidates.shapes import OWN_NODES, Shape, held_words
from planner.decision.choice.question import ReplicaClass
from planner.domain.offerings import Offering
from planner.domain.prices import Price
from planner.performance.loading import NODE_SECONDS, load_seconds
from planner.words.names import bounded

ELASTIC = "elastic"
"""End of the name of an elastic class beside the one that runs the whole month."""
LONGEST_NAME = 48
"""Characters of a pool's name: a Helm release takes 53, and `vllm-` stands before it."""


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
        machine = self.offering.instance.key
        return replace(self.shape.identity, instance_type=machine, max_num_seqs=cap, tenancy=self.shape.own_nodes)

    @property
    def group_name(self) -> str:
        """Return the name of its node group: its own, or the one of all classes on this instance type."""
        k = self.replica_class
        return k.name if k.exclusive or k.is_elastic else f"{slug(k.instance_type)}-on-demand"

    @property
    def load_seconds(self) -> float:
        """Return the time from the start of a container until it serves, seconds.

        Each GPU reads its part of the checkpoint, as the ranks share the reading. A model that is quantized while it
        loads is read as its maker published it. Copies of the attention load apart, so that each of their ranks reads
        the whole checkpoint.
        """
        instance = self.offering.instance
        readers = 1 if self.shape.copies > 1 else self.shape.gpus
        return load_seconds(
            self.shape.checkpoint_gb * 1e9 / readers, instance.network_baseline_gbps, instance.gpu_count
        )

    @property
    def warm_seconds(self) -> int:
        """Return the time from the request for a node until a replica on it serves, seconds."""
        return math.ceil(NODE_SECONDS + self.load_seconds)


def self_hosted_classes(replicas: Iterable[Replica], hosts: Hosts, storage_usd_per_gb: float) -> tuple[SelfHosted, ...]:
    """Return all classes, sorted by name.

    hosts: the machines that may carry them.
    storage_usd_per_gb: cost of 10⁹ bytes in the model bucket, USD a month.
    """
    classes = []
    for replica in replicas:
        for host in hosts.of(replica.shape):
            served = _for_routes(replica, host.routes)
            if served.rates:
                k = _replica_class(served, host, storage_usd_per_gb)
                classes.append(SelfHosted(k, served, host.offering, host.offering.price))
    return tuple(sorted(classes, key=lambda c: c.name))


def elastic_name(name: str) -> str:
    """Return the name of the elastic class beside the class of this name."""
    return bounded(f"{name}-{ELASTIC}", LONGEST_NAME)


def slug(text: str) -> str:
    """Spell a name as Kubernetes wants it: in lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def stands_for(shape: Shape, machines: Hosts, names: Collection[str]) -> bool:
    """Say whether some class of a shape has one of these names."""
    variants = ("", *(f"cap{cap}" for cap in CAPS))
    made = (class_name(shape, host, variant) for host in machines.of(shape) for variant in variants)
    return any(name in names or elastic_name(name) in names for name in made)


def class_name(shape: Shape, host: Host, variant: str) -> str:
    """Return the name of a class. variant: `capN` where the shape has a wider batch cap too."""
    instance = host.offering.instance
    place = f"{shape.gpu.key}-{shape.gpus}of{instance.gpu_count}"
    if not host.is_cheapest:
        place += f"-{instance.key}"
    lora = LORA if shape.adapters else ""
    ways = shape.parallelism.word, cache_word(shape.kv_cache_dtype), shape.identity.drafter, lora, variant
    parts = [shape.model.key, shape.quantization.name, place, *ways, *held_words(shape.held), shape.own_nodes]
    return bounded("-".join(slug(part) for part in parts if part), LONGEST_NAME)


def _for_routes(replica: Replica, routes: frozenset[str]) -> Replica:
    """Return the replica with its bands of these routes alone; the same one where they are all of its routes."""
    if routes.issuperset(route for route, _ in replica.rates):
        return replica
    return replace(replica, rates={key: rate for key, rate in replica.rates.items() if key[0] in routes})


def _replica_class(replica: Replica, host: Host, storage_usd_per_gb: float) -> ReplicaClass:
    shape, instance = replica.shape, host.offering.instance
    return ReplicaClass(
        name=class_name(shape, host, replica.variant),
        model=shape.model.key,
        instance_type=instance.key,
        gpus_per_node=instance.gpu_count,
        gpus_per_replica=shape.gpus,
        vcpus_per_node=instance.vcpu,
        quota_family=instance.quota,
        usd_per_node_hour=host.usd_per_hour,
        exclusive=shape.tenancy in OWN_NODES,
        capacity=replica.rates,
        weights=shape.checkpoint,
        weights_usd_per_month=shape.checkpoint_gb * storage_usd_per_gb,
        reads=shape.reads,
        existing=host.existing,
        owned=host.owned,
        blocks=host.blocks,
        usd_per_existing_node_hour=host.usd_per_existing_hour,
        may_buy=host.offering.price is not None,
        gpu=shape.gpu.key,
        usd_per_spot_hour=host.usd_per_spot_hour if shape.tenancy not in OWN_NODES else None,
        zones=host.zones,
        commitments=host.commitments,
    )
