"""What is told of phases: which models and agreements end or begin when, who serves from then on, and what that costs.

Each later phase is one verdict. It denies the plan where nothing can follow, and warns where what follows is another
plan or a dearer one. The budget is judged on the dearest phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from planner.decision.answer.phases import NO_MACHINES
from planner.decision.inputs import Inputs
from planner.domain.apis import ApiModel, catalog_key
from planner.domain.environment import monthly_budget
from planner.plan.parts import VerdictState
from planner.plan.phases import Phase, PhaseRoute
from planner.plan.plan import Plan
from planner.plan.review import Verdict

AFTER_A_BLOCK = (
    "state what serves then in `purchase.capacity_blocks`, `purchase.reservations` or `hardware.existing`, or let the "
    "horizon end with the block"
)
"""What to do where nothing follows a capacity block."""


def retirement_verdicts(plan: Plan, following: Sequence[Phase], inputs: Inputs) -> tuple[Verdict, ...]:
    """Return one verdict for each phase that begins with an end of models.

    Without any there is one that says what is known of the plan's APIs.
    """
    rows = {row.key: row for row in inputs.catalog.apis}
    pairs = [(before, after) for before, after in pairwise(following) if after.ended]
    if not pairs:
        return tuple(_no_end(plan, rows, inputs))
    verdicts = []
    for before, after in pairs:
        ends = f"{listed(after.ended)} {'ends' if len(after.ended) == 1 else 'end'} on {after.start}"
        ends += f", when {listed(after.repriced)} too" if after.repriced else ""
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


def price_change_verdicts(following: Sequence[Phase]) -> tuple[Verdict, ...]:
    """Return one verdict for each phase that begins with other prices alone."""
    pairs = [(before, after) for before, after in pairwise(following) if not after.ended]
    return tuple(_price_change(before, after) for before, after in pairs)


def _price_change(before: Phase, after: Phase) -> Verdict:
    when = f"from {after.start}, when {listed(after.repriced)}"
    if after.usd_per_month is None or before.usd_per_month is None:
        ends = any("capacity block" in words for words in after.repriced)
        fix = f"; {AFTER_A_BLOCK}" if ends and after.usd_per_month is None else ""
        return Verdict(name="price change", state="deny", message=f"{when}, there is no plan: {after.why_not}{fix}")
    more = after.usd_per_month - before.usd_per_month
    message = f"{when}: ${after.usd_per_month:,} a month, ${abs(more):,} {'more' if more > 0 else 'less'}"
    was = {route.name: route for route in before.routes}
    changed = [_served(route) for route in after.routes if route != was.get(route.name)]
    changed += [f"{after.fleet} in all"] if after.fleet != before.fleet else []
    message += f"; then {listed(changed)}" if changed else ""
    return Verdict(name="price change", state="warn" if more > 0 else "pass", message=message)


def over_phases(verdict: Verdict, following: Sequence[Phase], inputs: Inputs) -> Verdict:
    """Return the verdict on the budget as it is for the dearest phase; any other verdict as it is."""
    budget = monthly_budget(inputs.environment)
    costs = [(phase.usd_per_month, phase) for phase in following if phase.usd_per_month is not None]
    if verdict.name != "budget" or budget is None or not costs:
        return verdict
    most, dearest = max(costs, key=lambda cost: (cost[0], -cost[1].start.toordinal()))
    if dearest.start == following[0].start:
        return verdict
    state = "deny" if most > Decimal(budget) else verdict.state
    return verdict.model_copy(
        update={"state": state, "message": f"{verdict.message}; at most ${most:,}, from {dearest.start}"}
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
        users = [route.name for route in plan.routes if row.key in map(catalog_key, route.hosted)]
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
    for name in sorted({name for route in plan.routes for name in route.hosted}):
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
