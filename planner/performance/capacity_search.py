"""The highest rate at which one replica keeps its targets: the step simulator, asked again and again.

    rate = max { r : of the requests of five minutes at r, at most 4 % miss a target }

A target allows 5 % to miss it; a fifth of these misses is kept back. The search bisects the logarithm of r to 2 %, and
answers with the side that keeps the targets.

The requests are the route's own. They have its joint lengths, and they arrive as in the busiest five minutes of its
trace: the minutes keep their rates relative to their mean, and arrivals inside a minute are Poisson. A route without a
trace is Poisson throughout. The i-th request of a question is the same at every rate, so that the share that misses a
target moves with the rate alone, and the same question has the same answer.

The closed form (`closed_form`) starts the search and says what gives way first. Answers may be stored: `digest` names a
question together with all that its answer depends on, the source of the simulator included.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import MutableMapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.performance.capacity import PERCENTILE, Capacity, CapacityQuestion, NoCapacity
from planner.performance.closed_form import capacities
from planner.performance.engine.scheduler import KvCache, SchedulerOptions
from planner.performance.engine.sources import COMPILED_MODULES, sources_digest
from planner.performance.engine.streams import Arrivals, RequestMix, uniform
from planner.performance.prefix import NOTHING_CACHED
from planner.words.arrays import Floats
from planner.words.numbers import six_digits

CYCLE_MINUTES = 5
"""Minutes after which the shape of the arrivals repeats: the window over which a plan's rate is a percentile."""
LEAST_REQUESTS = 10_000
"""Least number of requests of one run, at the rate from which the search starts; the five minutes are repeated until
there are as many. Crowds make most of the misses, and with a quarter of these requests too few crowds are seen: the
rates come out up to a tenth higher."""
MOST_CYCLES = 200
"""Most repetitions of the five minutes."""
WARM_UP = 0.1
"""Share of the requests that fill the empty engine; their latencies do not count."""
KEPT_BACK = 0.2
"""Share of the allowed misses that the search does not use. It is a reserve for what one simulated replica does not
see: the gateway splits the load unevenly, and timers are late."""
TOLERANCE = 1.02
"""Ratio of the two ends of the last bracket at which the bisection stops."""
STRIDE = 1.5
"""Factor by which the search moves up or down from the closed form's rate, until it has a bracket."""
MOST_STRIDES = 12
"""Number of strides after which the search gives up."""
MODULES = (
    *(f"engine/{name}" for name in (*COMPILED_MODULES, "scheduler.py", "simulator.py", "streams.py")),
    "capacity.py",
    "capacity_search.py",
    "closed_form.py",
    "lengths.py",
    "memory.py",
    "prefix.py",
    "queueing.py",
    "steady_state.py",
    "step_time.py",
)
"""The modules that compute an answer."""
METHOD = sources_digest(MODULES, Path(__file__).parent)
"""Digest of these modules: an answer that another release computed is not an answer of this one."""


@dataclass(frozen=True)
class ReplicaTraffic:
    """The requests that come to a replica.

    inputs, outputs: input and output tokens of each kind of request.
    weights: how frequent each kind is, in any unit.
    minutes: rates of consecutive minutes, in any unit.
    """

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]
    weights: tuple[float, ...]
    minutes: tuple[float, ...] = (1.0,)


CapacitiesByDigest = MutableMapping[str, Capacity | NoCapacity]
"""Answers of former searches, by the digest of their question."""


def highest_rate(
    question: CapacityQuestion, traffic: ReplicaTraffic, known: CapacitiesByDigest
) -> Capacity | NoCapacity:
    """Return the known answer, or the answer of a search, which is known from then on."""
    name = digest(question, traffic)
    if name not in known:
        known[name] = search(question, traffic)
    answer = known[name]
    return replace(answer, provenance=question.provenance) if isinstance(answer, Capacity) else answer


def digest(question: CapacityQuestion, traffic: ReplicaTraffic) -> str:
    """Return the SHA-256 of everything on which the answer depends.

    The provenance is not in it, and neither is what the traffic replaces: the lengths on few points and the ratio of
    bursts. Prefix reuse is in it where there is some.
    """
    asked = {name: value for name, value in _fields(question).items() if name not in _REPLACED}
    if question.reuse == NOTHING_CACHED:
        del asked["reuse"]
    text = json.dumps([METHOD, asked, traffic], default=_fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def search(question: CapacityQuestion, traffic: ReplicaTraffic) -> Capacity | NoCapacity:
    """Return the simulated capacity. `burst_ratio` is not used, because the traffic has bursts of its own."""
    screened = capacities([replace(question, burst_ratio=1.0)])[0]
    if isinstance(screened, NoCapacity):
        return screened
    peak = float(max(traffic.minutes) / np.mean(traffic.minutes))
    trial = _Trial(question, traffic, screened.requests_per_second / peak)
    low, high = trial.start, trial.start * STRIDE
    up = trial.keeps(low)
    for _ in range(MOST_STRIDES):
        if trial.keeps(high if up else low) != up:
            break
        low, high = (high, high * STRIDE) if up else (low / STRIDE, low)
    else:
        if not up:
            return NoCapacity("too many of its requests miss a target at any rate that was simulated", "ttft", 1.0)
    while high / low > TOLERANCE:
        middle = float(np.sqrt(low * high))
        if trial.keeps(middle):
            low = middle
        else:
            high = middle
    return trial.answer(low, screened)


_REPLACED = ("provenance", "lengths", "burst_ratio")


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name. `asdict` would copy the lengths one by one."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


class _Trial:
    """The simulations of one question, at rates that its caller chooses.

    start: rate from which the search starts, requests/s.
    """

    def __init__(self, question: CapacityQuestion, traffic: ReplicaTraffic, start: float) -> None:
        self.question, self.start = question, start
        self._mix = RequestMix.of(traffic.inputs, traffic.outputs, traffic.weights)
        minutes = np.array([traffic.minutes[i % len(traffic.minutes)] for i in range(CYCLE_MINUTES)])
        cycles = int(np.clip(np.ceil(LEAST_REQUESTS / (start * 60.0 * CYCLE_MINUTES)), 1, MOST_CYCLES))
        rates = np.tile(minutes / minutes.mean(), cycles)
        self._served = np.concatenate([[0.0], np.cumsum(rates * 60.0)])
        # expected requests up to each minute, at one request a second on average
        self._options = SchedulerOptions(question.max_num_seqs, question.max_num_batched_tokens)
        self._cache = KvCache.of(question.memory, question.reuse.shared_tokens)
        self._seen: dict[float, tuple[bool, NDArray[np.void]]] = {}

    def keeps(self, rate: float) -> bool:
        """Return whether few enough requests miss each target at this rate. TPOT is judged on those that decode."""
        if rate not in self._seen:
            finished, lost = self._run(rate)
            late = [is_late for is_late in misses(self.question, finished) if len(is_late)]
            allowed = (1.0 - KEPT_BACK) * (1.0 - PERCENTILE)
            are_few = all(is_late.sum() + lost <= allowed * (len(is_late) + lost) for is_late in late)
            self._seen[rate] = (bool(late) and are_few, finished)
        return self._seen[rate][0]

    def answer(self, rate: float, screened: Capacity) -> Capacity:
        """Return the capacity at a rate that keeps the targets.

        screened: the closed form's answer, which says what binds and how much the replica could serve at most.
        """
        self.keeps(rate)
        finished = self._seen[rate][1]
        ttft, tpot, e2e = _times(self.question, finished)
        ttft50, ttft95, tpot50, tpot95 = (_quantile(x, share) for x in (ttft, tpot) for share in (0.5, PERCENTILE))
        most = screened.requests_per_second / screened.utilisation
        served = six_digits(rate)
        return Capacity(
            requests_per_second=served,
            max_num_seqs=self.question.max_num_seqs,
            concurrency=six_digits(self._busiest(finished)),
            ttft_ms_p50=six_digits(ttft50),
            ttft_ms_p95=six_digits(ttft95),
            tpot_ms_p50=six_digits(tpot50),
            tpot_ms_p95=six_digits(tpot95),
            binding=screened.binding,
            utilisation=six_digits(min(1.0, rate / most)),
            provenance=self.question.provenance,
            low=served,
            high=served,
            e2e_ms_p95=six_digits(_quantile(e2e, PERCENTILE)),
        )

    def _run(self, rate: float) -> tuple[NDArray[np.void], int]:
        """Simulate a rate. Return (served requests after the warm-up, number of those longer than the whole cache)."""
        total = self._served[-1] * rate
        count = int(total + 4.0 * np.sqrt(total) + 16.0)
        number = np.arange(count, dtype=np.uint64)
        hazard = np.cumsum(-np.log1p(-uniform(0, 1, number)))
        number = number[hazard < total]
        at_minute = np.interp(hazard[: len(number)] / rate, self._served, 60e3 * np.arange(len(self._served)))
        prompts, outputs = self._mix.draw(uniform(0, 0, number))
        reuse, cached = self.question.reuse, None
        if reuse != NOTHING_CACHED:
            cached = reuse.cached_tokens(prompts, uniform(0, 2, number))
        # This import loads the compiler, which known answers do not need.
        from planner.performance.engine.simulator import SimulatedRun

        stream = Arrivals(at_minute, prompts, outputs, cached)
        run = SimulatedRun(self.question.clock, stream, self._options, self._cache)
        finished = np.concatenate(list(run))
        counted = finished[finished["number"] >= WARM_UP * len(number)]
        return counted, int((len(number) - len(finished)) * (1.0 - WARM_UP))

    def _busiest(self, finished: NDArray[np.void]) -> float:
        """Return the mean number of requests in the engine over the busiest minute."""
        minutes: Floats = 60e3 * np.arange(len(self._served), dtype=np.float64)
        present = _area(finished["arrival_ms"], minutes) - _area(finished["last_ms"], minutes)
        return float(np.diff(present).max()) / 60e3


def misses(question: CapacityQuestion, finished: NDArray[np.void]) -> tuple[NDArray[np.bool_], ...]:
    """Return which requests are over their target: of TTFT, of TPOT (those that decode alone), and of E2E.

    finished: records of `engine.state.FINISHED`.
    """
    target = question.target
    ttft, tpot, e2e = _times(question, finished)
    allowed = target.ttft_ms + target.ttft_ms_per_1k_input * finished["prompt"] / 1e3
    return ttft > allowed, tpot > target.tpot_ms, e2e > target.e2e_ms


def _times(question: CapacityQuestion, finished: NDArray[np.void]) -> tuple[Floats, Floats, Floats]:
    """Return (TTFT of all requests as it is computed, TPOT of those that decode, E2E of all), ms."""
    ttft = finished["first_ms"] - finished["arrival_ms"] + question.first_token_overhead_ms
    answer = finished["last_ms"] - finished["first_ms"]
    decoding = finished["output"] > 1
    tpot = answer[decoding] / (finished["output"][decoding] - 1)
    return ttft, tpot, ttft * question.target.first_token + answer


def _area(times: Floats, at: Floats) -> Floats:
    """Return the integral, from 0 to each time of `at`, of the number of `times` that have passed."""
    ordered = np.sort(times)
    before = np.searchsorted(ordered, at)
    area: Floats = at * before - np.concatenate([[0.0], np.cumsum(ordered)])[before]
    return area


def _quantile(times: Floats, share: float) -> float:
    """Return the time that `share` of the times do not exceed; 0 when there is none."""
    return float(np.quantile(times, share, method="inverted_cdf")) if len(times) else 0.0
