"""The question: the choice to be made in plain numbers. Flows are to be served, by classes and APIs, within limits.

Nothing here knows models, GPUs or catalogs: `candidates` has already turned those into capacities and prices, and has
left out whatever quality, privacy, memory or SLO forbid. `program` turns a question into a mixed-integer linear
program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from planner.decision.choice.limits import Cause, SearchEnded

BandKey = tuple[str, int]
"""(route, index of the input band)"""


@dataclass(frozen=True)
class Flow:
    """A flow is the requests of one input band of one route.

    band: index of the band.
    mean: requests/s by level, in the order of `Question.level_hours`; they decide the bill of APIs.
    planned: requests/s by level that the classes must be able to carry.
    may_spill: whether an API may take the band, also as the reserve when a node is lost.
    may_turn_away: whether the band may be left without a place where its prompts are too long for what serves the
    route.
    elsewhere: whether an API that reads the band must then take it.
    waits: whether it may wait; its hours are then open (`paced`), or those of a plan.
    paced: requests/s that a share of 1 is at pools, where the band may wait; 0 where it may not, and `planned` tells.
    """

    route: str
    band: int
    mean: tuple[float, ...]
    planned: tuple[float, ...]
    may_spill: bool
    may_turn_away: bool = False
    elsewhere: bool = True
    waits: bool = False
    paced: float = 0.0

    def at_pools(self, t: int) -> float:
        """Return the requests/s that pools must carry at a level for a share of 1.

        What may wait has a pace of its own at each level: its shares are multiples of its mean rate.
        """
        return self.paced or self.planned[t]

    @property
    def key(self) -> BandKey:
        """Return the key of the band."""
        return (self.route, self.band)


@dataclass(frozen=True, kw_only=True)
class ReplicaClass:
    """A replica class is equal replicas that could be bought: a model in a format, with a batch cap, on a machine.

    gpus_per_replica: GPUs of one replica.
    quota_family: family of instance types whose vCPU quota its nodes use.
    usd_per_node_hour: cost of a node with its disk, USD an hour, where it is bought.
    exclusive: whether its nodes hold nothing else, and carry its planned load even after one of them is lost.
    capacity: requests/s of one replica at the SLO, by band; a band that is absent may not use the class.
    reads: bands whose prompts are not too long for it, whether or not it meets their SLO.
    weights: name of the checkpoint that its replicas load.
    weights_usd_per_month: cost of storing that checkpoint once, USD a month.
    existing: machines of its instance type that are paid for already, for all classes on it together.
    owned: number of these machines that are one's own: nodes on them use no quota and no disk.
    blocks: number of these machines that are of a capacity block: nodes on them use no quota.
    usd_per_existing_node_hour: what a node on such a machine costs beside it, its disk, USD an hour.
    may_buy: whether more machines of the type can be bought.
    gpu: GPU of its machines.
    usd_per_spot_hour: cost of a spot node with its disk, USD an hour; None where it has none: a class that is exclusive
    never has, because no API helps it when AWS takes its nodes back.
    zones: zones that its nodes are spread over.
    commitments: cost of a node under each commitment with its disk, USD an hour, by the commitment's key, sorted.
    warm_hours: time from the request for a node until its replicas serve, hours, where its nodes may be given back and
    had again; None where they run the whole month.
    """

    name: str
    model: str
    instance_type: str
    gpus_per_node: int
    gpus_per_replica: int
    vcpus_per_node: int
    quota_family: str
    usd_per_node_hour: float
    exclusive: bool
    capacity: Mapping[BandKey, float]
    weights: str
    weights_usd_per_month: float
    reads: frozenset[BandKey] = frozenset()
    existing: int = 0
    owned: int = 0
    blocks: int = 0
    usd_per_existing_node_hour: float = 0.0
    may_buy: bool = True
    gpu: str = ""
    usd_per_spot_hour: float | None = None
    zones: int = 1
    commitments: tuple[tuple[str, float], ...] = ()
    warm_hours: float | None = None

    @property
    def is_elastic(self) -> bool:
        """Say whether its nodes may be given back and had again."""
        return self.warm_hours is not None

    @property
    def purchases_usd_per_hour(self) -> tuple[float, ...]:
        """Return the cost of a node as it can be bought anew, USD an hour: on demand, as spot, under commitments.

        Where it cannot be bought in a way, it costs what it costs on demand there.
        """
        spot = self.usd_per_node_hour if self.usd_per_spot_hour is None else self.usd_per_spot_hour
        committed = min((usd for _, usd in self.commitments), default=self.usd_per_node_hour)
        return self.usd_per_node_hour, spot, committed

    @property
    def next_usd_per_node_hour(self) -> float:
        """Return the least that the first node costs, USD an hour: its disk where its machine is paid for already."""
        return self.least_usd_per_existing_node_hour if self.existing else min(self.purchases_usd_per_hour)

    @property
    def least_usd_per_existing_node_hour(self) -> float:
        """Return the least that a node on a machine that is paid for already costs beside it, USD an hour."""
        return 0.0 if self.owned else self.usd_per_existing_node_hour

    @property
    def replicas_per_node(self) -> int:
        """Return the number of replicas that one node holds."""
        return self.gpus_per_node // self.gpus_per_replica

    @property
    def node_group(self) -> str:
        """Return the node group that it stands on: its own, or one that classes share by instance type.

        An exclusive class has its own, and so has an elastic one: its nodes come and go with its own load.
        """
        return f"{self.instance_type}/{self.name}" if self.exclusive or self.is_elastic else self.instance_type


@dataclass(frozen=True)
class ApiOption:
    """An API option is a hosted model that bands may spill to.

    usd_per_request: mean cost, USD a request, by band; a band that is absent may not use it.
    tokens_per_request: mean input and output tokens of a request, by band.
    tokens_per_minute, requests_per_minute: limits of the provider's account, which all its models share; None where
    they are not stated.
    """

    name: str
    provider: str
    usd_per_request: Mapping[BandKey, float]
    tokens_per_request: Mapping[BandKey, float]
    tokens_per_minute: float | None
    requests_per_minute: float | None

    @property
    def bands(self) -> frozenset[BandKey]:
        """Return all bands that may use it."""
        return frozenset(self.usd_per_request)

    def bands_of(self, route: str) -> frozenset[BandKey]:
        """Return the bands of a route that may use it."""
        return frozenset(key for key in self.usd_per_request if key[0] == route)


def apis_in_order(apis: Iterable[ApiOption], route: str) -> list[ApiOption]:
    """Return the APIs that a route may use, in the order in which the gateway asks them: by cost, ties by name.

    They are compared by their plain mean cost over the bands that all of them take, not weighted by their shares.
    """
    usable = [a for a in apis if a.bands_of(route)]
    common = sorted(frozenset.intersection(*(a.bands_of(route) for a in usable))) if usable else []

    def cost(api: ApiOption) -> float:
        return sum(api.usd_per_request[key] for key in common) / max(1, len(common))

    return sorted(usable, key=lambda a: (cost(a), a.name))


@dataclass(frozen=True)
class Deferral:
    """A deferral says when the requests of a route come that may wait.

    arrivals: what comes in each hour of the week, multiples of its mean.
    hours: whole hours that a request may wait before it is worked on; what comes within an hour comes evenly.
    """

    arrivals: tuple[float, ...]
    hours: int


@dataclass(frozen=True)
class Question:
    """A question is everything that the program needs.

    level_hours: hours a month of each load level; they sum to a month.
    flows: what must be served.
    classes, apis: what may serve it.
    platform_usd: cost of any plan that hosts something itself (control plane, NAT, system nodes), USD a month.
    quotas: vCPUs that may run, by family; a family that is absent has no limit here and is named by a verdict.
    budget_usd: most that the plan may cost, USD a month; None without a budget.
    api_budget_usd: most that APIs may cost, USD a month; None without a budget.
    survives_a_node: whether the plan stands the loss of a node: exclusive classes still carry their planned load, and
    APIs can take what a lost node of the others served.
    survives_a_zone: whether it also stands the loss of a zone, with the nodes of all groups there.
    required: names of classes that must be bought, whatever that costs.
    existing_usd: cost of the machines that are paid for already, used or not, USD a month; it is part of every plan.
    spot_share: largest share of spot among the GPUs of a kind, 0 to 1, on nodes that are not exclusive.
    deferrals: when the requests of each route come that may wait (`deferred`).
    hours: place of the level of each hour of the week; empty where no route may wait.
    changes: how often a month one level follows another one: (the earlier, the later, times), by their indices.
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
    survives_a_zone: bool = False
    required: frozenset[str] = frozenset()
    existing_usd: float = 0.0
    spot_share: float = 0.0
    deferrals: Mapping[str, Deferral] = field(default_factory=dict)
    hours: tuple[int, ...] = ()
    changes: tuple[tuple[int, int, float], ...] = ()

    def scaled(self, factor: float) -> Question:
        """Return the same question at a multiple of the load."""
        flows = tuple(
            replace(
                f,
                mean=tuple(m * factor for m in f.mean),
                planned=tuple(p * factor for p in f.planned),
                paced=f.paced * factor,
            )
            for f in self.flows
        )
        return replace(self, flows=flows)

    def without_apis(self) -> Question:
        """Return the question without APIs and without budgets.

        A class that is not exclusive gets no reserve in their place: it may lose a node and then serve too little.
        """
        return replace(self, apis=(), api_budget_usd=None, budget_usd=None)

    def with_classes(self, names: frozenset[str]) -> Question:
        """Return the question in which only the named classes may be bought."""
        return replace(self, classes=tuple(c for c in self.classes if c.name in names))


@dataclass(frozen=True)
class Answer:
    """An answer says what to buy and who serves what.

    usd_per_month: cost of everything, USD a month.
    proven: whether it is proven that no plan within the question costs less.
    gap: how far the cost may lie above the optimum, a fraction of the cost; 0 when proven.
    replicas: number by class.
    nodes: number by node group, with those that are spot.
    spot: number of the nodes that are spot, by node group; a group without any is absent.
    committed: number of machines under each commitment, by (instance type, key of the commitment).
    served: share of a band that a class serves, by (band, class) and level; those without a share are absent.
    spilled: share of a band that an API takes, by (band, API) and level; those without a share are absent.
    turned_away: share of a band that is too long for what serves its route, by level; bands without one are absent.
    nodes_by_level, spot_by_level: the same numbers by level, of node groups whose size changes; `nodes` and `spot` are
    then the most.

    Levels stand in the order of `Question.level_hours`.
    """

    usd_per_month: float
    proven: bool
    gap: float
    replicas: Mapping[str, int]
    nodes: Mapping[str, int]
    served: Mapping[tuple[BandKey, str], tuple[float, ...]]
    spilled: Mapping[tuple[BandKey, str], tuple[float, ...]]
    turned_away: Mapping[BandKey, tuple[float, ...]] = field(default_factory=dict)
    spot: Mapping[str, int] = field(default_factory=dict)
    committed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    nodes_by_level: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    spot_by_level: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def nodes_at(self, group: str, t: int) -> int:
        """Return the nodes of a group at a level, with those that are spot."""
        return self.nodes_by_level[group][t] if group in self.nodes_by_level else self.nodes.get(group, 0)

    def spot_at(self, group: str, t: int) -> int:
        """Return the spot nodes of a group at a level."""
        return self.spot_by_level[group][t] if group in self.spot_by_level else self.spot.get(group, 0)


@dataclass(frozen=True)
class Infeasible:
    """No plan was found.

    causes: what stands in the way, sorted; a `SearchEnded` among them means that no plan is ruled out either.
    """

    causes: tuple[Cause, ...]

    @property
    def undecided(self) -> bool:
        """Say whether the search ended before it could tell."""
        return any(isinstance(cause, SearchEnded) for cause in self.causes)
