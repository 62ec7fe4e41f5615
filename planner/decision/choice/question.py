"""The choice to be made, in plain numbers: flows to serve, replica classes and APIs that may serve them, limits.

Nothing here knows models, GPUs or catalogs: `candidates` has already turned those into capacities and prices, and has
left out whatever quality, privacy, memory or SLO forbid. `program` turns a question into a mixed-integer
linear program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from planner.decision.choice.limits import Cause, SearchEnded

BandKey = tuple[str, int]
"""(route, index of the input band)"""


@dataclass(frozen=True)
class Flow:
    """Requests of one input band of one route.

    mean, planned: requests/s by level, in the order of `Question.level_hours`. Means bill; planned rates size.
    may_spill: an API may take it, also as the reserve when a node is lost.
    """

    route: str
    band: int
    mean: tuple[float, ...]
    planned: tuple[float, ...]
    may_spill: bool

    @property
    def key(self) -> BandKey:
        return (self.route, self.band)


@dataclass(frozen=True, kw_only=True)
class ReplicaClass:
    """Equal replicas that could be bought: a model in a format on an instance type with a tensor-parallel size and cap.

    capacity: requests/s of one replica at the SLO, by band; a band that is absent may not use the class.
    exclusive: its nodes hold nothing else, and what remains after losing one node still carries its planned load.
    weights: name of the checkpoint that it loads. weights_usd_per_month: what storing that checkpoint once costs.
    """

    name: str
    model: str
    instance_type: str
    gpus_per_node: int
    tensor_parallel_size: int
    vcpus_per_node: int
    quota_family: str
    usd_per_node_hour: float
    exclusive: bool
    capacity: Mapping[BandKey, float]
    weights: str
    weights_usd_per_month: float

    @property
    def replicas_per_node(self) -> int:
        return self.gpus_per_node // self.tensor_parallel_size

    @property
    def node_group(self) -> str:
        return f"{self.instance_type}/{self.name}" if self.exclusive else self.instance_type


@dataclass(frozen=True)
class ApiOption:
    """A hosted model that bands may spill to.

    usd_per_request, tokens_per_request: by band; a band that is absent may not use it.
    tokens_per_minute, requests_per_minute: limits of the provider's account, which all its models share; None = not
    stated.
    """

    name: str
    provider: str
    usd_per_request: Mapping[BandKey, float]
    tokens_per_request: Mapping[BandKey, float]
    tokens_per_minute: float | None
    requests_per_minute: float | None

    def cost_of(self, route: str) -> float:
        """USD a request, the mean over a route's bands: what ranks its APIs. Infinity if it may not use this one."""
        costs = [usd for (name, _), usd in self.usd_per_request.items() if name == route]
        return sum(costs) / len(costs) if costs else float("inf")


def apis_in_order(apis: Iterable[ApiOption], route: str) -> list[ApiOption]:
    """The APIs that a route may use, in the order in which the gateway asks them: the cheapest first, ties by name."""
    usable = [a for a in apis if a.cost_of(route) < float("inf")]
    return sorted(usable, key=lambda a: (a.cost_of(route), a.name))


@dataclass(frozen=True)
class Question:
    """Everything that the program needs. Hours sum to the hours of a month; money is USD a month.

    platform_usd: cost that falls on any plan that hosts anything itself (control plane, NAT, system nodes).
    survives_a_node: exclusive classes carry their planned load after losing a node, and APIs what a lost node served.
    quotas: vCPUs by family; a family that is absent is not limited here and named as a gap elsewhere.
    """

    level_hours: tuple[float, ...]
    flows: tuple[Flow, ...]
    classes: tuple[ReplicaClass, ...]
    apis: tuple[ApiOption, ...]
    platform_usd: float
    quotas: Mapping[str, float] = field(default_factory=dict)
    budget_usd: float | None = None
    api_budget_usd: float | None = None
    survives_a_node: bool = True

    def scaled(self, factor: float) -> Question:
        """The same question at a multiple of the load."""
        flows = tuple(
            replace(f, mean=tuple(m * factor for m in f.mean), planned=tuple(p * factor for p in f.planned))
            for f in self.flows
        )
        return replace(self, flows=flows)

    def without_apis(self) -> Question:
        """Self-host only. Flows lose the API as their reserve only through the program's own limits."""
        return replace(self, apis=(), api_budget_usd=None, budget_usd=None)

    def with_classes(self, names: frozenset[str]) -> Question:
        """Only the named classes may be bought."""
        return replace(self, classes=tuple(c for c in self.classes if c.name in names))


@dataclass(frozen=True)
class Answer:
    """What to buy and who serves what.

    replicas: number by class. nodes: number by node group. served, spilled: share of a band, by level, for each
    (band, class) and (band, API); levels stand in the order of `Question.level_hours`. proven: no plan within the
    question costs less. gap: how far the cost may lie above the optimum, a fraction of the cost; 0 when proven.
    """

    usd_per_month: float
    proven: bool
    gap: float
    replicas: Mapping[str, int]
    nodes: Mapping[str, int]
    served: Mapping[tuple[BandKey, str], tuple[float, ...]]
    spilled: Mapping[tuple[BandKey, str], tuple[float, ...]]


@dataclass(frozen=True)
class Infeasible:
    """No plan was found. causes: what stands in the way, sorted; a `SearchEnded` means that none is ruled out."""

    causes: tuple[Cause, ...]

    @property
    def undecided(self) -> bool:
        """Whether the search ended before it could tell."""
        return any(isinstance(cause, SearchEnded) for cause in self.causes)
