"""Scores of models: what public leaderboards and a team's own evaluations say of how good they are.

A score belongs to one checkpoint, and to one way to answer: with thinking before or without. A model that nobody
scored has no score; nothing is derived from its size or from its relatives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from planner.domain.models import Model


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one model reached.

    score: the figure, on the metric's scale; more is better.
    reasoning: whether the model thought before it answered; None = the source does not say.
    named: how the source calls the model; empty where it calls it as the catalog does.
    """

    score: float
    reasoning: bool | None = None
    named: str = ""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One way to measure models, and what they reached in it.

    key: name in environments.
    name: name for people.
    scale: what a figure means, in words.
    source, as_of: where the figures were read, and the day that the source states.
    scores: by entry of an accept list: a model of the catalog, a hosted model, or `MODEL@PRECISION`.
    evidence: whose word the figures are; empty where the source says it.
    """

    key: str
    name: str
    scale: str
    source: str
    as_of: str
    scores: Mapping[str, Score]
    evidence: str = ""

    @property
    def origin(self) -> str:
        """Return what the figures rest on, as a route keeps it for reviewers."""
        return f"{self.name} of {self.as_of} ({self.source})"

    def reached_by(self, minimum: float, among: Collection[str] = ()) -> tuple[str, ...]:
        """Return the entries with at least this score, sorted by name. among: the only ones that may; empty = all."""
        return tuple(
            entry
            for entry, row in sorted(self.scores.items())
            if row.score >= minimum and (not among or entry in among)
        )


@dataclass(frozen=True)
class HostedPrice:
    """A hosted copy. api: its key; usd_input, usd_output: USD per million tokens."""

    api: str
    usd_input: float
    usd_output: float


@dataclass(frozen=True)
class Suggestion:
    """One model that a route could accept.

    entry: its name in an accept list.
    model: its weights; None when they are closed.
    scores: what it reached, by metric.
    cheapest: the cheapest hosted copy that the route may use; None without one.
    against: why the route may not run the weights itself; empty when it may.
    asks: what the licence leaves to be judged by people; empty when nothing.
    accepted: whether the route accepts it already.
    """

    entry: str
    model: Model | None
    scores: Mapping[str, Score]
    cheapest: HostedPrice | None
    against: str
    asks: str
    accepted: bool
