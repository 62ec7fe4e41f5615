"""Capacities that the step simulator vouches for: those of every class that a plan may rest on.

The closed form ranks hundreds of classes and is off by its own amount on each workload. So some classes are simulated,
and the others are corrected by the median of simulated ÷ closed form of their band. `optimize` asks for the leaders of
every ranking first, and then for every class that an answer names.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.omissions import MissesSlo, Omission
from planner.decision.candidates.replicas import Replica
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.question import BandKey
from planner.performance.capacity import Capacity, NoCapacity
from planner.performance.capacity_search import CapacitiesByDigest, ReplicaTraffic, highest_rate
from planner.words.numbers import six_digits


@dataclass(frozen=True)
class RatedClasses:
    """Classes whose capacities are simulated or corrected, and what fell when it was simulated."""

    classes: tuple[SelfHosted, ...]
    simulated: frozenset[str]
    omissions: tuple[Omission, ...]


class Rating:
    """Simulates the replicas of classes, each once."""

    def __init__(self, classes: Sequence[SelfHosted], ruler: Ruler, kept: CapacitiesByDigest) -> None:
        self._classes, self._ruler, self._kept = classes, ruler, kept
        self._names: set[str] = set()
        self._answers: dict[int, dict[BandKey, Capacity | NoCapacity]] = {}

    def simulate(self, names: Iterable[str]) -> RatedClasses:
        """Simulate the classes of these names too, and rate all again."""
        self._names |= set(names)
        for candidate in self._classes:
            if candidate.name in self._names and id(candidate.replica) not in self._answers:
                self._answers[id(candidate.replica)] = self._simulated(candidate.replica)
        # an instance type with the same GPUs carries the same replica: what is known of one is known of all
        self._names |= {c.name for c in self._classes if id(c.replica) in self._answers}
        ratios = self._ratios()
        rated = [self._with_rating(candidate, ratios) for candidate in self._classes]
        lost = tuple(omission for each in rated for omission in each[1])
        return RatedClasses(tuple(each for each, _ in rated if each is not None), frozenset(self._names), lost)

    def _simulated(self, replica: Replica) -> dict[BandKey, Capacity | NoCapacity]:
        routes = {route.name: route for route in replica.shape.routes}
        answers: dict[BandKey, Capacity | NoCapacity] = {}
        for name, band in replica.capacities:
            route, cap = routes[name], replica.max_num_seqs
            question = self._ruler.question(replica.shape, replica.clock, replica.memory, route, band, cap)
            mix = route.bands[band].mix
            traffic = ReplicaTraffic(mix.input_tokens, mix.output_tokens, mix.weights, route.minutes)
            answer = highest_rate(question, traffic, self._kept)
            if isinstance(answer, Capacity):
                answer = self._ruler.as_measured(replica.shape, answer)
            answers[(name, band)] = answer
        return answers

    def _ratios(self) -> dict[BandKey, float]:
        """Simulated ÷ screened rate by band, the median over the classes that were simulated."""
        replicas = {id(c.replica): c.replica for c in self._classes}
        ratios: dict[BandKey, list[float]] = {}
        for key, answers in self._answers.items():
            for band, answer in answers.items():
                if isinstance(answer, Capacity):
                    screened = replicas[key].capacities[band].requests_per_second
                    ratios.setdefault(band, []).append(answer.requests_per_second / screened)
        return {band: statistics.median(values) for band, values in ratios.items()}

    def _with_rating(
        self, candidate: SelfHosted, ratios: dict[BandKey, float]
    ) -> tuple[SelfHosted | None, tuple[Omission, ...]]:
        replica = candidate.replica
        answers = self._answers.get(id(replica))
        if answers is None:
            corrected = {band: _times(answer, ratios.get(band, 1.0)) for band, answer in replica.capacities.items()}
            return _with_capacities(candidate, corrected), ()
        kept = {band: answer for band, answer in answers.items() if isinstance(answer, Capacity)}
        lost = tuple(
            Omission(candidate.identity, MissesSlo(answer), band[0])
            for band, answer in answers.items()
            if isinstance(answer, NoCapacity)
        )
        if not kept:
            return None, lost
        return _with_capacities(candidate, kept), lost


def _times(answer: Capacity, factor: float) -> Capacity:
    rate = six_digits(answer.requests_per_second * factor)
    return replace(answer, requests_per_second=rate, low=rate, high=rate)


def _with_capacities(candidate: SelfHosted, answers: Mapping[BandKey, Capacity]) -> SelfHosted:
    """The same class with other capacities, in its replica and in its class alike."""
    rates = {band: answer.requests_per_second for band, answer in answers.items()}
    named = replace(candidate.replica_class, capacity=rates)
    return replace(candidate, replica=replace(candidate.replica, capacities=answers), replica_class=named)
