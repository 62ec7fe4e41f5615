"""Capacities that the step simulator vouches for: those of every class that a plan may rest on.

The closed form ranks hundreds of classes and is off by its own amount on each workload. So the leaders of every ranking
are simulated first, the others are corrected by the median that simulated ÷ closed form shows for their band, and the
program is solved; a class in its answer that was not simulated yet is, and the program is solved again, until every
class of the answer stands on the simulator. Each turn simulates at least one more class, so it ends.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.omissions import Omission
from planner.decision.candidates.replicas import Replica, Ruler
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.question import Answer, BandKey, Infeasible, Question
from planner.performance.capacity import Capacity, NoCapacity
from planner.performance.capacity_search import Kept, ReplicaTraffic, found


@dataclass(frozen=True)
class Rated:
    """Hostings whose capacities are simulated or corrected, and what fell when it was simulated."""

    hostings: tuple[SelfHosted, ...]
    simulated: frozenset[str]
    omissions: tuple[Omission, ...]


class Rating:
    """Simulates the replicas of hostings, each once."""

    def __init__(self, hostings: Sequence[SelfHosted], ruler: Ruler, kept: Kept) -> None:
        self._screened, self._ruler, self._kept = hostings, ruler, kept
        self._names: set[str] = set()
        self._answers: dict[int, dict[BandKey, Capacity | NoCapacity]] = {}

    def simulate(self, names: Iterable[str]) -> Rated:
        """Simulate the classes of these names too, and rate all again."""
        self._names |= set(names)
        for hosting in self._screened:
            if hosting.replica_class.name in self._names and id(hosting.replica) not in self._answers:
                self._answers[id(hosting.replica)] = self._simulated(hosting.replica)
        # an instance type with the same GPUs carries the same replica: what is known of one is known of all
        self._names |= {h.replica_class.name for h in self._screened if id(h.replica) in self._answers}
        ratios = self._ratios()
        rated = [self._rated(hosting, ratios) for hosting in self._screened]
        lost = tuple(omission for each in rated for omission in each[1])
        return Rated(tuple(h for h, _ in rated if h is not None), frozenset(self._names), lost)

    def _simulated(self, replica: Replica) -> dict[BandKey, Capacity | NoCapacity]:
        routes = {route.name: route for route in replica.shape.routes}
        answers: dict[BandKey, Capacity | NoCapacity] = {}
        for name, band in replica.capacities:
            route, cap = routes[name], replica.max_num_seqs
            question = self._ruler.question(replica.shape, replica.clock, replica.memory, route, band, cap)
            mix = route.bands[band].mix
            traffic = ReplicaTraffic(mix.input_tokens, mix.output_tokens, mix.weights, route.minutes)
            answer = found(question, traffic, self._kept)
            if isinstance(answer, Capacity):
                answer = self._ruler.answered(replica.shape, answer)
            answers[(name, band)] = answer
        return answers

    def _ratios(self) -> dict[BandKey, float]:
        """Simulated ÷ screened rate by band, the median over the classes that were simulated."""
        replicas = {id(h.replica): h.replica for h in self._screened}
        ratios: dict[BandKey, list[float]] = {}
        for key, answers in self._answers.items():
            for band, answer in answers.items():
                if isinstance(answer, Capacity):
                    screened = replicas[key].capacities[band].requests_per_second
                    ratios.setdefault(band, []).append(answer.requests_per_second / screened)
        return {band: statistics.median(values) for band, values in ratios.items()}

    def _rated(
        self, hosting: SelfHosted, ratios: dict[BandKey, float]
    ) -> tuple[SelfHosted | None, tuple[Omission, ...]]:
        replica = hosting.replica
        answers = self._answers.get(id(replica))
        if answers is None:
            corrected = {band: _times(answer, ratios.get(band, 1.0)) for band, answer in replica.capacities.items()}
            return _with_capacities(hosting, corrected), ()
        kept = {band: answer for band, answer in answers.items() if isinstance(answer, Capacity)}
        lost = tuple(
            Omission("slo", f"{replica.shape.subject} in {hosting.offering.instance.key}", answer.reason, band[0])
            for band, answer in answers.items()
            if isinstance(answer, NoCapacity)
        )
        if not kept:
            return None, lost
        return _with_capacities(hosting, kept), lost


def _times(answer: Capacity, factor: float) -> Capacity:
    rate = answer.requests_per_second * factor
    return replace(answer, requests_per_second=rate, low=rate, high=rate)


def _with_capacities(hosting: SelfHosted, answers: Mapping[BandKey, Capacity]) -> SelfHosted:
    """The same hosting with other capacities, in its replica and in its class alike."""
    rates = {band: answer.requests_per_second for band, answer in answers.items()}
    named = replace(hosting.replica_class, capacity=rates)
    return replace(hosting, replica=replace(hosting.replica, capacities=answers), replica_class=named)


def settled(
    rating: Rating,
    first: Iterable[str],
    question_of: Callable[[Sequence[SelfHosted]], Question],
    solve: Callable[[Question], Answer | Infeasible],
) -> tuple[Rated, Question, Answer | Infeasible]:
    """Solve and simulate in turns until every class of the answer is simulated.

    Where there is no answer, all that is left is simulated once before that is believed.
    """
    rated = rating.simulate(first)
    while True:
        question = question_of(rated.hostings)
        answer = solve(question)
        named = {h.replica_class.name for h in rated.hostings}
        wanted = named if isinstance(answer, Infeasible) else set(answer.replicas)
        if wanted <= rated.simulated:
            return rated, question, answer
        rated = rating.simulate(wanted)
