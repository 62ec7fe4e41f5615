"""What would fail on a cluster that is there already, said before the first object. The module is pure.

`plan_problems` asks the lock alone. `cluster_problems` holds it against what the cluster says of itself: its identity,
version, nodes, namespaces, volume claims, and what the user may do. Each rule is one function that yields problems
(DEP040 to DEP049; what is the same on a cluster of AWS has its code there).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra.clock_rules import DEFINITION, INSTALL, pools_by_the_clock, size_problems
from infra.existing_facts import ExistingFacts, FoundNode
from infra.naming import (
    ENVIRONMENT_LABEL,
    GATEWAY_NAMESPACE,
    GPU_TAINT,
    NODE_GROUP_LABEL,
    POOL_TAINT,
    SERVING_NAMESPACE,
    label_value,
)
from infra.preflight import release_names
from infra.values import own_places
from planner.domain.existing_cluster import ExistingCluster, NodesByLabel
from planner.plan.fleet import NodeGroup
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

OLDEST_MINOR = 30
"""Oldest minor version of Kubernetes 1 that the charts run on: it knows `sleep` before a container stops."""
GATEWAY_NODES = 2
"""Nodes that gateways need: no node holds more than half of them."""
MANAGED = {"app.kubernetes.io/managed-by": "spillway"}
"""Label of a namespace that this program made."""
GPU_TOLERATION = f"{GPU_TAINT}:NoSchedule"
"""The taint that each engine tolerates whatever is stated, with any value."""
TOLD_NODES = 4


def plan_problems(plan: Plan, existing: ExistingCluster) -> Iterator[Problem]:
    """Yield what the lock itself does not hold together, and what is deployed nowhere yet."""
    yield from size_problems(plan, nodes_are_ours=False)
    yield from release_names(plan)
    for group in plan.node_groups:
        if group.instance_type not in existing.nodes:
            message = f"node group `{group.name}`: nobody says which nodes are `{group.instance_type}`"
            yield Problem("DEP049", message, hint="plan again")
    groups = {group.name: group for group in plan.node_groups}
    for pool in plan.pools:
        own = groups.get(pool.node_group)
        if own is None or pool.engine.gpus > own.gpus_per_node:
            yield Problem("DEP049", f"pool `{pool.name}` does not fit on its nodes", hint="plan again")
        elif pool.privacy == "restricted" and not own.exclusive:
            yield Problem("DEP025", f"pool `{pool.name}` serves restricted data on shared nodes", hint="plan again")
        if pool.privacy == "restricted" and existing.network_policies != "enforced":
            message = (
                f"pool `{pool.name}` serves restricted data, and nothing in this cluster enforces network policies"
            )
            hint = (
                "install a network plug-in that enforces them and state `platform.cluster.network_policies: enforced`"
            )
            yield Problem("DEP047", message, hint=hint)
    yield from _weights_stated(plan, existing)


def cluster_problems(
    plan: Plan, existing: ExistingCluster, facts: ExistingFacts, environment: str, remembered: str | None
) -> Iterator[Problem]:
    """Yield what speaks against deploying on this cluster.

    remembered: identity of the cluster that the stack was deployed on before; None where it was not.
    """
    stated = existing.uid
    for uid, whose in ((stated, "`platform.cluster.uid` states"), (remembered, "this stack was deployed on")):
        if uid is not None and uid != facts.uid:
            message = f"context `{existing.context}` leads to cluster {facts.uid}; {whose} {uid}"
            hint = "name the right context and kubeconfig; to move, destroy the stack on the former cluster first"
            yield Problem("DEP041", message, hint=hint)
    if facts.minor < OLDEST_MINOR:
        message = f"the cluster runs Kubernetes 1.{facts.minor}; 1.{OLDEST_MINOR} is the oldest that will do"
        yield Problem("DEP042", message, hint="upgrade it")
    names = pools_by_the_clock(plan)
    if names and not facts.has_scaled_objects:
        message = f"pool `{names[0]}` follows the clock, and the cluster has no `{DEFINITION}`"
        yield Problem("DEP029", message, hint=f"install KEDA: {INSTALL}, with `--kube-context {existing.context}`")
    yield from _nodes(plan, existing, facts)
    yield from _gateway(existing, facts)
    if facts.denied:
        yield Problem(
            "DEP045", f"this user may not: {_denied(facts)}", hint="ask an administrator of the cluster for a role"
        )
    for name in (SERVING_NAMESPACE, GATEWAY_NAMESPACE):
        owner = facts.namespaces.get(name, {ENVIRONMENT_LABEL: environment}).get(ENVIRONMENT_LABEL)
        if owner != environment:
            message = f"namespace `{name}` is there already" + (f" and is environment `{owner}`'s" if owner else "")
            hint = (
                f"hand it over by `kubectl --context {existing.context} label namespace {name} "
                f"{ENVIRONMENT_LABEL}={environment}`; it is used as it is, and `destroy` leaves it"
            )
            yield Problem("DEP046", message, hint="use another cluster" if owner else hint)
    yield from _claim(plan, existing, facts, environment)


def theirs(namespaces: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """Return the namespaces of the environment that the team made: they are used as they are, and not removed.

    namespaces: labels by name.
    """
    there = (name for name in (SERVING_NAMESPACE, GATEWAY_NAMESPACE) if name in namespaces)
    return frozenset(name for name in there if not MANAGED.items() <= namespaces[name].items())


def _denied(facts: ExistingFacts) -> str:
    """Name what is denied: the verbs of each kind of object together."""
    verbs: dict[str, list[str]] = {}
    for right in facts.denied:
        verbs.setdefault(right.words().partition(" ")[2], []).append(right.verb)
    return ", ".join(f"{'/'.join(each)} {what}" for what, each in verbs.items())


def _weights_stated(plan: Plan, existing: ExistingCluster) -> Iterator[Problem]:
    """Require a place of each pool's weights, and addresses of the store that pools may reach."""
    place = existing.weights
    if place.volume_claim is None and place.bucket is None:
        for name in (pool.name for pool in plan.pools if pool.weights is None):
            hint = "state `platform.cluster.weights` (a `volume_claim` or a `bucket`), or own weights of the model"
            yield Problem("DEP048", f"pool `{name}`: nobody says where its weights lie", hint=hint)
    if own_places(plan.pools) and not place.cidrs:
        hint = "state `platform.cluster.weights.cidrs`"
        yield Problem("DEP048", "some weights lie in own buckets, and nobody says at which addresses", hint=hint)


def _nodes(plan: Plan, existing: ExistingCluster, facts: ExistingFacts) -> Iterator[Problem]:
    """Require for each node group as many nodes as it has, with their labels, their GPUs and no strange taint."""
    for group in plan.node_groups:
        kind = existing.nodes.get(group.instance_type)
        if kind is None:
            continue
        alike = [node for node in facts.nodes if kind.labels.items() <= node.labels.items()]
        own = own_marks(plan, group)
        against = {node.name: tuple(_against(node, group, kind, own, existing)) for node in alike}
        usable = [name for name, told in against.items() if not told]
        if len(usable) >= group.max_nodes:
            continue
        labels = ", ".join(f"{key}={value}" for key, value in sorted(kind.labels.items()))
        message = (
            f"node group `{group.name}` needs {group.max_nodes} × {group.instance_type}; {len(usable)} of the "
            f"{len(alike)} nodes with {labels} will do"
        )
        told = [f"{name} {' and '.join(why)}" for name, why in sorted(against.items()) if why]
        if told:
            further = f" and {len(told) - TOLD_NODES} more" if len(told) > TOLD_NODES else ""
            message += f": {'; '.join(told[:TOLD_NODES])}{further}"
        blind = all(node.gpus == 0 for node in alike) and alike and existing.device_plugin == "theirs"
        code = "DEP044" if blind else "DEP043"
        yield Problem(code, message, hint=_way_out(existing, group, own, alike, len(usable), bool(blind)))


def own_marks(plan: Plan, group: NodeGroup) -> tuple[str, str] | None:
    """Return the label and the taint that set the nodes of an exclusive group apart; None for a shared group."""
    if not group.exclusive:
        return None
    pool = next(pool.name for pool in plan.pools if pool.node_group == group.name)
    return f"{NODE_GROUP_LABEL}={label_value(group.name)}", f"{POOL_TAINT}={label_value(pool)}:NoSchedule"


def _against(
    node: FoundNode, group: NodeGroup, kind: NodesByLabel, own: tuple[str, str] | None, existing: ExistingCluster
) -> Iterator[str]:
    """Yield what speaks against a node with the right labels."""
    label, taint = own or ("", "")
    if not node.is_ready:
        yield "takes no pods"
    if label and f"{NODE_GROUP_LABEL}={node.labels.get(NODE_GROUP_LABEL)}" != label:
        yield "is not labelled as one of its own"
    if taint and taint not in node.taints:
        yield "is not tainted as one of its own"
    strange = sorted(each for each in node.taints - {*kind.taints, taint} if not _always_tolerated(each))
    if strange:
        yield f"has taint {', '.join(strange)}"
    if existing.device_plugin == "theirs" and node.gpus < group.gpus_per_node:
        yield f"offers {node.gpus} of {group.gpus_per_node} {GPU_TAINT}"
    elif node.taken_gpus:
        yield f"lends {node.taken_gpus} GPUs to other pods"
    if node.cpu_m < group.allocatable_cpu_m or node.memory_mib < group.allocatable_memory_mib:
        yield f"gives {node.cpu_m}m CPU and {node.memory_mib} MiB, not {group.allocatable_cpu_m}m and " + (
            f"{group.allocatable_memory_mib} MiB"
        )


def _always_tolerated(taint: str) -> bool:
    key, _, effect = taint.rpartition(":")
    return effect == "NoSchedule" and key.partition("=")[0] == GPU_TAINT


def _way_out(
    existing: ExistingCluster,
    group: NodeGroup,
    own: tuple[str, str] | None,
    alike: Sequence[FoundNode],
    usable: int,
    blind: bool,
) -> str:
    if blind:
        return (
            "the nodes offer no GPUs: install NVIDIA's device plugin or GPU operator, or set `device_plugin: ours` in "
            "`platform.cluster`"
        )
    if own is None:
        return "add nodes, free them, or state their taints in `platform.cluster.nodes`"
    free = [n.name for n in alike if n.is_ready and not n.taken_gpus and NODE_GROUP_LABEL not in n.labels]
    names = " ".join(sorted(free)[: group.max_nodes - usable]) or "NODE"
    label, taint = own
    kubectl = f"kubectl --context {existing.context}"
    return f"set nodes apart: `{kubectl} label node {names} {label}` and `{kubectl} taint node {names} {taint}`"


def _gateway(existing: ExistingCluster, facts: ExistingFacts) -> Iterator[Problem]:
    """Require two nodes on which gateways may stand."""
    kind = existing.gateway
    labels: Mapping[str, str] = kind.labels if kind else {}
    tolerated = set(kind.taints) if kind else set()
    able = [
        node.name
        for node in facts.nodes
        if node.is_ready and labels.items() <= node.labels.items() and not node.taints - tolerated
    ]
    if len(able) < GATEWAY_NODES:
        message = f"gateways need {GATEWAY_NODES} nodes; {len(able)} will do"
        hint = "name nodes for them by labels and taints in `platform.cluster.gateway`, or add nodes without a taint"
        yield Problem("DEP043", message, hint=hint)


def _claim(plan: Plan, existing: ExistingCluster, facts: ExistingFacts, environment: str) -> Iterator[Problem]:
    """Require the volume claim of the weights, readable from several nodes."""
    name = existing.weights.volume_claim
    if name is None:
        return
    modes = facts.claims.get(name)
    if modes is None:
        where = f"namespace `{SERVING_NAMESPACE}`"
        hint = f"make {where} with the label `{ENVIRONMENT_LABEL}={environment}`, and in it the claim, and fill it"
        yield Problem("DEP048", f"there is no volume claim `{name}` in {where}", hint=hint)
    elif not {"ReadOnlyMany", "ReadWriteMany"} & set(modes) and sum(g.max_nodes for g in plan.node_groups) > 1:
        message = f"volume claim `{name}` is for one node ({', '.join(modes)}), and pools stand on several"
        yield Problem("DEP048", message, hint="make it ReadOnlyMany or ReadWriteMany")
