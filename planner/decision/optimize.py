"""From an environment to a plan: demand, candidates, screening, one program, its answer, and the plan around it.

Everything is passed in and nothing is read here. The order is fixed and the solver is deterministic, so that the same
inputs give the same plan. When there is no plan the reasons are told as problems with exit code 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from planner.decision.answer import alternatives
from planner.decision.answer.assemble import Solved, assemble
from planner.decision.candidates.demand import Demand, RouteDemand, demand
from planner.decision.candidates.hosted_apis import HostedApi, hosted
from planner.decision.candidates.omissions import Omission, counted
from planner.decision.candidates.rating import Rating, settled
from planner.decision.candidates.replicas import Ruler, Tenancy, replicas, with_error, without_margin
from planner.decision.candidates.screening import leaders, screened, undominated
from planner.decision.candidates.self_hosted import SelfHosted, hostings
from planner.decision.choice.question import Answer, BandKey, Flow, Infeasible, Question
from planner.decision.choice.solve import DEFAULT_LIMITS, SearchLimits, solve
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.gaps import Gap
from planner.domain.offerings import Offerings
from planner.domain.traces import TraceSummary
from planner.money.cost import disk_key, disk_usd_per_hour, platform_lines
from planner.performance.calibration import Calibration
from planner.performance.capacity_search import Kept
from planner.performance.coefficients import Coefficients
from planner.plan.cost import CostLine
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem, Problems

DAYS_PER_MONTH = 365.25 / 12
ALTERNATIVE_NODES = 2_000
"""Nodes of the search that an alternative is worth: hard ones say so instead of taking longer than the plan."""
SHORT_LIST = 14
"""Classes that alternatives and the break-even are re-solved over: the plan's own and each route's best. A dozen solves
over all screened classes would take longer than the plan itself and move these figures by less than the gap."""


@dataclass(frozen=True)
class Inputs:
    """All that a plan depends on. prior: the plan that is locked now, for least churn; None for the first one.
    calibrations: the team's own, by GPU."""

    environment: Environment
    catalog: Catalog
    coefficients: Coefficients
    traces: Mapping[str, TraceSummary]
    prior: Plan | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """A plan, what was considered on the way, and which catalog rows it rests on.

    facts, prices: keys of catalog rows, sorted. kept: what least churn kept and what the alternative would save.
    """

    plan: Plan
    omissions: tuple[Omission, ...]
    facts: tuple[str, ...]
    prices: tuple[str, ...]
    kept: str


@dataclass(frozen=True)
class Market:
    """Everything that could be chosen, and what is unknown about it."""

    demand: Demand
    ruler: Ruler
    hostings: tuple[SelfHosted, ...]
    apis: tuple[HostedApi, ...]
    platform: tuple[CostLine, ...]
    omissions: tuple[Omission, ...]
    gaps: tuple[Gap, ...]


def optimize(inputs: Inputs, limits: SearchLimits = DEFAULT_LIMITS, kept: Kept | None = None) -> Outcome:
    """The cheapest plan within the gap. kept: simulated capacities of former plans, which this one adds to.

    Errors: `Problems` with INF001 (a route has no candidate), INF002 (limits leave no plan), ENV020 (a price is
    missing), exit code 1; INF003 (the search ended before it could tell), exit code 2.
    """
    market = survey(inputs)
    _every_route_has_a_candidate(market)
    rating = Rating(market.hostings, market.ruler, {} if kept is None else kept)
    prior = {pool.name for pool in inputs.prior.pools} if inputs.prior else set()
    first = prior | leaders(market.hostings, _shares(market.demand.routes))
    rated, question, answer = settled(
        rating,
        first,
        lambda hostings: ask(inputs.environment, replace(market, hostings=tuple(hostings))),
        lambda asked: solve(asked, limits),
    )
    market = replace(market, hostings=rated.hostings, omissions=(*market.omissions, *rated.omissions))
    _every_route_has_a_candidate(market)
    if isinstance(answer, Infeasible):
        raise Problems(_refusals(answer), exit_code=2 if answer.undecided else 1)
    answer, spared = _least_churn(inputs, question, answer, limits)
    used = tuple(
        replace(h, replica=with_error(h.replica, market.ruler)) if h.replica_class.name in answer.replicas else h
        for h in market.hostings
    )
    market = replace(market, hostings=used)
    short, _ = screened(market.hostings, _shares(market.demand.routes), answer.replicas, SHORT_LIST)
    fewer = question.with_classes(frozenset(h.replica_class.name for h in short))
    briefly = replace(limits, nodes=ALTERNATIVE_NODES)
    solved = Solved(inputs.environment, inputs.catalog, market.demand, question, answer, used, market.apis)
    plan = assemble(
        solved,
        market.platform,
        market.gaps,
        counted(market.omissions),
        (
            *alternatives.baselines(fewer, briefly),
            *(_premium(inputs, market, fewer, short, briefly) if answer.replicas else ()),
        ),
        alternatives.runners_up(question, answer, briefly, fewer),
        alternatives.break_even(fewer, briefly),
        limits,
    )
    return Outcome(plan, market.omissions, *_consulted(inputs, market, plan), spared)


def _premium(
    inputs: Inputs, market: Market, question: Question, short: Sequence[SelfHosted], limits: SearchLimits
) -> tuple[alternatives.Other, ...]:
    """What planning with a margin costs; nothing where the environment plans without one."""
    if inputs.environment.planning.margin == "p50":
        return ()
    rates = without_margin([h.replica for h in short], market.ruler)
    fair = {h.replica_class.name: by_band for h, by_band in zip(short, rates, strict=True)}
    return (alternatives.without_margin(question, fair, limits),)


def survey(inputs: Inputs) -> Market:
    """Demand, and everything that the environment's accept lists, privacy, region and accounts admit."""
    environment, catalog = inputs.environment, inputs.catalog
    wanted = demand(environment, inputs.traces)
    until = environment.horizon.start + timedelta(days=round(environment.horizon.months * DAYS_PER_MONTH))
    apis, api_omissions, api_gaps = hosted(wanted.routes, catalog, environment.api, environment.platform.region, until)
    offerings, offering_omissions, offering_gaps = _offerings(environment, catalog)
    platform, platform_gaps = platform_lines(environment.platform, catalog.prices)
    disk = disk_usd_per_hour(environment.platform.region, catalog.prices)
    if platform_gaps or isinstance(disk, Gap):
        missing = [*platform_gaps, *([disk] if isinstance(disk, Gap) else [])]
        raise Problems((Problem("ENV020", gap.message, hint=gap.hint) for gap in missing), exit_code=1)
    spillable = {key[0] for option in apis for key in option.option.usd_per_request}
    tenancy = {route.name: _tenancy(route, route.name in spillable) for route in wanted.routes}
    judged_by = ruler(inputs)
    able, able_omissions = replicas(wanted.routes, catalog, offerings.gpus(), judged_by, tenancy)
    found, host_omissions = hostings(able, offerings, disk)
    best, dominated = undominated(found)
    prior = [pool.name for pool in inputs.prior.pools] if inputs.prior else []
    kept, dropped = screened(best, _shares(wanted.routes), prior)
    omissions = (*api_omissions, *offering_omissions, *able_omissions, *host_omissions, *dominated, *dropped)
    return Market(wanted, judged_by, kept, apis, platform, omissions, (*api_gaps, *offering_gaps))


def ruler(inputs: Inputs) -> Ruler:
    """How step times are judged under the environment's margin."""
    c = inputs.coefficients
    careful = inputs.environment.planning.margin == "p90"
    margins = {gpu: c.margin(gpu) if careful else 1.0 for gpu in inputs.catalog.gpus}
    return Ruler(c, margins, inputs.calibrations, inputs.environment.planning.margin)


def ask(environment: Environment, market: Market) -> Question:
    """The program's question, everything in a fixed order."""
    spillable = {key for option in market.apis for key in option.option.usd_per_request}
    flows = tuple(
        Flow(
            route.name,
            index,
            tuple(level.rates[route.name] * band.share for level in market.demand.levels),
            tuple(level.planned[route.name] * band.share for level in market.demand.levels),
            (route.name, index) in spillable,
        )
        for route in market.demand.routes
        for index, band in enumerate(route.bands)
    )
    budget = environment.budget.monthly if environment.budget else None
    api_budget = environment.api.monthly_budget
    return Question(
        level_hours=tuple(float(level.hours) for level in market.demand.levels),
        flows=flows,
        classes=tuple(h.replica_class for h in market.hostings),
        apis=tuple(option.option for option in market.apis),
        platform_usd=float(sum(line.usd_per_month for line in market.platform)),
        quotas={family: float(quota) for family, quota in environment.quotas.items()},
        budget_usd=float(budget) if budget is not None else None,
        api_budget_usd=float(api_budget) if api_budget is not None else None,
        survives_a_node=environment.reserve.node,
    )


def _offerings(environment: Environment, catalog: Catalog) -> tuple[Offerings, tuple[Omission, ...], tuple[Gap, ...]]:
    region = catalog.offerings.in_region(environment.platform.region)
    here = region.in_zones(environment.platform.zones)
    sold = {row.instance_type for row in here}
    zones = ", ".join(environment.platform.zones)
    absent = [
        Omission("zones", row.instance_type, f"not sold in {zones}") for row in region if row.instance_type not in sold
    ]
    unpriced = [
        Omission("price", row.instance_type, f"no price for {row.price_key}") for row in here if row.price is None
    ]
    return here.available(), (*absent, *unpriced), here.gaps(catalog.prices)


def _tenancy(route: RouteDemand, has_api: bool) -> Tenancy:
    if not route.route.may_use_api:
        return "private"
    return "shared" if has_api else "solo"


def _shares(routes: Sequence[RouteDemand]) -> dict[BandKey, float]:
    return {(route.name, index): band.share for route in routes for index, band in enumerate(route.bands)}


def _every_route_has_a_candidate(market: Market) -> None:
    served = {key for h in market.hostings for key in h.replica.capacities}
    served |= {key for option in market.apis for key in option.option.usd_per_request}
    problems = []
    for route in market.demand.routes:
        lost = [band.name for index, band in enumerate(route.bands) if (route.name, index) not in served]
        if lost:
            problems.append(_no_candidate(route, lost, market))
    if problems:
        raise Problems(problems, exit_code=1)


def _no_candidate(route: RouteDemand, bands: Sequence[str], market: Market) -> Problem:
    """Why nothing serves a route: every reason against its own candidates, the most frequent first."""
    accepted = {entry.partition("@")[0] for entry in route.route.quality.accept}
    own = [
        o
        for o in market.omissions
        if o.kind not in ("dominated", "screened")
        and (o.route == route.name or (not o.route and o.subject.split(" ")[0] in accepted))
    ]
    machines = [o for o in market.omissions if not o.route and o.kind in ("zones", "price", "host")]
    nearest = next((o for o in sorted(own) if o.kind == "slo" and o.route == route.name), None)
    kinds = {o.kind for o in own}
    hosted_only = bool(kinds) and kinds <= {"privacy", "provider", "retirement", "residency", "context"}
    fell = own if hosted_only else [*own, *machines]
    chain = "; ".join(f"{count} × {meaning}" for meaning, count in counted(fell)[:4]) or "none of its models is known"
    if nearest is not None:
        hint = f"nearest: {nearest.subject}: {nearest.reason}"
    elif kinds == {"privacy"}:
        hint = "its data is restricted and it accepts hosted models only: accept an open-weight model"
    elif "provider" in kinds:
        hint = "add the provider to `api.providers`, or accept an open-weight model"
    else:
        hint = "accept more models, or larger machines through `quotas` and `platform.zones`"
    message = f"route `{route.name}`: nothing can serve its {' and '.join(bands)} prompts; of its candidates {chain}"
    return Problem("INF001", message, hint=hint, about=("routes", route.name))


def _refusals(answer: Infeasible) -> list[Problem]:
    if answer.undecided:
        hint = "the limits may be too tight or the load too large to tell; change one of them and plan again"
        return [Problem("INF003", f"could not decide: {'; '.join(answer.reasons)}", hint=hint)]
    message = f"no plan exists: {'; '.join(answer.reasons)}"
    about: tuple[str, ...] = ("routes",)
    hint = "raise the API limits with the provider and in `api.providers`, or accept another model"
    if any("quota" in reason for reason in answer.reasons):
        about, hint = ("quotas",), "raise the quota in AWS and in `quotas:`, or accept a model that needs fewer GPUs"
    elif any(reason.startswith("the budget") for reason in answer.reasons):
        about, hint = ("budget",), "raise `budget:`, or accept a cheaper model"
    elif any(reason.startswith("the API budget") for reason in answer.reasons):
        about, hint = ("api", "monthly_budget"), "raise `api.monthly_budget:`, or accept a model to host"
    elif any("a minute of" in reason for reason in answer.reasons):
        about = ("api", "providers")
    return [Problem("INF002", message, hint=hint, about=about)]


def _least_churn(inputs: Inputs, question: Question, answer: Answer, limits: SearchLimits) -> tuple[Answer, str]:
    """Keep the locked classes unless a new mix saves the replan threshold; say what was kept and what it would save."""
    if inputs.prior is None or not inputs.prior.pools:
        return answer, ""
    locked = frozenset(pool.name for pool in inputs.prior.pools)
    if locked == frozenset(answer.replicas):
        return answer, ""
    same = solve(question.with_classes(locked), limits)
    threshold = inputs.environment.planning.replan_threshold
    if isinstance(same, Infeasible) or set(same.replicas) != locked:
        return answer, ""
    saving = same.usd_per_month - answer.usd_per_month
    if saving >= threshold * same.usd_per_month:
        return answer, ""
    if saving <= 0:
        return same, ""
    other = ", ".join(sorted(set(answer.replicas) - locked)) or "fewer pools"
    return same, f"kept the locked pools; {other} would save ${saving:,.0f} a month, below {threshold:.0%}"


def _consulted(inputs: Inputs, market: Market, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rows behind the choice: those of every class and API that the program was given, and those of the bill."""
    facts = {f"provider/{option.row.provider}" for option in market.apis}
    facts |= {f"api/{option.row.key}" for option in market.apis}
    prices = {price.key for option in market.apis for price in option.prices.values()}
    for h in market.hostings:
        facts |= {f"model/{h.shape.model.key}", f"gpu/{h.shape.gpu.key}", f"instance/{h.offering.instance.key}"}
        prices.add(h.offering.price_key)
    prices |= {line.price for line in plan.cost.lines} | {disk_key(inputs.environment.platform.region)}
    prices |= {line.price for line in market.platform}
    return tuple(sorted(facts)), tuple(sorted(prices))
