"""The answer to a question: the solver's values, read back as what to buy and who serves what.

A question falls into parts where routes share nothing that they could be served by. Each part is solved alone, and the
parts are put together: if the limits that bind all of them (quotas, budgets, rate limits) then hold, and the parts cost
as much together as they cost alone, nothing cheaper exists. Otherwise the whole is solved. A checkpoint is paid for by
the part that uses it: which one that is shows in the first turn, and the parts are solved again with it.

A class whose smallest deployment costs more than a plan that was found already is in no cheaper plan, and is left out
of the search. So plans are the same with and without both.

Replicas and nodes that the shares do not need are removed, equal APIs are filled in the order of the gateway (`ties`),
and the cost is computed from the columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.decision.choice import buying, columns, elastic, pairs, program
from planner.decision.choice.causes import causes
from planner.decision.choice.deferred import most_pace
from planner.decision.choice.limits import NoCandidates, SearchEnded
from planner.decision.choice.linear import INFINITY, TIE_BREAK_USD, Linear
from planner.decision.choice.parts import parts
from planner.decision.choice.question import Answer, BandKey, Infeasible, Question, ReplicaClass
from planner.decision.choice.search import DEFAULT_LIMITS, Search, SearchLimits, cheapest, polished
from planner.decision.choice.ties import in_order
from planner.words.arrays import Floats

TOLERANCE = 1e-6
"""The solver's own tolerance: a value nearer to 0 is 0."""
ROUGH = SearchLimits(gap=0.01, nodes=200, proof_nodes=0)
"""Limits of the search for a plan from which a better one is searched."""
ROUGHEST = SearchLimits(gap=0.05, nodes=50, proof_nodes=0)
"""Limits of the search for a plan that says what is far too dear."""
CENT = 0.01
MOST_TURNS = 4
"""Turns in which checkpoints find the part that pays for them, before the whole is solved."""


@dataclass(frozen=True)
class _Found:
    """What was found for a part: the values that are not 0, by column, and the search that found them."""

    values: Mapping[str, float]
    search: Search

    def buys(self, k: ReplicaClass) -> bool:
        """Say whether some of the class is bought."""
        return self.values.get(columns.y(k), 0.0) > 0.5


def solve(
    question: Question, limits: SearchLimits = DEFAULT_LIMITS, likely: frozenset[str] = frozenset()
) -> Answer | Infeasible:
    """Return the cheapest plan, or what stands in the way of any.

    The plan is proven to be the cheapest, or lies within `limits.gap` of it, or is the best that was found. `likely`
    names classes of which a good plan can be made; they shorten the search.
    """
    if not question.classes and not question.apis:
        return Infeasible((NoCandidates(),))
    known: list[tuple[Question, _Found]] = []
    payer = _payers(question, limits, likely, known)
    for _ in range(MOST_TURNS):
        pieces = parts(question, payer)
        found = [_known(piece, known) or _found(piece, limits, likely) for piece in pieces]
        known += zip(pieces, found, strict=True)
        if any(each.search.infeasible for each in found):
            return Infeasible(causes(question, limits))
        if len(pieces) == 1:
            return _alone(question, found[0], limits)
        if answer := _joined(question, found, limits):
            return answer
        users = {k.weights: i for i, piece in reversed([*enumerate(pieces)]) for k in piece.classes if found[i].buys(k)}
        if payer == payer | users:
            break
        payer |= users
    return _alone(question, _found(question, limits, likely), limits)


def usd_of_some_plan(question: Question) -> float:
    """Return the cost of a plan that is good and not the best, USD a month; infinity where none is found quickly."""
    return _some_plan(question, ROUGHEST).search.usd


def _payers(
    question: Question, limits: SearchLimits, likely: frozenset[str], known: list[tuple[Question, _Found]]
) -> dict[str, int]:
    """Return the last part as the payer of all checkpoints that the parts before it leave alone.

    It is the part of the routes that may use APIs, and takes longest. So the others are asked first.
    """
    payer: dict[str, int] = {}
    *before, _ = parts(question)
    for piece in before:
        found = _found(piece, limits, likely)
        known.append((piece, found))
        payer |= {k.weights: len(before) for k in piece.classes}
        for weights in {k.weights for k in piece.classes if found.buys(k)}:
            del payer[weights]
    return payer


def _known(part: Question, known: Sequence[tuple[Question, _Found]]) -> _Found | None:
    """Return what was found for the same part before."""
    return next((found for asked, found in known if asked == part), None)


def _some_plan(question: Question, limits: SearchLimits) -> _Found:
    """Return a plan that is good and not the best, if one is found within the limits."""
    if not question.classes and not question.apis:
        return _Found({}, Search(None, INFINITY, -INFINITY, proven=False, infeasible=False))
    return _searched(question, limits)


def _found(part: Question, limits: SearchLimits, likely: frozenset[str]) -> _Found:
    """Search a part, without the classes that are too dear for a cheaper plan than one of the likely classes."""
    few = part.with_classes(likely | part.required)
    if not few.classes or len(few.classes) == len(part.classes):
        return _searched(part, limits)
    good = _some_plan(few, ROUGH)
    most_usd = good.search.usd + CENT
    asked = replace(part, classes=tuple(k for k in part.classes if pairs.least_usd(part, k) <= most_usd))
    return _searched(asked, limits, None if good.search.values is None else good.values)


def _searched(question: Question, limits: SearchLimits, start: Mapping[str, float] | None = None) -> _Found:
    linear = program.formulate(question)
    search = cheapest(linear, limits, start)
    values = {} if search.values is None else dict(zip(linear.index, search.values, strict=True))
    return _Found({name: float(value) for name, value in values.items() if value}, search)


def _alone(question: Question, found: _Found, limits: SearchLimits) -> Answer | Infeasible:
    """Return the answer where the question has one part."""
    if found.search.infeasible:
        return Infeasible(causes(question, limits))
    if found.search.values is None:
        return Infeasible((SearchEnded(limits.nodes),))
    lean, linear, values = _lean(question, [found])
    shares = polished(linear, values)
    return _answer(lean, linear, values if shares is None else shares, found.search.proven, found.search.bound)


def _joined(question: Question, found: Sequence[_Found], limits: SearchLimits) -> Answer | None:
    """Return the answer that the parts make together; None where something binds them that no part saw."""
    if any(each.search.values is None for each in found):
        return None
    lean, linear, values = _lean(question, found)
    shares = polished(linear, values)
    if shares is None:
        return None
    usd = sum(c.cost * value for c, value in zip(linear.columns, shares, strict=True))
    bound = sum(each.search.bound for each in found) + question.platform_usd
    alone = sum(each.search.usd for each in found) + question.platform_usd
    proven = all(each.search.proven for each in found)
    if usd > alone + CENT / 2 and (proven or usd - bound > limits.gap * usd):
        return None
    return _answer(lean, linear, shares, proven, bound)


def _lean(question: Question, found: Sequence[_Found]) -> tuple[Question, Linear, Floats]:
    """Return the question with the classes that are bought alone, its program, and the values that were found."""
    merged: dict[str, float] = {}
    types = pairs.covered_types(question).items()
    added = {columns.committed(instance_type, key) for instance_type, k in types for key, _ in k.commitments}
    for each in found:
        for name, value in each.values.items():
            both = merged.get(name, 0.0)
            merged[name] = both + value if name in added else max(both, value)
    bought = frozenset(k.name for k in question.classes if merged.get(columns.y(k), 0.0) > 0.5)
    if bought:
        merged["z"] = 1.0
    lean = question.with_classes(bought)
    linear = program.formulate(lean)
    return lean, linear, np.array([merged.get(column.name, 0.0) for column in linear.columns])


def _answer(question: Question, linear: Linear, values: Floats, proven: bool, bound: float) -> Answer:
    """Return the answer that the values of the columns mean."""
    settled = in_order(question, linear, values)
    value = {c.name: 0.0 if abs(v) < TOLERANCE else float(v) for c, v in zip(linear.columns, settled, strict=True)}
    levels = range(len(question.level_hours))
    served = {
        (f.key, k.name): tuple(min(most_pace(question, f), value[columns.x(f, k, t)]) for t in levels)
        for f, k in pairs.local_pairs(question)
    }
    spilled = {
        (f.key, a.name): tuple(min(1.0, value[columns.s(f, a, t)]) for t in levels)
        for f, a in pairs.api_pairs(question)
    }
    turned_away = {
        f.key: tuple(min(1.0, value[columns.away(f, t)]) for t in levels) for f in pairs.turned_away(question)
    }
    value |= _trimmed(question, value, served)
    cost = float(sum(c.cost * value[c.name] for c in linear.columns if abs(c.cost) > TIE_BREAK_USD))
    return Answer(
        usd_per_month=cost,
        proven=proven,
        gap=0.0 if proven or cost <= 0 else max(0.0, (cost - bound) / cost),
        replicas={k.name: int(count) for k in question.classes if (count := value[columns.y(k)])},
        nodes={g: count for g in pairs.groups(question) if (count := round(_nodes(value, g)))},
        **_by_level(question, value),
        served={key: shares for key, shares in served.items() if any(shares)},
        spilled={key: shares for key, shares in spilled.items() if any(shares)},
        turned_away={key: shares for key, shares in turned_away.items() if any(shares)},
        spot={g: count for g in pairs.spot_groups(question) if (count := round(value[columns.spot(g)]))},
        committed={
            (instance_type, commitment): count
            for instance_type, k in pairs.covered_types(question).items()
            for commitment, _ in k.commitments
            if (count := round(value[columns.committed(instance_type, commitment)]))
        },
    )


def _by_level(question: Question, value: Mapping[str, float]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the nodes and the spot nodes of each group whose size changes, by level, as fields of the answer."""
    nodes: dict[str, tuple[int, ...]] = {}
    spots: dict[str, tuple[int, ...]] = {}
    for k in pairs.elastic_classes(question):
        group, levels = k.node_group, range(len(question.level_hours))
        spot = [round(value.get(columns.spot(group, t), 0.0)) for t in levels]
        every = [round(value[columns.n(group, t)]) + spot[t] for t in levels]
        if len(set(every)) > 1:
            nodes[group] = tuple(every)
        if len(set(spot)) > 1:
            spots[group] = tuple(spot)
    return {"nodes_by_level": nodes, "spot_by_level": spots}


def _nodes(value: Mapping[str, float], group: str) -> float:
    """Return the nodes of a group, with those that are spot."""
    return value[columns.n(group)] + value.get(columns.spot(group), 0.0)


def _trimmed(
    question: Question, value: Mapping[str, float], served: Mapping[tuple[BandKey, str], tuple[float, ...]]
) -> dict[str, float]:
    """Return the whole numbers of the answer without replicas and nodes that the shares do not need.

    Within its gap the search may buy idle ones.
    """
    lean: dict[str, float] = {}
    shared = {some[0].gpu for g, some in pairs.spot_groups(question).items() if round(value[columns.spot(g)])}
    paid = pairs.covered_types(question)
    for group, classes in pairs.groups(question).items():
        rests = classes[0].gpu in shared and not classes[0].exclusive
        if classes[0].is_elastic:
            kept = rests or classes[0].instance_type in paid
            lean |= elastic.trimmed(question, classes[0], value, served, kept)
            continue
        if rests:  # the share of spot may rest on any of them
            lean |= {name: float(round(value[name])) for name in (columns.n(group), *map(columns.y, classes))}
            continue
        gpus = least = 0
        for k in classes:
            bands = [f for f in question.flows if any(served.get((f.key, k.name), ()))]
            loads, firm = (
                max(
                    math.fsum(f.at_pools(t) * served[(f.key, k.name)][t] / k.capacity[f.key] for f in some)
                    for t in range(len(question.level_hours))
                )
                for some in (bands, [f for f in bands if not f.waits])
            )
            away = max(1, round(value.get(columns.nodes_of_zone(group), 0.0))) if k.exclusive else 0
            after_loss = math.ceil(firm - 1e-5) + k.replicas_per_node * away
            need = max(math.ceil(loads - 1e-5), after_loss) if bands else 0
            replicas = min(round(value[columns.y(k)]), need)
            lean[columns.y(k)] = replicas
            gpus += replicas * k.gpus_per_replica
            least = max(least, 2 if k.exclusive and replicas else 0)
        lean[columns.n(group)] = min(
            round(value[columns.n(group)]), max(math.ceil(gpus / classes[0].gpus_per_node), least)
        )
    lean["z"] = float(any(lean.values()))
    for instance_type, k in paid.items():
        own = buying.of_type(question, instance_type)
        bought_at = {
            t: sum(lean[columns.n(g, pairs.at(some, t))] for g, some in own.items())
            for t in pairs.levels_of(question, own.values())
        }
        uncovered = max(bought_at.values()) - k.existing
        for commitment, _ in sorted(k.commitments, key=lambda each: (each[1], each[0])):
            name = columns.committed(instance_type, commitment)
            lean[name] = max(0.0, min(float(round(value[name])), uncovered))
            uncovered -= lean[name]
        paid_ahead = max(bought_at.values()) - uncovered
        lean |= {columns.b(instance_type, t): max(0.0, count - paid_ahead) for t, count in bought_at.items()}
    for instance_type, k in pairs.outside_quota(question).items():
        groups = (g for g, classes in pairs.groups(question).items() if classes[0].instance_type == instance_type)
        nodes = sum(lean[columns.n(g)] for g in groups)
        lean[columns.on_owned(instance_type)] = min(float(k.owned), nodes)
        lean[columns.on_blocks(instance_type)] = min(float(k.blocks), nodes - lean[columns.on_owned(instance_type)])
    lean |= {columns.c(k): 0.0 for k in question.classes}
    lean |= {columns.c(k): 1.0 for k in question.classes if lean[columns.y(k)]}
    return lean
