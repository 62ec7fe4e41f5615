"""The arithmetic of one plan, as docs/why-this-mix.md goes through it: what a machine costs, what the API would cost.

Everything is recomputed from the lines, bands and capacities of the lock, in floats; nothing is taken from its reasons,
so that both can be compared. The names are those of the worked production environment: chat and code may spill,
extraction may not.
"""

from __future__ import annotations

from decimal import Decimal

from planner.plan.fleet import NodeGroup, Pool
from planner.plan.plan import Plan
from planner.plan.review import Alternative, ScalePoint
from planner.plan.traffic import FallbackApi, PlannedRoute

SECONDS_PER_HOUR = 3600


class Mix:
    """A plan with the questions that a reader asks of it. USD are a month's unless a name says otherwise."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.hours = sum(float(level.hours) for level in plan.levels)

    def route(self, name: str) -> PlannedRoute:
        """The route of that name."""
        return next(route for route in self.plan.routes if route.name == name)

    def pool(self, route: str) -> Pool:
        """The pool that serves a route."""
        return next(pool for pool in self.plan.pools if any(c.route == route for c in pool.capacity))

    def group(self, instance_type: str) -> NodeGroup:
        """The node group of an instance type."""
        return next(group for group in self.plan.node_groups if group.instance_type == instance_type)

    def api(self, route: str) -> FallbackApi:
        """The API that a route asks first."""
        return next(api for api in self.plan.apis if api.name == self.route(route).fallback[0])

    def point(self, scale: str) -> ScalePoint:
        """The plan at a multiple of the load."""
        return next(point for point in self.plan.break_even if point.scale == Decimal(scale))

    def alternative(self, name: str) -> Alternative:
        """A baseline or a runner-up of the plan."""
        return next(other for other in (*self.plan.baselines, *self.plan.runners_up) if other.name == name)

    def alternative_usd(self, name: str) -> float:
        """What a baseline or a runner-up costs. One that does not exist has no price."""
        usd = self.alternative(name).usd_per_month
        assert usd is not None, f"{name} does not exist"
        return float(usd)

    @property
    def usd(self) -> float:
        """What the plan costs."""
        return float(self.plan.cost.usd_per_month)

    def spent_usd(self, component: str) -> float:
        """The lines of a component: a node group, the API tokens of a route, or `platform`."""
        return float(sum(line.usd_per_month for line in self.plan.cost.lines if line.component == component))

    def machine_usd(self, instance_type: str) -> float:
        """One node with its disk."""
        group = self.group(instance_type)
        return self.spent_usd(group.name) / group.max_nodes

    def machine_words(self, instance_type: str) -> str:
        """The price of one node and its disk: `$6.88 × 730 h + 200 GB × $0.08`."""
        group = self.group(instance_type)
        prices = {line.unit: line.unit_price for line in self.plan.cost.lines if line.component == group.name}
        return f"${prices['hour']} × {self.hours:.0f} h + {group.disk_gb} GB × ${prices['GB-month']}"

    def requests(self, route: str) -> float:
        """Requests of a route in a month."""
        rates = [level.hours * level.mean_requests_per_second[route] for level in self.plan.levels]
        return float(sum(rates)) * SECONDS_PER_HOUR

    def peak_per_s(self, route: str) -> float:
        """The highest planned rate of a route, requests/s."""
        return max(float(level.planned_requests_per_second[route]) for level in self.plan.levels)

    def mean_tokens(self, route: str) -> tuple[float, float]:
        """Mean prompt and mean answer of a route, tokens."""
        bands = self.route(route).bands
        prompt = sum(float(band.share_of_requests * band.mean_input_tokens) for band in bands)
        return prompt, sum(float(band.share_of_requests * band.mean_output_tokens) for band in bands)

    def served_bands(self, route: str) -> list[tuple[float, float]]:
        """(share of the requests, requests/s of one replica within the SLO) of each band that the pool serves."""
        rates = {c.band: float(c.requests_per_second) for c in self.pool(route).capacity if c.route == route}
        return [(float(self.route(route).bands[band].share_of_requests), rates[band]) for band in sorted(rates)]

    def replica_per_s(self, route: str) -> float:
        """Requests/s of one replica within the SLO on the route's own mix of the bands that it serves."""
        served = self.served_bands(route)
        return sum(share for share, _ in served) / sum(share / rate for share, rate in served)

    def full_request_usd(self, route: str) -> float:
        """USD of one request on the route's machine when its replica is full."""
        pool = self.pool(route)
        group = next(group for group in self.plan.node_groups if group.name == pool.node_group)
        per_hour = self.machine_usd(group.instance_type) / self.hours
        return per_hour / SECONDS_PER_HOUR / self.replica_per_s(route)

    def api_request_usd(self, route: str, via: str = "chat") -> float:
        """USD of a mean request of a route at the API that the route `via` asks first."""
        api = self.api(via)
        prompt, answer = self.mean_tokens(route)
        prices = float(api.usd_per_million_input_tokens), float(api.usd_per_million_output_tokens)
        return (prompt * prices[0] + answer * prices[1]) / 1e6

    def all_api_usd(self, route: str) -> float:
        """All requests of a route at that API."""
        return self.requests(route) * self.api_request_usd(route)
