"""From an environment to a plan: survey, rate, choose, keep, tell.

Everything is passed in, and nothing is read here. The order is fixed and the solver is deterministic, so that the same
inputs give the same plan. When there is no plan, the reasons are raised as problems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from planner.decision.answer.alternatives import Alternatives
from planner.decision.answer.assemble import Background, assemble
from planner.decision.answer.availability import failures_behind
from planner.decision.answer.engine_images import without_canary
from planner.decision.answer.fleet import gates
from planner.decision.answer.outlook import with_outlook
from planner.decision.answer.risks import slo_risks
from planner.decision.candidates.existing import STATED, owned_machines
from planner.decision.candidates.hosting_rights import places_behind
from planner.decision.candidates.known import Known
from planner.decision.candidates.market import Market
from planner.decision.candidates.omissions import Omission
from planner.decision.candidates.preference import is_preferred
from planner.decision.candidates.replicas import with_range
from planner.decision.choice.question import Infeasible
from planner.decision.choice.search import DEFAULT_LIMITS, SearchLimits
from planner.decision.choice.solve import solve
from planner.decision.decide import Decision, Refusal, decide, wider_spread
from planner.decision.inputs import Inputs
from planner.decision.nearest import with_nearest
from planner.decision.replans import alternatives
from planner.domain.apis import catalog_key
from planner.domain.catalog import offering_key
from planner.domain.purchases import SPOT
from planner.money.cost import disk_key, storage_key
from planner.performance.capacity_search import CapacitiesByDigest
from planner.plan.plan import Plan
from planner.plan.review import KeptPools
from planner.words.diagnostics import Problems
from planner.words.numbers import dollars, figure


@dataclass(frozen=True)
class Outcome:
    """The outcome is a plan, what fell on the way, and the catalog rows that it rests on.

    omissions: candidates that were not considered further.
    facts, prices: keys of the catalog rows that the plan rests on, sorted.
    decision: what was chosen, and from what. It holds arrays, which do not compare as one, so that it is left out where
    outcomes are compared.
    """

    plan: Plan
    omissions: tuple[Omission, ...]
    facts: tuple[str, ...]
    prices: tuple[str, ...]
    decision: Decision = field(compare=False)

    @property
    def note(self) -> str:
        """Say which locked pools were kept although others would save a little; empty when none were."""
        return self.plan.kept.words if self.plan.kept else ""


class NoPlan(Problems):
    """No plan exists, or none was found. It carries the candidates that fell."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.problems, exit_code=2 if refusal.undecided else 1)
        self.omissions = refusal.omissions


Stage = Callable[[str], None]
"""What is told the name of each stage as it begins, so that somebody who waits can see it. It changes no answer."""


def silent(stage: str) -> None:
    """Tell nobody."""


def optimize(
    inputs: Inputs,
    limits: SearchLimits = DEFAULT_LIMITS,
    kept: CapacitiesByDigest | None = None,
    stage: Stage = silent,
) -> Outcome:
    """Return the cheapest plan. `kept` holds simulated capacities of former plans; new ones are added to it.

    Raises `NoPlan` with INF001 (a route has no candidate) or INF002 (limits leave no plan), exit code 1, or with INF003
    (the search ended before it could tell), exit code 2. Raises `Problems` with ENV020, exit code 1, when a price is
    missing that every plan needs, or with INF004 when no pool can have the canary that is asked for.
    """
    known = Known({} if kept is None else kept)
    stage("surveying, simulating and choosing")
    now = inputs.on_first_day()
    decision = decide(now, known, limits)
    if isinstance(decision, Refusal):
        stage("looking for the nearest plan")
        raise NoPlan(with_nearest(now, decision, known, limits))
    decision, kept_pools = keep(decision, limits)
    stage("planning the alternatives")
    plan = tell(decision, known, limits).model_copy(update={"kept": kept_pools})
    if (missing := without_canary(plan, inputs.environment)) is not None:
        raise Problems([missing], exit_code=1)
    stage("planning what follows and what is unused")
    plan = with_outlook(plan, decision.market, inputs, lambda other: replan(other, known, limits))
    return Outcome(plan, decision.market.omissions, *_consulted(inputs, decision.market, plan), decision)


def replan(inputs: Inputs, known: Known, limits: SearchLimits) -> Plan:
    """Return the plan of other inputs, without alternatives. Raises `NoPlan` where there is none."""
    decision = decide(inputs, known, limits)
    if isinstance(decision, Refusal):
        raise NoPlan(decision)
    decision, _ = keep(decision, limits)
    return assemble(decision.solved, Background((), (), Alternatives((), (), ()), limits))


def keep(decision: Decision, limits: SearchLimits) -> tuple[Decision, KeptPools | None]:
    """Return the decision for the locked pools, and what others would save, if that is something but too little.

    Otherwise the decision stays as it is.
    """
    inputs, question, best = decision.inputs, decision.question, decision.choice.answer
    locked = inputs.locked_pools
    if not locked or locked == frozenset(best.replicas):
        return decision, None
    same = solve(question.with_classes(locked), limits)
    threshold = inputs.environment.planning.replan_threshold
    if isinstance(same, Infeasible) or set(same.replicas) != locked:
        return decision, None
    preferred = decision.market.preferred
    if preferred is not None and is_preferred(best, preferred) and not is_preferred(same, preferred):
        return decision, None
    # Two mixes of equal cost differ in the last bits of it, which must not decide: below a cent nothing is saved.
    saving_usd = max(0.0, round(same.usd_per_month - best.usd_per_month, 2))
    if saving_usd and saving_usd >= threshold * same.usd_per_month:
        return decision, None
    # The search over the locked classes alone proves nothing of the others; what the first search proved still holds.
    proven = best.proven and not saving_usd
    bound_usd = best.usd_per_month * (1 - best.gap)
    gap = 0.0 if proven else max(0.0, 1 - bound_usd / same.usd_per_month)
    held = decision.with_answer(replace(same, proven=proven, gap=gap))
    if wider_spread(held):  # which serve less than they were counted with
        return decision, None
    if not saving_usd:
        return held, None
    return held, KeptPools(
        pools=tuple(sorted(locked)),
        other=tuple(sorted(set(best.replicas) - locked)),
        saving_usd_per_month=dollars(saving_usd),
        threshold=figure(threshold),
    )


def tell(decision: Decision, known: Known, limits: SearchLimits) -> Plan:
    """Return the plan around the decision, with its alternatives and the range of its capacities."""
    market, bought = decision.market, frozenset(decision.choice.answer.replicas)
    classes = tuple(
        replace(c, replica=with_range(c.replica, market.ruler)) if c.name in bought else c for c in market.classes
    )
    solved = replace(decision.solved, classes=classes)
    background = Background(
        gaps=market.gaps,
        omissions=market.omissions,
        alternatives=alternatives(decision, known, limits),
        limits=limits,
        risks=slo_risks(solved, market.ruler),
        preference=decision.preference,
        gates=gates(solved, market.ruler),
    )
    return assemble(solved, background)


def _consulted(inputs: Inputs, market: Market, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys of the facts and of the prices behind the choice, each sorted.

    They are those of every class and API that the program was given, and those of the bill.
    """
    region, is_made = inputs.environment.platform.region, inputs.environment.platform.cluster is None
    facts = {f"provider/{api.row.provider}" for api in market.apis}
    facts |= {f"api/{catalog_key(api.row.key)}" for api in market.apis}
    facts |= failures_behind(plan, inputs.catalog.failures)
    own = owned_machines(inputs.environment, inputs.catalog)
    facts |= {f"owning/{assumed.row.key}" for each in own for assumed in each.assumed}
    facts |= places_behind(inputs.environment, inputs.catalog, market.apis)
    prices = set(market.price_keys)
    for c in market.classes:
        instance_type = c.offering.instance_type
        facts |= {f"model/{c.shape.model.key}", f"gpu/{c.shape.gpu.key}", f"instance/{instance_type}"}
        facts |= {offering_key(region, instance_type)} if is_made else set()
        facts |= {f"adapter/{adapter.key}" for adapter in c.shape.adapters}
    lines = {line.price for line in (*plan.cost.lines, *market.cluster)}
    prices |= {key for key in lines if not key.endswith(f"/{SPOT}")}  # it is made of those of its zones
    prices = {key for key in prices if f"/{SPOT}/" not in key or inputs.catalog.prices.price(key) is not None}
    prices |= {disk_key(region), storage_key(region)}
    prices = {key for key in prices if is_made or key.partition("/")[0] not in ("ec2", "platform")}
    prices = {key for key in prices if not key.startswith(STATED)}
    return tuple(sorted(facts)), tuple(sorted(prices))
