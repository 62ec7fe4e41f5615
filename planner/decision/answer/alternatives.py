"""What else could have been done: forced baselines, runners-up that differ in kind, the same question at other loads.

For each of them the program is solved again, with something taken away or scaled. Baselines and the break-even leave
aside quotas, budgets and API rate limits, so that they compare costs and not permissions; runners-up obey them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from planner.decision.answer.sentences import cause_words
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer, BandKey, Infeasible, Question
from planner.decision.choice.solve import SearchLimits, solve

SCALES = (0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 1.5, 2.0)
"""Multiples of the load at which the break-even is shown."""


@dataclass(frozen=True)
class Other:
    """This is another plan, which was not taken or does not exist.

    usd_per_month: its cost, USD a month; None when it does not exist.
    description: what it is, or why it does not exist.
    """

    name: str
    usd_per_month: float | None
    description: str


@dataclass(frozen=True)
class Scaled:
    """A scaled choice is the choice at a multiple of the load.

    scale: the multiple.
    all_api_usd: cost with every route at an API that may use one, USD a month; None when no route may, or when no such
    plan exists.
    """

    scale: float
    choice: Choice
    all_api_usd: float | None


def baselines(question: Question, limits: SearchLimits) -> tuple[Other, ...]:
    """Return the baselines: every route at an API where privacy allows it, and no route at an API."""
    free = _free(question)
    return (
        _other("all API", solve(_all_api(question), limits), "every route that may use an API does, at every hour")
        if any(f.may_spill for f in question.flows)
        else Other("all API", None, "does not exist: no route may use an API"),
        _other("self-host only", solve(free.without_apis(), limits), "no API at all; bursts above the plan wait"),
    )


def without_margin(question: Question, capacity: Mapping[str, Mapping[BandKey, float]], limits: SearchLimits) -> Other:
    """Return the plan if step times were as the fit expects them: what it saves is the price of not knowing them.

    `capacity` gives the requests/s of every class by band, without a margin.
    """
    fair = tuple(replace(k, capacity=capacity[k.name]) for k in question.classes)
    description = "step times as predicted, without the margin: at least the difference is what uncertainty costs"
    return _other("no uncertainty margin", solve(replace(question, classes=fair), limits), description)


def nothing_turned_away(choice: Choice, limits: SearchLimits) -> tuple[Other, ...]:
    """Return the plan that serves the requests that the choice turns away for their length.

    There is none where the choice turns nothing away, or only what nothing reads.
    """
    question = choice.question
    served = {key for k in question.classes for key in k.capacity} | {key for a in question.apis for key in a.bands}
    away = served.intersection(choice.answer.turned_away)
    if not away:
        return ()
    flows = tuple(replace(f, may_turn_away=f.may_turn_away and f.key not in away) for f in question.flows)
    description = "also serves what is refused for its length, as far as some candidate reads it"
    return (_other("longest served too", solve(replace(question, flows=flows), limits), description),)


def runners_up(choice: Choice, limits: SearchLimits, few: Question | None = None) -> tuple[Other, ...]:
    """Return two plans that differ in kind: without the instance type that costs the most, and without its model.

    `few` is the question with fewer classes, which is solved first. The whole question is solved only where that one
    has no plan.
    """
    question = choice.question
    if not choice.answer.replicas:
        return ()
    group_class = {k.node_group: k for k in reversed(question.classes)}
    costs = {group: nodes * group_class[group].usd_per_node_hour for group, nodes in choice.answer.nodes.items()}
    dearest = max(sorted(costs), key=lambda group: costs[group])
    instance = group_class[dearest].instance_type
    bought = (choice.classes[name] for name in sorted(choice.answer.replicas))
    model = next(k.model for k in bought if k.node_group == dearest)
    others = []
    for name, classes_left in (
        (f"without {instance}", frozenset(k.name for k in question.classes if k.instance_type != instance)),
        (f"without {model}", frozenset(k.name for k in question.classes if k.model != model)),
    ):
        asked = (few or question).with_classes(classes_left)
        answer = solve(asked, limits)
        if few is not None and isinstance(answer, Infeasible):
            asked = question.with_classes(classes_left)
            answer = solve(asked, limits)
        others.append(_other(name, answer, machines_words(Choice(asked, answer)) if isinstance(answer, Answer) else ""))
    return tuple(others)


def break_even(question: Question, limits: SearchLimits) -> tuple[Scaled, ...]:
    """Return the choice at each of `SCALES` that has a plan."""
    free = _free(question)
    points = []
    for scale in SCALES:
        scaled = free.scaled(scale)
        answer = solve(scaled, limits)
        if isinstance(answer, Answer):
            all_api = solve(_all_api(scaled), limits) if any(f.may_spill for f in question.flows) else None
            usd = all_api.usd_per_month if isinstance(all_api, Answer) else None
            points.append(Scaled(scale, Choice(scaled, answer), usd))
    return tuple(points)


def machines_words(choice: Choice) -> str:
    """Tell the machines of a choice, like `3 × g6e.xlarge + 2 × p5.4xlarge`; `no machines` when there are none."""
    return " + ".join(f"{count} × {name}" for name, count in choice.hosts().items()) or "no machines"


def _free(question: Question) -> Question:
    """Return the question without what needs a permission: quotas, budgets and the rate limits of API accounts."""
    apis = tuple(replace(a, tokens_per_minute=None, requests_per_minute=None) for a in question.apis)
    return replace(question, apis=apis, quotas={}, budget_usd=None, api_budget_usd=None)


def _all_api(question: Question) -> Question:
    """Return the question in which only exclusive classes can be bought: those of routes without an API."""
    free = _free(question)
    return replace(free, classes=tuple(k for k in free.classes if k.exclusive))


def _other(name: str, answer: Answer | Infeasible, description: str) -> Other:
    if isinstance(answer, Infeasible):
        return Other(name, None, f"does not exist: {'; '.join(cause_words(cause) for cause in answer.causes)}")
    return Other(name, answer.usd_per_month, description)
