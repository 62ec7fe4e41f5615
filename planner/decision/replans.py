"""Re-plans: baselines, runners-up and the break-even, each the plan of an environment that asks for it.

Nothing is taken from the plan beside which they stand but what is known by now (capacities). So each figure is the one
that a team gets when it writes that environment down and plans it, to the cent, and where no such plan exists the
reasons are those of its refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from planner.decision import what_ifs
from planner.decision.answer.alternatives import Alternatives, Other, Scaled, Unscaled, machines_words
from planner.decision.answer.spend import usd_of
from planner.decision.candidates.known import Known
from planner.decision.choice.choice import Choice
from planner.decision.choice.search import SearchLimits
from planner.decision.decide import Decision, Refusal, decide
from planner.domain.environment import Environment
from planner.domain.scaling import scaled

SCALES = (0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 1.5, 2.0)
"""Multiples of the load at which the break-even is shown."""
THREADS = 2
"""Environments that are planned at once. The solver and the simulator run beside Python; more threads would wait."""
NOT_YET = Refusal((), "not planned yet")
"""It stands for an answer that nobody has asked for before."""
Replan = Callable[[Environment], Decision | Refusal]
"""Plans another environment on the same facts."""


def replanning(plan: Decision, known: Known, limits: SearchLimits) -> Replan:
    """Return what plans other environments beside a plan. The plan's own environment is answered by the plan."""

    def replan(environment: Environment) -> Decision | Refusal:
        if environment == plan.inputs.environment:
            return plan
        if routes := what_ifs.accepts_nothing(environment):
            return Refusal((), f"{', '.join(routes)} accepts nothing else")
        return decide(replace(plan.inputs, environment=environment, prior=None), known, limits)

    return replan


def alternatives(plan: Decision, known: Known, limits: SearchLimits) -> Alternatives:
    """Return all that is told beside a plan of what else could have been done.

    Each environment is planned once, some of them at the same time: first those that are asked for in any case, and
    then those for which the first answers ask.
    """
    replan = replanning(plan, known, limits)
    answers: list[tuple[Environment, Decision | Refusal]] = []

    def told(environment: Environment) -> Decision | Refusal:
        found = next((answer for asked, answer in answers if asked == environment), None)
        if found is None:
            missing.append(environment)
        return NOT_YET if found is None else found

    while True:
        missing: list[Environment] = []
        every = Alternatives(baselines(plan, told), runners_up(plan, told), break_even(plan, told))
        if not missing:
            return every
        asked = [each for i, each in enumerate(missing) if each not in missing[:i]]
        with ThreadPoolExecutor(THREADS) as pool:
            answers += zip(asked, pool.map(replan, asked), strict=True)


def baselines(plan: Decision, replan: Replan) -> tuple[Other, ...]:
    """Return the plans with every route at an API that may use one, and without any API, without margin or guess."""
    environment = plan.inputs.environment
    others = [
        _all_api(environment, replan),
        _other(
            "self-host only", replan(what_ifs.without_apis(environment)), "no API at all; bursts above the plan wait"
        ),
    ]
    if environment.planning.margin != "p50" and plan.choice.answer.replicas:
        expected = replan(what_ifs.without_margin(environment))
        description = "step times as predicted, without the margin: the difference is what uncertainty costs"
        others.append(_on_machines("no uncertainty margin", expected, description))
    own = {key[0] for key, _ in plan.choice.answer.served}
    guessed = sorted(r.name for r in plan.market.demand.routes if r.name in own and r.repeated.guessed)
    if guessed:
        new = replan(what_ifs.without_guessed_reuse(environment, guessed))
        description = f"every prompt of {', '.join(guessed)} is new (`tokens: {{session_hit: 0%}}`)"
        others.append(_on_machines("no guessed reuse", new, description))
    if plan.drafters:
        never = replan(what_ifs.without_speculation(environment))
        others.append(_on_machines("no speculative decoding", never, "no drafter in any pool"))
    if away := {route for route, _ in plan.choice.answer.turned_away}:
        whole = replan(what_ifs.longest_served(environment, away))
        if isinstance(whole, Decision):
            others.append(_other("longest served too", whole, "also serves what is refused for its length"))
    return tuple(others)


def runners_up(plan: Decision, replan: Replan) -> tuple[Other, ...]:
    """Return two plans that differ in kind: without the instance type that costs the most, and without its model."""
    environment = plan.inputs.environment
    if not plan.choice.answer.replicas:
        return ()
    instance_type, model = _dearest(plan.choice)
    return tuple(
        _other(f"without {name}", answer, machines_words(answer.choice) if isinstance(answer, Decision) else "")
        for name, answer in (
            (instance_type, replan(what_ifs.without_instance_type(environment, instance_type))),
            (model, replan(what_ifs.without_model(environment, model, *plan.inputs.catalog.adapters_of(model)))),
        )
    )


def break_even(plan: Decision, replan: Replan) -> tuple[Scaled | Unscaled, ...]:
    """Return the choice at each of `SCALES`, or why there is none."""
    points: list[Scaled | Unscaled] = []
    for scale in SCALES:
        environment = scaled(plan.inputs.environment, scale)
        answer = replan(environment)
        if isinstance(answer, Refusal):
            points.append(Unscaled(scale, answer.why))
        else:
            usd = usd_of(answer.solved)
            all_api = usd if _is_all_api(answer) else _all_api(environment, replan).usd_per_month
            points.append(Scaled(scale, answer.choice, usd, all_api))
    return tuple(points)


def _is_all_api(answer: Decision) -> bool:
    """Say whether a proven plan has no route on machines that could be at an API: then no all-API plan is cheaper."""
    routes = answer.inputs.environment.routes
    spillable = [name for name in answer.choice.routes if routes[name].may_use_api]
    on_machines = {key[0] for key, _ in answer.choice.answer.served}
    return bool(spillable) and answer.choice.answer.proven and on_machines.isdisjoint(spillable)


def _all_api(environment: Environment, replan: Replan) -> Other:
    if not any(route.may_use_api for route in environment.routes.values()):
        return Other("all API", None, "does not exist: no route may use an API")
    answer = replan(what_ifs.all_api(environment))
    return _other("all API", answer, "every route that may use an API does, at every hour")


def _other(name: str, answer: Decision | Refusal, description: str) -> Other:
    if isinstance(answer, Refusal):
        return Other(name, None, f"does not exist: {answer.why}")
    return Other(name, usd_of(answer.solved), description)


def _on_machines(name: str, answer: Decision | Refusal, description: str) -> Other:
    """Return another plan that differs in what its machines are counted to do, with these machines."""
    machines = f"{machines_words(answer.choice)}; " if isinstance(answer, Decision) else ""
    return _other(name, answer, machines + description)


def _dearest(choice: Choice) -> tuple[str, str]:
    """Return the instance type on which most is spent in one node group, and the model of the first pool there."""
    group_class = {k.node_group: k for k in reversed(choice.question.classes)}
    costs = {group: nodes * group_class[group].usd_per_node_hour for group, nodes in choice.answer.nodes.items()}
    dearest = max(sorted(costs), key=lambda group: costs[group])
    bought = (choice.classes[name] for name in sorted(choice.answer.replicas))
    return group_class[dearest].instance_type, next(k.model for k in bought if k.node_group == dearest)
