"""Two locks compared: what changed in dollars and why, as a value; faces print it.

The bill of the new plan is evaluated three times: as it was, with new quantities at old prices, with new prices. The
difference of the first two is what the inputs changed, of the last two what prices changed; both are sums over the same
cost lines, so that the parts add up to the total with nothing left over. A price that the base did not use has no old
value: what it costs is the work of the inputs that brought it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from planner.documents.changes import KeyChange, key_changes
from planner.documents.lock import Lock
from planner.plan.cost import CostLine
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.plan import Plan
from planner.plan.platform import PlannedPlatform
from planner.plan.traffic import PlannedRoute, RouteBand
from planner.words.numbers import dollars

ZERO = Decimal(0)
PartChangeKind = Literal["added", "removed", "changed"]
PartKind = Literal["platform", "node group", "pool", "route", "API"]
SIZES = (("nodes",), ("replicas",))
"""Paths of the figures of a part that cost most."""
KINDS: tuple[PartKind, ...] = ("platform", "node group", "pool", "route", "API")


@dataclass(frozen=True)
class LineChange:
    """One cost line on both sides, USD a month. `by_price` is what a new unit price did to the new quantity."""

    name: str
    component: str
    kind: str
    base: Decimal
    proposed: Decimal
    by_quantity: Decimal
    by_price: Decimal

    @property
    def delta(self) -> Decimal:
        return self.proposed - self.base


@dataclass(frozen=True)
class PartChange:
    """A pool, node group or route that differs.

    details: the figures that differ, sizes first. summary: what was added or removed, in a few words.
    """

    kind: PartKind
    name: str
    change: PartChangeKind
    details: tuple[KeyChange, ...] = ()
    summary: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diff:
    """What the proposed lock changes against its base; `base_usd` and all lines are 0 where there is no base."""

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
        return self.proposed_usd - self.base_usd

    @property
    def by_inputs(self) -> Decimal:
        """USD a month that new quantities cost at old prices."""
        return sum((line.by_quantity for line in self.lines), ZERO)

    @property
    def by_prices(self) -> Decimal:
        """USD a month that new prices cost at new quantities."""
        return sum((line.by_price for line in self.lines), ZERO)

    @property
    def empty(self) -> bool:
        """Whether nothing changed that a reader of the plan would see."""
        return not self.parts and not self.inputs and all(line.delta == 0 for line in self.lines)

    def by_component(self) -> tuple[tuple[str, Decimal, Decimal], ...]:
        """(component, base, proposed) in USD a month, the largest change first, ties by name."""
        base: dict[str, Decimal] = {}
        proposed: dict[str, Decimal] = {}
        for line in self.lines:
            base[line.component] = base.get(line.component, ZERO) + line.base
            proposed[line.component] = proposed.get(line.component, ZERO) + line.proposed
        names = sorted(base, key=lambda name: (-abs(proposed[name] - base[name]), name))
        return tuple((name, base[name], proposed[name]) for name in names)


def compare(base: Lock | None, proposed: Lock) -> Diff:
    """What `proposed` changes against `base`; None: there is no plan yet, everything is new."""
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


def touched_parts(diff: Diff) -> tuple[str, ...]:
    """What a deployment of the proposed plan may touch: `kind name`, sorted."""
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
    before, after = _by_price(old), _by_price(new)
    prices = {line.price: line.unit_price for line in old}
    return tuple(_line(before.get(key), after.get(key), prices) for key in sorted({*before, *after}))


def _by_price(lines: tuple[CostLine, ...]) -> dict[tuple[str, str, str, int], CostLine]:
    """What is bought is known by its price, as names carry quantities: `3 × g6e.xlarge` becomes `4 × g6e.xlarge`.

    Lines of a component that share a price are told apart by their order, so that none is lost from the sum.
    """
    found: dict[tuple[str, str, str, int], CostLine] = {}
    for line in sorted(lines, key=lambda line: (line.component, line.price, line.kind, line.name)):
        place = 0
        while (line.component, line.price, line.kind, place) in found:
            place += 1
        found[(line.component, line.price, line.kind, place)] = line
    return found


def _line(old: CostLine | None, new: CostLine | None, prices: dict[str, Decimal]) -> LineChange:
    known = new or old
    assert known is not None
    base = old.usd_per_month if old else ZERO
    proposed = new.usd_per_month if new else ZERO
    at_old_price = proposed
    if new is not None and prices.get(new.price, new.unit_price) != new.unit_price:
        at_old_price = dollars(new.quantity * prices[new.price])
    return LineChange(
        known.name, known.component, known.kind, base, proposed, at_old_price - base, proposed - at_old_price
    )


def _parts(kind: PartKind, old: Plan | None, new: Plan) -> list[PartChange]:
    before, after = _views(kind, old) if old else {}, _views(kind, new)
    found = []
    for name in sorted({*before, *after}):
        if name not in before:
            found.append(PartChange(kind, name, "added", summary=after[name].summary))
        elif name not in after:
            found.append(PartChange(kind, name, "removed", summary=before[name].summary))
        elif details := key_changes(before[name].values, after[name].values):
            found.append(PartChange(kind, name, "changed", tuple(sorted(details, key=_importance))))
    return found


@dataclass(frozen=True)
class _View:
    """What of a part reaches the account, the charts or the gateway; expected figures and reasons do not."""

    values: dict[str, Any]
    summary: tuple[str, ...]


def _views(kind: PartKind, plan: Plan) -> dict[str, _View]:
    if kind == "node group":
        return {group.name: _node_group(group) for group in plan.node_groups}
    if kind == "pool":
        groups = {group.name: group for group in plan.node_groups}
        return {pool.name: _pool(pool, groups[pool.node_group]) for pool in plan.pools}
    if kind == "API":
        return {api.name: _View(api.model_dump(mode="json"), (api.model,)) for api in plan.apis}
    if kind == "platform":
        return {plan.platform.region: _platform(plan.platform)}
    return {route.name: _route(route) for route in plan.routes}


def _platform(platform: PlannedPlatform) -> _View:
    values = platform.model_dump(
        mode="json", exclude={"cluster": {"log_groups": {"__all__": {"gb_per_month"}}, "model_bucket": {"weights_gb"}}}
    )
    return _View(values, ())


def _node_group(group: NodeGroup) -> _View:
    values = group.model_dump(mode="json", exclude={"placement", "min_nodes", "max_nodes"})
    values["nodes"] = _range(group.min_nodes, group.max_nodes)
    return _View(values, (f"{group.max_nodes} × {group.instance_type}",))


def _pool(pool: Pool, group: NodeGroup) -> _View:
    values = pool.model_dump(mode="json", exclude={"capacity", "clock", "peak_utilization"})
    values["replicas"] = _range(pool.replicas.min, pool.replicas.max)
    values["replicas on a node"] = max((p.replicas.get(pool.name, 0) for p in group.placement), default=0)
    values["zones"] = list(group.zones)
    return _View(values, (f"{pool.replicas.max} × {pool.model} ({pool.format}) on {pool.gpu}",))


def _route(route: PlannedRoute) -> _View:
    bands = {f"band {index + 1}": _band(band) for index, band in enumerate(route.bands)}
    kept = route.model_dump(
        mode="json", include={"name", "privacy", "residency", "bytes_per_token", "fallback", "triggers"}
    )
    return _View({**bands, **kept}, ())


def _band(band: RouteBand) -> dict[str, Any]:
    """How the gateway sees a band."""
    pools = ", ".join(f"{name} × {weight:f}" for name, weight in sorted(band.weights.items()))
    return {"up to tokens": band.max_input_tokens, "pools": pools or "none", "planned API share": f"{band.api_share:f}"}


def _range(low: int, high: int) -> int | str:
    return low if low == high else f"{low} to {high}"


def _importance(change: KeyChange) -> tuple[int, tuple[str, ...]]:
    """Sizes first: they are what costs."""
    return (0 if change.path in SIZES else 1, tuple(str(step) for step in change.path))
