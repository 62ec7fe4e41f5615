"""One step more and one step less of each limit that a team can move: what the plan uses of it, and what to plan next.

A step of a quota is one machine: the smallest of the family that the plan buys or, where it buys none, the smallest
that could serve a route. Every other limit moves by `STEP`. The functions state environments and plan nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from planner.decision.answer.spend import usd_of
from planner.decision.choice.choice import Choice
from planner.decision.choice.limits import RateUnit
from planner.decision.decide import Decision
from planner.decision.inputs import Changed
from planner.domain.buying import SPOT_QUOTA
from planner.domain.environment import Environment, ProviderAccount

STEP = Decimal("0.10")
"""Share by which budgets and rate limits are raised."""
RATE_WORDS: dict[RateUnit, str] = {"tpm": "tokens a minute", "rpm": "requests a minute"}


@dataclass(frozen=True)
class Stepped:
    """A stepped limit has a step more and, where that tells something, a step less.

    key: its path in the environment. unit: of the two amounts.
    stated: what the environment allows.
    used: what the plan uses of it at most. Of a rate limit that is what the plan sends in its busiest hours, without
    what a lost node would add.
    looser: inputs with a step more, on which no plan can be dearer.
    tighter: inputs with a step less; None where none is asked for.
    """

    key: tuple[str, ...]
    unit: str
    stated: float
    used: float
    looser: Changed
    tighter: Changed | None = None


def stepped_limits(plan: Decision) -> Iterator[Stepped | str]:
    """Yield each limit of the plan's environment, in the order of the file; a sentence for one without a step."""
    environment = plan.inputs.environment
    if environment.api.monthly_budget is not None:
        yield _api_budget(plan, environment.api.monthly_budget)
    for provider, account in sorted(environment.api.providers.items()):
        for unit in RATE_WORDS:
            if getattr(account.limits, unit) is not None:
                yield _rate(plan, provider, account, unit)
    for family, quota in sorted(environment.quotas.items()):
        yield _quota(plan, family, quota)
    if environment.budget is not None:
        raised = environment.budget.model_copy(update={"monthly": environment.budget.monthly * (1 + STEP)})
        used = float(usd_of(plan.solved))
        looser = plan.inputs.changed(f"{STEP:.0%} more", environment.model_copy(update={"budget": raised}))
        yield Stepped(("budget", "monthly"), "USD a month", float(environment.budget.monthly), used, looser)


def api_usd(choice: Choice) -> float:
    """Return what the choice sends to APIs, USD a month, as the API budget counts it."""
    usd = {a.name: a.usd_per_request for a in choice.question.apis}
    return sum(
        mean * share * hours * 3600 * usd[name][key]
        for (key, name), shares in choice.answer.spilled.items()
        for mean, share, hours in zip(choice.flows[key].mean, shares, choice.question.level_hours, strict=True)
    )


def asked_a_minute(choice: Choice, provider: str, unit: RateUnit) -> float:
    """Return what the choice asks of an account in a minute of its busiest level: tokens or requests."""
    apis = {a.name: a for a in choice.question.apis if a.provider == provider}
    spills = [(key, apis[name], shares) for (key, name), shares in choice.answer.spilled.items() if name in apis]

    def asked(t: int) -> float:
        return sum(
            60 * choice.flows[key].planned[t] * shares[t] * (api.tokens_per_request[key] if unit == "tpm" else 1.0)
            for key, api, shares in spills
        )

    return max(map(asked, range(choice.levels)))


def _api_budget(plan: Decision, budget: Decimal) -> Stepped:
    environment = plan.inputs.environment
    api = environment.api.model_copy(update={"monthly_budget": budget * (1 + STEP)})
    looser = plan.inputs.changed(f"{STEP:.0%} more", environment.model_copy(update={"api": api}))
    return Stepped(("api", "monthly_budget"), "USD a month", float(budget), api_usd(plan.choice), looser)


def _rate(plan: Decision, provider: str, account: ProviderAccount, unit: RateUnit) -> Stepped:
    stated = getattr(account.limits, unit)
    limits = account.limits.model_copy(update={unit: math.ceil(stated * (1 + STEP))})
    environment = plan.inputs.environment.with_account(provider, account.model_copy(update={"limits": limits}))
    return Stepped(
        key=("api", "providers", provider, "limits", unit),
        unit=RATE_WORDS[unit],
        stated=float(stated),
        used=asked_a_minute(plan.choice, provider, unit),
        looser=plan.inputs.changed(f"{STEP:.0%} more", environment),
    )


def _quota(plan: Decision, family: str, quota: int) -> Stepped | str:
    is_spot, family_of_machines = family.endswith(SPOT_QUOTA), family.removesuffix(SPOT_QUOTA)
    if is_spot and not plan.inputs.environment.purchase.spot_share:
        return f"quotas.{family} has no step: `purchase.spot` allows none"
    machine = _smallest_machine(plan, family_of_machines)
    if machine is None:
        return f"quotas.{family} has no step: no candidate stands on a machine of that family"
    name, vcpus = machine
    environment = plan.inputs.environment

    def with_quota(amount: int) -> Environment:
        return environment.model_copy(update={"quotas": {**environment.quotas, family: amount}})

    groups = {k.node_group: k for k in plan.choice.question.classes if k.quota_family == family_of_machines}
    answer = plan.choice.answer
    counts = answer.spot if is_spot else {g: count - answer.spot.get(g, 0) for g, count in answer.nodes.items()}
    used = sum(count * groups[g].vcpus_per_node for g, count in counts.items() if g in groups)
    less = min(vcpus, quota)
    return Stepped(
        key=("quotas", family),
        unit="vCPU",
        stated=float(quota),
        used=float(used),
        looser=plan.inputs.changed(f"{vcpus} vCPU more, one {name}", with_quota(quota + vcpus)),
        tighter=plan.inputs.changed(f"{less} vCPU less", with_quota(quota - less)) if less else None,
    )


def _smallest_machine(plan: Decision, family: str) -> tuple[str, int] | None:
    """Return the (instance type, vCPU) of a step of a family's quota; None where no candidate needs the family."""
    question, answer = plan.choice.question, plan.choice.answer
    machines = {k.node_group: (k.vcpus_per_node, k.instance_type) for k in question.classes if k.quota_family == family}
    bought = [machines[group] for group in answer.nodes if group in machines]
    found = min(bought or machines.values(), default=None)
    if found is not None:
        return found[1], found[0]
    region = plan.inputs.catalog.offered_in(plan.inputs.environment.platform.region)
    offered = {offer.vcpus for offer in plan.market.offers if offer.family == family}
    sizes = [(row.instance.vcpu, row.instance_type) for row in region if row.instance.quota == family]
    least = min(((vcpus, name) for vcpus, name in sizes if vcpus in offered), default=None)
    return None if least is None else (least[1], least[0])
