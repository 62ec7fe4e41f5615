"""What one replica could serve: a shape with a batch cap, and its capacity in every band of every route.

Each shape gets its step clock, with the margin of its provenance, and one or two batch caps. Which machine carries the
GPUs, and what that costs, is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.omissions import MissesSlo, Omission, TooLittleContext
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.shapes import NARROWEST_CAP, Shape
from planner.decision.choice.question import BandKey
from planner.performance.capacity import Capacity, NoCapacity, capacities, rate_factors, with_interval
from planner.performance.memory import MemoryFit
from planner.performance.step_time import StepClock

CAPS = (NARROWEST_CAP, 32, 64, 128, 256)
"""Batch caps (`max_num_seqs`) that are tried; a route wants the smallest that loses less than 1 % of throughput."""
WORTH = 0.99


@dataclass(frozen=True)
class Replica:
    """A shape with one batch cap, and what it can take. variant: `` for the widest cap of its shape, else `capN`."""

    shape: Shape
    max_num_seqs: int
    variant: str
    memory: MemoryFit
    clock: StepClock
    capacities: Mapping[BandKey, Capacity]


def replicas(shapes: Sequence[Shape], ruler: Ruler) -> tuple[tuple[Replica, ...], tuple[Omission, ...]]:
    """All replicas of these shapes that can serve some band, and what fell."""
    omissions: list[Omission] = []
    clocks = {shape: ruler.clock(shape) for shape in shapes}
    return _with_capacities(_caps(clocks, ruler, omissions), clocks, ruler, omissions), tuple(omissions)


def with_range(replica: Replica, ruler: Ruler) -> Replica:
    """The same replica with the low and high of its capacities: asked again at the p10 and p90 of the residuals."""
    shape = replica.shape
    fast, slow = (edge / ruler.margin(shape) for edge in ruler.evidence(shape).interval)
    by_name = {route.name: route for route in shape.routes}
    ranged = {}
    for (name, band), answer in replica.capacities.items():
        question = ruler.question(shape, replica.clock, replica.memory, by_name[name], band, replica.max_num_seqs)
        ranged[(name, band)] = with_interval(answer, question, (fast, slow))
    return replace(replica, capacities=ranged)


def without_margin(replicas: Sequence[Replica], ruler: Ruler) -> list[dict[BandKey, float]]:
    """Requests/s of each by band if every step took what the fit expects, instead of that and a margin."""
    questions, slowness = [], []
    for replica in replicas:
        shape, cap = replica.shape, replica.max_num_seqs
        by_name = {route.name: route for route in shape.routes}
        for name, band in replica.capacities:
            questions.append(ruler.question(shape, replica.clock, replica.memory, by_name[name], band, cap))
            slowness.append(1.0 / ruler.margin(shape))
    factors = iter(rate_factors(questions, slowness))
    return [
        {key: answer.requests_per_second * max(1.0, next(factors)) for key, answer in replica.capacities.items()}
        for replica in replicas
    ]


def _caps(
    clocks: Mapping[Shape, StepClock], ruler: Ruler, omitted: list[Omission]
) -> list[tuple[Shape, int, str, MemoryFit]]:
    """For each shape the narrowest and the widest of the caps that its routes want: one when they agree."""
    asked, questions = [], []
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
            omitted.append(Omission(shape.identity, MissesSlo(miss), name))
    wanted: dict[Shape, set[int]] = {}
    for (shape, _), by_cap in rates.items():
        best = max(by_cap.values())
        wanted.setdefault(shape, set()).add(min(cap for cap, rate in by_cap.items() if rate >= WORTH * best))
    return [
        (shape, cap, "" if cap == max(caps) else f"cap{cap}", fits[(shape, cap)])
        for shape, caps in wanted.items()
        for cap in sorted({min(caps), max(caps)})
    ]


def _with_capacities(
    capped: Sequence[tuple[Shape, int, str, MemoryFit]],
    clocks: Mapping[Shape, StepClock],
    ruler: Ruler,
    omitted: list[Omission],
) -> tuple[Replica, ...]:
    """Capacity in each band of the routes that may use the shape; a band that misses its SLO is left out."""
    asked, questions = [], []
    for index, (shape, cap, _, memory) in enumerate(capped):
        for route in shape.routes:
            for band, needed in enumerate(route.band_context):
                if needed > shape.model.max_context:
                    lacks = TooLittleContext(needed, shape.model.max_context, route.bands[band].name)
                    omitted.append(Omission(shape.identity, lacks, route.name))
                    continue
                asked.append((index, route, band))
                questions.append(ruler.question(shape, clocks[shape], memory, route, band, cap))
    rated: dict[int, dict[BandKey, Capacity]] = {}
    for (index, route, band), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, NoCapacity):
            miss = MissesSlo(answer, route.bands[band].name)
            omitted.append(Omission(capped[index][0].identity, miss, route.name))
        else:
            rated.setdefault(index, {})[(route.name, band)] = ruler.as_measured(capped[index][0], answer)
    return tuple(
        Replica(shape, cap, variant, memory, clocks[shape], rated[index])
        for index, (shape, cap, variant, memory) in enumerate(capped)
        if index in rated
    )
