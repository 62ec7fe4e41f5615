"""What a deployment of a plan touches: parts that come, change, go or take each other's place, and in which order.

The order is that of `infra/program`. Pulumi creates and changes first and deletes last. Node groups go before their
pools, a pool is done when all of its replicas serve, and the gateway follows the pools. A pool fills its nodes, so that
its replicas restart one after the other, each where it stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from planner.documents.diff import PartChange
from planner.documents.review import Touched
from planner.documents.review_figures import Side
from planner.documents.sentences import band_sentences, part_sentence, plain
from planner.plan.fleet import NodeGroup, Pool

REBUILDS = frozenset({"account", "cidr", "network", "zones"})
"""Keys of the platform with which most of the cluster is made anew."""
UNMEASURED = "plan a time without service, or deploy an environment beside it"
OF_GATEWAY = frozenset({"max_in_flight", "privacy", "replicas"})
"""First keys of a pool's values that its pods do not hold."""
REMAKES_GROUP = frozenset({"capacity_type", "exclusive", "gpu", "instance_type", "zones"})
"""Keys of a node group with which EKS makes it anew."""


def replacements(old: Side | None, new: Side) -> Mapping[str, str]:
    """Return the pools that take another's place: the old pool by the new one. They serve a route of the other.

    A pool whose routes go on at several new pools is replaced by the one with most of them, ties by name.
    """
    if old is None:
        return {}
    gone = [pool for name, pool in sorted(old.pools.items()) if name not in new.pools]
    found: dict[str, str] = {}
    for name, pool in sorted(new.pools.items()):
        if name in old.pools:
            continue
        rank = sorted((-len(_routes(pool) & _routes(other)), other.name) for other in gone)
        if rank and rank[0][0]:
            found[name] = rank[0][1]
            gone = [other for other in gone if other.name != rank[0][1]]
    return found


def _routes(pool: Pool) -> frozenset[str]:
    return frozenset(capacity.route for capacity in pool.capacity)


def touched(parts: Iterable[PartChange], old: Side | None, new: Side) -> Iterator[Touched]:
    """Yield the parts that a deployment touches, in their order. Two pools of a replacement are one part."""
    replaced = replacements(old, new)
    moves = old is not None and old.plan.platform.region != new.plan.platform.region
    for part in parts:
        if part.kind == "pool" and part.name in replaced.values():
            continue
        if part.kind == "platform" and old is not None and moves:
            if part.change == "added":
                yield _moved(old.plan.platform.region, part.name)
        elif old is not None and part.kind == "pool" and part.name in replaced:
            before, after = old.pools[replaced[part.name]], new.pools[part.name]
            what = f"it replaces {before.name}: {_kind(before)} by {_kind(after)}"
            order = "" if moves else _order_of_replacement(before, after, old, new)
            yield _as_touched(part, (what,), order, replaced=before.name)
        else:
            yield _as_touched(part, tuple(_sentences(part, old, new)), "" if moves else _order(part, old, new))


def _moved(old: str, new: str) -> Touched:
    return Touched(
        part=f"platform {new}",
        presence="replaced",
        changes=(f"it replaces {old}",),
        values=(("region", old, new),),
        order=f"everything is made anew in {new}; whether requests are served meanwhile is not known: {UNMEASURED}",
    )


def _kind(pool: Pool) -> str:
    return f"{pool.replicas.words} × {pool.model} ({pool.format}) on {pool.gpu}"


def _as_touched(part: PartChange, changes: tuple[str, ...], order: str, replaced: str = "") -> Touched:
    values = [
        (".".join(map(str, c.path)), None if c.old is None else plain(c.old), None if c.new is None else plain(c.new))
        for c in part.details
    ]
    if replaced:
        values.append(("name", replaced, part.name))
    return Touched(
        part=f"{part.kind} {part.name}",
        presence="replaced" if replaced else part.change,
        changes=changes,
        values=tuple(values),
        order=order,
    )


def _sentences(part: PartChange, old: Side | None, new: Side) -> Iterator[str]:
    yield from part.summary
    is_route = part.kind == "route" and part.change == "changed"
    if is_route and old is not None:
        yield from band_sentences(old.routes[part.name], new.routes[part.name])
    for change in part.details:
        if not (is_route and str(change.path[0]).startswith("band ")):
            yield part_sentence(change)


def _order(part: PartChange, old: Side | None, new: Side) -> str:
    """Say how a part is changed or deleted; empty where nothing is away for a moment."""
    keys = {str(change.path[0]) for change in part.details}
    if part.kind in ("platform", "node group") and new.plan.platform.existing is not None:
        return _order_by_hand(part, new)
    if part.kind == "platform" and keys & REBUILDS:
        return f"the cluster is made anew; whether requests are served meanwhile is not known: {UNMEASURED}"
    if part.kind == "node group" and part.change == "removed":
        return "its nodes are deleted last, when the gateway no longer sends to their pools"
    if part.kind == "node group" and keys & REMAKES_GROUP:
        return "EKS makes the group anew beside the old one, which is deleted last; the quota must hold both"
    if part.kind == "node group" and "disk_gb" in keys:
        return "its nodes are replaced one after the other, and what runs on each starts again"
    if part.kind != "pool" or old is None:
        return ""
    if part.change == "removed":
        return "it is deleted last, when the gateway no longer sends to it"
    if part.change == "changed" and keys - OF_GATEWAY == {"canary"}:
        return _places(part, new.pools[part.name])
    if part.change == "changed" and keys - OF_GATEWAY:
        return _restart(new.pools[part.name])
    return ""


def _order_by_hand(part: PartChange, new: Side) -> str:
    """Say what a person does in a cluster that is there already: nodes are not made, and those set apart are marked."""
    if any(change.path[:2] == ("existing", "context") for change in part.details):
        return "another cluster is refused as long as the stack is deployed on the former one: destroy it there first"
    if part.kind == "node group" and part.change == "removed":
        return "its nodes stay; where they were set apart, label and taint are taken off by hand"
    group = next((group for group in new.plan.node_groups if group.name == part.name), None)
    return "its nodes are set apart by hand before the deployment" if group is not None and group.exclusive else ""


def _restart(pool: Pool) -> str:
    away = f"about {float(pool.load_seconds):.0f} s, the time that it loads"
    if pool.replicas.max == 1:
        return f"its one replica stops before the next one starts: the pool is away for {away}"
    return f"its {pool.replicas.max} replicas restart one after the other: one of them is away for {away}"


def _places(part: PartChange, pool: Pool) -> str:
    """Say what a canary moves: replicas that give their places to its image, or get them back."""
    (change,) = [change for change in part.details if change.path == ("canary",)]
    away = f"which are away for about {float(pool.load_seconds):.0f} s, the time that the others load"
    if change.new == "none":
        return f"the canary's replicas give their places back, {away}; it is deleted when the gateway knows it no more"
    return f"those replicas give their places to the canary's, {away}; the others stay as they are"


def _order_of_replacement(before: Pool, after: Pool, old: Side, new: Side) -> str:
    """Say in which order a pool takes another's place, and whether the nodes hold both until the old one is deleted."""
    group = _group(new, after)
    other = _group(old, before)
    if before.node_group != after.node_group or group is None or other is None:
        if new.plan.platform.existing is not None:
            return (
                f"{after.name} is made first and {before.name} is deleted last: the cluster's nodes must hold both "
                "meanwhile, or the new one waits until the deployment fails"
            )
        return (
            f"{after.name} is made first and the gateway turns to it when all of its replicas serve; {before.name} is "
            "deleted last: no time without service, and both are paid for and count against the quota meanwhile"
        )
    staying = sum(
        pool.replicas.max * pool.engine.gpus
        for pool in new.pools.values()
        if pool.node_group == group.name and pool.name != after.name
    )
    needed = staying + sum(pool.replicas.max * pool.engine.gpus for pool in (before, after))
    if needed <= group.max_nodes * group.gpus_per_node:
        return (
            f"both fit on the nodes: {after.name} is started first, and {before.name} is deleted when the gateway no "
            "longer sends to it: no time without service"
        )
    return (
        f"{after.name} needs GPUs that {before.name} holds, and a deployment deletes last: it would wait for them "
        f"until it fails. Delete {before.name} first; its routes are then without it for about "
        f"{float(after.load_seconds):.0f} s and more"
    )


def _group(side: Side, pool: Pool) -> NodeGroup | None:
    return next((group for group in side.plan.node_groups if group.name == pool.node_group), None)
