"""The market: everything that could be chosen for an environment, and the question that it makes.

`survey` lists what the environment's accept lists, privacy, region and accounts admit, and keeps an omission of
everything that falls. `ask` turns the market into the plain numbers of the program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from planner.decision.candidates.demand import Demand, RouteDemand, demand
from planner.decision.candidates.hardware_rules import allows
from planner.decision.candidates.hosted_apis import HostedApi, hosted_apis
from planner.decision.candidates.known import Known
from planner.decision.candidates.omissions import Candidate, NoPrice, NotInZones, Omission
from planner.decision.candidates.platform import NODE_DISK_GB, cluster_parts
from planner.decision.candidates.replicas import replicas
from planner.decision.candidates.ruler import Ruler, ruler
from planner.decision.candidates.screening import affordable, leaders, short_list, without_dominated
from planner.decision.candidates.self_hosted import SelfHosted, self_hosted_classes
from planner.decision.candidates.shapes import Tenancy, shapes
from planner.decision.choice.question import BandKey, Flow, Question
from planner.decision.choice.solve import usd_of_some_plan
from planner.decision.inputs import Inputs
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.gaps import Gap
from planner.domain.offerings import Offerings
from planner.money.cost import cluster_lines, disk_key, storage_key
from planner.plan.cost import CostLine
from planner.words.diagnostics import Problem, Problems
from planner.words.units import HOURS_PER_MONTH

DAYS_PER_MONTH = 365.25 / 12
"""Days of a calendar month on average. They say when the horizon ends; bills use the planning month of 730 hours."""


@dataclass(frozen=True)
class Market:
    """The market is everything that could be chosen, and what is unknown about it.

    demand: what the routes ask for.
    ruler: how step times are judged.
    classes: the self-hosted classes, sorted by name.
    apis: the hosted models, sorted by key.
    cluster: cost lines of everything beside GPU nodes that self-hosting needs, but for the weights that are stored.
    omissions: candidates that fell.
    gaps: what is not known of the candidates that are left.
    """

    demand: Demand
    ruler: Ruler
    classes: tuple[SelfHosted, ...]
    apis: tuple[HostedApi, ...]
    cluster: tuple[CostLine, ...]
    omissions: tuple[Omission, ...]
    gaps: tuple[Gap, ...]

    @property
    def servable(self) -> frozenset[BandKey]:
        """Return the bands that some class or API may serve."""
        local = {key for c in self.classes for key in c.replica.capacities}
        return frozenset(local | {key for api in self.apis for key in api.option.usd_per_request})

    def has_candidates(self, route: RouteDemand) -> bool:
        """Say whether each band of a route can be served by something."""
        return self.servable.issuperset((route.name, index) for index in range(len(route.bands)))


def survey(inputs: Inputs, known: Known | None = None) -> Market:
    """Return the market of an environment. `known` holds capacities of former surveys; new ones are added to it.

    Raises `Problems` with ENV020, exit code 1, when a price is missing that every plan needs.
    """
    environment, catalog = inputs.environment, inputs.catalog
    asked = demand(environment, inputs.traces)
    until = environment.horizon.start + timedelta(days=round(environment.horizon.months * DAYS_PER_MONTH))
    apis, api_omissions, api_gaps = hosted_apis(
        asked.routes, catalog, environment.api, environment.platform.region, until
    )
    offerings, offering_omissions, offering_gaps = _offerings(environment, catalog)
    cluster, disk_usd_per_hour, storage_usd_per_gb = _needed_prices(environment, catalog)
    routes_with_api = {route for api in apis for route, _ in api.option.usd_per_request}
    tenancy = {route.name: _tenancy(route, route.name in routes_with_api) for route in asked.routes}
    judge = ruler(inputs)
    remembered = Known() if known is None else known
    loading, shape_omissions = shapes(asked.routes, catalog, offerings.gpus(), tenancy, remembered)
    able, replica_omissions = replicas(loading, judge, remembered)
    all_classes, host_omissions = self_hosted_classes(able, offerings, disk_usd_per_hour, storage_usd_per_gb)
    everything = Market(asked, judge, all_classes, apis, cluster, (), (*api_gaps, *offering_gaps))
    question = ask(environment, everything)
    likely = inputs.locked_pools | leaders(all_classes, asked.shares)
    in_reach, dear = affordable(all_classes, usd_of_some_plan(question.with_classes(likely)), question)
    best, dominated = without_dominated(in_reach)
    classes, far_from_cheapest = short_list(best, asked.shares, inputs.locked_pools)
    omissions = (
        *api_omissions,
        *offering_omissions,
        *shape_omissions,
        *replica_omissions,
        *host_omissions,
        *dear,
        *dominated,
        *far_from_cheapest,
    )
    return replace(everything, classes=classes, omissions=omissions)


def ask(environment: Environment, market: Market) -> Question:
    """Return the question of the program. Everything in it has a fixed order."""
    spillable = {key for api in market.apis for key in api.option.usd_per_request}
    flows = tuple(
        Flow(
            route=route.name,
            band=index,
            mean=tuple(level.rates[route.name] * band.share for level in market.demand.levels),
            planned=tuple(level.planned[route.name] * band.share for level in market.demand.levels),
            may_spill=(route.name, index) in spillable,
        )
        for route in market.demand.routes
        for index, band in enumerate(route.bands)
    )
    budget = environment.budget.monthly if environment.budget else None
    api_budget = environment.api.monthly_budget
    return Question(
        level_hours=tuple(float(level.hours) for level in market.demand.levels),
        flows=flows,
        classes=tuple(c.replica_class for c in market.classes),
        apis=tuple(api.option for api in market.apis),
        platform_usd=float(sum(line.usd_per_month for line in market.cluster)),
        quotas={family: float(quota) for family, quota in environment.quotas.items()},
        budget_usd=float(budget) if budget is not None else None,
        api_budget_usd=float(api_budget) if api_budget is not None else None,
        survives_a_node=environment.reserve.node,
    )


def _needed_prices(environment: Environment, catalog: Catalog) -> tuple[tuple[CostLine, ...], float, float]:
    """Return the cost lines of a cluster, USD an hour of a node's disk, and USD a month of 10⁹ bytes in the bucket."""
    region = environment.platform.region
    lines, gaps = cluster_lines(region, cluster_parts(environment.platform, 0.0), catalog.prices)
    disk, storage = catalog.prices.price(disk_key(region)), catalog.prices.price(storage_key(region))
    if gaps or disk is None or storage is None:
        raise Problems((Problem("ENV020", gap.message, hint=gap.hint) for gap in gaps), exit_code=1)
    return lines, float(disk.usd) * NODE_DISK_GB / HOURS_PER_MONTH, float(storage.usd)


def _offerings(environment: Environment, catalog: Catalog) -> tuple[Offerings, tuple[Omission, ...], tuple[Gap, ...]]:
    """Return what is sold in the environment's zones and has a price, with omissions and gaps of the rest."""
    region = catalog.offerings.in_region(environment.platform.region)
    allowed = Offerings(tuple(row for row in region if allows(environment.hardware, row.instance_type, row.gpu.key)))
    here = allowed.in_zones(environment.platform.zones)
    sold = {row.instance_type for row in here}
    absent = [
        Omission(Candidate(instance_type=row.instance_type), NotInZones(environment.platform.zones))
        for row in allowed
        if row.instance_type not in sold
    ]
    unpriced = [
        Omission(Candidate(instance_type=row.instance_type), NoPrice(row.price_key))
        for row in here
        if row.price is None
    ]
    return here.available(), (*absent, *unpriced), here.gaps(catalog.prices)


def _tenancy(route: RouteDemand, has_api: bool) -> Tenancy:
    if not route.route.may_use_api:
        return "private"
    return "shared" if has_api else "solo"
