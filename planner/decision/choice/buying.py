"""The ways in which machines are bought, as columns and rows: existing ones, commitments, on demand and spot.

`program` says what the columns are. The nodes of an elastic class are counted by level (`elastic`); where a type or a
kind of GPU has such nodes, its rows stand once for each level, and t is the level. Commitments carry none: they are
paid for the whole month.
"""

from __future__ import annotations

from collections.abc import Collection

from planner.decision.choice.columns import (
    b,
    committed,
    n,
    nodes_of_zone,
    on_blocks,
    on_owned,
    spot,
    spot_of_zone,
    v,
    y,
)
from planner.decision.choice.deferred import most_pace
from planner.decision.choice.limits import ExistingNodes
from planner.decision.choice.linear import INFINITY, Linear
from planner.decision.choice.pairs import at, covered_types, groups, levels_of, outside_quota, spot_groups
from planner.decision.choice.question import Flow, Question, ReplicaClass
from planner.words.units import HOURS_PER_MONTH


def buying_columns(program: Linear, question: Question) -> None:
    """Add the nodes of the groups that run the whole month, and the machines that are paid for."""
    paid = covered_types(question)
    for group, classes in groups(question).items():
        if not classes[0].is_elastic:
            program.integer(n(group), usd_per_hour(classes[0], paid) * HOURS_PER_MONTH)
    for group, classes in spot_groups(question).items():
        if not classes[0].is_elastic:
            program.integer(spot(group), (classes[0].usd_per_spot_hour or 0.0) * HOURS_PER_MONTH)
            program.integer(spot_of_zone(group))
    for group, classes in groups(question).items() if question.survives_a_zone else ():
        if not classes[0].is_elastic:
            program.integer(nodes_of_zone(group))
    for instance_type, k in paid.items():
        disk_usd = k.usd_per_existing_node_hour
        for t in levels_of(question, of_type(question, instance_type).values()):
            hours = HOURS_PER_MONTH if t is None else question.level_hours[t]
            usd = (k.usd_per_node_hour - disk_usd) * hours
            program.continuous(b(instance_type, t), usd, INFINITY if k.may_buy else 0.0)
        for commitment, usd_per_committed_hour in k.commitments:
            usd = (usd_per_committed_hour - disk_usd) * HOURS_PER_MONTH
            program.integer(committed(instance_type, commitment), usd)
    for instance_type, k in outside_quota(question).items():
        program.integer(on_owned(instance_type), -k.usd_per_existing_node_hour * HOURS_PER_MONTH, float(k.owned))
        program.integer(on_blocks(instance_type), 0.0, float(k.blocks))


def usd_per_hour(k: ReplicaClass, paid: Collection[str]) -> float:
    """Return what a node that is not spot costs beside the machines that are `paid` for by type, USD an hour."""
    return k.usd_per_existing_node_hour if k.instance_type in paid else k.usd_per_node_hour


def of_type(question: Question, instance_type: str) -> dict[str, ReplicaClass]:
    """Return the node groups of an instance type, each with one of its classes."""
    return {g: some[0] for g, some in groups(question).items() if some[0].instance_type == instance_type}


def covered(program: Linear, question: Question) -> None:
    """Machines that are paid for already are filled first, and paid for whether they are used or not.

    Σ_{g of type i} n[g,t] − Σ_p m[i,p] − b[i,t] ≤ existing[i]
    held = 1

    A commitment covers any machine of its type. Where no more can be bought, b[i] is 0, and the number of machines is
    a limit that a team can move.
    """
    if question.existing_usd:
        program.equal("held", [("held", 1.0)], 1.0)
    for instance_type, k in covered_types(question).items():
        own = of_type(question, instance_type)
        limit = None if k.may_buy else ExistingNodes(instance_type)
        for t in levels_of(question, own.values()):
            paid = [b(instance_type, t), *(committed(instance_type, commitment) for commitment, _ in k.commitments)]
            terms = [*((n(g, at(some, t)), 1.0) for g, some in own.items()), *((name, -1.0) for name in paid)]
            program.at_most(_row(f"bought[{instance_type}", t), terms, float(k.existing), limit)


def outside(program: Linear, question: Question) -> None:
    """Nodes on machines of one's own use no quota and no disk, and those of capacity blocks no quota.

    h[i] + e[i] ≤ Σ_{g of type i} n[g]
    h[i] ≤ owned[i],  e[i] ≤ blocks[i]
    """
    for instance_type in outside_quota(question):
        nodes = [(n(g), -1.0) for g in of_type(question, instance_type)]
        terms = [(on_owned(instance_type), 1.0), (on_blocks(instance_type), 1.0), *nodes]
        program.at_most(f"outside-quota[{instance_type}]", terms, 0.0)


def spot_share(program: Linear, question: Question) -> None:
    """Of the GPUs of a kind, spot nodes hold at most the share that the team allows, without those of exclusive nodes.

    (1 − share)·Σ_g G[g]·o[g,t] ≤ share·Σ_g G[g]·n[g,t]
    n[g] + o[g] ≤ Σ_{k on g} y[k]
    y[k] ≤ Σ_{r,i} v[r,i,k]·(max_t λ̄[r,i,t] / μ[k,r,i] + 1)
    n[g] + o[g] ≤ Σ_{r,i} v[r,i,k]·(max_t λ̄[r,i,t] / (μ[k,r,i]·R[g]) + 1)       elastic k, R replicas a node

    The last three keep idle machines from holding up the share: each has a replica, and no class has more of them than
    all of its bands could need.
    """
    share, kinds = question.spot_share, sorted({k.gpu for k in question.classes})
    may_be_spot = spot_groups(question)
    for gpu in kinds if may_be_spot and share < 1 else ():
        own = {g: some[0] for g, some in groups(question).items() if some[0].gpu == gpu and not some[0].exclusive}
        if not any(g in may_be_spot for g in own):
            continue
        for t in levels_of(question, own.values()):
            spots = [(spot(g, at(k, t)), (1 - share) * k.gpus_per_node) for g, k in own.items() if g in may_be_spot]
            firm = [(n(g, at(k, t)), -share * k.gpus_per_node) for g, k in own.items()]
            program.at_most(_row(f"spot[{gpu}", t), [*spots, *firm], 0.0)
        for group in own:
            _no_idle(program, question, group, may_be_spot)


def _no_idle(program: Linear, question: Question, group: str, may_be_spot: Collection[str]) -> None:
    classes = groups(question)[group]
    if classes[0].is_elastic:
        (k,) = classes
        each = {f.key: k.capacity[f.key] * k.replicas_per_node for f in question.flows if f.key in k.capacity}
        used = [(v(f, k), -most_at_pools(question, f) / each[f.key] - 1) for f in question.flows if f.key in each]
        program.at_most(f"no-idle[{group}]", [*nodes_of(group, may_be_spot), *used], 0.0)
        return
    program.at_most(f"no-idle[{group}]", [*nodes_of(group, may_be_spot), *((y(k), -1.0) for k in classes)], 0.0)
    for k in classes:
        used = [
            (v(f, k), -most_at_pools(question, f) / k.capacity[f.key] - 1)
            for f in question.flows
            if f.key in k.capacity
        ]
        program.at_most(f"no-idle-replica[{k.name}]", [(y(k), 1.0), *used], 0.0)


def most_at_pools(question: Question, f: Flow) -> float:
    """Return the most requests/s of a band that pools may have to carry at any level."""
    return max(map(f.at_pools, range(len(question.level_hours)))) * most_pace(question, f)


def zones(program: Linear, question: Question) -> None:
    """The nodes of a group are spread over Z zones as evenly as whole numbers can be.

    o[g,t] ≤ Z·p[g,t]
    n[g,t] + o[g,t] ≤ Z·d[g,t]            where the plan must stand the loss of a zone
    """
    may_be_spot = spot_groups(question)
    for group, classes in may_be_spot.items():
        for t in levels_of(question, classes):
            terms = [(spot(group, t), 1.0), (spot_of_zone(group, t), -float(classes[0].zones))]
            program.at_most(_row(f"spot-of-zone[{group}", t), terms, 0.0)
    for group, classes in groups(question).items() if question.survives_a_zone else ():
        for t in levels_of(question, classes):
            in_zone = (nodes_of_zone(group, t), -float(classes[0].zones))
            program.at_most(_row(f"nodes-of-zone[{group}", t), [*nodes_of(group, may_be_spot, 1.0, t), in_zone], 0.0)


def nodes_of(
    group: str, may_be_spot: Collection[str], each: float = 1.0, t: int | None = None
) -> list[tuple[str, float]]:
    """Return the terms of all nodes of a group with a coefficient. may_be_spot: groups that may have spot ones."""
    return [(n(group, t), each), *([(spot(group, t), each)] if group in may_be_spot else [])]


def _row(name: str, t: int | None) -> str:
    return f"{name}]" if t is None else f"{name},{t}]"
