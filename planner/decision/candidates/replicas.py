"""What one replica could serve: a shape with a batch cap, and its capacity in every band of every route.

Each shape gets its step clock, with the margin of its provenance, and one or two batch caps. The module does not know
which machine carries the GPUs, or what that costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.known import Known
from planner.decision.candidates.omissions import MissesSlo, Omission, TooLittleContext
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.shapes import NARROWEST_CAP, Shape
from planner.decision.choice.question import BandKey
from planner.performance.capacity import (
    Capacity,
    CapacityQuestion,
    NoCapacity,
    capacities,
    with_interval,
)
from planner.performance.memory import MemoryFit
from planner.performance.step_time import StepClock
from planner.words.numbers import six_digits

CAPS = (NARROWEST_CAP, 32, 64, 128, 256)
"""Batch caps (`max_num_seqs`, sequences) that are tried."""
WORTH = 0.99
"""Share of the best cap's rate that a narrower cap must reach; a route is best served by the narrowest that does."""


Omissions = dict[Shape, list[Omission]]


@dataclass(frozen=True)
class Replica:
    """A replica is a shape with one batch cap, and what it can serve.

    max_num_seqs: the batch cap, sequences.
    variant: `capN` where the shape has a wider cap too; empty for the widest.
    memory: what the GPUs hold beside the weights.
    clock: planned step times, with the margin.
    capacities: what it serves within the SLO, by band; a band that it cannot serve is absent.
    """

    shape: Shape
    max_num_seqs: int
    variant: str
    memory: MemoryFit
    clock: StepClock
    capacities: Mapping[BandKey, Capacity]


def replicas(shapes: Sequence[Shape], ruler: Ruler, known: Known) -> tuple[tuple[Replica, ...], tuple[Omission, ...]]:
    """Return all replicas of these shapes that can serve some band, and the omissions of what they cannot serve."""
    numbers = known.numbers({route.name: route for shape in shapes for route in shape.routes}.values())
    keys = [(shape.identity, *(numbers[route.name] for route in shape.routes), ruler.margin(shape)) for shape in shapes]
    new = [shape for shape, key in zip(shapes, keys, strict=True) if key not in known.screened]
    screened = _screened(new, ruler)
    known.screened.update((key, screened[s]) for s, key in zip(shapes, keys, strict=True) if s in screened)
    able: list[Replica] = []
    omissions: list[Omission] = []
    for shape, key in zip(shapes, keys, strict=True):
        calm, fallen = known.screened[key]
        omissions += fallen
        able += [replace(r, shape=shape, capacities=_in_bursts(shape, r.capacities)) for r in calm]
    return tuple(able), tuple(omissions)


def question_of(replica: Replica, key: BandKey, ruler: Ruler) -> CapacityQuestion:
    """Return the question to the performance model about one band of a replica."""
    route = replica.shape.route(key[0])
    return ruler.question(replica.shape, replica.clock, replica.memory, route, key[1], replica.max_num_seqs)


def with_range(replica: Replica, ruler: Ruler) -> Replica:
    """Return the same replica with low and high capacities: what it serves at p10 and p90 of the residuals."""
    shape = replica.shape
    fast, slow = (edge / ruler.margin(shape) for edge in ruler.evidence(shape).interval)
    ranged = {
        key: with_interval(capacity, question_of(replica, key, ruler), (fast, slow))
        for key, capacity in replica.capacities.items()
    }
    return replace(replica, capacities=ranged)


def _screened(shapes: Sequence[Shape], ruler: Ruler) -> dict[Shape, tuple[list[Replica], list[Omission]]]:
    """Return the replicas of each shape with what they would serve without bursts, and what they cannot serve."""
    omissions: Omissions = {shape: [] for shape in shapes}
    able = _with_capacities(_with_caps(shapes, ruler, omissions), ruler, omissions)
    return {shape: ([r for r in able if r.shape is shape], fallen) for shape, fallen in omissions.items()}


def _in_bursts(shape: Shape, capacities: Mapping[BandKey, Capacity]) -> dict[BandKey, Capacity]:
    """Return the same capacities for the arrivals of the routes: every second is screened as in the highest minute."""
    burst = {route.name: max(1.0, route.burst_ratio) for route in shape.routes}
    served = {}
    for key, calm in capacities.items():
        rate = six_digits(calm.requests_per_second / burst[key[0]])
        served[key] = replace(calm, requests_per_second=rate, low=rate, high=rate)
    return served


def _with_caps(shapes: Sequence[Shape], ruler: Ruler, omissions: Omissions) -> list[Replica]:
    """Return replicas of each shape, without capacities yet, with the caps that are best for its routes.

    These are the narrowest and the widest of them, or one where the routes agree. A route that no cap serves is added
    to `omissions`.
    """
    asked, questions = [], []
    clocks = {shape: ruler.clock(shape) for shape in shapes}
    fits: dict[tuple[Shape, int], MemoryFit] = {}
    for shape, clock in clocks.items():
        for cap in CAPS:
            memory = shape.memory(cap)
            if isinstance(memory, MemoryFit):
                fits[(shape, cap)] = memory
                for route in shape.routes:
                    asked.append((shape, route, cap))
                    questions.append(ruler.question(shape, clock, memory, route, None, cap))
    rates: dict[tuple[Shape, str], dict[int, float]] = {}
    misses: dict[tuple[Shape, str], NoCapacity] = {}
    for (shape, route, cap), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, Capacity):
            rates.setdefault((shape, route.name), {})[cap] = answer.requests_per_second
        else:
            misses.setdefault((shape, route.name), answer)
    for (shape, name), miss in misses.items():
        if (shape, name) not in rates:
            omissions[shape].append(Omission(shape.identity, MissesSlo(miss), name))
    best_caps: dict[Shape, set[int]] = {}
    for (shape, _), by_cap in rates.items():
        enough = WORTH * max(by_cap.values())
        best_caps.setdefault(shape, set()).add(min(cap for cap, rate in by_cap.items() if rate >= enough))
    return [
        Replica(shape, cap, "" if cap == max(caps) else f"cap{cap}", fits[(shape, cap)], clocks[shape], {})
        for shape, caps in best_caps.items()
        for cap in sorted({min(caps), max(caps)})
    ]


def _with_capacities(capped: Sequence[Replica], ruler: Ruler, omissions: Omissions) -> tuple[Replica, ...]:
    """Return the replicas that can serve some band of their routes, with their capacities.

    A band whose SLO is missed, or whose prompts are too long for the model, is added to `omissions`.
    """
    asked, questions = [], []
    for index, replica in enumerate(capped):
        shape = replica.shape
        for route in shape.routes:
            for band, needed in enumerate(route.band_context):
                if needed > shape.model.max_context:
                    lacks = TooLittleContext(needed, shape.model.max_context, route.bands[band].name)
                    omissions[shape].append(Omission(shape.identity, lacks, route.name))
                    continue
                asked.append((index, route, band))
                questions.append(question_of(replica, (route.name, band), ruler))
    by_replica: dict[int, dict[BandKey, Capacity]] = {}
    for (index, route, band), answer in zip(asked, capacities(questions), strict=True):
        shape = capped[index].shape
        if isinstance(answer, NoCapacity):
            omissions[shape].append(Omission(shape.identity, MissesSlo(answer, route.bands[band].name), route.name))
        else:
            by_replica.setdefault(index, {})[(route.name, band)] = ruler.as_measured(shape, answer)
    return tuple(replace(capped[index], capacities=served) for index, served in sorted(by_replica.items()))
