"""The solved choice: the choice together with what stands behind its names (models, machines, APIs, the load).

Everything that is told of a plan asks this one value, so that nothing else scans the solver's shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from planner.decision.answer.existing_fleet import ExistingFleet, existing_fleet
from planner.decision.candidates.demand import Demand, RouteDemand
from planner.decision.candidates.existing import paid_machines
from planner.decision.candidates.hosted_apis import HostedApi
from planner.decision.candidates.platform import cluster_parts
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.choice import Choice
from planner.decision.choice.deferred import Worked
from planner.decision.choice.question import BandKey, apis_in_order
from planner.decision.choice.sizing import Fleet, fleet
from planner.domain.apis import is_batch
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.domain.purchases import Commitment
from planner.plan.platform import ClusterParts


@dataclass(frozen=True)
class Solved:
    """A solved choice is what was chosen, and everything that it was chosen from.

    classes: all self-hosted classes that could be chosen, sorted by name.
    apis: all hosted models that could be chosen, sorted by key.
    hostable: routes that some machine could serve, also one that fell on price.
    cidr: addresses of the network that is made; None where one is there already.
    places: where entries of lists stand in the environment's file, as `FILE:LINE` by their path.
    weeks: when the work of each route is done that may wait.
    """

    environment: Environment
    catalog: Catalog
    demand: Demand
    choice: Choice
    classes: tuple[SelfHosted, ...]
    apis: tuple[HostedApi, ...]
    hostable: frozenset[str]
    cidr: str | None
    places: Mapping[str, str] = field(default_factory=dict)
    weeks: Mapping[str, Worked] = field(default_factory=dict)

    @property
    def region(self) -> str:
        """Return the AWS region of the plan."""
        return self.environment.platform.region

    @cached_property
    def pools(self) -> tuple[SelfHosted, ...]:
        """Return the pools, sorted by name: the classes that are bought."""
        return tuple(c for c in self.classes if c.name in self.choice.answer.replicas)

    @cached_property
    def fleet(self) -> Fleet:
        """Return the machines that are bought, with the replicas that stand on them."""
        return fleet(self.choice)

    @cached_property
    def groups(self) -> dict[str, tuple[SelfHosted, ...]]:
        """Return the node groups that are bought, sorted by name, with the pools that stand on each."""
        names = sorted({pool.group_name for pool in self.pools})
        return {name: tuple(pool for pool in self.pools if pool.group_name == name) for name in names}

    def nodes_of(self, group: str) -> int:
        """Return the number of machines of a node group."""
        return self.choice.answer.nodes[self.groups[group][0].replica_class.node_group]

    @cached_property
    def existing(self) -> ExistingFleet:
        """Return the machines that are paid for already, shared out to the node groups."""
        types = {name: pools[0].replica_class.instance_type for name, pools in self.groups.items()}
        firm = {name: (each, self.nodes_of(name) - self.spot_of(name)) for name, each in types.items()}
        return existing_fleet(paid_machines(self.environment, self.catalog), firm)

    def spot_of(self, group: str) -> int:
        """Return the number of machines of a node group that are spot."""
        return self.choice.answer.spot.get(self.groups[group][0].replica_class.node_group, 0)

    @cached_property
    def committed(self) -> Mapping[str, Mapping[Commitment, int]]:
        """Return how many machines of each node group a commitment covers; groups take them in the order of names."""
        left = dict(self.choice.answer.committed)
        found: dict[str, dict[Commitment, int]] = {}
        for group, pools in self.groups.items():
            offering = pools[0].offering
            room = self.nodes_of(group) - self.spot_of(group) - self.existing.count(group)
            found[group] = {}
            for commitment, _ in offering.committed:
                key = (offering.instance_type, commitment.key)
                taken = min(room, left.get(key, 0))
                if taken:
                    found[group][commitment] = taken
                    left[key] -= taken
                    room -= taken
        return found

    def on_demand(self, group: str) -> int:
        """Return the number of machines of a node group that are bought on demand."""
        return self.bought(group) - self.spot_of(group) - sum(self.committed[group].values())

    def bought(self, group: str) -> int:
        """Return the number of machines of a node group that are not there already."""
        return self.nodes_of(group) - self.existing.count(group)

    def node_usd_per_hour(self, pool: SelfHosted) -> float:
        """Return what a node of a pool's group costs with its disk, USD an hour: the mean over the ways in which its
        nodes are paid for."""
        group, k = pool.group_name, pool.replica_class
        if self.on_demand(group) == self.nodes_of(group):
            return k.usd_per_node_hour
        there = self.existing.groups.get(group, ())
        disks = sum(m.count for m in there if m.entry.kind != "owned")
        usd = sum(m.usd_per_hour for m in there) + disks * k.usd_per_existing_node_hour
        usd += self.spot_of(group) * (k.usd_per_spot_hour or 0.0) + self.on_demand(group) * k.usd_per_node_hour
        usd += sum(count * dict(k.commitments)[each.key] for each, count in self.committed[group].items())
        return usd / self.nodes_of(group)

    def route(self, name: str) -> RouteDemand:
        """Return the demand of a route."""
        return next(route for route in self.demand.routes if route.name == name)

    def routes_of(self, pool: SelfHosted) -> tuple[RouteDemand, ...]:
        """Return the routes that a pool serves, in the order of the demand."""
        names = {key[0] for key in self.choice.bands_of(pool.name)}
        return tuple(route for route in self.demand.routes if route.name in names)

    def pools_of(self, route: str) -> tuple[SelfHosted, ...]:
        """Return the pools that serve some of a route, sorted by name."""
        return tuple(pool for pool in self.pools if any(key[0] == route for key in self.choice.bands_of(pool.name)))

    def bands_of(self, route: str, pool: SelfHosted) -> tuple[int, ...]:
        """Return the indices of the input bands of a route that a pool serves."""
        return tuple(key[1] for key in self.choice.bands_of(pool.name) if key[0] == route)

    def apis_of(self, route: str) -> tuple[HostedApi, ...]:
        """Return the APIs that a route may use, in the order in which the gateway asks them.

        Batches are not among them, as clients send these. What may wait is sent to the others only where it is planned
        so: it waits for its pools before it is paid for at the price of an answer at once.
        """
        by_name = {api.row.key: api for api in self.apis}
        used = {name for (key, name) in self.choice.answer.spilled if key[0] == route}
        waits = self.environment.routes[route].may_wait
        return tuple(
            by_name[option.name]
            for option in apis_in_order([a.option for a in self.apis], route)
            if not is_batch(option.name) and (option.name in used or not waits)
        )

    def hosted_of(self, route: str) -> tuple[HostedApi, ...]:
        """Return all hosted models that a route's requests may reach: those that the gateway asks, and batches."""
        batches = self.batches_of(route)
        return (*self.apis_of(route), *(api for api in self.apis if api.row.key in batches))

    def batches_of(self, route: str) -> dict[str, float]:
        """Return the share of a route's month that goes to the batches of each API, by its key, sorted."""
        flows = [f for f in self.choice.question.flows if f.route == route]
        month = sum(self.requests_to(f.key, (1.0,) * self.choice.levels) for f in flows)
        found: dict[str, float] = {}
        for f in flows:
            for name, shares in self.choice.spills(f.key):
                if is_batch(name) and month:
                    found[name] = found.get(name, 0.0) + self.requests_to(f.key, shares) / month
        return dict(sorted(found.items()))

    def spilled(self, route: str) -> dict[str, float]:
        """Return the share of all of a route's requests that goes to APIs, by name of the level."""
        bands = self.route(route).bands
        shares = [self.choice.spilled((route, index)) for index in range(len(bands))]
        return {
            level.name: sum(band.share * share[t] for band, share in zip(bands, shares, strict=True))
            for t, level in enumerate(self.demand.levels)
        }

    def requests_to(self, key: BandKey, shares: tuple[float, ...]) -> float:
        """Return how many requests of a band go to one place in a month, which gets the given share of each level."""
        band = self.route(key[0]).bands[key[1]]
        return sum(
            level.rates[key[0]] * band.share * float(level.hours) * 3600 * share
            for level, share in zip(self.demand.levels, shares, strict=True)
        )

    def served_requests(self, key: BandKey) -> float:
        """Return how many requests of a band are served in a month: all but those that are turned away."""
        return self.requests_to(key, tuple(1 - share for share in self.choice.turned_away(key)))

    def cut_to(self, key: BandKey) -> int | None:
        """Return the tokens that a band's pool keeps of its prompts, as its model counts; None if they stay whole."""
        pools = [pool for pool in self.pools if key in self.choice.bands_of(pool.name)]
        if not pools:
            return None
        return pools[0].shape.route(key[0]).cut_to(key[1], pools[0].shape.max_model_len)

    @property
    def cluster(self) -> ClusterParts | None:
        """Return what is built beside the GPU nodes; None when nothing is self-hosted, or the cluster is there."""
        if self.environment.platform.cluster is not None:
            return None
        sizes_gb = {pool.shape.checkpoint: pool.shape.checkpoint_gb for pool in self.pools}
        weights_gb = sum(sizes_gb.values())
        variables = {api.host.api_key_variable for api in self.apis if not is_batch(api.row.key)}
        return (
            cluster_parts(self.environment.platform, weights_gb, self.catalog.prices, variables) if self.pools else None
        )
