"""Everything that could be chosen for an environment, and the question that it makes.

`survey` enumerates what the accept lists, privacy, region and accounts admit; what falls is kept as omissions. `ask`
turns the rest into the plain numbers of the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from planner.decision.candidates.demand import Demand, RouteDemand, demand
from planner.decision.candidates.hosted_apis import HostedApi, hosted_apis
from planner.decision.candidates.omissions import Candidate, NoPrice, NotInZones, Omission
from planner.decision.candidates.platform import NODE_DISK_GB, cluster_parts
from planner.decision.candidates.replicas import replicas
from planner.decision.candidates.ruler import Ruler, ruler
from planner.decision.candidates.screening import short_list, without_dominated
from planner.decision.candidates.self_hosted import SelfHosted, self_hosted_classes
from planner.decision.candidates.shapes import Tenancy, shapes
from planner.decision.choice.question import BandKey, Flow, Question
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


@dataclass(frozen=True)
class Market:
    """Everything that could be chosen, and what is unknown about it.

    ruler: how step times are judged. cluster: cost lines of any self-hosting, without the weights that are stored.
    """

    demand: Demand
    ruler: Ruler
    classes: tuple[SelfHosted, ...]
    apis: tuple[HostedApi, ...]
    cluster: tuple[CostLine, ...]
    omissions: tuple[Omission, ...]
    gaps: tuple[Gap, ...]

    @property
    def shares(self) -> dict[BandKey, float]:
        """Share of a route's requests by band."""
        return {(route.name, i): band.share for route in self.demand.routes for i, band in enumerate(route.bands)}

    @property
    def served(self) -> frozenset[BandKey]:
        """The bands that some class or API may serve."""
        local = {key for c in self.classes for key in c.replica.capacities}
        return frozenset(local | {key for api in self.apis for key in api.option.usd_per_request})

    def has_candidates(self, route: RouteDemand) -> bool:
        """Whether each band of a route can be served by something."""
        return all((route.name, index) in self.served for index in range(len(route.bands)))


def survey(inputs: Inputs) -> Market:
    """Demand, and everything that the environment's accept lists, privacy, region and accounts admit.

    Errors: `Problems` with ENV020, exit code 1, when a price is missing that every plan needs.
    """
    environment, catalog = inputs.environment, inputs.catalog
    wanted = demand(environment, inputs.traces)
    until = environment.horizon.start + timedelta(days=round(environment.horizon.months * DAYS_PER_MONTH))
    apis, api_omissions, api_gaps = hosted_apis(
        wanted.routes, catalog, environment.api, environment.platform.region, until
    )
    offerings, offering_omissions, offering_gaps = _offerings(environment, catalog)
    lines, disk_usd_per_hour, storage_usd = _needed_prices(environment, catalog)
    spillable = {key[0] for api in apis for key in api.option.usd_per_request}
    tenancy = {route.name: _tenancy(route, route.name in spillable) for route in wanted.routes}
    judged_by = ruler(inputs)
    loading, load_omissions = shapes(wanted.routes, catalog, offerings.gpus(), tenancy)
    able, able_omissions = replicas(loading, judged_by)
    classes, host_omissions = self_hosted_classes(able, offerings, disk_usd_per_hour, storage_usd)
    best, dominated = without_dominated(classes)
    shares = {(route.name, i): band.share for route in wanted.routes for i, band in enumerate(route.bands)}
    few, dropped = short_list(best, shares, inputs.locked_pools)
    omissions = (
        *api_omissions,
        *offering_omissions,
        *load_omissions,
        *able_omissions,
        *host_omissions,
        *dominated,
        *dropped,
    )
    return Market(wanted, judged_by, few, apis, lines, omissions, (*api_gaps, *offering_gaps))


def ask(environment: Environment, market: Market) -> Question:
    """The program's question, everything in a fixed order."""
    spillable = {key for api in market.apis for key in api.option.usd_per_request}
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
        classes=tuple(c.replica_class for c in market.classes),
        apis=tuple(api.option for api in market.apis),
        platform_usd=float(sum(line.usd_per_month for line in market.cluster)),
        quotas={family: float(quota) for family, quota in environment.quotas.items()},
        budget_usd=float(budget) if budget is not None else None,
        api_budget_usd=float(api_budget) if api_budget is not None else None,
        survives_a_node=environment.reserve.node,
    )


def _needed_prices(environment: Environment, catalog: Catalog) -> tuple[tuple[CostLine, ...], float, float]:
    """(cost lines of a cluster, USD an hour of a node's disk, USD a month for 10⁹ bytes in the bucket)."""
    region = environment.platform.region
    lines, gaps = cluster_lines(region, cluster_parts(environment.platform, 0.0), catalog.prices)
    disk, storage = catalog.prices.price(disk_key(region)), catalog.prices.price(storage_key(region))
    if gaps or disk is None or storage is None:
        raise Problems((Problem("ENV020", gap.message, hint=gap.hint) for gap in gaps), exit_code=1)
    return lines, float(disk.usd) * NODE_DISK_GB / HOURS_PER_MONTH, float(storage.usd)


def _offerings(environment: Environment, catalog: Catalog) -> tuple[Offerings, tuple[Omission, ...], tuple[Gap, ...]]:
    region = catalog.offerings.in_region(environment.platform.region)
    here = region.in_zones(environment.platform.zones)
    sold = {row.instance_type for row in here}
    absent = [
        Omission(Candidate(instance_type=row.instance_type), NotInZones(environment.platform.zones))
        for row in region
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
