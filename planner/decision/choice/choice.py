"""The choice: a question together with its answer, and what one may ask of both.

It tells who serves a band, what goes to APIs and what is bought, in the plain numbers of the question. What stands
behind the names (models, machines, prices) is known to `answer.solved`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from planner.decision.choice.question import Answer, BandKey, Flow, Question, ReplicaClass

Mode = Literal["self-host", "api", "hybrid"]
"""The mode says who serves a route: its own pools, APIs, or both."""
HARDLY = 0.001
"""Share of a route's requests below which they count as none."""


def mode_of(api_share: float) -> Mode:
    """Say who serves a route of which this share, 0 to 1, goes to APIs."""
    return "self-host" if api_share < HARDLY else "api" if api_share > 1.0 - HARDLY else "hybrid"


@dataclass(frozen=True)
class Choice:
    """A choice is what was asked and what was answered."""

    question: Question
    answer: Answer

    @cached_property
    def classes(self) -> dict[str, ReplicaClass]:
        """Return the classes of the question, by name."""
        return {k.name: k for k in self.question.classes}

    @cached_property
    def flows(self) -> dict[BandKey, Flow]:
        """Return the flows of the question, by band."""
        return {flow.key: flow for flow in self.question.flows}

    @cached_property
    def routes(self) -> tuple[str, ...]:
        """Return the names of all routes, sorted."""
        return tuple(sorted({flow.route for flow in self.question.flows}))

    def classes_of(self, key: BandKey) -> tuple[str, ...]:
        """Return the names of the classes that serve a band, sorted."""
        return tuple(sorted(name for served, name in self.answer.served if served == key))

    def bands_of(self, name: str) -> tuple[BandKey, ...]:
        """Return the bands that a class serves, sorted."""
        return tuple(sorted(key for key, served_by in self.answer.served if served_by == name))

    def served(self, key: BandKey, name: str) -> tuple[float, ...]:
        """Return the share of a band that a class serves, by level."""
        return self.answer.served[(key, name)]

    def spilled(self, key: BandKey) -> tuple[float, ...]:
        """Return the share of a band that goes to any API, by level."""
        shares = [parts for _, parts in self.spills(key)]
        return tuple(sum(parts) for parts in zip(*shares, strict=True)) if shares else (0.0,) * self.levels

    def spills(self, key: BandKey) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Return each API that takes some of a band, sorted, with the share that it takes by level."""
        return ((api, parts) for (spilled, api), parts in sorted(self.answer.spilled.items()) if spilled == key)

    def turned_away(self, key: BandKey) -> tuple[float, ...]:
        """Return the share of a band that is turned away for its length, by level."""
        return self.answer.turned_away.get(key, (0.0,) * self.levels)

    def refuses(self, key: BandKey) -> bool:
        """Say whether all of a band is turned away for its length, at every level."""
        return min(self.turned_away(key)) > 1 - HARDLY

    @property
    def levels(self) -> int:
        """Return the number of load levels."""
        return len(self.question.level_hours)

    def planned(self, key: BandKey, name: str) -> tuple[float, ...]:
        """Return the planned requests/s of a band that a class serves, by level."""
        return tuple(rate * share for rate, share in zip(self.flows[key].planned, self.served(key, name), strict=True))

    def busiest(self, key: BandKey, name: str) -> float:
        """Return the planned requests/s of a band that a class serves at the level where these are most."""
        return max(self.planned(key, name))

    def busy(self, name: str) -> tuple[float, ...]:
        """Return the number of replicas of a class that are busy, not rounded, by level."""
        busy = [0.0] * self.levels
        for key in self.bands_of(name):
            for t, rate in enumerate(self.planned(key, name)):
                busy[t] += rate / self.classes[name].capacity[key]
        return tuple(busy)

    def load(self, name: str) -> float:
        """Return the number of replicas of a class that are busy at its busiest level, not rounded."""
        return max(self.busy(name))

    def replicas_at(self, name: str, t: int, most: int | None = None) -> int:
        """Return the replicas of a class at a level. most: how many there are where their number does not change; those
        of the answer without it."""
        k = self.classes[name]
        if k.node_group in self.answer.nodes_by_level:
            return self.answer.nodes_at(k.node_group, t) * k.replicas_per_node
        return self.answer.replicas[name] if most is None else most

    def utilization(self, name: str, most: int) -> tuple[float, ...]:
        """Return the share of the replicas of a class that is busy, by level; 0 where there are none.

        most: how many there are where their number does not change.
        """
        counts = (self.replicas_at(name, t, most) for t in range(self.levels))
        return tuple(busy / count if count else 0.0 for busy, count in zip(self.busy(name), counts, strict=True))

    def api_share(self, route: str | None = None) -> float:
        """Return the share of the month's requests of a route, or of all routes, that goes to APIs.

        Requests that are turned away for their length are left aside.
        """
        total = spilled = 0.0
        for flow in self.question.flows:
            if route in (None, flow.route):
                volumes = [rate * hours for rate, hours in zip(flow.mean, self.question.level_hours, strict=True)]
                served = [1 - share for share in self.turned_away(flow.key)]
                total += sum(share * volume for share, volume in zip(served, volumes, strict=True))
                spilled += sum(share * volume for share, volume in zip(self.spilled(flow.key), volumes, strict=True))
        return spilled / total if total else 0.0

    def mode(self, route: str) -> Mode:
        """Say who serves a route."""
        return mode_of(self.api_share(route))

    def hosts(self) -> dict[str, int]:
        """Return the number of machines by instance type, sorted."""
        group_types = {k.node_group: k.instance_type for k in self.question.classes}
        counts: dict[str, int] = {}
        for group, nodes in sorted(self.answer.nodes.items()):
            counts[group_types[group]] = counts.get(group_types[group], 0) + nodes
        return dict(sorted(counts.items()))

    @property
    def gpus(self) -> int:
        """Return the number of GPUs that are paid for."""
        per_node = {k.node_group: k.gpus_per_node for k in self.question.classes}
        return sum(nodes * per_node[group] for group, nodes in self.answer.nodes.items())
