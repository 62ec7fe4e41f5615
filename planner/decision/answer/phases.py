"""A retirement is no cliff: until its day a hosted model may serve, and after it the plan says what serves instead.

The plan is made with the hosted models that serve when the horizon starts. For every day inside the horizon on which a
model ends that the plan may use, the question is asked again without the models that have ended by then. Each answer is
a phase. Where there is none, the plan is denied, because a team that follows it would stand without a model one day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise

from planner.decision.choice.choice import mode_of
from planner.decision.inputs import Inputs
from planner.domain.apis import ApiModel, catalog_key
from planner.plan.parts import VerdictState
from planner.plan.phases import Phase, PhaseRoute
from planner.plan.plan import Plan
from planner.plan.review import Verdict
from planner.plan.traffic import PlannedRoute
from planner.words.diagnostics import Problems

Replan = Callable[[Inputs], Plan]
"""Answers the question of other inputs. Raises `Problems` where it has no plan."""
NO_MACHINES = "no machines"


def phases(plan: Plan, inputs: Inputs, replan: Replan) -> tuple[Phase, ...]:
    """Return the phases of a plan, the plan itself first; none where no model that it may use ends in the horizon.

    The pools of the plan stay in later phases, unless others save the threshold of `planning`.
    """
    horizon = inputs.environment.horizon
    used = {catalog_key(name) for route in plan.routes for name in route.fallback}
    ending = [row for row in inputs.catalog.apis if row.key in used and row.ends_within(horizon.start, horizon.end)]
    days = sorted({row.retires for row in ending if row.retires is not None})
    if not days:
        return ()
    found = [_phase(plan, _empty(horizon.start, days[0], ()))]
    for day, end in zip(days, (*days[1:], horizon.end), strict=True):
        ended = tuple(sorted(row.key for row in ending if row.retires == day))
        empty = _empty(day, end, ended)
        try:
            after = replan(replace(inputs, catalog=inputs.catalog.on(day), prior=plan))
        except Problems as refusal:
            why = "; ".join(dict.fromkeys(problem.message for problem in refusal.problems))
            found.append(empty.model_copy(update={"end": horizon.end, "why_not": why}))
            break
        found.append(_phase(after, empty))
    return tuple(found)


def retirement_verdicts(plan: Plan, following: Sequence[Phase], inputs: Inputs) -> tuple[Verdict, ...]:
    """Return one verdict for each later phase; without phases, one that says what is known of the plan's APIs."""
    rows = {row.key: row for row in inputs.catalog.apis}
    if not following:
        return tuple(_no_end(plan, rows, inputs))
    verdicts = []
    for before, after in pairwise(following):
        ends = f"{listed(after.ended)} {'ends' if len(after.ended) == 1 else 'end'} on {after.start}"
        until = f"until then ${before.usd_per_month:,} a month"
        advice = _advice(plan, [rows[name] for name in after.ended], inputs)
        if after.usd_per_month is None:
            state: VerdictState = "deny"
            message = f"{ends}, and from that day on there is no plan: {after.why_not}"
        else:
            state = "pass" if _as_before(before, after) else "warn"
            advice = "" if state == "pass" else advice
            changed = [_served(route) for route in after.routes if set(after.ended) & _names(before, route.name)]
            machines = f", on {after.fleet} in all" if after.fleet != NO_MACHINES else ""
            message = f"{ends}: {until}; then {listed(changed)}{machines}, ${after.usd_per_month:,} a month"
        verdicts.append(Verdict(name="retirement", state=state, message=f"{message}{advice}"))
    return tuple(verdicts)


def _empty(start: date, end: date, ended: tuple[str, ...]) -> Phase:
    return Phase(start=start, end=end, ended=ended, routes=(), fleet="", usd_per_month=None, why_not="")


def _phase(plan: Plan, empty: Phase) -> Phase:
    """Return the phase in which a plan holds."""
    hosts: dict[str, int] = {}
    for group in plan.node_groups:
        hosts[group.instance_type] = hosts.get(group.instance_type, 0) + group.max_nodes
    fleet = " + ".join(f"{count} × {name}" for name, count in sorted(hosts.items())) or NO_MACHINES
    routes = tuple(_route(route) for route in plan.routes)
    return empty.model_copy(update={"routes": routes, "fleet": fleet, "usd_per_month": plan.cost.usd_per_month})


def _route(route: PlannedRoute) -> PhaseRoute:
    return PhaseRoute(
        name=route.name,
        mode=mode_of(float(route.spill_share)),
        served_by=(*((route.model,) if route.model else ()), *route.fallback),
    )


def _names(phase: Phase, route: str) -> set[str]:
    """Return the models that serve a route, as the catalog names them, whichever address is called."""
    return {catalog_key(name) for each in phase.routes if each.name == route for name in each.served_by}


def _as_before(before: Phase, after: Phase) -> bool:
    """Say whether nothing changes but that an API in reserve is gone."""
    same = before.fleet == after.fleet and before.usd_per_month == after.usd_per_month
    modes = [[(route.name, route.mode) for route in phase.routes] for phase in (before, after)]
    return same and modes[0] == modes[1]


def _served(route: PhaseRoute) -> str:
    """Say who serves a route, like `chat by gpt-oss-120b, then openai/gpt-6-luna`."""
    return f"{route.name} by {', then '.join(route.served_by)}"


def _advice(plan: Plan, ended: Sequence[ApiModel], inputs: Inputs) -> str:
    """Say which successors the routes that used ended models could accept; empty where they accept all of them."""
    offered = {row.slug for row in inputs.catalog.apis if row.serves_on(inputs.environment.horizon.end)}
    hints = []
    for row in ended:
        users = [route.name for route in plan.routes if row.key in map(catalog_key, route.fallback)]
        for name in row.successors:
            lacking = [u for u in users if name not in inputs.environment.routes[u].quality.accept]
            if lacking and name in offered:
                hints.append(f"its provider names {name} instead of {row.slug}: accept it for {listed(lacking)}")
            elif lacking:
                hints.append(f"its provider names {name} instead of {row.slug}, which the catalog does not hold yet")
    return "".join(f"; {hint}" for hint in hints)


def _no_end(plan: Plan, rows: dict[str, ApiModel], inputs: Inputs) -> Iterator[Verdict]:
    """Tell that no end is announced for the APIs of the plan, and when that was read."""
    known = []
    for name in sorted({name for route in plan.routes for name in route.fallback}):
        row = rows[catalog_key(name)]
        if row.retires is not None:
            known.append(f"{name} ends on {row.retires}, after the horizon")
        elif row.lifecycle is not None and row.lifecycle.not_before is not None:
            known.append(f"{name} is promised until {row.lifecycle.not_before} at least")
        elif row.lifecycle is not None:
            known.append(f"{name}: no end was announced as of {row.lifecycle.as_of}")
    if known:
        message = "; ".join(known[:4]) + (f"; and {len(known) - 4} more" if len(known) > 4 else "")
        yield Verdict(name="retirement", state="pass", message=message)


def listed(names: Sequence[str]) -> str:
    """Join names, like `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
