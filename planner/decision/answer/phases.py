"""An end is no cliff: until its day a hosted model or an agreed price holds, and after it the plan says what follows.

The plan is made with the hosted models that serve, and the prices that hold, when the horizon starts. The question is
asked again for every day inside the horizon

- on which a model ends that the plan, or the phase before, may use: without the models that have ended by then;
- on which a commitment that the plan counts on ends;
- on which a capacity block begins or ends;
- on which something that the team has agreed begins or ends, and moves a price of the bill of the phase before, or
  lowers one of another candidate: at the prices of that day.

Each answer is a phase. Where there is none, the plan is denied, because a team that follows it would stand without a
plan one day. What is told of phases is the business of `phase_verdicts`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from planner.decision.answer.paid_ahead import Taken, ends, with_paid_ahead
from planner.decision.choice.choice import mode_of
from planner.decision.inputs import Inputs
from planner.domain.agreements import repriced, turn_words
from planner.domain.apis import catalog_key
from planner.domain.purchases import SPOT
from planner.plan.phases import Phase, PhaseRoute
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute
from planner.words.diagnostics import Problems

Replan = Callable[[Inputs], Plan]
"""Answers the question of other inputs. Raises `Problems` where it has no plan."""
NO_MACHINES = "no machines"


@dataclass(frozen=True)
class Turn:
    """A turn is a day on which a plan can change.

    ended: hosted models that end on that day.
    repriced: agreements that begin or end on it, in words.
    """

    day: date
    ended: tuple[str, ...]
    repriced: tuple[str, ...]


def phases(plan: Plan, inputs: Inputs, replan: Replan, weighed: Collection[str] = ()) -> tuple[Phase, ...]:
    """Return the phases of a plan, the plan itself first; none where nothing of it changes within the horizon.

    The pools of the plan stay in later phases, unless others save the threshold of `planning`. New prices begin no
    phase where the plan costs the same.

    weighed: keys of the prices of all candidates.
    """
    horizon = inputs.environment.horizon
    found = [_phase(plan, _empty(Turn(horizon.start, (), ())))]
    now, since, taken = plan, horizon.start, [(horizon.start, plan)]
    while (turn := _next_turn(_used(plan) | _used(now), now, inputs, weighed, since, taken)) is not None:
        since = turn.day
        try:
            environment = with_paid_ahead(inputs.environment, taken, turn.day)
            asked = replace(inputs, environment=environment, catalog=inputs.catalog.on(turn.day), prior=plan)
            after = replan(asked)
        except Problems as refusal:
            why = "; ".join(dict.fromkeys(problem.message for problem in refusal.problems))
            found.append(_empty(turn).model_copy(update={"why_not": why}))
            break
        taken.append((turn.day, after))
        if turn.ended or after.cost.usd_per_month != now.cost.usd_per_month:
            found.append(_phase(after, _empty(turn)))
        now = after
    ends = [*(phase.start for phase in found[1:]), horizon.end]
    whole = (phase.model_copy(update={"end": end}) for phase, end in zip(found, ends, strict=True))
    return tuple(whole) if len(found) > 1 else ()


def _next_turn(
    used: Collection[str],
    now: Plan,
    inputs: Inputs,
    weighed: Collection[str],
    since: date,
    taken: Sequence[Taken],
) -> Turn | None:
    """Return the first day after another on which a used model or a commitment ends or a price changes; None without
    any.

    used: keys of hosted models. now: the plan that holds on the day `since`. taken: all plans so far, with their days.
    """
    horizon, agreements = inputs.environment.horizon, inputs.catalog.agreements
    ending = [row for row in inputs.catalog.apis if row.key in used and row.ends_within(horizon.start, horizon.end)]
    day = min((row.retires for row in ending if row.retires is not None and row.retires > since), default=horizon.end)
    billed = {line.price for line in now.cost.lines}
    billed |= {f"{key}/{zone}" for key in billed if key.endswith(f"/{SPOT}") for zone in now.platform.zones}
    moved: tuple[str, ...] = ()
    turning = [*((each, f"{key} ends") for each, key in ends(taken)), *_blocks(inputs)]
    over = min((each for each, _ in turning if each > since), default=horizon.end)
    if over < day:
        day, moved = over, tuple(dict.fromkeys(words for each, words in turning if each == over))
    for turn in agreements.turns(since, horizon.end) if agreements else ():
        if turn <= day and (changed := _moved(inputs, billed, weighed, since, turn)):
            day, moved = turn, (*changed, *moved) if turn == day else changed
            break
    if day >= horizon.end:
        return None
    return Turn(day, tuple(sorted(row.key for row in ending if row.retires == day)), moved)


def _blocks(inputs: Inputs) -> Iterator[tuple[date, str]]:
    """Yield the days on which capacity blocks begin and end, with what then happens."""
    for index, block in enumerate(inputs.environment.purchase.capacity_blocks):
        place = inputs.places.get(f"purchase.capacity_blocks[{index}]", "")
        words = f"capacity block {block.reservation}{f' ({place})' if place else ''}"
        yield block.start, f"{words} begins"
        yield block.end, f"{words} ends"


def _moved(
    inputs: Inputs, billed: Collection[str], weighed: Collection[str], since: date, day: date
) -> tuple[str, ...]:
    """Say what begins or ends on a day that moves a price of the bill, or lowers one of another candidate."""
    agreements = inputs.catalog.agreements
    if agreements is None:
        return ()
    before, after = agreements.on(since), agreements.on(day)
    changes = repriced({*billed, *weighed}, before, after)
    moved = [
        (old, new)
        for key, (old, new) in changes.items()
        if key in billed or (new is not None and (old is None or new.usd < old.usd))
    ]
    return turn_words(moved, day)


def _used(plan: Plan) -> set[str]:
    """Return the keys of the hosted models that a plan may use."""
    return {catalog_key(name) for route in plan.routes for name in route.hosted}


def _empty(turn: Turn) -> Phase:
    """Return a phase that begins on a day, of which no more is known."""
    return Phase(
        start=turn.day,
        end=turn.day + timedelta(days=1),
        ended=turn.ended,
        repriced=turn.repriced,
        routes=(),
        fleet="",
        usd_per_month=None,
        why_not="",
    )


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
        served_by=(*((route.model,) if route.model else ()), *route.hosted),
    )
