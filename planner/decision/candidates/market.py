"""The market: everything that could be chosen for an environment, and the question that it makes.

`survey` lists what the environment's accept lists, privacy, region and accounts admit, and keeps an omission of
everything that falls. `ask` turns the market into the plain numbers of the program.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from planner.decision.candidates.buyable import buyable, candidate
from planner.decision.candidates.candidate import Candidate
from planner.decision.candidates.deferrals import deferrals, with_pace
from planner.decision.candidates.demand import Demand, RouteDemand, demand
from planner.decision.candidates.elastic import of_month, with_elastic, with_elastic_preferred
from planner.decision.candidates.existing import existing_counts, existing_usd, paid_machines, with_existing
from planner.decision.candidates.hardware_rules import machine_rules
from planner.decision.candidates.hosted_apis import HostedApi, hosted_apis
from planner.decision.candidates.hosting_rights import hosting_rights
from planner.decision.candidates.hosts import Host, hosts
from planner.decision.candidates.known import Known
from planner.decision.candidates.omissions import DearerThanPlan, NoPrice, NotInZones, Omission, OneZone
from planner.decision.candidates.platform import NODE_DISK_GB, cluster_parts
from planner.decision.candidates.preference import preferred_bands, preferred_leaders
from planner.decision.candidates.purchases import with_purchases
from planner.decision.candidates.reach import cuts
from planner.decision.candidates.replicas import replicas, routes_served
from planner.decision.candidates.ruler import Ruler, ruler
from planner.decision.candidates.screening import (
    PreferredBands,
    affordable,
    short_list,
    without_dominated,
)
from planner.decision.candidates.self_hosted import SelfHosted, self_hosted_classes, stands_for
from planner.decision.candidates.shapes import Shape, Tenancy, shapes
from planner.decision.choice.question import BandKey, Flow, Question, ReplicaClass
from planner.decision.inputs import Inputs
from planner.domain.apis import catalog_key, is_batch
from planner.domain.catalog import AcceptedEntry, Catalog
from planner.domain.environment import Environment
from planner.domain.gaps import Gap
from planner.domain.offerings import Offerings
from planner.money.cost import cluster_lines, disk_key, is_needed, storage_key
from planner.plan.cost import CostLine
from planner.words.diagnostics import Problem, Problems
from planner.words.units import HOURS_PER_MONTH


@dataclass(frozen=True, order=True)
class Offer:
    """An offer says that some class could serve a route with a model.

    precision: format of the weights.
    family, vcpus: the quota that one of its machines uses, and how much of it.
    """

    route: str
    model: str
    precision: str
    family: str
    vcpus: int


@dataclass(frozen=True)
class Market:
    """The market is everything that could be chosen, and what is unknown about it.

    demand: what the routes ask for.
    ruler: how step times are judged.
    classes: the self-hosted classes, sorted by name.
    apis: the hosted models, sorted by key.
    cluster: cost lines of everything beside GPU nodes that self-hosting needs, but for the weights that are stored.
    preferred: bands that prefer a class, by its name; a class that is absent is preferred by none. It is None where
    nothing is preferred.
    fitting_regions: regions of the catalog whose machines keep a route's residency, by route; a route without one is
    absent.
    omissions: candidates that fell.
    gaps: what is not known of the candidates that are left.
    offers: what every class that could be bought offers, also of those that others undercut.
    undercut: what the classes offer that are far from the cheapest.
    dear_usd: what a class costs that was too dear, USD a month, or more; infinity where none was.
    existing_usd: what the machines cost that are paid for already, USD a month.
    """

    demand: Demand
    ruler: Ruler
    classes: tuple[SelfHosted, ...]
    apis: tuple[HostedApi, ...]
    cluster: tuple[CostLine, ...]
    preferred: PreferredBands | None
    fitting_regions: Mapping[str, tuple[str, ...]]
    omissions: tuple[Omission, ...]
    gaps: tuple[Gap, ...]
    offers: frozenset[Offer] = frozenset()
    undercut: frozenset[Offer] = frozenset()
    dear_usd: float = math.inf
    existing_usd: float = 0.0

    @property
    def price_keys(self) -> frozenset[str]:
        """Return the keys of the prices of all candidates that are left."""
        hosted = {price.key for api in self.apis for price in api.prices.values()}
        return frozenset(hosted.union(*(c.offering.price_keys for c in self.classes)))

    def serves(self, route: str, accepted: AcceptedEntry, quotas: Mapping[str, int]) -> bool:
        """Say whether an entry of a route's accept list could serve it, so that it fell, if it did, on price alone."""
        keys = {row.key for row in accepted.apis}
        if any(catalog_key(api.row.key) in keys and api.serves(route) for api in self.apis):
            return True
        left = {offer for c in self.classes for offer in _offers(c)} | self.undercut
        could = [o for o in self.offers_of(route, accepted) if o.vcpus <= quotas.get(o.family, o.vcpus)]
        return any((o.route, o.model) == (offer.route, offer.model) for o in could for offer in left)

    def offers_of(self, route: str, accepted: AcceptedEntry) -> tuple[Offer, ...]:
        """Return what classes offer a route of an entry of its accept list, the smallest machine first."""
        if accepted.model is None:
            return ()
        ways = {way.name for way in accepted.precisions}
        own = (o for o in self.offers if o.route == route and o.model == accepted.model.key and o.precision in ways)
        return tuple(sorted(own, key=lambda offer: (offer.vcpus, offer)))

    @property
    def servable(self) -> frozenset[BandKey]:
        """Return the bands that some class or API may serve."""
        local = {key for c in self.classes for key in c.replica.rates}
        return frozenset(local | {key for api in self.apis for key in api.option.usd_per_request})

    def has_candidates(self, route: RouteDemand) -> bool:
        """Say whether each band of a route can be served by something, but for those that may be turned away."""
        return self.servable.issuperset(_firm_bands(route))


def survey(
    inputs: Inputs, known: Known | None = None, spread: Mapping[str, float] | None = None, known_usd: float = 0.0
) -> Market:
    """Return the market of an environment. `known` holds capacities of former surveys; new ones are added to it.

    spread: number of replicas among which the requests of a session are spread, by route (`demand`).
    known_usd: what the plan is known to cost at least, USD a month (`buyable`).
    Raises `Problems` with ENV020, exit code 1, when a price is missing that every plan needs.
    """
    environment, catalog = inputs.environment, inputs.catalog
    offerings, offering_omissions, offering_gaps = _offerings(environment, catalog)
    remembered = Known() if known is None else known
    places = cuts(environment, inputs.traces, catalog, offerings, remembered.cuts)
    asked = demand(environment, inputs.traces, places, spread, remembered.lengths)
    apis, api_omissions, api_gaps = hosted_market(inputs, asked)
    cluster, disk_usd_per_hour, storage_usd_per_gb = _needed_prices(
        environment, catalog, {api.host.api_key_variable for api in apis if not is_batch(api.row.key)}
    )
    taken = {key for api in apis for key in api.option.usd_per_request}
    reserve = environment.reserve.node or environment.reserve.zone
    tenancy = {route.name: _tenancy(route, taken.issuperset(_firm_bands(route)), reserve) for route in asked.routes}
    judge = ruler(inputs)
    rights = hosting_rights(asked.routes, environment, catalog, inputs.exemptions)
    rules = machine_rules(environment, catalog, offerings, inputs.exemptions)
    loading, shape_omissions = shapes(
        asked.routes, catalog, offerings.gpus(), tenancy, rights, rules, remembered, environment.models
    )
    there = paid_machines(environment, catalog)
    by_zone = environment.reserve.zone or environment.purchase.spot_share > 0
    machines, host_omissions = hosts(
        offerings,
        existing_counts(there),
        rules,
        disk_usd_per_hour,
        by_zone,
        existing_counts(there, "owned"),
        existing_counts(there, "block"),
    )
    bare = Market(
        existing_usd=existing_usd(there),
        demand=asked,
        ruler=judge,
        classes=(),
        apis=apis,
        cluster=cluster,
        preferred=None,
        fitting_regions={
            route.name: tuple(
                region
                for region in catalog.places.regions_in(route.route.residency, catalog.regions)
                if not catalog.regions[region].missing
            )
            for route in asked.routes
            if route.route.residency
        },
        omissions=(),
        gaps=(*api_gaps, *offering_gaps),
    )

    def screen(some: Sequence[Shape]) -> tuple[tuple[SelfHosted, ...], tuple[Omission, ...]]:
        able, fallen = replicas(some, judge, remembered)
        classes = self_hosted_classes(able, machines, storage_usd_per_gb)
        if not environment.reserve.zone:
            return classes, fallen
        alone = [c for c in classes if c.replica_class.exclusive and len(c.offering.zones) < 2]
        lost = (Omission(c.identity, OneZone(c.offering.zones[0])) for c in alone)
        return tuple(c for c in classes if c not in alone), (*fallen, *lost)

    def hopes(some: Sequence[Shape]) -> list[frozenset[str]]:
        return routes_served(some, judge, remembered)

    question = ask(environment, bare)
    always = {s for s in loading if rules.prefer_something or stands_for(s, machines, inputs.locked_pools)}
    found = buyable(loading, machines, question, asked.shares, screen, hopes, always, known_usd)
    preferred = preferred_bands(found.classes, rules)
    locked = of_month(inputs.locked_pools, found.classes)
    wanted = locked | preferred_leaders(found.classes, asked.shares, preferred)
    in_reach, dear = affordable(found.classes, found.usd, question, wanted)
    best, dominated = without_dominated(in_reach, preferred)
    keep = locked | preferred_leaders(best, asked.shares, preferred)
    classes, far_from_cheapest = short_list(best, asked.shares, keep)
    left = {c.name for c in classes}
    fallen = {c.name for c in in_reach} - {c.name for c in best}
    unscreened = [(shape, host) for shape in found.unscreened for host in machines.of(shape)]
    dear_offers = {o for shape, host in unscreened for o in _offers_of(shape, host, found.unscreened[shape])}
    omissions = (
        *api_omissions,
        *offering_omissions,
        *rights.omissions,
        *shape_omissions,
        *found.omissions,
        *host_omissions,
        *dear,
        *(Omission(candidate(shape, host), DearerThanPlan(found.usd)) for shape, host in unscreened),
        *dominated,
        *far_from_cheapest,
    )
    undercut = (c for c in found.classes if c.name not in left and c.name not in fallen)
    return replace(
        bare,
        classes=tuple(with_elastic(classes, environment.elastic_families, environment.reserve.zone)),
        preferred=with_elastic_preferred(preferred),
        omissions=omissions,
        offers=frozenset(dear_offers.union(offer for c in found.classes for offer in _offers(c))),
        undercut=frozenset(dear_offers.union(offer for c in undercut for offer in _offers(c))),
        dear_usd=found.dear_usd if dear or unscreened else math.inf,
    )


def hosted_market(inputs: Inputs, asked: Demand) -> tuple[tuple[HostedApi, ...], tuple[Omission, ...], tuple[Gap, ...]]:
    """Return the hosted models of the market, what fell of them, and what is not known of those that are left."""
    environment = inputs.environment
    region, start = environment.platform.region, environment.horizon.start
    accounts, models = environment.api, environment.models
    return hosted_apis(asked.routes, inputs.catalog, accounts, region, start, models, inputs.exemptions)


def ask(environment: Environment, market: Market) -> Question:
    """Return the question of the program. Everything in it has a fixed order."""
    spillable = {key for api in market.apis for key in api.option.usd_per_request}
    waiting = deferrals(market.demand)
    flows = tuple(
        with_pace(
            Flow(
                route=route.name,
                band=index,
                mean=tuple(level.rates[route.name] * band.share for level in market.demand.levels),
                planned=tuple(level.planned[route.name] * band.share for level in market.demand.levels),
                may_spill=(route.name, index) in spillable,
                may_turn_away=route.may_turn_away(index),
                elsewhere=route.route.too_long.rule == "elsewhere",
            ),
            route,
            waiting.get(route.name),
        )
        for route in market.demand.routes
        for index, band in enumerate(route.bands)
    )
    helped = spillable | {f.key for f in flows if market.demand.route(f.route).route.may_wait}
    budget = environment.budget.monthly if environment.budget else None
    api_budget = environment.api.monthly_budget
    elastic = any(c.replica_class.is_elastic for c in market.classes)
    return Question(
        level_hours=tuple(float(level.hours) for level in market.demand.levels),
        flows=flows,
        classes=tuple(_with_helped_spot(c.replica_class, helped) for c in market.classes),
        apis=tuple(api.option for api in market.apis),
        platform_usd=float(sum(line.usd_per_month for line in market.cluster)),
        quotas={family: float(quota) for family, quota in environment.quotas.items()},
        budget_usd=float(budget) if budget is not None else None,
        api_budget_usd=float(api_budget) if api_budget is not None else None,
        survives_a_node=environment.reserve.node,
        survives_a_zone=environment.reserve.zone,
        existing_usd=market.existing_usd,
        spot_share=environment.purchase.spot_share,
        deferrals=waiting,
        hours=market.demand.level_of_hour if waiting else (),
        changes=market.demand.changes if elastic else (),
    )


def _with_helped_spot(k: ReplicaClass, helped: Collection[BandKey]) -> ReplicaClass:
    """Return a class without spot nodes where it serves a band that no API helps when AWS takes them back.

    helped: bands that an API helps, and those that may wait for other nodes.
    """
    is_helped = k.usd_per_spot_hour is None or k.capacity.keys() <= set(helped)
    return k if is_helped else replace(k, usd_per_spot_hour=None)


def _needed_prices(
    environment: Environment, catalog: Catalog, key_variables: Iterable[str]
) -> tuple[tuple[CostLine, ...], float, float]:
    """Return the cost lines of a cluster, USD an hour of a node's disk, and USD a month of 10⁹ bytes in the bucket.

    A bucket without a price adds nothing to what a class costs, and neither does what is there already; the plan says
    what is not on its bill.
    """
    if environment.platform.cluster is not None:
        return (), 0.0, 0.0
    region, prices = environment.platform.region, catalog.prices
    lines, gaps = cluster_lines(region, cluster_parts(environment.platform, 0.0, prices, key_variables), prices)
    disk, storage = prices.price(disk_key(region)), prices.price(storage_key(region))
    needed = [gap for gap in gaps if is_needed(gap.subject)]
    if needed or disk is None:
        raise Problems((Problem("ENV020", gap.message, hint=gap.hint) for gap in needed), exit_code=1)
    return lines, float(disk.usd) * NODE_DISK_GB / HOURS_PER_MONTH, float(storage.usd) if storage else 0.0


def _offerings(environment: Environment, catalog: Catalog) -> tuple[Offerings, tuple[Omission, ...], tuple[Gap, ...]]:
    """Return what is sold in the environment's zones and has a price, and what is there, with omissions and gaps."""
    if environment.platform.cluster is not None:
        return with_existing(Offerings(()), environment, catalog), (), ()
    region = catalog.offered_in(environment.platform.region)
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
    usable = with_purchases(with_existing(here, environment, catalog), environment, catalog.prices)
    there = {row.instance_type for row in usable}
    fallen = (o for o in (*absent, *unpriced) if o.candidate.instance_type not in there)
    return usable, tuple(fallen), here.gaps(catalog.prices)


def _firm_bands(route: RouteDemand) -> list[BandKey]:
    """Return the bands of a route that must have a place."""
    return [(route.name, index) for index in range(len(route.bands)) if not route.may_turn_away(index)]


def _tenancy(route: RouteDemand, has_api: bool, reserve: bool) -> Tenancy:
    """Return which nodes a route may use. Without a reserve for the loss of a node, none need be its own."""
    if not route.route.may_use_api:
        return "private"
    return "shared" if has_api or not reserve or route.route.may_wait else "solo"


def _offers(c: SelfHosted) -> Iterator[Offer]:
    k = c.replica_class
    for route in sorted({route for route, _ in c.replica.rates}):
        yield Offer(route, c.shape.model.key, c.shape.quantization.name, k.quota_family, k.vcpus_per_node)


def _offers_of(shape: Shape, host: Host, routes: frozenset[str]) -> Iterator[Offer]:
    """Return what a shape that is not screened offers on a machine. routes: those that it could serve."""
    instance = host.offering.instance
    for route in sorted(routes & host.routes):
        yield Offer(route, shape.model.key, shape.quantization.name, instance.quota, instance.vcpu)
