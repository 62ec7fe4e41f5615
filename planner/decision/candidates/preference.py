"""Preferred hardware: which classes a route would rather be served by, and what that costs.

A preference is no constraint. The cheapest plan is found first. Then it is asked again with the classes alone that are
preferred, and that answer wins where it costs no more than the threshold of a re-plan. APIs are no hardware, and stay.

What is preferred must not fall before that: a class dominates another only where it is preferred as much, and the best
preferred class of each ranking stays on the short list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from planner.decision.candidates.hardware_rules import MachineRules
from planner.decision.candidates.screening import PreferredBands, leaders
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.question import Answer, BandKey, Question


def preferred_bands(classes: Sequence[SelfHosted], rules: MachineRules) -> PreferredBands | None:
    """Return the bands of each class whose routes prefer it, or prefer nothing; None where nothing is preferred."""
    if not rules.prefer_something:
        return None
    preferred = {}
    for c in classes:
        instance = c.offering.instance
        meant = replace(
            c.shape.hardware, instance_type=instance.key, family=instance.family, gpu_count=instance.gpu_count
        )
        fans = {route for route, _ in c.replica_class.capacity if rules.prefers(route, meant)}
        preferred[c.name] = frozenset(key for key in c.replica_class.capacity if key[0] in fans)
    return preferred


def preferred_leaders(
    classes: Sequence[SelfHosted], shares: Mapping[BandKey, float], preferred: PreferredBands | None
) -> frozenset[str]:
    """Return the names of the preferred classes that lead some ranking among themselves."""
    if preferred is None:
        return frozenset()
    narrowed = (c for c in classes if preferred[c.name])
    return frozenset(leaders([_only(c, preferred[c.name]) for c in narrowed], shares))


def with_preferred_alone(question: Question, preferred: PreferredBands) -> Question:
    """Return the question in which a band may use only classes that its route prefers."""
    classes = []
    for k in question.classes:
        capacity = {key: rate for key, rate in k.capacity.items() if key in preferred.get(k.name, frozenset())}
        if capacity:
            classes.append(replace(k, capacity=capacity))
    return replace(question, classes=tuple(classes))


def is_preferred(answer: Answer, preferred: PreferredBands) -> bool:
    """Say whether an answer uses preferred classes alone."""
    return all(key in preferred.get(name, frozenset()) for key, name in answer.served)


def uses_liked_hardware(answer: Answer, routes: Collection[str]) -> bool:
    """Say whether an answer serves some of these routes on machines. Where it buys none for them, nothing was liked."""
    return any(key[0] in routes for key, _ in answer.served)


def _only(candidate: SelfHosted, bands: frozenset[BandKey]) -> SelfHosted:
    k = candidate.replica_class
    capacity = {key: rate for key, rate in k.capacity.items() if key in bands}
    return replace(candidate, replica_class=replace(k, capacity=capacity))
