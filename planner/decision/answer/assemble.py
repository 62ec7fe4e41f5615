"""The choice as a plan: pools, node groups, routes with their weights and reasons, the bill, the verdicts.

The module takes no decision.
"""

from __future__ import annotations

import math
import platform as machine
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from planner.decision.answer.alternatives import Alternatives, Other, Scaled, Unscaled, machines_words
from planner.decision.answer.availability import availability_verdict, with_availability
from planner.decision.answer.engine_images import engine_verdicts, planned_engine
from planner.decision.answer.fleet import node_groups, pools
from planner.decision.answer.routes import routes
from planner.decision.answer.sentences import MEANING
from planner.decision.answer.sizes import follows_load, nodes_by_level
from planner.decision.answer.solved import Solved
from planner.decision.answer.spend import bands_without_place, cost_of
from planner.decision.answer.updates import update_verdicts, with_updates
from planner.decision.answer.verdicts import verdicts
from planner.decision.candidates.hosted_apis import HostedApi
from planner.decision.candidates.omissions import Omission, counts_by_kind
from planner.decision.candidates.platform import planned_ingress, planned_pool_tls
from planner.decision.choice.search import RANDOM_SEED, THREADS, SearchLimits, solver_version
from planner.domain.gaps import Gap
from planner.plan.plan import Plan
from planner.plan.platform import ExistingNetwork, PlannedAlerts, PlannedPlatform
from planner.plan.review import Alternative, OmissionCount, ScalePoint, ScaleWithoutPlan, SloRisk, Solver
from planner.plan.traffic import FallbackApi, PlanLevel


@dataclass(frozen=True)
class Background:
    """The background is what a plan tells beside the choice itself.

    gaps: what is not known.
    omissions: candidates that fell.
    alternatives: what else could have been done.
    limits: when the search stopped.
    risks: how likely each route's own pools miss its SLO.
    preference: what became of a preference for hardware, as a sentence; empty where there is nothing to tell.
    gates: requests that a replica holds at once in overload, by pool; see `fleet.gates`.
    """

    gaps: Sequence[Gap]
    omissions: Sequence[Omission]
    alternatives: Alternatives
    limits: SearchLimits
    risks: tuple[SloRisk, ...] = ()
    preference: str = ""
    gates: Mapping[str, int] = field(default_factory=dict)


def assemble(solved: Solved, background: Background) -> Plan:
    """Return the plan."""
    cost = cost_of(solved)
    without_failures = routes(solved, cost)
    fallbacks = {name for route in without_failures for name in route.fallback}
    hosted = {name for route in without_failures for name in route.hosted}
    apis = tuple(_api(solved, api) for api in solved.apis if api.row.key in fallbacks)
    groups = with_updates(
        node_groups(solved), {str(family): quota for family, quota in solved.environment.quotas.items()}
    )
    levels, planned_pools = _levels(solved), pools(solved, background.gates)
    sizes = {group: nodes_by_level(solved, group) for group in solved.groups if follows_load(solved, group)}
    planned_routes = with_availability(
        without_failures, levels, groups, planned_pools, apis, solved.catalog.failures, sizes
    )
    return Plan(
        platform=_platform(solved),
        levels=levels,
        node_groups=groups,
        pools=planned_pools,
        routes=planned_routes,
        apis=apis,
        cost=cost,
        verdicts=(
            *verdicts(solved, cost, background.gaps, bands_without_place(solved), hosted, background.preference),
            *update_verdicts(groups),
            *engine_verdicts(solved),
            availability_verdict(planned_routes, solved.environment, groups, solved.catalog.failures),
        ),
        baselines=_alternatives(background.alternatives.baselines),
        runners_up=_alternatives(background.alternatives.runners_up),
        break_even=tuple(_point(p) for p in background.alternatives.break_even if isinstance(p, Scaled)),
        no_plan_at=tuple(
            ScaleWithoutPlan(scale=p.scale, why_not=p.why_not)
            for p in background.alternatives.break_even
            if isinstance(p, Unscaled)
        ),
        omitted=tuple(
            OmissionCount(reason=MEANING[kind], count=count) for kind, count in counts_by_kind(background.omissions)
        ),
        solver=_solver(solved, background.limits),
        risks=background.risks,
    )


def _platform(solved: Solved) -> PlannedPlatform:
    p = solved.environment.platform
    if p.cluster is not None:
        return PlannedPlatform(
            region=p.region,
            public_cidrs=(),
            deploy_role=None,
            admin_roles=(),
            cluster=None,
            existing=p.cluster,
            ingress=planned_ingress(p.ingress) if solved.pools else None,
            pool_tls=planned_pool_tls(p.pool_tls) if solved.pools else None,
            engine=planned_engine(solved),
        )
    vpc = p.network.vpc
    return PlannedPlatform(
        account=p.account,
        region=p.region,
        zones=tuple(sorted(p.zones)),
        cidr=solved.cidr,
        public_cidrs=p.endpoint.public_cidrs,
        private_from=p.endpoint.private_from,
        network=None if vpc is None else ExistingNetwork(vpc=vpc, subnets=dict(sorted(p.network.subnets.items()))),
        deploy_role=p.roles.deploy,
        admin_roles=p.roles.admin,
        kubernetes=p.kubernetes,
        patches=p.patches,
        cluster=solved.cluster,
        image_mirror=p.images.mirror,
        ingress=planned_ingress(p.ingress) if solved.pools else None,
        boundary=p.roles.boundary,
        alerts=PlannedAlerts(emails=p.alerts.emails, sns=p.alerts.sns, tags_active=p.alerts.tags_active)
        if p.alerts.emails or p.alerts.sns
        else None,
        pool_tls=planned_pool_tls(p.pool_tls) if solved.pools else None,
        engine=planned_engine(solved),
    )


def _levels(solved: Solved) -> tuple[PlanLevel, ...]:
    return tuple(
        PlanLevel(
            name=level.name,
            hours=level.hours,
            mean_requests_per_second=dict(level.rates),
            planned_requests_per_second=dict(level.planned),
        )
        for level in solved.demand.levels
    )


def _api(solved: Solved, api: HostedApi) -> FallbackApi:
    provider = api.host
    limits = solved.environment.api.providers[api.row.provider].limits
    cached = api.prices.get("cached-input")
    return FallbackApi(
        name=api.row.key,
        provider=api.row.provider,
        protocol="openai",
        model=api.row.wire_model,
        base_url=provider.base_url or "",
        api_key_env=provider.api_key_variable,
        supports=provider.takes(api.row.features),
        renames=dict(provider.renames),
        context_tokens=api.row.context_tokens or 0,
        usd_per_million_input_tokens=api.prices["input"].usd,
        usd_per_million_cached_input_tokens=cached.usd if cached else None,
        usd_per_million_output_tokens=api.prices["output"].usd,
        tokens_per_minute=limits.tpm,
        requests_per_minute=limits.rpm,
    )


def _alternatives(others: Iterable[Other]) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(
            name=o.name,
            usd_per_month=o.usd_per_month,
            description=o.description,
        )
        for o in others
    )


def _point(point: Scaled) -> ScalePoint:
    choice = point.choice
    return ScalePoint(
        scale=point.scale,
        usd_per_month=point.usd_per_month,
        all_api_usd_per_month=point.all_api_usd,
        gpus=choice.gpus,
        api_share=choice.api_share(),
        fleet=machines_words(choice),
        routes={route: choice.mode(route) for route in choice.routes},
    )


def _solver(solved: Solved, limits: SearchLimits) -> Solver:
    """Say how sure the choice is. A gap that is not proven away is told in whole percents, rounded up.

    Digits below that differ between processors and mean nothing.
    """
    answer, question = solved.choice.answer, solved.choice.question
    gap = Decimal(math.ceil(answer.gap * 100 - 1e-9)) / 100
    return Solver(
        status="proven optimal" if answer.proven else "best found",
        gap=gap,
        classes=len(question.classes),
        levels=solved.choice.levels,
        versions={"highs": solver_version(), "python": ".".join(machine.python_version_tuple()[:2])},
        options={
            "mip_rel_gap": str(limits.gap),
            "mip_max_nodes": str(limits.nodes),
            "proof_nodes": str(limits.proof_nodes),
            "threads": str(THREADS),
            "random_seed": str(RANDOM_SEED),
        },
    )
