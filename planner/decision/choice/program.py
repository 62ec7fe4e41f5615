"""The question as a mixed-integer linear program: one function for each family of constraints.

Indices: r route, i input band, t level, k replica class, a API, g node group, m model, d checkpoint.

Given numbers: λ mean rate and λ̄ planned rate of a band (requests/s), μ capacity of one replica (requests/s), R and G
GPUs of a replica and of a node, h hours of a level.

Columns:

    x[r,i,k,t]  share of a band that class k serves           s[r,i,a,t]  share of a band that API a takes
    f[k,t]      share that class k admits of its bands        y[k]        replicas of class k
    n[g]        nodes of a group                              w[k]        1 if class k is bought
    v[r,i,k]    1 if the band uses class k                    u[r,m]      1 if the route uses model m
    c[d]        1 if checkpoint d is stored                   z           1 if anything is self-hosted
    l[r,i,t]    share of a band that is turned away, because it is too long for what serves its route
    q[r,i]      1 if a band that an API reads is turned away
    b[i]        machines of type i that are bought on demand  held        1: machines that are paid for already
    o[g]        spot nodes of a group, beside n               m[i,p]      machines of type i under commitment p
    p[g]        most spot nodes of a group in one zone        d[g]        most nodes of a group in one zone
    h[i]        nodes of type i on machines of one's own      e[i]        nodes of type i on capacity blocks

What may wait has rows of its own (`deferred`).

Pools have a fixed size, so that y and n carry no level; those of elastic classes are the most, and `elastic` says what
such classes have by level. `buying` has the ways in which machines are bought. A band uses one class (v), because the
gateway's weights are static. All bands of a pool are admitted alike (f), because its gate counts requests and not
routes. A route uses one model (u). Tensor-parallel sizes are powers of two that divide the node's GPUs, so that
counting GPUs is enough to know that replicas fit on nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from planner.decision.choice.buying import buying_columns, covered, nodes_of, outside, spot_share, zones
from planner.decision.choice.columns import away, c, n, nodes_of_zone, on, refused, s, v, x, y
from planner.decision.choice.deferred import alike, deferred_columns, most_pace, worked_off
from planner.decision.choice.elastic import ROWS, elastic_columns, replicas_at
from planner.decision.choice.limits import ServedRoute
from planner.decision.choice.linear import TIE_BREAK_USD, Linear
from planner.decision.choice.pairs import api_pairs, at, groups, local_pairs, refusable, spot_groups, turned_away
from planner.decision.choice.question import Flow, Question, ReplicaClass
from planner.decision.choice.team_limits import api_limits, budgets, quota

SECONDS_PER_HOUR = 3600.0


def formulate(question: Question) -> Linear:
    """Return the program of a question. Columns and rows are added in the order of the question."""
    program = Linear()
    _columns(program, question)
    for family in (
        _serve,
        _turned_away,
        _turned_away_whole,
        _band_uses_class,
        _admitted_alike,
        _one_class_a_band,
        _one_model_a_route,
        _capacity,
        _packing,
        _exclusive,
        covered,
        outside,
        spot_share,
        zones,
        _weights,
        _required,
        _platform,
        quota,
        api_limits,
        *ROWS,
        budgets,
        worked_off,
        alike,
    ):
        family(program, question)
    return program


def _columns(program: Linear, question: Question) -> None:
    levels = range(len(question.level_hours))
    for f, k in local_pairs(question):
        program.binary(v(f, k), TIE_BREAK_USD)
        for t in levels:
            program.continuous(x(f, k, t), 0.0, most_pace(question, f))
    for f, a in api_pairs(question):
        for t, hours in enumerate(question.level_hours):
            requests = f.mean[t] * hours * SECONDS_PER_HOUR
            program.continuous(s(f, a, t), requests * a.usd_per_request[f.key], 1.0)
    for f in turned_away(question):
        for t in levels:
            program.continuous(away(f, t), 0.0, 1.0)
    for f in refusable(question):
        program.binary(refused(f))
    for k in question.classes:
        (program.continuous if k.is_elastic else program.integer)(y(k), TIE_BREAK_USD)
        for t in levels:
            program.continuous(f"f[{k.name},{t}]", 0.0, 1.0)
        program.binary(f"w[{k.name}]", TIE_BREAK_USD)
    buying_columns(program, question)
    elastic_columns(program, question)
    if question.existing_usd:
        program.continuous("held", question.existing_usd, 1.0)
    for route, model in sorted({(f.route, k.model) for f, k in local_pairs(question)}):
        program.binary(f"u[{route},{model}]")
    for name, usd in sorted({c(k): k.weights_usd_per_month for k in question.classes}.items()):
        program.binary(name, usd)
    program.binary("z", question.platform_usd)
    deferred_columns(program, question)


def _serve(program: Linear, question: Question) -> None:
    """Every request of a band has a place, or is too long for what serves its route.

    Σ_k x[r,i,k,t] + Σ_a s[r,i,a,t] + l[r,i,t] = 1
    """
    local, spill = list(local_pairs(question)), list(api_pairs(question))
    too_long = {f.key for f in turned_away(question)}
    for f in (each for each in question.flows if each.route not in question.deferrals):
        for t in range(len(question.level_hours)):
            terms = [(x(f, k, t), 1.0) for g, k in local if g is f] + [(s(f, a, t), 1.0) for g, a in spill if g is f]
            terms += [(away(f, t), 1.0)] if f.key in too_long else []
            program.equal(f"serve[{f.route},{f.band},{t}]", terms, 1.0, ServedRoute(f.route))


def _turned_away(program: Linear, question: Question) -> None:
    """A band is turned away only as far as what serves a shorter band j of the route does not read it.

    l[r,i,t] + Σ_{k reads i} x[r,j,k,t] + Σ_{a reads i} s[r,j,a,t] ≤ 1                     j < i
    """
    for f in turned_away(question):
        if f.route in question.deferrals:
            continue
        shorter = [g for g in question.flows if g.route == f.route and g.band < f.band]
        classes = [k for k in question.classes if f.key in k.reads]
        apis = [a for a in question.apis if f.may_spill and f.key in a.usd_per_request]
        for g in shorter:
            for t in range(len(question.level_hours)):
                terms = [(x(g, k, t), 1.0) for k in classes if g.key in k.capacity]
                terms += [(s(g, a, t), 1.0) for a in apis if g.may_spill and g.key in a.usd_per_request]
                if terms:
                    program.at_most(f"too-long[{f.route},{f.band},{g.band},{t}]", [*terms, (away(f, t), 1.0)], 1.0)


def _turned_away_whole(program: Linear, question: Question) -> None:
    """A band that an API reads is turned away whole and at every level, or not at all.

    l[r,i,t] = q[r,i]

    The gateway knows the length of a prompt and no hour: it refuses the band, or asks the API. What the rate limits of
    the API do not hold is therefore never too long. A band that no API reads is either left to no pool, and then the
    whole of it is turned away by `_serve`, or to one that admits what it can at each level.
    """
    for f in refusable(question):
        for t in range(len(question.level_hours)) if f.route not in question.deferrals else ():
            program.equal(f"whole[{f.route},{f.band},{t}]", [(away(f, t), 1.0), (refused(f), -1.0)], 0.0)


def _band_uses_class(program: Linear, question: Question) -> None:
    """A class serves some of a band only if the band uses it, and a band uses only classes that are bought.

        x[r,i,k,t] ≤ v[r,i,k] ≤ w[k]
        x[r,i,k,t] = v[r,i,k]           where no API may take the band, and none of it is turned away

    The equality follows from `_serve` and `_one_class_a_band`; a solver that is told of it searches half as long.
    """
    partly = {f.key for f, _ in api_pairs(question)} | {f.key for f in turned_away(question)}
    for f, k in local_pairs(question):
        limit = program.at_most if f.key in partly or f.waits else program.equal
        for t in range(len(question.level_hours)):
            terms = [(x(f, k, t), 1.0), (v(f, k), -most_pace(question, f))]
            limit(f"uses[{f.route},{f.band},{k.name},{t}]", terms, 0.0)
        program.at_most(f"used[{f.route},{f.band},{k.name}]", [(v(f, k), 1.0), (f"w[{k.name}]", -1.0)], 0.0)


def _admitted_alike(program: Linear, question: Question) -> None:
    """A pool admits the same share of each band that uses it: x[r,i,k,t] = f[k,t] where v[r,i,k] = 1.

    f[k,t] − (1 − v[r,i,k]) ≤ x[r,i,k,t] ≤ f[k,t]
    """
    for f, k in local_pairs(question):
        for t in range(len(question.level_hours)) if not f.waits else ():
            if k.is_elastic and not f.planned[t]:
                continue
            name, admitted = f"[{f.route},{f.band},{k.name},{t}]", f"f[{k.name},{t}]"
            program.at_most(f"admits{name}", [(x(f, k, t), 1.0), (admitted, -1.0)], 0.0)
            program.at_most(f"alike{name}", [(admitted, 1.0), (v(f, k), 1.0), (x(f, k, t), -1.0)], 1.0)


def _one_class_a_band(program: Linear, question: Question) -> None:
    """A band uses one class at most.

    Σ_k v[r,i,k] ≤ 1
    """
    for f in question.flows:
        terms = [(v(f, k), 1.0) for k in question.classes if f.key in k.capacity]
        if terms:
            program.at_most(f"class[{f.route},{f.band}]", terms, 1.0)


def _one_model_a_route(program: Linear, question: Question) -> None:
    """All bands of a route use classes of one model.

    Σ_{k of m} v[r,i,k] ≤ u[r,m]
    Σ_m u[r,m] ≤ 1
    """
    models: dict[str, set[str]] = {}
    for f, by_model in _uses(question, lambda k: k.model):
        models.setdefault(f.route, set()).update(by_model)
        for model, used in by_model.items():
            program.at_most(f"model[{f.route},{f.band},{model}]", [*used, (f"u[{f.route},{model}]", -1.0)], 0.0)
    for route in sorted(models):
        program.at_most(f"models[{route}]", [(f"u[{route},{m}]", 1.0) for m in sorted(models[route])], 1.0)


def _capacity(program: Linear, question: Question) -> None:
    """The replicas of a class carry its planned load, and those of an exclusive class do so after losing a node.

        Σ_{r,i} λ̄[r,i,t]·x[r,i,k,t] / μ[k,r,i] ≤ y[k]
        Σ_{r,i} λ̄[r,i,t]·x[r,i,k,t] / μ[k,r,i] ≤ y[k] − lost[k]·w[k]       of what may not wait
        Σ_{r,i} λ̄[r,i,t]·x[r,i,k,t] / μ[k,r,i] ≤ y[k] − lost[k]·d[g]       of it, and after losing a zone

    lost[k] is the number of replicas on one node if class k is exclusive and the plan must stand the loss of a node. It
    is 0 otherwise: an API is then the reserve, within its limits (`team_limits.api_limits`). What may wait waits for
    the node that replaces a lost one. The first row follows from the second where nothing may wait.
    """
    for k in question.classes:
        mine = [f for f in question.flows if f.key in k.capacity]
        at_once = [f for f in mine if not f.waits]
        lost = k.replicas_per_node if k.exclusive and question.survives_a_node else 0
        for t in range(len(question.level_hours)) if k.exclusive and question.survives_a_zone else ():
            firm = [(x(f, k, t), f.at_pools(t) / k.capacity[f.key]) for f in at_once]
            in_zone = (nodes_of_zone(k.node_group, at(k, t)), float(k.replicas_per_node))
            program.at_most(f"zone[{k.name},{t}]", [*firm, *replicas_at(question, k, t), in_zone], 0.0)
        for t in range(len(question.level_hours)):
            load = [(x(f, k, t), f.at_pools(t) / k.capacity[f.key]) for f in mine]
            firm = [(x(f, k, t), f.at_pools(t) / k.capacity[f.key]) for f in at_once]
            there = replicas_at(question, k, t)
            is_there = on(k, t) if k.is_elastic and k.exclusive else f"w[{k.name}]"
            reserve = (is_there, float(lost))
            if len(at_once) < len(mine) and lost:
                program.at_most(f"after-loss[{k.name},{t}]", [*firm, *there, reserve], 0.0)
                reserve = (is_there, 0.0)
            program.at_most(f"capacity[{k.name},{t}]", [*load, *there, reserve], 0.0)


def _packing(program: Linear, question: Question) -> None:
    """The nodes of a group have a GPU for each one that its replicas need, and a class that is bought has a replica.

        Σ_{k on g} R[k]·y[k] ≤ G[g]·(n[g] + o[g])
        Σ_{k on g} v[r,i,k] ≤ n[g] + o[g]       for each band
        w[k] ≤ y[k]

    The last two follow for whole numbers. A solver that is told of them searches half as long.
    """
    may_be_spot = spot_groups(question)
    for group, classes in groups(question).items():
        if classes[0].is_elastic:
            continue
        terms = [(y(k), float(k.gpus_per_replica)) for k in classes]
        program.at_most(
            f"packing[{group}]", [*terms, *nodes_of(group, may_be_spot, -float(classes[0].gpus_per_node))], 0.0
        )
    for f, by_group in _uses(question, lambda k: k.node_group):
        for group, used in by_group.items():
            program.at_most(f"node[{f.route},{f.band},{group}]", [*used, *nodes_of(group, may_be_spot, -1.0)], 0.0)
    for k in question.classes:
        program.at_most(f"replica[{k.name}]", [(f"w[{k.name}]", 1.0), (y(k), -1.0)], 0.0)


def _exclusive(program: Linear, question: Question) -> None:
    """An exclusive class has two nodes or more, so that one is left when the other is lost.

    2·w[k] ≤ n[g]
    """
    for k in question.classes:
        if k.exclusive:
            program.at_most(f"two-nodes[{k.name}]", [(f"w[{k.name}]", 2.0), (n(k.node_group), -1.0)], 0.0)


def _weights(program: Linear, question: Question) -> None:
    """A checkpoint is stored, once, for all classes in use that load it.

    Σ_{k of d} v[r,i,k] ≤ c[d]                  for each band
    """
    columns = {k.weights: c(k) for k in question.classes}
    for f, by_checkpoint in _uses(question, lambda k: k.weights):
        for weights, used in by_checkpoint.items():
            program.at_most(f"weights[{f.route},{f.band},{weights}]", [*used, (columns[weights], -1.0)], 0.0)


def _required(program: Linear, question: Question) -> None:
    """A class that is required serves some band, so that it is bought.

    Σ_{r,i} v[r,i,k] ≥ 1
    """
    for k in question.classes:
        if k.name in question.required:
            terms = [(v(f, k), -1.0) for f in question.flows if f.key in k.capacity]
            program.at_most(f"required[{k.name}]", terms, -1.0)


def _platform(program: Linear, question: Question) -> None:
    """The platform is paid for when anything is self-hosted.

    Σ_k v[r,i,k] ≤ z                            for each band
    """
    for f, everything in _uses(question, lambda _: ""):
        for used in everything.values():
            program.at_most(f"platform[{f.route},{f.band}]", [*used, ("z", -1.0)], 0.0)


def _uses(
    question: Question, kind: Callable[[ReplicaClass], str]
) -> Iterator[tuple[Flow, dict[str, list[tuple[str, float]]]]]:
    """Return for each band the terms v[r,i,k] of the classes that may serve it, by kind of class.

    A band uses one class at most, so that the sum of these terms is 0 or 1. A row with the sum cuts off more than a row
    for each of its terms.
    """
    for f in question.flows:
        terms: dict[str, list[tuple[str, float]]] = {}
        for k in question.classes:
            if f.key in k.capacity:
                terms.setdefault(kind(k), []).append((v(f, k), 1.0))
        yield f, terms
