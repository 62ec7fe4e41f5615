"""The choice together with what stands behind its names: models, machines, APIs and the load that was asked for.

Everything that is told of a plan asks this one value, so that no one scans the solver's shares by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from planner.decision.candidates.demand import Demand, RouteDemand
from planner.decision.candidates.hosted_apis import HostedApi
from planner.decision.candidates.platform import cluster_parts
from planner.decision.candidates.self_hosted import SelfHosted
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import BandKey, apis_in_order
from planner.decision.choice.sizing import Fleet, fleet
from planner.domain.catalog import Catalog
from planner.domain.environment import Environment
from planner.plan.platform import ClusterParts


@dataclass(frozen=True)
class Solved:
    """What was chosen.

    classes: all self-hosted classes that could be chosen. apis: all hosted models that could be.
    """

    environment: Environment
    catalog: Catalog
    demand: Demand
    choice: Choice
    classes: tuple[SelfHosted, ...]
    apis: tuple[HostedApi, ...]

    @property
    def region(self) -> str:
        """AWS region of the plan."""
        return self.environment.platform.region

    @cached_property
    def pools(self) -> tuple[SelfHosted, ...]:
        """The classes that are bought, sorted by name; each becomes a pool."""
        return tuple(k for k in self.classes if k.name in self.choice.answer.replicas)

    @cached_property
    def fleet(self) -> Fleet:
        """The machines that are bought, and which replicas stand on them."""
        return fleet(self.choice)

    @cached_property
    def groups(self) -> dict[str, tuple[SelfHosted, ...]]:
        """Node groups that are bought, sorted by name, with the pools that stand on each."""
        names = sorted({pool.group_name for pool in self.pools})
        return {name: tuple(pool for pool in self.pools if pool.group_name == name) for name in names}

    def nodes_of(self, group: str) -> int:
        """Number of machines of a node group."""
        return self.choice.answer.nodes[self.groups[group][0].replica_class.node_group]

    def route(self, name: str) -> RouteDemand:
        """The load of a route."""
        return next(route for route in self.demand.routes if route.name == name)

    def routes_of(self, pool: SelfHosted) -> tuple[RouteDemand, ...]:
        """The routes that a pool serves, in the order of the demand."""
        names = {key[0] for key in self.choice.bands_of(pool.name)}
        return tuple(route for route in self.demand.routes if route.name in names)

    def pools_of(self, route: str) -> tuple[SelfHosted, ...]:
        """The pools that serve some of a route."""
        return tuple(pool for pool in self.pools if any(key[0] == route for key in self.choice.bands_of(pool.name)))

    def bands_of(self, route: str, pool: SelfHosted) -> tuple[int, ...]:
        """Indices of the input bands of a route that a pool serves."""
        return tuple(key[1] for key in self.choice.bands_of(pool.name) if key[0] == route)

    def apis_of(self, route: str) -> tuple[HostedApi, ...]:
        """The APIs that a route may use, in the order in which the gateway asks them."""
        by_name = {api.row.key: api for api in self.apis}
        return tuple(by_name[option.name] for option in apis_in_order([a.option for a in self.apis], route))

    def spilled(self, route: str) -> dict[str, float]:
        """Share of all of a route's requests that goes to APIs, by name of the level."""
        bands = self.route(route).bands
        shares = [self.choice.spilled((route, index)) for index in range(len(bands))]
        return {
            level.name: sum(band.share * share[t] for band, share in zip(bands, shares, strict=True))
            for t, level in enumerate(self.demand.levels)
        }

    def requests_to(self, key: BandKey, shares: tuple[float, ...]) -> float:
        """Requests a month of a band, of which each level sends the given share somewhere."""
        band = self.route(key[0]).bands[key[1]]
        return sum(
            level.rates[key[0]] * band.share * float(level.hours) * 3600 * share
            for level, share in zip(self.demand.levels, shares, strict=True)
        )

    @property
    def cluster(self) -> ClusterParts | None:
        """What is built beside the GPU nodes; None when nothing is self-hosted."""
        sizes = {pool.shape.checkpoint: pool.shape.checkpoint_gb for pool in self.pools}
        return cluster_parts(self.environment.platform, sum(sizes.values())) if self.pools else None
