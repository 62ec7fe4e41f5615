"""What would fail at AWS half an hour into `up`, said before the first resource. The module is pure and asks nobody.

Each rule is one function that yields problems (DEP…). What only an account can answer (quotas, offerings, secrets) is
not asked here.
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.addressing import private_cidr
from infra.clock_rules import size_problems
from infra.ingress import problems as ingress_problems
from infra.naming import own_name
from infra.purchases import shares
from infra.reach import Stage, reach_problems
from planner.documents.routing import release_name
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem

RELEASE_NAME_LIMIT = 53


def problems(plan: Plan, runner: str, stage: Stage = "all", serves: bool = False) -> tuple[Problem, ...]:
    """List everything that speaks against deploying this plan from here. The list is empty when the plan may go.

    runner, stage, serves: see `reach`.

    A plan without pools makes no network and no cluster, so there is nothing to speak against.
    """
    if not plan.pools:
        return ()
    reach = reach_problems(plan.platform, runner, stage, serves)
    found = (*_cluster(plan), *_network(plan), *reach, *_node_groups(plan), *_pools(plan))
    return (*found, *size_problems(plan, nodes_are_ours=True), *release_names(plan), *ingress_problems(plan))


def release_names(plan: Plan) -> Iterator[Problem]:
    """Require names of pools from which Helm makes names of objects."""
    for pool in plan.pools:
        if len(release_name(pool.name)) > RELEASE_NAME_LIMIT:
            message = f"pool `{pool.name}`: the release name {release_name(pool.name)} is longer than Helm takes"
            yield Problem("DEP026", message, hint=f"{RELEASE_NAME_LIMIT} characters at most; shorten the pool's name")


def _cluster(plan: Plan) -> Iterator[Problem]:
    """Require that a plan which hosts something says what is built beside its GPU nodes, and nothing that is not."""
    parts = plan.platform.cluster
    if parts is None:
        message = "the plan has pools, but its platform says nothing of a cluster"
        yield Problem("DEP027", message, hint="plan again")
        return
    logs = ["control-plane", *(["network-flows"] if plan.platform.network is None else [])]
    for what, names, built in (
        ("keys", [key.name for key in parts.keys], ["secrets"]),
        ("log groups", [group.name for group in parts.log_groups], logs),
    ):
        if sorted(names) != built:
            message = f"the {what} of the platform are {', '.join(names) or 'none'}; {' and '.join(built)} are built"
            yield Problem("DEP027", message, hint="plan again")
    strange = sorted(set(parts.nat_zones) - set(plan.platform.zones))
    if strange:
        message = f"NAT gateways stand in {', '.join(strange)}, outside the platform's zones"
        yield Problem("DEP027", message, hint="plan again")


def _network(plan: Plan) -> Iterator[Problem]:
    """Require two or more zones, each with a subnet, and a way for nodes to reach their images."""
    zones = plan.platform.zones
    if len(set(zones)) < 2:
        yield Problem("DEP010", "EKS needs two zones or more", hint="add a zone id to `platform.zones`")
    if plan.platform.network is not None:
        for zone in sorted(set(zones) ^ plan.platform.network.subnets.keys()):
            message = f"`{zone}` is a zone without a subnet, or a subnet's and none of the platform's"
            yield Problem("DEP011", message, hint="see `platform.zones` and `platform.network.subnets`")
        return
    for zone in zones:
        try:
            private_cidr(plan.platform.cidr or "", zone)
        except ValueError as error:
            yield Problem("DEP011", str(error), hint="see `platform.zones` and `platform.network.cidr`")
    if plan.platform.cluster is not None and not plan.platform.cluster.nat_zones:
        hint = "choose `nat: single` or `nat: per-zone`"
        message = "`nat: none` needs mirrored images and interface endpoints, which are not deployed yet"
        yield Problem("DEP012", message, hint=hint)


def _node_groups(plan: Plan) -> Iterator[Problem]:
    """Require groups within the environment's zones, each with nodes of its own; an exclusive one holds one pool."""
    names: dict[str, str] = {}
    for group in plan.node_groups:
        for share in shares(group):
            other = names.setdefault(own_name(share.name), group.name)
            if other != group.name:
                message = f"node groups `{other}` and `{group.name}` would both be `{share.name}` at EKS"
                yield Problem("DEP020", message, hint="plan again")
        if group.capacity_type != "on-demand":
            message = f"node group `{group.name}`: {group.capacity_type} capacity is not deployed yet"
            yield Problem("DEP020", message, hint="plan it on demand, with `spot` nodes in it")
        if group.owned:
            message = f"node group `{group.name}`: {group.owned} of its nodes are machines of your own, and no program "
            message += "here lets them join EKS (Hybrid Nodes)"
            hint = "deploy on a cluster that is there already (`platform.cluster`, docs/existing-cluster.md)"
            yield Problem("DEP020", message, hint=hint)
        for name, count in sorted(group.blocks.items()):
            message = f"node group `{group.name}`: {count} of its nodes are of capacity block {name}, for which no "
            message += "node group is made yet"
            hint = f"start them by hand with the block, or leave {name} out of `purchase.capacity_blocks`"
            yield Problem("DEP020", message, hint=hint)
        if not 0 <= group.spot <= group.max_nodes:
            message = f"node group `{group.name}` has {group.max_nodes} nodes, {group.spot} of them spot"
            yield Problem("DEP020", message, hint="plan again")
        if group.spot and len(set(group.zones)) < 2:
            message = f"node group `{group.name}` has spot nodes in {', '.join(group.zones) or 'no zone'} alone"
            yield Problem("DEP020", message, hint="spot needs two zones: AWS takes those of one back at once")
        strange = sorted(set(group.zones) - set(plan.platform.zones))
        if strange or not group.zones:
            message = f"node group `{group.name}` stands in {', '.join(strange) or 'no zone'}, outside `platform.zones`"
            yield Problem("DEP022", message, hint="an environment's zones are fixed when its cluster is made")
        tenants = sorted({pool.name for pool in plan.pools if pool.node_group == group.name})
        if group.exclusive and len(tenants) != 1:
            message = f"node group `{group.name}` is exclusive but holds {', '.join(tenants) or 'no pool'}"
            yield Problem("DEP023", message, hint="plan again")


def _pools(plan: Plan) -> Iterator[Problem]:
    """Require pools that fit a node of their group; restricted ones have nodes of their own."""
    groups = {group.name: group for group in plan.node_groups}
    for pool in plan.pools:
        group = groups.get(pool.node_group)
        if group is None:
            message = f"pool `{pool.name}` names node group `{pool.node_group}`, which is not in the plan"
            yield Problem("DEP024", message, hint="plan again")
            continue
        if pool.engine.gpus > group.gpus_per_node:
            message = f"pool `{pool.name}` needs {pool.engine.gpus} GPUs on a node"
            yield Problem("DEP024", f"{message}; {group.instance_type} has {group.gpus_per_node}", hint="plan again")
        if pool.privacy == "restricted" and not group.exclusive:
            yield Problem("DEP025", f"pool `{pool.name}` serves restricted data on shared nodes", hint="plan again")
