"""What one replica could serve: a shape with a batch cap, and its capacity in every band of every route.

Each shape gets its step clock, with the margin of its provenance, one or two batch caps, and with each cap the most
tokens of a step (`max_num_batched_tokens`). Fewer tokens a step protect the time per output token from long prompts,
and more of them shorten the time to the first token and read the weights less often. The closed form chooses between
them; the simulator rates what is chosen. The module does not know which machine carries the GPUs, or what that costs.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.known import Known
from planner.decision.candidates.omissions import MissesSlo, Omission, TooLittleContext
from planner.decision.candidates.reach import NARROWEST_CAP
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.shapes import Shape
from planner.decision.choice.question import BandKey
from planner.performance.capacity import Capacity, CapacityQuestion, NoCapacity
from planner.performance.closed_form import are_served, capacities, rates, with_interval
from planner.performance.memory import MemoryFit
from planner.performance.prefix import NOTHING_CACHED
from planner.performance.step_time import StepClock
from planner.plan.traffic import MOST_FULL
from planner.words.numbers import six_digits

CAPS = (NARROWEST_CAP, 32, 64, 128, 256)
"""Batch caps (`max_num_seqs`, sequences) that are tried."""
WORTH = 0.99
"""Share of the best cap's rate that a narrower cap must reach; a route is best served by the narrowest that does."""


BATCHED_TOKENS = (1024, 2048, 4096, 8192, 16384)
"""Most tokens of one step that are tried beside vLLM's default."""
GAIN = 1.02
"""Factor by which another value must raise the rate before it takes the place of vLLM's default."""

Omissions = dict[Shape, list[Omission]]


@dataclass(frozen=True)
class Replica:
    """A replica is a shape with one batch cap, and what it can serve within the SLO.

    max_num_seqs: the batch cap, sequences, of each copy of the attention.
    max_num_batched_tokens: most tokens of one step, of each copy of the attention.
    variant: `capN` where the shape has a wider cap too; empty for the widest.
    memory: what the GPUs hold beside the weights.
    api_servers: API servers of the replica.
    clock: planned step times, with the margin and these servers.
    rates: requests/s by band, screened or simulated; a band that it cannot serve is absent.
    capacities: what the simulator says of the same bands; empty until it is simulated.
    """

    shape: Shape
    max_num_seqs: int
    max_num_batched_tokens: int
    variant: str
    memory: MemoryFit
    api_servers: int
    clock: StepClock
    rates: Mapping[BandKey, float]
    capacities: Mapping[BandKey, Capacity]


def replicas(shapes: Sequence[Shape], ruler: Ruler, known: Known) -> tuple[tuple[Replica, ...], tuple[Omission, ...]]:
    """Return all replicas of these shapes that can serve some band, and the omissions of what they cannot serve."""
    keys = _keys(shapes, ruler, known)
    new = [shape for shape, key in zip(shapes, keys, strict=True) if key not in known.screened]
    screened = _screened(new, ruler)
    known.screened.update((key, screened[s]) for s, key in zip(shapes, keys, strict=True) if s in screened)
    able: list[Replica] = []
    omissions: list[Omission] = []
    for shape, key in zip(shapes, keys, strict=True):
        calm, fallen = known.screened[key]
        omissions += fallen
        able += [replace(r, shape=shape, rates=_in_bursts(shape, r.rates)) for r in calm]
    return tuple(able), tuple(omissions)


def routes_served(shapes: Sequence[Shape], ruler: Ruler, known: Known) -> list[frozenset[str]]:
    """Return the routes of which each shape could serve a band, by an idle replica: far less work than its rates."""
    keys = _keys(shapes, ruler, known)
    found: dict[Hashable, set[str]] = {}
    asked, questions = [], []
    for shape, key in zip(shapes, keys, strict=True):
        if key in known.served or key in found:
            continue
        found[key] = set()
        cap = shape.narrowest_cap
        clock = ruler.served(shape, ruler.clock(shape), cap)
        tokens = shape.first_batched_tokens(cap)
        memory = shape.memory(cap, tokens)
        if not isinstance(memory, MemoryFit):
            continue
        for route in shape.routes:
            for band in range(len(route.bands)):
                if (route.name, band) in shape.reads:
                    asked.append((key, route.name))
                    questions.append(ruler.question(shape, clock, memory, route, band, cap, tokens))
    for (key, name), is_served in zip(asked, are_served(questions), strict=True):
        if is_served:
            found[key].add(name)
    known.served.update((key, frozenset(names)) for key, names in found.items())  # whole: other threads read it
    return [known.served[key] for key in keys]


def _keys(shapes: Sequence[Shape], ruler: Ruler, known: Known) -> list[Hashable]:
    """Return all that decides what the closed form says of each shape."""
    numbers = known.numbers({route.name: route for shape in shapes for route in shape.routes}.values())
    return [(s.identity, *((numbers[route.name], route.counts) for route in s.routes), ruler.margin(s)) for s in shapes]


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


def _screened(shapes: Sequence[Shape], ruler: Ruler) -> dict[Shape, tuple[list[Replica], list[Omission]]]:
    """Return the replicas of each shape with what they would serve without bursts, and what they cannot serve."""
    omissions: Omissions = {shape: [] for shape in shapes}
    able = _with_rates(_with_batched_tokens(_with_caps(shapes, ruler, omissions), ruler), ruler, omissions)
    return {shape: ([r for r in able if r.shape is shape], fallen) for shape, fallen in omissions.items()}


def _in_bursts(shape: Shape, calm: Mapping[BandKey, float]) -> dict[BandKey, float]:
    """Return the same rates for the arrivals of the routes: every second is screened as in the highest minute.

    What may wait has no bursts: it comes to a replica as the gateway lets it in.
    """
    burst = {
        route.name: (1.0 if route.route.may_wait else max(1.0, route.burst_ratio)) / room(shape, route)
        for route in shape.routes
    }
    return {key: six_digits(rate / burst[key[0]]) for key, rate in calm.items()}


def room(shape: Shape, route: RouteDemand) -> float:
    """Return the share of a replica that a route may fill: what may wait leaves some to those who do not."""
    if route.route.may_wait and any(not each.route.may_wait for each in shape.routes):
        return MOST_FULL
    return 1.0


def _with_caps(shapes: Sequence[Shape], ruler: Ruler, omissions: Omissions) -> list[Replica]:
    """Return replicas of each shape, without capacities yet, with the caps that are best for its routes.

    These are the narrowest and the widest of them, or one where the routes agree. A route that no cap serves is added
    to `omissions`. Where a cache has parts of the prompts, the cap that is best without it counts too: the closed form
    may take a narrower one with it, and the simulator not agree.
    """
    asked: list[tuple[Shape, RouteDemand, int, bool]] = []
    questions = []
    clocks = {shape: ruler.clock(shape) for shape in shapes}
    fits: dict[tuple[Shape, int], MemoryFit] = {}
    served: dict[tuple[Shape, int], StepClock] = {}
    for shape, clock in clocks.items():
        for cap in CAPS if shape.held.max_num_seqs is None else (shape.held.max_num_seqs,):
            memory = shape.memory(cap, shape.first_batched_tokens(cap))
            if isinstance(memory, MemoryFit):
                fits[(shape, cap)] = memory
                in_use = served[(shape, cap)] = ruler.served(shape, clock, cap)
                for route in shape.routes:
                    question = ruler.question(shape, in_use, memory, route, None, cap, shape.first_batched_tokens(cap))
                    asked.append((shape, route, cap, True))
                    questions.append(question)
                    if question.reuse != NOTHING_CACHED:
                        asked.append((shape, route, cap, False))
                        questions.append(replace(question, reuse=NOTHING_CACHED))
    by_cap: dict[tuple[Shape, str, bool], dict[int, float]] = {}
    misses: dict[tuple[Shape, str], CapacityQuestion] = {}
    for (shape, route, cap, as_it_is), question, rate in zip(asked, questions, rates(questions), strict=True):
        if rate:
            by_cap.setdefault((shape, route.name, as_it_is), {})[cap] = rate
        elif as_it_is:
            misses.setdefault((shape, route.name), question)
    missed = {key: question for key, question in misses.items() if (*key, True) not in by_cap}
    for (shape, name), miss in zip(missed, capacities([*missed.values()]), strict=True):
        if isinstance(miss, NoCapacity):
            omissions[shape].append(Omission(shape.identity, MissesSlo(miss), name))
    best_caps: dict[Shape, set[int]] = {}
    for (shape, _, _), rate_of in by_cap.items():
        enough = WORTH * max(rate_of.values())
        best_caps.setdefault(shape, set()).add(min(cap for cap, rate in rate_of.items() if rate >= enough))
    return [
        Replica(
            shape=shape,
            max_num_seqs=cap,
            max_num_batched_tokens=shape.first_batched_tokens(cap),
            variant="" if cap == max(caps) else f"cap{cap}",
            memory=fits[(shape, cap)],
            api_servers=ruler.api_servers(shape, clocks[shape], cap),
            clock=served[(shape, cap)],
            rates={},
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
    found = iter(rates([_question(option, route, None, ruler) for option, route in asked]))
    best = [_best([(option, [next(found) for _ in option.shape.routes]) for option in several]) for several in options]
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
    answers = are_served([_question(replicas[index], route, band, ruler) for index, route, band in asked])
    served: list[set[BandKey]] = [set() for _ in replicas]
    for (index, route, band), is_served in zip(asked, answers, strict=True):
        if is_served:
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


def _best(options: Sequence[tuple[Replica, Sequence[float]]]) -> Replica:
    """Return the best of some replicas with their rates by route, requests/s. The first one has vLLM's default."""
    first = best = options[0][0]
    served, most = -1, 0.0
    for replica, by_route in options:
        able = [rate for rate in by_route if rate]
        product, enough = math.prod(able), most * (GAIN if best is first else 1.0)
        if len(able) > served or (len(able) == served and product > enough):
            best, served, most = replica, len(able), product
    return best


def _with_rates(capped: Sequence[Replica], ruler: Ruler, omissions: Omissions) -> tuple[Replica, ...]:
    """Return the replicas that can serve some band of their routes, with their rates.

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
                    is_held = shape.held.max_model_len is not None
                    name = route.bands[band].name
                    lacks = TooLittleContext(route.context(band), shape.max_model_len, name, is_held)
                    omissions[shape].append(Omission(shape.identity, lacks, route.name))
    by_replica: dict[int, dict[BandKey, float]] = {}
    missed = []
    for (index, route, band), question, rate in zip(asked, questions, rates(questions), strict=True):
        if rate:
            by_replica.setdefault(index, {})[(route.name, band)] = rate
        else:
            missed.append((capped[index].shape, route, band, question))
    for (shape, route, band, _), miss in zip(missed, capacities([each[3] for each in missed]), strict=True):
        if isinstance(miss, NoCapacity):
            omissions[shape].append(Omission(shape.identity, MissesSlo(miss, route.bands[band].name), route.name))
    return tuple(replace(capped[index], rates=served) for index, served in sorted(by_replica.items()))
