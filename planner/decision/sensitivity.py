"""What moves a plan: its limits, what is uncertain of its inputs, and its promises, each answered by planning anew.

A dual value of the program would be quick and wrong where whole machines decide. So every figure here is the cost of
the plan that a team gets when it writes the change down, less the cost of the plan that it has:

    worth of a limit   plan − plan with a step more of it
    swing              dearest − cheapest of the plan and the plans at both ends
    premium            plan − plan without the promise
    another kind       the cheapest plans that differ from it, and from each other, in GPUs or modes

All plans are made without a lock, the first one too, because a lock's pools are kept where another mix saves little.
They are made two at a time, with simulated capacities in common; the answers do not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

from planner.decision.answer.alternatives import machines_words
from planner.decision.answer.spend import usd_of
from planner.decision.candidates.known import Known
from planner.decision.choice.choice import Choice
from planner.decision.choice.search import DEFAULT_LIMITS, SearchLimits
from planner.decision.decide import Decision, Refusal, decide
from planner.decision.inputs import Changed, Inputs
from planner.decision.kinds import kind_of, other_kinds
from planner.decision.limit_steps import Stepped, stepped_limits
from planner.decision.premiums import Promise, promises
from planner.decision.shifts import Shift, shifts
from planner.plan.worth import LimitWorth, MovedPlan, Premium, Swing, Worth
from planner.words.numbers import figure

OTHERS = 2
"""Plans of another kind that are told at most, the cheapest first."""
THREADS = 2
"""Plans that are made at once. The solver and the simulator run beside Python; more threads would wait."""


def worth_of(
    inputs: Inputs,
    known: Known,
    limits: SearchLimits = DEFAULT_LIMITS,
    stage: Callable[[str], None] = lambda told: None,
) -> Worth | Refusal:
    """Return what moves the plan of some inputs; the refusal where they have no plan.

    stage: what is told the number of each plan as it begins.
    """
    stage("planning")
    plan = decide(replace(inputs.on_first_day(), prior=None), known, limits)
    if isinstance(plan, Refusal):
        return plan
    steps, moves, promised = list(stepped_limits(plan)), list(shifts(plan)), list(promises(plan))
    told = [each for each in (*steps, *moves, *promised) if isinstance(each, str)]
    stepped = [each for each in steps if isinstance(each, Stepped)]
    shifted = [each for each in moves if isinstance(each, Shift)]
    kept = [each for each in promised if isinstance(each, Promise)]
    asked = [*_of_limits(stepped), *(end for each in shifted for end in (each.low, each.high))]
    asked += [each.without for each in kept]
    kinds = list(other_kinds(plan))
    replans = _Replans(plan, known, limits, stage, len(asked) + len(kinds))
    answers = {key: _moved(plan, *pair) for key, pair in replans.of(asked).items()}
    others = _of_other_kinds(plan, replans.of(kinds).values())
    if len(others) < OTHERS:
        told.append(f"{'one plan' if others else 'no plan'} of another kind exists within the limits")
    swings = [_swing(plan, each, answers) for each in shifted]
    told += [
        f"{other.change} costs less than the plan, because a machine is rated for all routes that may share it: "
        "state it to have that plan"
        for other in others
        if other.more_usd_per_month is not None and other.more_usd_per_month < 0
    ]
    return Worth(
        usd_per_month=usd_of(plan.solved),
        fleet=machines_words(plan.choice),
        proven=plan.choice.answer.proven,
        limits=tuple(_limit(each, answers) for each in stepped),
        swings=tuple(sorted(swings, key=lambda swing: _width(swing.usd_per_month))),
        premiums=tuple(_premium(each, answers) for each in kept),
        others=others,
        left_out=tuple(told),
    )


def _width(usd: Decimal | None) -> tuple[bool, Decimal]:
    """Return what sorts swings: those without an end first, then the widest."""
    return usd is not None, -(usd or Decimal(0))


@dataclass(frozen=True)
class _Replans:
    """Plans changed inputs beside a plan.

    whole: how many there are to plan.
    """

    plan: Decision
    known: Known
    limits: SearchLimits
    stage: Callable[[str], None]
    whole: int
    _number: Iterator[int] = field(default_factory=lambda: count(1))

    def of(self, asked: Iterable[Changed]) -> Mapping[int, tuple[Changed, Decision | Refusal]]:
        """Return each of some changed inputs with its plan, by its identity."""
        listed = list(asked)
        with ThreadPoolExecutor(THREADS) as pool:
            return dict(zip(map(id, listed), zip(listed, pool.map(self._planned, listed), strict=True), strict=True))

    def _planned(self, changed: Changed) -> Decision | Refusal:
        self.stage(f"plan {next(self._number)} of {self.whole}, {changed.change}")
        return decide(changed.inputs, self._known_of(changed.inputs), self.limits)

    def _known_of(self, inputs: Inputs) -> Known:
        """Return what is known already of some inputs: all where only rates and rules differ, else capacities alone."""
        own = self.plan.inputs
        same = inputs.catalog is own.catalog and inputs.environment.models == own.environment.models
        return self.known if same else Known(self.known.simulated)


def _of_other_kinds(plan: Decision, answers: Iterable[tuple[Changed, Decision | Refusal]]) -> tuple[MovedPlan, ...]:
    """Return the cheapest plans whose kinds differ from that of the plan and from each other's."""
    found = [(changed, answer) for changed, answer in answers if isinstance(answer, Decision)]
    seen, others = [kind_of(plan)], list[MovedPlan]()
    for changed, answer in sorted(found, key=lambda pair: (usd_of(pair[1].solved), pair[0].change)):
        if kind_of(answer) not in seen and len(others) < OTHERS:
            seen.append(kind_of(answer))
            others.append(_moved(plan, changed, answer))
    return tuple(others)


def _of_limits(stepped: Iterable[Stepped]) -> Iterator[Changed]:
    for each in stepped:
        yield from (way for way in (each.looser, each.tighter) if way is not None)


def _limit(each: Stepped, answers: Mapping[int, MovedPlan]) -> LimitWorth:
    looser = answers[id(each.looser)]
    return LimitWorth(
        limit=".".join(each.key),
        unit=each.unit,
        stated=figure(each.stated),
        used=figure(each.used),
        binds=looser.more_usd_per_month is not None and looser.more_usd_per_month < 0,
        moved=tuple(answers[id(way)] for way in (each.looser, each.tighter) if way is not None),
    )


def _swing(plan: Decision, each: Shift, answers: Mapping[int, MovedPlan]) -> Swing:
    low, high = answers[id(each.low)], answers[id(each.high)]
    bills = [usd_of(plan.solved), low.usd_per_month, high.usd_per_month]
    known = [usd for usd in bills if usd is not None]
    width = max(known) - min(known) if len(known) == len(bills) else None
    return Swing(cause=each.cause, low=low, high=high, usd_per_month=width)


def _premium(each: Promise, answers: Mapping[int, MovedPlan]) -> Premium:
    without = answers[id(each.without)]
    more = without.more_usd_per_month
    return Premium(promise=each.name, usd_per_month=None if more is None else -more + 0, without=without)


def _moved(plan: Decision, changed: Changed, answer: Decision | Refusal) -> MovedPlan:
    if isinstance(answer, Refusal):
        return MovedPlan(
            change=changed.change,
            usd_per_month=None,
            more_usd_per_month=None,
            instead="",
            proven=not answer.undecided,
            why_not=answer.why,
        )
    usd = usd_of(answer.solved)
    return MovedPlan(
        change=changed.change,
        usd_per_month=usd,
        more_usd_per_month=usd - usd_of(plan.solved),
        instead=instead_words(plan.choice, answer.choice),
        proven=answer.choice.answer.proven,
        why_not="",
    )


def instead_words(plan: Choice, other: Choice) -> str:
    """Tell what another choice has in place of a plan's: machines, modes of routes, and who serves them."""
    told = [machines_words(other)] if other.hosts() != plan.hosts() else []
    for route in other.routes:
        before, after = plan.mode(route), other.mode(route)
        if before != after:
            told.append(f"{route} {before} → {after}")
        elif (served := served_by(other, route)) != served_by(plan, route):
            told.append(f"{route} by {', '.join(served)}")
    return "; ".join(told)


def served_by(choice: Choice, route: str) -> tuple[str, ...]:
    """Return the models on own machines and the APIs that serve a route, sorted."""
    models = {choice.classes[name].model for key, name in choice.answer.served if key[0] == route}
    return tuple(sorted(models | {api for key, api in choice.answer.spilled if key[0] == route}))
