"""What one replica could serve: a shape with a batch cap, and its capacity in every band of every route.

Each shape gets its step clock, with the margin of its provenance, and one or two batch caps. The module does not know
which machine carries the GPUs, or what that costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.known import Known
from planner.decision.candidates.omissions import MissesSlo, Omission, TooLittleContext
from planner.decision.candidates.reach import NARROWEST_CAP
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.shapes import Shape
from planner.decision.choice.question import BandKey
from planner.performance.capacity import (
    Capacity,
    CapacityQuestion,
    NoCapacity,
    with_interval,
)
from planner.performance.memory import MemoryFit
from planner.performance.prefix import NOTHING_CACHED
from planner.performance.step_time import StepClock

CAPS = (NARROWEST_CAP, 32, 64, 128, 256)
"""Batch caps (`max_num_seqs`, sequences) that are tried."""
WORTH = 0.99
"""Share of the best cap's rate that a narrower cap must reach; a route is best served by the narrowest that does."""


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
    omissions: list[Omission] = []
    capped = _with_caps(shapes, ruler, known, omissions)
    return _with_capacities(capped, ruler, known, omissions), tuple(omissions)


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


def _with_caps(shapes: Sequence[Shape], ruler: Ruler, known: Known, omissions: list[Omission]) -> list[Replica]:
    """Return replicas of each shape, without capacities yet, with the caps that are best for its routes.

    These are the narrowest and the widest of them, or one where the routes agree. A route that no cap serves is added
    to `omissions`. Where a cache has parts of the prompts, the cap that is best without it counts too: the closed form
    may take a narrower one with it, and the simulator not agree.
    """
    asked: list[tuple[Shape, RouteDemand, int, bool]] = []
    questions = []
    clocks = {shape: ruler.clock(shape) for shape in shapes}
    fits: dict[tuple[Shape, int], MemoryFit] = {}
    for shape, clock in clocks.items():
        for cap in CAPS:
            memory = shape.memory(cap)
            if isinstance(memory, MemoryFit):
                fits[(shape, cap)] = memory
                for route in shape.routes:
                    question = ruler.question(shape, clock, memory, route, None, cap)
                    asked.append((shape, route, cap, True))
                    questions.append(question)
                    if question.reuse != NOTHING_CACHED:
                        asked.append((shape, route, cap, False))
                        questions.append(replace(question, reuse=NOTHING_CACHED))
    rates: dict[tuple[Shape, str, bool], dict[int, float]] = {}
    misses: dict[tuple[Shape, str], NoCapacity] = {}
    for (shape, route, cap, as_it_is), answer in zip(asked, known.screen(questions), strict=True):
        if isinstance(answer, Capacity):
            rates.setdefault((shape, route.name, as_it_is), {})[cap] = answer.requests_per_second
        elif as_it_is:
            misses.setdefault((shape, route.name), answer)
    for (shape, name), miss in misses.items():
        if (shape, name, True) not in rates:
            omissions.append(Omission(shape.identity, MissesSlo(miss), name))
    best_caps: dict[Shape, set[int]] = {}
    for (shape, _, _), by_cap in rates.items():
        enough = WORTH * max(by_cap.values())
        best_caps.setdefault(shape, set()).add(min(cap for cap, rate in by_cap.items() if rate >= enough))
    return [
        Replica(shape, cap, "" if cap == max(caps) else f"cap{cap}", fits[(shape, cap)], clocks[shape], {})
        for shape, caps in best_caps.items()
        for cap in sorted({min(caps), max(caps)})
    ]


def _with_capacities(
    capped: Sequence[Replica], ruler: Ruler, known: Known, omissions: list[Omission]
) -> tuple[Replica, ...]:
    """Return the replicas that can serve some band of their routes, with their capacities.

    A band whose SLO is missed, or whose prompts are too long for the replica, is added to `omissions`, but for one that
    is so rare that it may be turned away.
    """
    asked, questions = [], []
    for index, replica in enumerate(capped):
        shape = replica.shape
        for route in shape.routes:
            for band in range(len(route.bands)):
                if (route.name, band) in shape.reads:
                    asked.append((index, route, band))
                    questions.append(question_of(replica, (route.name, band), ruler))
                elif not route.may_turn_away(band):
                    lacks = TooLittleContext(route.context(band), shape.max_model_len, route.bands[band].name)
                    omissions.append(Omission(shape.identity, lacks, route.name))
    by_replica: dict[int, dict[BandKey, Capacity]] = {}
    for (index, route, band), answer in zip(asked, known.screen(questions), strict=True):
        shape = capped[index].shape
        if isinstance(answer, NoCapacity):
            omissions.append(Omission(shape.identity, MissesSlo(answer, route.bands[band].name), route.name))
        else:
            by_replica.setdefault(index, {})[(route.name, band)] = ruler.as_measured(shape, answer)
    return tuple(replace(capped[index], capacities=served) for index, served in sorted(by_replica.items()))
