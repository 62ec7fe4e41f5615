"""Elastic classes: their nodes are given back when the load falls and had again when it rises, by load level.

Such a class has a node group of its own, whose size follows its load. The nodes of a level are there in each hour of
that level. A node that is had again is asked for before its hour begins, and is paid for while it boots and loads: the
time from the request until its replicas serve is `warm_hours`. Levels follow each other as in the week of the routes:
c[t,t'] says how often a month level t' comes after level t.

Columns, with the indices of `program` (g is the group of class k):

    n[g,t]      nodes at level t, but for spot ones          o[g,t]      spot nodes at level t
    n[g], o[g]  the most of them                              on[k,t]     1 if exclusive class k runs at level t
    up[g,t,t']  nodes that start when t' comes after t        ou[g,t,t']  spot nodes that start then

Cost of a node: h[t]·price at each level, and c[t,t']·warm·price for each that starts. What is paid for otherwise covers
nodes first, level by level (`buying`); a node that starts is priced on demand even there, so that machines which are
paid for in any case stay.

Quotas and what the lock places are held for the most nodes. Capacity, reserve, zones and the share of spot are held at
each level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from planner.decision.choice.buying import most_at_pools, nodes_of, usd_per_hour
from planner.decision.choice.columns import (
    n,
    nodes_of_zone,
    on,
    spot,
    spot_of_zone,
    spot_started,
    started,
    x,
    y,
)
from planner.decision.choice.deferred import most_pace
from planner.decision.choice.linear import INFINITY, Linear
from planner.decision.choice.pairs import covered_types, elastic_classes, spot_groups
from planner.decision.choice.question import BandKey, Question, ReplicaClass
from planner.decision.choice.search import best_shares


def elastic_columns(program: Linear, question: Question) -> None:
    """Add the columns of the elastic classes."""
    paid, may_be_spot = covered_types(question), spot_groups(question)
    for k in elastic_classes(question):
        group, spot_usd = k.node_group, k.usd_per_spot_hour or 0.0
        program.continuous(n(group))
        if group in may_be_spot:
            program.continuous(spot(group))
        most_nodes = _most_nodes(question, k)
        for t, hours in enumerate(question.level_hours):
            program.integer(n(group, t), usd_per_hour(k, paid) * hours, most_nodes)
            if group in may_be_spot:
                program.integer(spot(group, t), spot_usd * hours, most_nodes)
                program.integer(spot_of_zone(group, t), 0.0, math.ceil(most_nodes / k.zones))
            if question.survives_a_zone:
                program.integer(nodes_of_zone(group, t))
            if k.exclusive:
                program.binary(on(k, t))
        for earlier, later, times in question.changes:
            warm = times * (k.warm_hours or 0.0)
            program.continuous(started(group, earlier, later), warm * k.usd_per_node_hour)
            if group in may_be_spot:
                program.continuous(spot_started(group, earlier, later), warm * spot_usd)


def _most_nodes(question: Question, k: ReplicaClass) -> float:
    """Return the most nodes that a class can need: one beyond what carries each of its bands whole.

    No plan gains by more, and where the share of spot may rest on nodes, `buying.spot_share` admits no more. A solver
    that is told of it searches half as long. An exclusive class has a reserve, and no such limit.
    """
    if k.exclusive:
        return INFINITY
    each = {f.key: k.capacity[f.key] * k.replicas_per_node for f in question.flows if f.key in k.capacity}
    return float(
        math.floor(sum(most_at_pools(question, f) / each[f.key] + 1 for f in question.flows if f.key in each) + 1e-9)
    )


def replicas_at(question: Question, k: ReplicaClass, t: int) -> list[tuple[str, float]]:
    """Return the terms of the replicas of a class at a level, with a minus sign. Each node of an elastic class is full
    of them."""
    if not k.is_elastic:
        return [(y(k), -1.0)]
    return nodes_of(k.node_group, spot_groups(question), -float(k.replicas_per_node), t)


def most(program: Linear, question: Question) -> None:
    """The nodes of an elastic class are never more than the most, and each of these is full of replicas.

    n[g,t] ≤ n[g]
    o[g,t] ≤ o[g]
    y[k] = R[g]·(n[g] + o[g])               R replicas a node
    """
    may_be_spot = spot_groups(question)
    for k in elastic_classes(question):
        group = k.node_group
        for t in range(len(question.level_hours)):
            program.at_most(f"most[{group},{t}]", [(n(group, t), 1.0), (n(group), -1.0)], 0.0)
            if group in may_be_spot:
                program.at_most(f"most-spot[{group},{t}]", [(spot(group, t), 1.0), (spot(group), -1.0)], 0.0)
        full = nodes_of(group, may_be_spot, -float(k.replicas_per_node))
        program.equal(f"full[{k.name}]", [(y(k), 1.0), *full], 0.0)


def starts(program: Linear, question: Question) -> None:
    """Nodes that a level has beyond those of the level before it start when it comes.

    n[g,t'] − n[g,t] ≤ up[g,t,t']
    o[g,t'] − o[g,t] ≤ ou[g,t,t']
    """
    may_be_spot = spot_groups(question)
    for k in elastic_classes(question):
        group = k.node_group
        for earlier, later, _ in question.changes:
            name = f"[{group},{earlier},{later}]"
            terms = [(n(group, later), 1.0), (n(group, earlier), -1.0), (started(group, earlier, later), -1.0)]
            program.at_most(f"starts{name}", terms, 0.0)
            if group in may_be_spot:
                terms = [(spot(group, later), 1.0), (spot(group, earlier), -1.0)]
                program.at_most(f"starts-spot{name}", [*terms, (spot_started(group, earlier, later), -1.0)], 0.0)


def runs(program: Linear, question: Question) -> None:
    """A class that serves some of a band at a level has a node there; an exclusive one has two.

        x[r,i,k,t] ≤ n[g,t] + o[g,t]                    a class that is not exclusive
        x[r,i,k,t] ≤ on[k,t] ≤ w[k]                     an exclusive one
        2·on[k,t] ≤ n[g,t]
        w[k] ≤ Σ_t n[g,t] + o[g,t]                      over levels at which it could serve something

    Only bands of which some requests may be served at the level count; x is divided by its most where a band may wait.
    So a class is off where all of its bands go to APIs, or ask for nothing. The first row follows for whole numbers; a
    solver that is told of it searches less.
    """
    may_be_spot = spot_groups(question)
    for k in elastic_classes(question):
        some: list[tuple[str, float]] = []
        for t in range(len(question.level_hours)):
            asking = [f for f in question.flows if f.key in k.capacity and f.at_pools(t)]
            some += nodes_of(k.node_group, may_be_spot, -1.0, t) if asking else []
            there = [(on(k, t), -1.0)] if k.exclusive else nodes_of(k.node_group, may_be_spot, -1.0, t)
            for f in asking:
                share = (x(f, k, t), 1.0 / most_pace(question, f))
                program.at_most(f"runs[{f.route},{f.band},{k.name},{t}]", [share, *there], 0.0)
            if k.exclusive:
                program.at_most(f"on[{k.name},{t}]", [(on(k, t), 1.0), (f"w[{k.name}]", -1.0)], 0.0)
                program.at_most(f"two-nodes[{k.name},{t}]", [(on(k, t), 2.0), (n(k.node_group, t), -1.0)], 0.0)
        if some:
            program.at_most(f"some-level[{k.name}]", [(f"w[{k.name}]", 1.0), *some], 0.0)


ROWS = (most, starts, runs)
"""The families of rows of elastic classes."""


def trimmed(
    question: Question,
    k: ReplicaClass,
    value: Mapping[str, float],
    served: Mapping[tuple[BandKey, str], tuple[float, ...]],
    as_they_are: bool,
) -> dict[str, float]:
    """Return the whole numbers of an elastic class without nodes that its shares do not need, by column.

    Within its gap the search may buy idle ones. The sizes are the cheapest that the shares admit: a node that is not
    needed for a while stays where it costs less than to have it again. `as_they_are` keeps those of the search, as
    where the share of spot may rest on them, or where something else pays for them.
    """
    group, levels = k.node_group, range(len(question.level_hours))
    firm = [round(value[n(group, t)]) for t in levels]
    spots = [round(value.get(spot(group, t), 0.0)) for t in levels]
    if not as_they_are:
        firm = _cheapest_sizes(question, k, [min(firm[t], _needed(question, k, value, served, t)) for t in levels])
    lean: dict[str, float] = {}
    for counts, whole, up in ((firm, n, started), (spots, spot, spot_started)):
        lean |= {whole(group): float(max(counts))} | {whole(group, t): float(counts[t]) for t in levels}
        lean |= {up(group, a, z): float(max(0, counts[z] - counts[a])) for a, z, _ in question.changes}
    lean[y(k)] = (max(firm) + max(spots)) * float(k.replicas_per_node)
    return {name: amount for name, amount in lean.items() if name in value}


def _needed(
    question: Question,
    k: ReplicaClass,
    value: Mapping[str, float],
    served: Mapping[tuple[BandKey, str], tuple[float, ...]],
    t: int,
) -> int:
    """Return the nodes that a class needs at a level for what it serves there."""
    bands = [f for f in question.flows if f.at_pools(t) and served.get((f.key, k.name), (0.0,) * (t + 1))[t]]
    if not bands:
        return 0
    nodes, at_once = (
        math.ceil((load - 1e-5) / k.replicas_per_node)
        for load in (
            sum(f.at_pools(t) * served[(f.key, k.name)][t] / k.capacity[f.key] for f in some)
            for some in (bands, [f for f in bands if not f.waits])
        )
    )
    if not k.exclusive:
        return max(1, nodes)
    return max(2, nodes, at_once + max(1, round(value.get(nodes_of_zone(k.node_group, t), 0.0))))


def _cheapest_sizes(question: Question, k: ReplicaClass, least: list[int]) -> list[int]:
    """Return the cheapest numbers of nodes by level that are nowhere below the least ones.

    The matrix of this program is that of differences, so that its vertices are whole numbers.
    """
    linear, levels = Linear(), range(len(least))
    for t in levels:
        linear.continuous(f"more[{t}]", k.usd_per_node_hour * question.level_hours[t])
    for earlier, later, times in question.changes:
        up = linear.continuous(f"up[{earlier},{later}]", times * (k.warm_hours or 0.0) * k.usd_per_node_hour)
        terms = [(f"more[{later}]", 1.0), (f"more[{earlier}]", -1.0), (up, -1.0)]
        linear.at_most(f"starts[{earlier},{later}]", terms, float(least[earlier] - least[later]))
    more = best_shares(linear)
    return [least[t] + round(more[f"more[{t}]"]) for t in levels]
