"""What else could have been done: forced baselines, runners-up that differ in kind, the same question at other loads.

Each is a re-solve of the same program with something taken away or scaled. Baselines and the break-even leave aside
quotas, budgets and API rate limits, so that they compare costs and not permissions; runners-up obey them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from planner.decision.choice.question import Answer, BandKey, Infeasible, Question
from planner.decision.choice.solve import SearchLimits, solve

SCALES = (0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Other:
    """One alternative; None: it does not exist, and `description` says why."""

    name: str
    usd_per_month: float | None
    description: str


@dataclass(frozen=True)
class Scaled:
    """The answer at a multiple of the load. routes: route → `self-host`, `api` or `hybrid`."""

    scale: float
    answer: Answer
    all_api_usd: float | None
    api_share: float
    routes: Mapping[str, str]


def baselines(question: Question, limits: SearchLimits) -> tuple[Other, ...]:
    """All API where privacy allows it; self-host only."""
    free = _free(question)
    return (
        _priced("all API", solve(_all_api(question), limits), "every route that may use an API does, at every hour")
        if any(f.may_spill for f in question.flows)
        else Other("all API", None, "does not exist: no route may use an API"),
        _priced("self-host only", solve(free.without_apis(), limits), "no API at all; bursts above the plan wait"),
    )


def without_margin(question: Question, capacity: Mapping[str, Mapping[BandKey, float]], limits: SearchLimits) -> Other:
    """The same choice if step times were as the fit expects them: what it saves is the price of not knowing them.

    capacity: of every class without a margin.
    """
    fair = tuple(replace(k, capacity=capacity[k.name]) for k in question.classes)
    told = "step times as predicted, without the margin: at least the difference is what uncertainty costs"
    return _priced("no uncertainty margin", solve(replace(question, classes=fair), limits), told)


def runners_up(
    question: Question, answer: Answer, limits: SearchLimits, few: Question | None = None
) -> tuple[Other, ...]:
    """Two plans that differ in kind: without the instance type that costs the most, and without its model.

    few: the question with fewer classes, which is solved first; all of them are only asked where these have no plan.
    """
    if not answer.replicas:
        return ()
    by_name = {k.name: k for k in question.classes}
    costs: dict[str, float] = {}
    for group, count in answer.nodes.items():
        costs[group] = count * next(k for k in question.classes if k.node_group == group).usd_per_node_hour
    dearest = max(sorted(costs), key=lambda group: costs[group])
    instance = next(k for k in question.classes if k.node_group == dearest).instance_type
    model = next(by_name[name].model for name in sorted(answer.replicas) if by_name[name].node_group == dearest)
    found = []
    for name, kept in (
        (f"without {instance}", frozenset(k.name for k in question.classes if k.instance_type != instance)),
        (f"without {model}", frozenset(k.name for k in question.classes if k.model != model)),
    ):
        other = solve((few or question).with_classes(kept), limits)
        if few is not None and isinstance(other, Infeasible):
            other = solve(question.with_classes(kept), limits)
        found.append(_priced(name, other, fleet_words(question, other) if isinstance(other, Answer) else ""))
    return tuple(found)


def break_even(question: Question, limits: SearchLimits) -> tuple[Scaled, ...]:
    """The question re-solved at multiples of its load."""
    free = _free(question)
    points = []
    for scale in SCALES:
        scaled = free.scaled(scale)
        answer = solve(scaled, limits)
        if isinstance(answer, Answer):
            points.append(
                Scaled(
                    scale,
                    answer,
                    _usd(solve(_all_api(scaled), limits)) if any(f.may_spill for f in question.flows) else None,
                    api_share(scaled, answer),
                    modes(scaled, answer),
                )
            )
    return tuple(points)


def modes(question: Question, answer: Answer) -> dict[str, str]:
    """Route → `self-host` (less than one request in a thousand is planned for an API), `api` (all are) or `hybrid`."""
    found = {}
    for route in sorted({f.route for f in question.flows}):
        share = api_share(question, answer, route)
        found[route] = "self-host" if share < 0.001 else "api" if share > 0.999 else "hybrid"
    return found


def api_share(question: Question, answer: Answer, route: str | None = None) -> float:
    """Share of the month's requests (of one route, or of all) that the answer sends to APIs."""
    total = spilled = 0.0
    for f in question.flows:
        if route in (None, f.route):
            volume = [rate * hours for rate, hours in zip(f.mean, question.level_hours, strict=True)]
            total += sum(volume)
            for (key, _), shares in answer.spilled.items():
                if key == f.key:
                    spilled += sum(part * amount for part, amount in zip(shares, volume, strict=True))
    return spilled / total if total else 0.0


def fleet_words(question: Question, answer: Answer) -> str:
    """The machines of an answer, like `3 × g6e.xlarge + 2 × p5.4xlarge`; `no machines` when there are none."""
    types: dict[str, int] = {}
    for group, count in answer.nodes.items():
        instance = next(k for k in question.classes if k.node_group == group).instance_type
        types[instance] = types.get(instance, 0) + count
    return " + ".join(f"{types[name]} × {name}" for name in sorted(types)) or "no machines"


def gpus(question: Question, answer: Answer) -> int:
    """GPUs that an answer pays for."""
    per_node = {k.node_group: k.gpus_per_node for k in question.classes}
    return sum(count * per_node[group] for group, count in answer.nodes.items())


def _free(question: Question) -> Question:
    """The same question without permissions: quotas, budgets and the rate limits of API accounts."""
    apis = tuple(replace(a, tokens_per_minute=None, requests_per_minute=None) for a in question.apis)
    return replace(question, apis=apis, quotas={}, budget_usd=None, api_budget_usd=None)


def _priced(name: str, answer: Answer | Infeasible, description: str) -> Other:
    if isinstance(answer, Infeasible):
        return Other(name, None, f"does not exist: {'; '.join(answer.reasons)}")
    return Other(name, answer.usd_per_month, description)


def _all_api(question: Question) -> Question:
    """Self-hosting only where privacy leaves no choice."""
    free = _free(question)
    return replace(free, classes=tuple(k for k in free.classes if k.exclusive))


def _usd(answer: Answer | Infeasible) -> float | None:
    return answer.usd_per_month if isinstance(answer, Answer) else None
