"""What one replica could serve: a shape with a batch cap, and its capacity in every band of every route.

Each shape gets its step clock, with the margin of its provenance, one or two batch caps, and with each cap the most
tokens of a step (`max_num_batched_tokens`). Fewer tokens a step protect the time per output token from long prompts,
and more of them shorten the time to the first token and read the weights less often. The closed form chooses between
them; the simulator rates what is chosen. The module does not know which machine carries the GPUs, or what that costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.omissions import MissesSlo, Omission, TooLittleContext
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.shapes import NARROWEST_CAP, Shape
from planner.decision.choice.question import BandKey
from planner.performance.capacity import (
    Capacity,
    CapacityQuestion,
    NoCapacity,
    capacities,
    rate_factors,
    with_interval,
)
from planner.performance.memory import MemoryFit
from planner.performance.step_time import StepClock

CAPS = (NARROWEST_CAP, 32, 64, 128, 256)
"""Batch caps (`max_num_seqs`, sequences) that are tried."""
WORTH = 0.99
"""Share of the best cap's rate that a narrower cap must reach; a route is best served by the narrowest that does."""


BATCHED_TOKENS = (1024, 2048, 4096, 8192, 16384)
"""Most tokens of one step that are tried beside vLLM's default."""
GAIN = 1.02
"""Factor by which another value must raise the rate before it takes the place of vLLM's default."""


@dataclass(frozen=True)
class Replica:
    """A replica is a shape with one batch cap, and what it can serve.

    max_num_seqs: the batch cap, sequences.
    max_num_batched_tokens: most tokens of one step.
    variant: `capN` where the shape has a wider cap too; empty for the widest.
    memory: what the GPUs hold beside the weights.
    clock: planned step times, with the margin.
    capacities: what it serves within the SLO, by band; a band that it cannot serve is absent.
    """

    shape: Shape
    max_num_seqs: int
    max_num_batched_tokens: int
    variant: str
    memory: MemoryFit
    clock: StepClock
    capacities: Mapping[BandKey, Capacity]


def replicas(shapes: Sequence[Shape], ruler: Ruler) -> tuple[tuple[Replica, ...], tuple[Omission, ...]]:
    """Return all replicas of these shapes that can serve some band, and the omissions of what they cannot serve."""
    omissions: list[Omission] = []
    capped = _with_batched_tokens(_with_caps(shapes, ruler, omissions), ruler)
    return _with_capacities(capped, ruler, omissions), tuple(omissions)


def question_of(replica: Replica, key: BandKey, ruler: Ruler) -> CapacityQuestion:
    """Return the question to the performance model about one band of a replica."""
    return _question(replica, replica.shape.route(key[0]), key[1], ruler)


def _question(replica: Replica, route: RouteDemand, band: int | None, ruler: Ruler) -> CapacityQuestion:
    return ruler.question(
        replica.shape,
        replica.clock,
        replica.memory,
        route,
        band,
        replica.max_num_seqs,
        replica.max_num_batched_tokens,
    )


def with_range(replica: Replica, ruler: Ruler) -> Replica:
    """Return the same replica with low and high capacities: what it serves at p10 and p90 of the residuals."""
    shape = replica.shape
    fast, slow = (edge / ruler.margin(shape) for edge in ruler.evidence(shape).interval)
    ranged = {
        key: with_interval(capacity, question_of(replica, key, ruler), (fast, slow))
        for key, capacity in replica.capacities.items()
    }
    return replace(replica, capacities=ranged)


def without_margin(replicas: Sequence[Replica], ruler: Ruler) -> list[dict[BandKey, float]]:
    """Return the requests/s of each replica by band if every step took what the fit expects, without a margin."""
    questions, slowness = [], []
    for replica in replicas:
        for key in replica.capacities:
            questions.append(question_of(replica, key, ruler))
            slowness.append(1.0 / ruler.margin(replica.shape))
    factors = iter(rate_factors(questions, slowness))
    return [
        {key: capacity.requests_per_second * max(1.0, next(factors)) for key, capacity in replica.capacities.items()}
        for replica in replicas
    ]


def _with_caps(shapes: Sequence[Shape], ruler: Ruler, omissions: list[Omission]) -> list[Replica]:
    """Return replicas of each shape, without capacities yet, with the caps that are best for its routes.

    These are the narrowest and the widest of them, or one where the routes agree. A route that no cap serves is added
    to `omissions`.
    """
    asked, questions = [], []
    clocks = {shape: ruler.clock(shape) for shape in shapes}
    fits: dict[tuple[Shape, int], MemoryFit] = {}
    for shape, clock in clocks.items():
        for cap in CAPS if shape.held.max_num_seqs is None else (shape.held.max_num_seqs,):
            memory = shape.memory(cap, shape.first_batched_tokens(cap))
            if isinstance(memory, MemoryFit):
                fits[(shape, cap)] = memory
                for route in shape.routes:
                    asked.append((shape, route, cap))
                    batched_tokens = shape.first_batched_tokens(cap)
                    questions.append(ruler.question(shape, clock, memory, route, None, cap, batched_tokens))
    rates: dict[tuple[Shape, str], dict[int, float]] = {}
    misses: dict[tuple[Shape, str], NoCapacity] = {}
    for (shape, route, cap), answer in zip(asked, capacities(questions), strict=True):
        if isinstance(answer, Capacity):
            rates.setdefault((shape, route.name), {})[cap] = answer.requests_per_second
        else:
            misses.setdefault((shape, route.name), answer)
    for (shape, name), miss in misses.items():
        if (shape, name) not in rates:
            omissions.append(Omission(shape.identity, MissesSlo(miss), name))
    best_caps: dict[Shape, set[int]] = {}
    for (shape, _), by_cap in rates.items():
        enough = WORTH * max(by_cap.values())
        best_caps.setdefault(shape, set()).add(min(cap for cap, rate in by_cap.items() if rate >= enough))
    return [
        Replica(
            shape=shape,
            max_num_seqs=cap,
            max_num_batched_tokens=shape.first_batched_tokens(cap),
            variant="" if cap == max(caps) else f"cap{cap}",
            memory=fits[(shape, cap)],
            clock=clocks[shape],
            capacities={},
        )
        for shape, caps in best_caps.items()
        for cap in sorted({min(caps), max(caps)})
    ]


def _with_batched_tokens(replicas: Sequence[Replica], ruler: Ruler) -> list[Replica]:
    """Return the same replicas with the tokens of a step that are best for their routes; held ones stay.

    They are best that serve the most routes, and of these the ones with the greatest product of the routes' rates. Of
    equal ones vLLM's default stays. So it does where another value gains less than `GAIN`, or loses a band.
    """
    options = [(replica, *_other_batched_tokens(replica)) for replica in replicas]
    asked = [(option, route) for several in options for option in several for route in option.shape.routes]
    answers = iter(capacities([_question(option, route, None, ruler) for option, route in asked]))
    best = [
        _best([(option, [next(answers) for _ in option.shape.routes]) for option in several]) for several in options
    ]
    moved = [(first, other) for first, other in zip(replicas, best, strict=True) if first is not other]
    before, after = (_bands_served([pair[side] for pair in moved], ruler) for side in (0, 1))
    losing = {id(first) for (first, _), was, still in zip(moved, before, after, strict=True) if not was <= still}
    return [first if id(first) in losing else other for first, other in zip(replicas, best, strict=True)]


def _bands_served(replicas: Sequence[Replica], ruler: Ruler) -> list[set[BandKey]]:
    """Return the bands that each of these replicas can serve by the closed form."""
    asked = [
        (index, route, band)
        for index, replica in enumerate(replicas)
        for route in replica.shape.routes
        for band in range(len(route.bands))
    ]
    answers = capacities([_question(replicas[index], route, band, ruler) for index, route, band in asked])
    served: list[set[BandKey]] = [set() for _ in replicas]
    for (index, route, band), answer in zip(asked, answers, strict=True):
        if isinstance(answer, Capacity):
            served[index].add((route.name, band))
    return served


def _other_batched_tokens(replica: Replica) -> Iterator[Replica]:
    """Yield the replica with each other number of tokens a step with which it loads."""
    if replica.shape.held.max_num_batched_tokens is not None:
        return
    for tokens in BATCHED_TOKENS:
        memory = replica.shape.memory(replica.max_num_seqs, tokens)
        if replica.max_num_seqs <= tokens != replica.max_num_batched_tokens and isinstance(memory, MemoryFit):
            yield replace(replica, max_num_batched_tokens=tokens, memory=memory)


def _best(answered: Sequence[tuple[Replica, Sequence[Capacity | NoCapacity]]]) -> Replica:
    """Return the best of some replicas with their answers by route. The first one has vLLM's default."""
    first = best = answered[0][0]
    served, most = -1, 0.0
    for replica, answers in answered:
        rates = [answer.requests_per_second for answer in answers if isinstance(answer, Capacity)]
        product, enough = math.prod(rates), most * (GAIN if best is first else 1.0)
        if len(rates) > served or (len(rates) == served and product > enough):
            best, served, most = replica, len(rates), product
    return best


def _with_capacities(capped: Sequence[Replica], ruler: Ruler, omissions: list[Omission]) -> tuple[Replica, ...]:
    """Return the replicas that can serve some band of their routes, with their capacities.

    A band whose SLO is missed, or whose prompts are too long for the model, is added to `omissions`.
    """
    asked, questions = [], []
    for index, replica in enumerate(capped):
        shape = replica.shape
        for route in shape.routes:
            for band, needed in enumerate(route.band_context):
                if needed > shape.max_model_len:
                    is_held = shape.held.max_model_len is not None
                    lacks = TooLittleContext(needed, shape.max_model_len, route.bands[band].name, is_held)
                    omissions.append(Omission(shape.identity, lacks, route.name))
                    continue
                asked.append((index, route, band))
                questions.append(question_of(replica, (route.name, band), ruler))
    by_replica: dict[int, dict[BandKey, Capacity]] = {}
    for (index, route, band), answer in zip(asked, capacities(questions), strict=True):
        shape = capped[index].shape
        if isinstance(answer, NoCapacity):
            omissions.append(Omission(shape.identity, MissesSlo(answer, route.bands[band].name), route.name))
        else:
            by_replica.setdefault(index, {})[(route.name, band)] = ruler.as_measured(shape, answer)
    return tuple(replace(capped[index], capacities=served) for index, served in sorted(by_replica.items()))
