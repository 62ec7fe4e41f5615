"""Single requests of a few minutes at a wanted rate, from the excerpt of a trace or from declared lengths.

An excerpt is brought to a rate by superposition and thinning, and never by squeezing time. As many whole copies are
laid over each other as fit, and a random sample of one more. Each copy but the first is turned round the clock by a
random shift, so that the gaps inside a copy stay those of the trace. Declared lengths have no shape of arrivals, so
they come as a Poisson stream. The same seed gives the same arrivals.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import NamedTuple

from planner.domain.traces import EXCERPT_S, Excerpt
from planner.domain.workload import Mix


class Arrival(NamedTuple):
    """One request.

    at_ms: time of its arrival after the start, ms.
    route: name of its route.
    input_tokens, output_tokens: its lengths; at least 1.
    """

    at_ms: float
    route: str
    input_tokens: int
    output_tokens: int


def arrivals(
    source: Excerpt | Mix, route: str, requests_per_second: float, duration_s: float, seed: int
) -> tuple[Arrival, ...]:
    """Return the arrivals of a route in order of time.

    requests_per_second: mean rate. duration_s: seconds; an excerpt lasts only `EXCERPT_S`.
    Raises ValueError for a longer duration and for a negative rate.
    """
    if requests_per_second < 0:
        raise ValueError(f"a rate cannot be negative: {requests_per_second}")
    # Each route has random numbers of its own, so that a further route leaves the others as they were.
    rng = random.Random(f"{seed}/{route}")
    if isinstance(source, Excerpt):
        if duration_s > EXCERPT_S:
            raise ValueError(f"an excerpt lasts {EXCERPT_S} s; {duration_s} s were asked for")
        return _superposition(source, route, requests_per_second, duration_s, rng)
    return _poisson(source, route, requests_per_second, duration_s, rng)


def all_arrivals(streams: Sequence[Sequence[Arrival]]) -> tuple[Arrival, ...]:
    """Return the arrivals of several routes as one stream, in order of time."""
    return tuple(sorted(itertools.chain.from_iterable(streams)))


def _superposition(
    excerpt: Excerpt, route: str, requests_per_second: float, duration_s: float, rng: random.Random
) -> tuple[Arrival, ...]:
    requests, period_ms = excerpt.requests, EXCERPT_S * 1000
    if not requests:
        return ()
    wanted = round(requests_per_second * EXCERPT_S)
    copies, rest = divmod(wanted, len(requests))
    superposed: list[Arrival] = []
    for copy in range(copies + 1):
        shift_ms = rng.uniform(0, period_ms) if copy else 0.0
        chosen = requests if copy < copies else rng.sample(requests, rest)
        superposed += [Arrival((at + shift_ms) % period_ms, route, max(1, i), max(1, o)) for at, i, o in chosen]
    return tuple(sorted(arrival for arrival in superposed if arrival.at_ms < duration_s * 1000))


def _poisson(
    mix: Mix, route: str, requests_per_second: float, duration_s: float, rng: random.Random
) -> tuple[Arrival, ...]:
    if requests_per_second == 0:
        return ()
    cells = list(zip(mix.input_tokens, mix.output_tokens, strict=True))
    bounds = list(itertools.accumulate(mix.weights))
    requests: list[Arrival] = []
    at_s = rng.expovariate(requests_per_second)
    while at_s < duration_s:
        input_tokens, output_tokens = rng.choices(cells, cum_weights=bounds)[0]
        requests.append(Arrival(at_s * 1000, route, max(1, round(input_tokens)), max(1, round(output_tokens))))
        at_s += rng.expovariate(requests_per_second)
    return tuple(requests)
