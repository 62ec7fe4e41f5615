"""The limits that a team can move, as rows of the program: quotas, rate limits of API accounts, budgets.

`program` says what the columns are. Each row carries its limit as a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.decision.choice.columns import n, nodes_of_zone, on_blocks, on_owned, s, spot, spot_of_zone, v, x
from planner.decision.choice.limits import ApiBudget, ApiRate, RateUnit, TotalBudget, VcpuQuota
from planner.decision.choice.linear import TIE_BREAK_USD, Linear
from planner.decision.choice.pairs import api_pairs, at, groups, outside_quota, prompt, spot_groups
from planner.decision.choice.question import ApiOption, BandKey, Flow, Question, ReplicaClass, apis_in_order
from planner.domain.buying import SPOT_QUOTA


def quota(program: Linear, question: Question) -> None:
    """The nodes of a family of instance types stay within its quota, and spot nodes within that for spot.

    Σ_{g of the family} vCPU[g]·n[g] − Σ_{i of the family} vCPU[i]·(h[i] + e[i]) ≤ quota
    Σ_{g of the family} vCPU[g]·o[g] ≤ quota for spot
    """
    for family in sorted(question.quotas):
        column, some = (spot, spot_groups(question)) if family.endswith(SPOT_QUOTA) else (n, groups(question))
        terms = [
            (column(g), float(classes[0].vcpus_per_node))
            for g, classes in some.items()
            if classes[0].quota_family == family.removesuffix(SPOT_QUOTA)
        ]
        if column is n:
            for name, k in outside_quota(question).items():
                away = (on_owned(name), on_blocks(name)) if k.quota_family == family else ()
                terms += [(each, -float(k.vcpus_per_node)) for each in away]
        if terms:
            program.at_most(f"quota[{family}]", terms, float(question.quotas[family]), VcpuQuota(family))


def api_limits(program: Linear, question: Question) -> None:
    """The accounts at API providers admit the planned spill, and what a lost node served beside it.

        60·Σ_{r,i,a} λ̄[r,i,t]·s[r,i,a,t]·tokens[r,i,a] ≤ TPM                    by account and level
        60·Σ_{r,i,a} λ̄[r,i,t]·s[r,i,a,t]·tokens[r,i,a] + lost[g,t] ≤ TPM        and by node group g
        60·Σ_{r,i,a} λ̄[r,i,t]·s[r,i,a,t]·tokens[r,i,a] + each[g]·p[g] ≤ TPM     and by group g with spot nodes
        60·Σ_{r,i,a} λ̄[r,i,t]·s[r,i,a,t]·tokens[r,i,a] + Σ_g each[g]·d[g] ≤ TPM  and after the loss of a zone

    The same holds for requests: tokens is 1 then, and RPM stands for TPM. An account is a provider, whose models all
    share its limits. lost[g,t] bounds what one node of the group serves in a minute: λ̄·x of each band that a full node
    could serve whole, else what the node can serve of it. It is counted at the API that the gateway asks first.

    AWS takes spot nodes back by zone, and a zone that is lost takes the nodes of all groups there. each[g] bounds what
    one node of a group serves in a minute: no more than it can of the band that weighs most, and than all bands are.
    The rows of spot stand whatever a plan must survive: AWS takes spot nodes back as a matter of course.
    """
    first = _first_apis(question)
    for provider in sorted({a.provider for a in question.apis}):
        account = [a for a in question.apis if a.provider == provider]
        units: tuple[RateUnit, ...] = ("tpm", "rpm")
        for unit in units:
            stated = [a.tokens_per_minute if unit == "tpm" else a.requests_per_minute for a in account]
            limit = min((value for value in stated if value is not None), default=None)
            if limit is not None:
                for t in range(len(question.level_hours)):
                    _account_limit(program, question, first, account, unit, limit, t)


def _first_apis(question: Question) -> dict[BandKey, ApiOption]:
    """Return the API that the gateway asks first for each band that may spill."""
    ordered = {route: apis_in_order(question.apis, route) for route in {f.route for f in question.flows}}
    spill = dict.fromkeys(f.key for f, _ in api_pairs(question))
    return {key: next(a for a in ordered[key[0]] if key in a.usd_per_request) for key in spill}


def _account_limit(
    program: Linear,
    question: Question,
    first: Mapping[BandKey, ApiOption],
    account: list[ApiOption],
    unit: RateUnit,
    limit: float,
    t: int,
) -> None:
    """Add the rows of one account, unit and level. first: the API that each band asks first."""

    def weight(f: Flow, a: ApiOption) -> float:
        return 60.0 * (a.tokens_per_request[f.key] if unit == "tpm" else 1.0)

    provider = account[0].provider
    spilled = [(s(f, a, t), f.planned[t] * weight(f, a)) for f, a in api_pairs(question) if a.provider == provider]
    program.at_most(f"{unit}[{provider},{t}]", spilled, limit, ApiRate(provider, unit))
    asked = {key: api for key, api in first.items() if api.provider == provider}
    for group, classes in groups(question).items() if question.survives_a_node else ():
        lost = [
            _lost(f, k, t, weight(f, asked[f.key]))
            for k in classes
            if not k.exclusive
            for f in question.flows
            if f.key in k.capacity and f.key in asked and not f.waits
        ]
        if lost:
            name = f"{unit}-after-loss[{provider},{group},{t}]"
            program.at_most(name, [*spilled, *lost], limit, ApiRate(provider, unit, after_loss=True))
    at_once = prompt(question)  # what may wait waits for the node that replaces a lost one
    each = {
        group: _most_of_a_node(classes, [(f, weight(f, asked[f.key])) for f in at_once if f.key in asked], t)
        for group, classes in groups(question).items()
    }
    after = ApiRate(provider, unit, after_loss=True)
    for group, classes in spot_groups(question).items():
        taken = [(spot_of_zone(group, at(classes[0], t)), each[group])] if each[group] else []
        program.at_most(f"{unit}-after-spot[{provider},{group},{t}]", [*spilled, *taken], limit, after)
    in_zone = {group: nodes_of_zone(group, at(classes[0], t)) for group, classes in groups(question).items()}
    if question.survives_a_zone and (gone := [(in_zone[group], node) for group, node in each.items() if node]):
        program.at_most(f"{unit}-after-zone[{provider},{t}]", [*spilled, *gone], limit, after)


def _most_of_a_node(classes: Iterable[ReplicaClass], flows: Iterable[tuple[Flow, float]], t: int) -> float:
    """Return the most that one node with some of these classes serves, in tokens or requests a minute.

    It serves no more than it can of the band that weighs most, and no more than all of these bands are.

    flows: bands that an account stands in for, with what a request/s of each is a minute.
    """
    whole = most = 0.0
    for f, weight in flows:
        able = [k for k in classes if f.key in k.capacity and not k.exclusive]
        whole += f.planned[t] * weight if able else 0.0
        most = max(most, *(k.capacity[f.key] * k.replicas_per_node * weight for k in able), 0.0)
    return min(whole, most)


def _lost(f: Flow, k: ReplicaClass, t: int, weight: float) -> tuple[str, float]:
    """Return the term for what a lost node of class k served of a band, in tokens or requests a minute."""
    node = k.capacity[f.key] * k.replicas_per_node
    return (x(f, k, t), f.planned[t] * weight) if f.planned[t] <= node else (v(f, k), node * weight)


def accounts_may_bind(question: Question) -> bool:
    """Say whether an account could bind a plan: all that may spill there, twice, exceeds its limit at some level.

    It counts twice, because what a lost node served comes on top of what is spilled. What the nodes of a zone serve is
    only bounded, so that where a zone counts every limit may bind.
    """
    if (spot_groups(question) or question.survives_a_zone) and any(_is_limited(a) for a in question.apis):
        return True
    for provider in {a.provider for a in question.apis}:
        account = [a for a in question.apis if a.provider == provider]
        most: dict[BandKey, float] = {}
        for f, a in api_pairs(question):
            if a.provider == provider:
                most[f.key] = max(most.get(f.key, 0.0), a.tokens_per_request[f.key])
        for t in range(len(question.level_hours)):
            a_minute = {f.key: 2 * 60.0 * f.planned[t] for f in question.flows if f.key in most}
            requests, tokens = sum(a_minute.values()), sum(count * most[key] for key, count in a_minute.items())
            if any(a.requests_per_minute is not None and requests > a.requests_per_minute for a in account):
                return True
            if any(a.tokens_per_minute is not None and tokens > a.tokens_per_minute for a in account):
                return True
    return False


def _is_limited(api: ApiOption) -> bool:
    return api.tokens_per_minute is not None or api.requests_per_minute is not None


def budgets(program: Linear, question: Question) -> None:
    """Everything together stays within the budget, and the APIs stay within theirs.

    Σ cost·column ≤ budget
    """
    priced = [(c.name, c.cost) for c in program.columns if abs(c.cost) > TIE_BREAK_USD]
    to_apis = {s(f, a, t) for f, a in api_pairs(question) for t in range(len(question.level_hours))}
    spend = [(name, cost) for name, cost in priced if name in to_apis]
    if question.budget_usd is not None:
        program.at_most("budget", priced, question.budget_usd, TotalBudget())
    if question.api_budget_usd is not None and spend:
        program.at_most("api-budget", spend, question.api_budget_usd, ApiBudget())
