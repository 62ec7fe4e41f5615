"""What there is to say of routes whose models were chosen by a score."""

from __future__ import annotations

from collections.abc import Iterator

from planner.domain.environment import Environment
from planner.plan.review import Verdict


def quality_verdicts(environment: Environment) -> Iterator[Verdict]:
    """Name the models that a metric admitted to a route, and those that the team named and the metric did not admit."""
    for name, route in sorted(environment.routes.items()):
        quality = route.quality
        if quality.metric is None:
            continue
        refused = sorted(set(quality.among) - set(quality.accept))
        reached = f"reached {quality.minimum:g} in {quality.metric}: {', '.join(quality.accept)}"
        others = f"; less or no score: {', '.join(refused)}" if refused else ""
        yield Verdict(name=f"quality {name}", state="pass", message=f"{reached}{others} ({quality.source})")
