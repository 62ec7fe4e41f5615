"""Capacities that the step simulator vouches for: those of every class that a plan may rest on.

The closed form ranks hundreds of classes, and its error differs from workload to workload. So some classes are
simulated, and the rates of the others are corrected by what the simulated ones show of their band:

    corrected rate = rate of the closed form × median of (simulated rate ÷ rate of the closed form)

Of an even number the higher median counts: a class that is rated too low is never asked for, and one that is rated too
high is simulated before a plan rests on it.

`optimize` asks for the leaders of every ranking first, and then for every class that an answer names.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.omissions import MissesSlo, Omission
from planner.decision.candidates.replicas import Replica, question_of, room
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.question import BandKey
from planner.performance.capacity import Capacity, NoCapacity
from planner.performance.capacity_search import CapacitiesByDigest, ReplicaTraffic, highest_rate
from planner.words.numbers import six_digits


@dataclass(frozen=True)
class RatedClasses:
    """Rated classes are those whose capacities are simulated, or corrected by those that are.

    classes: the classes that can still serve something, with their new capacities.
    simulated: names of the classes whose capacities are simulated, among them those that fell.
    omissions: bands that a class cannot serve, as its simulation showed.
    """

    classes: tuple[SelfHosted, ...]
    simulated: frozenset[str]
    omissions: tuple[Omission, ...]


class Rating:
    """A rating simulates the replicas of classes, each once."""

    def __init__(self, classes: Sequence[SelfHosted], ruler: Ruler, kept: CapacitiesByDigest) -> None:
        """Rate these classes. `kept` holds capacities that were simulated before; new ones are added to it."""
        self._classes, self._ruler, self._kept = classes, ruler, kept
        self._names: set[str] = set()
        # Replicas hold mappings and have no hash. They live as long as their classes, so that their ids stay their own.
        self._answers: dict[int, dict[BandKey, Capacity | NoCapacity]] = {}

    def simulate(self, names: Iterable[str]) -> RatedClasses:
        """Simulate the classes of these names too, and rate all classes again."""
        self._names |= set(names)
        for candidate in self._classes:
            if candidate.name in self._names and id(candidate.replica) not in self._answers:
                self._answers[id(candidate.replica)] = self._simulated(candidate.replica)
        # Instance types with the same GPUs carry the same replica, so that the answers of one are those of all.
        self._names |= {c.name for c in self._classes if id(c.replica) in self._answers}
        ratios = self._ratios()
        rated = [self._with_rating(candidate, ratios) for candidate in self._classes]
        omissions = tuple(omission for _, lost in rated for omission in lost)
        return RatedClasses(tuple(c for c, _ in rated if c is not None), frozenset(self._names), omissions)

    def _simulated(self, replica: Replica) -> dict[BandKey, Capacity | NoCapacity]:
        answers: dict[BandKey, Capacity | NoCapacity] = {}
        for key in replica.rates:
            question = question_of(replica, key, self._ruler)
            answer = highest_rate(question, traffic_of(replica, key), self._kept)
            if isinstance(answer, Capacity):
                answer = _in_its_room(self._ruler.as_measured(question, answer), replica, key)
            answers[key] = answer
        return answers

    def _ratios(self) -> dict[BandKey, float]:
        """Return simulated ÷ screened rate by band: the higher median over the classes that were simulated."""
        replicas = {id(c.replica): c.replica for c in self._classes}
        ratios: dict[BandKey, list[float]] = {}
        for replica, answers in self._answers.items():
            for key, answer in answers.items():
                if isinstance(answer, Capacity):
                    ratios.setdefault(key, []).append(answer.requests_per_second / replicas[replica].rates[key])
        return {key: statistics.median_high(values) for key, values in ratios.items()}

    def _with_rating(
        self, candidate: SelfHosted, ratios: Mapping[BandKey, float]
    ) -> tuple[SelfHosted | None, tuple[Omission, ...]]:
        """Return the class with its new capacities, or None where it has none left, and the bands that it lost."""
        replica = candidate.replica
        answers = self._answers.get(id(replica))
        if answers is None:
            return _with_rates(candidate, {k: six_digits(r * ratios.get(k, 1.0)) for k, r in replica.rates.items()}), ()
        served = {key: answer for key, answer in answers.items() if isinstance(answer, Capacity)}
        lost = tuple(
            Omission(candidate.identity, MissesSlo(answer, replica.shape.route(route).bands[band].name), route)
            for (route, band), answer in answers.items()
            if isinstance(answer, NoCapacity)
        )
        if not served:
            return None, lost
        simulated = replace(candidate, replica=replace(replica, capacities=served))
        return _with_rates(simulated, {key: answer.requests_per_second for key, answer in served.items()}), lost


def _in_its_room(answer: Capacity, replica: Replica, key: BandKey) -> Capacity:
    """Return the capacity of the part of a replica that a route may fill."""
    share = room(replica.shape, replica.shape.route(key[0]))
    if share == 1.0:
        return answer
    rate = six_digits(answer.requests_per_second * share)
    return replace(answer, requests_per_second=rate, low=rate, high=rate)


def traffic_of(replica: Replica, key: BandKey) -> ReplicaTraffic:
    """Return the requests of one band as they come to a replica."""
    route = replica.shape.route(key[0])
    mix = route.mix_for(key[1], replica.shape.max_model_len)
    minutes = (1.0,) if route.route.may_wait else route.minutes
    return ReplicaTraffic(mix.input_tokens, mix.output_tokens, mix.weights, minutes)


def _with_rates(candidate: SelfHosted, rates: Mapping[BandKey, float]) -> SelfHosted:
    """Return the same class with other rates, in its replica and in its replica class alike."""
    return replace(
        candidate,
        replica=replace(candidate.replica, rates=rates),
        replica_class=replace(candidate.replica_class, capacity=rates),
    )
