"""The difference of two locks: what changed in dollars, and why. It is a value; faces print it.

The bill is evaluated three times: as it was, with new quantities at old prices, and with new quantities at new prices.
The first step is what the inputs changed, and the second is what prices changed. Both are sums over the same cost
lines, so that the parts add up to the total with nothing left over. A price that the base did not use has no old value,
and what it costs counts for the inputs that brought it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from planner.documents.changes import KeyChange, key_changes, with_whole_lists
from planner.documents.lock import Lock
from planner.plan.cost import CostLine
from planner.plan.engine import PlannedEngine, canary_of
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.parts import PlanPart
from planner.plan.plan import Plan
from planner.plan.platform import PlannedPlatform
from planner.plan.traffic import PlannedRoute, RouteBand
from planner.words.numbers import dollars

ZERO = Decimal(0)
PartChangeKind = Literal["added", "removed", "changed"]
PartKind = Literal["platform", "node group", "pool", "route", "API"]
SIZES = (("nodes",), ("replicas",))
"""Paths of the figures of a part that cost most. They are told first."""
WHO_MAY_SEE = {"privacy", "residency", "fallback", "base_url", "provider"}
WHO_MAY_COME = {"public_cidrs", "private_from", "admin_roles", "scheme", "cidrs", "namespaces"}
REACH = frozenset(WHO_MAY_SEE | WHO_MAY_COME)
"""Keys that decide who may see data or rule the cluster."""
CHARTS = "that of the charts, or of the stack"
"""The image of the engine where a plan names none."""
KINDS: tuple[PartKind, ...] = ("platform", "node group", "pool", "route", "API")


@dataclass(frozen=True)
class LineChange:
    """A line change is one cost line on both sides.

    base, proposed: its amount on each side, USD a month; 0 where there is no such line.
    by_quantity: what the new quantity changes at the old price, USD a month.
    by_price: what the new price changes at the new quantity, USD a month.
    """

    name: str
    component: str
    kind: str
    base: Decimal
    proposed: Decimal
    by_quantity: Decimal
    by_price: Decimal

    @property
    def delta(self) -> Decimal:
        """Return the change of the amount, USD a month."""
        return self.proposed - self.base


@dataclass(frozen=True)
class PartChange:
    """A part change is a part of the plan that differs, such as a pool, a node group or a route.

    details: the values that differ, sizes first; only for a part that is on both sides.
    summary: what was added or removed, in a few words.
    """

    kind: PartKind
    name: str
    change: PartChangeKind
    details: tuple[KeyChange, ...] = ()
    summary: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diff:
    """A difference says what the proposed lock changes against its base.

    name: the environment.
    base_usd, proposed_usd: the bills of both sides, USD a month; the base's is 0 where there is no base.
    inputs: values of the environment, traces and calibrations that differ.
    snapshots: names of both price snapshots; the base's is empty where there is no base.
    first: whether there is no base.
    """

    name: str
    base_usd: Decimal
    proposed_usd: Decimal
    lines: tuple[LineChange, ...]
    parts: tuple[PartChange, ...]
    inputs: tuple[KeyChange, ...]
    snapshots: tuple[str, str]
    first: bool

    @property
    def delta(self) -> Decimal:
        """Return the change of the bill, USD a month."""
        return self.proposed_usd - self.base_usd

    @property
    def by_inputs(self) -> Decimal:
        """Return what new quantities change at old prices, USD a month."""
        return sum((line.by_quantity for line in self.lines), ZERO)

    @property
    def by_prices(self) -> Decimal:
        """Return what new prices change at new quantities, USD a month."""
        return sum((line.by_price for line in self.lines), ZERO)

    @property
    def empty(self) -> bool:
        """Say whether nothing changed that a reader of the plan would see."""
        return not self.parts and not self.inputs and all(line.delta == 0 for line in self.lines)

    def by_component(self) -> tuple[tuple[str, Decimal, Decimal], ...]:
        """Return (component, base, proposed), USD a month, the largest change first, ties by name."""
        base: dict[str, Decimal] = {}
        proposed: dict[str, Decimal] = {}
        for line in self.lines:
            base[line.component] = base.get(line.component, ZERO) + line.base
            proposed[line.component] = proposed.get(line.component, ZERO) + line.proposed
        names = sorted(base, key=lambda name: (-abs(proposed[name] - base[name]), name))
        return tuple((name, base[name], proposed[name]) for name in names)


def compare(base: Lock | None, proposed: Lock) -> Diff:
    """Return what `proposed` changes against `base`. Without a base everything is new."""
    old, new = base.plan if base else None, proposed.plan
    return Diff(
        name=proposed.name,
        base_usd=old.cost.usd_per_month if old else ZERO,
        proposed_usd=new.cost.usd_per_month,
        lines=_lines(old.cost.lines if old else (), new.cost.lines),
        parts=tuple(change for kind in KINDS for change in _parts(kind, old, new)),
        inputs=_inputs(base, proposed),
        snapshots=(base.consulted.snapshot if base else "", proposed.consulted.snapshot),
        first=base is None,
    )


def is_about_reach(change: KeyChange) -> bool:
    """Say whether a change decides who may see data or rule the cluster, so that no reader may miss it."""
    return bool(change.path) and change.path[0] in REACH


def touched_parts(diff: Diff) -> tuple[str, ...]:
    """Return what a deployment of the proposed plan may touch, as `kind name`, sorted."""
    return tuple(sorted(f"{part.kind} {part.name}" for part in diff.parts))


def _inputs(base: Lock | None, proposed: Lock) -> tuple[KeyChange, ...]:
    if base is None:
        return ()
    return (
        *key_changes(base.environment, proposed.environment),
        *key_changes(base.consulted.traces, proposed.consulted.traces, ("traces",)),
        *key_changes(base.consulted.calibrations, proposed.consulted.calibrations, ("calibration",)),
    )


def _lines(old: tuple[CostLine, ...], new: tuple[CostLine, ...]) -> tuple[LineChange, ...]:
    before, after = by_price(old), by_price(new)
    prices = {line.price: line.unit_price for line in old}
    return tuple(_line(before.get(key), after.get(key), prices) for key in sorted({*before, *after}))


def by_price(lines: tuple[CostLine, ...]) -> dict[tuple[str, str, str, int], CostLine]:
    """Return the lines by (component, price, kind, place), by which those of two bills are matched.

    Names do not match lines, as they carry quantities: `3 × g6e.xlarge` becomes `4 × g6e.xlarge`. Lines that share all
    else have different places in the order of names, so that none is lost from the sum.
    """
    keyed: dict[tuple[str, str, str, int], CostLine] = {}
    for line in sorted(lines, key=lambda line: (line.component, line.price, line.kind, line.name)):
        place = 0
        while (line.component, line.price, line.kind, place) in keyed:
            place += 1
        keyed[(line.component, line.price, line.kind, place)] = line
    return keyed


def _line(old: CostLine | None, new: CostLine | None, prices: dict[str, Decimal]) -> LineChange:
    either = new or old
    assert either is not None
    base = old.usd_per_month if old else ZERO
    proposed = new.usd_per_month if new else ZERO
    at_old_price = proposed
    if new is not None and prices.get(new.price, new.unit_price) != new.unit_price:
        at_old_price = dollars(new.quantity * prices[new.price])
    return LineChange(
        name=either.name,
        component=either.component,
        kind=either.kind,
        base=base,
        proposed=proposed,
        by_quantity=at_old_price - base,
        by_price=proposed - at_old_price,
    )


def _parts(kind: PartKind, old: Plan | None, new: Plan) -> list[PartChange]:
    before, after = _views(kind, old) if old else {}, _views(kind, new)
    changes = []
    for name in sorted({*before, *after}):
        if name not in before:
            changes.append(PartChange(kind, name, "added", summary=after[name].summary))
        elif name not in after:
            changes.append(PartChange(kind, name, "removed", summary=before[name].summary))
        elif details := key_changes(before[name].values, after[name].values):
            whole = with_whole_lists(details, before[name].values, after[name].values, nested=False)
            changes.append(PartChange(kind, name, "changed", tuple(sorted(whole, key=_importance))))
    return changes


@dataclass(frozen=True)
class _View:
    """A view is what of a part reaches the account, the charts or the gateway. Expected figures and reasons do not.

    values: what is compared.
    summary: the part in a few words.
    """

    values: dict[str, Any]
    summary: tuple[str, ...]


def _views(kind: PartKind, plan: Plan) -> dict[str, _View]:
    if kind == "node group":
        return {group.name: _node_group(group) for group in plan.node_groups}
    if kind == "pool":
        groups = {group.name: group for group in plan.node_groups}
        return {pool.name: _pool(pool, groups[pool.node_group], plan.platform.engine) for pool in plan.pools}
    if kind == "API":
        return {api.name: _View(_fields(api), (api.model,)) for api in plan.apis}
    if kind == "platform":
        return {plan.platform.region: _platform(plan.platform)}
    return {route.name: _route(route) for route in plan.routes}


def _fields(part: PlanPart, *left_out: str) -> dict[str, Any]:
    """Return the values that this format knows; what an older or newer one wrote beside them touches nothing."""
    return part.model_dump(mode="json", include=set(type(part).model_fields) - set(left_out))


def _platform(platform: PlannedPlatform) -> _View:
    values = _fields(platform, "engine")  # which touches pools, and is told of each
    if platform.cluster is not None:  # what is expected of it touches nothing
        values["cluster"] = platform.cluster.model_dump(
            mode="json", exclude={"log_groups": {"__all__": {"gb_per_month"}}, "model_bucket": {"weights_gb"}}
        )
    return _View(values, ())


def _node_group(group: NodeGroup) -> _View:
    values = _fields(group, "placement", "min_nodes", "max_nodes", "schedule", "spot_schedule", "warm_seconds")
    values["nodes"] = group.schedule.words if group.schedule else _range(group.min_nodes, group.max_nodes)
    if group.spot_schedule:
        values["spot"] = group.spot_schedule.words
    return _View(values, (f"{group.count_words} × {group.instance_type}",))


def _pool(pool: Pool, group: NodeGroup, engine: PlannedEngine | None) -> _View:
    values = _fields(pool, "capacity", "clock", "peak_utilization")
    scheduled = pool.replicas.week
    values["replicas"] = scheduled.words if scheduled else _range(pool.replicas.min, pool.replicas.max)
    values["replicas on a node"] = max((p.replicas.get(pool.name, 0) for p in group.placement), default=0)
    values["zones"] = list(group.zones)
    canary = canary_of(engine, pool.name)
    values["image"] = engine.image if engine and engine.image else CHARTS
    values["canary"] = f"{canary.replicas} of {pool.replicas.max} replicas on {canary.image}" if canary else "none"
    return _View(values, (f"{pool.replicas.words} × {pool.model} ({pool.format}) on {pool.gpu}",))


def _route(route: PlannedRoute) -> _View:
    bands = {f"band {index + 1}": _band(band) for index, band in enumerate(route.bands)}
    keys = {
        "name",
        "privacy",
        "residency",
        "bytes_per_token",
        "adapters",
        "fallback",
        "api_max_input_tokens",
        "triggers",
    }
    return _View({**bands, **route.model_dump(mode="json", include=keys)}, ())


def _band(band: RouteBand) -> dict[str, Any]:
    """Return a band as the gateway sees it."""
    pools = ", ".join(f"{name} × {weight:f}" for name, weight in sorted(band.weights.items()))
    view = {"up to tokens": band.max_input_tokens, "pools": pools or "none", "planned API share": f"{band.api_share:f}"}
    if band.is_refused:
        view["refused"] = "too long"
    if band.cut_to_tokens is not None:
        view["cut to tokens"] = band.cut_to_tokens
    return view


def _range(low: int, high: int) -> int | str:
    return low if low == high else f"{low} to {high}"


def _importance(change: KeyChange) -> tuple[int, tuple[str, ...]]:
    """Return a key that sorts sizes first, as they are what costs."""
    rank = 0 if change.path in SIZES else 1 if is_about_reach(change) else 2
    return (rank, tuple(str(step) for step in change.path))
