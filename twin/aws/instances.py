"""Instances of node groups: how many a group gets, and the nodes that they become.

`scale` decides within the transaction, from quotas, offerings and faults; instances are rows of the store. Afterwards
`settle` makes the twin cluster's nodes match the rows. It may take as long as drains take, and it can be repeated: a
provider that was killed between the two leaves nothing that the next operation does not mend.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twin.aws import control_planes, faults
from twin.aws.account import Account
from twin.aws.machines import offering_zones, quota_code
from twin.aws.store import AccountState, Store
from twin.provider.contract import OperationError

if TYPE_CHECKING:
    from twin.nodes import ApiServer

_TABLE: Final = "ec2.instances"
_JOIN_LIMIT_S: Final = 60.0


@dataclass(frozen=True)
class Subnet:
    """A subnet is a place where instances may start."""

    id: str
    zone: str
    zone_id: str
    cidr: str


@dataclass(frozen=True, kw_only=True)
class NodeGroupRequest:
    """A request says what a node group asks for.

    size: instances.
    capacity_type: `ON_DEMAND`, `SPOT` or `CAPACITY_BLOCK`.
    taints: key, value and effect of each taint.
    root_volume_gib: size of the root volume, GiB.
    retires_first: whether an update ends an old machine before it starts a new one (EKS's strategy MINIMAL).
    """

    cluster: str
    node_group: str
    size: int
    instance_types: tuple[str, ...]
    capacity_type: str
    subnets: tuple[Subnet, ...]
    labels: Mapping[str, str]
    taints: tuple[tuple[str, str, str], ...]
    root_volume_gib: int
    retires_first: bool = False


def scale(aws: Account, request: NodeGroupRequest) -> str | None:
    """Start or end instances until the group has what it asks for. If it has less, say why, as EKS puts it.

    Of the zone with most of them, the oldest ends first: an Auto Scaling group keeps its zones even, and those of EKS
    end the oldest. No instance stays because something useful runs on it.
    """
    mine = _rows_of(aws.state, request.cluster, request.node_group)
    for _ in range(max(0, len(mine) - request.size)):
        left = _rows_of(aws.state, request.cluster, request.node_group)
        zones = Counter(row["zone"] for row in left.values())
        del _rows(aws.state)[min(left, key=lambda key: (-zones[left[key]["zone"]], left[key]["index"]))]
    for row in _rows_of(aws.state, request.cluster, request.node_group).values():
        row.update(labels=dict(request.labels), taints=[list(taint) for taint in request.taints])
    for _ in range(request.size - len(mine)):
        failure = _launch_one(aws, request)
        if failure is not None:
            return failure
    return None


def renew_default(aws: Account, request: NodeGroupRequest, unavailable: int) -> str | None:
    """Replace every machine as EKS's strategy DEFAULT does: first up to two more in each zone, then the old ones.

    Quota and capacity must hold the surge: one new machine in each zone of the group's at least. Where they do not, the
    update fails, the new machines end and the old ones stay; the answer says why.
    """
    old = _rows_of(aws.state, request.cluster, request.node_group)
    failure = None
    for _ in range(max(2 * len({subnet.zone for subnet in request.subnets}), unavailable)):
        failure = _launch_one(aws, request)
        if failure is not None:
            break
    started = set(_rows_of(aws.state, request.cluster, request.node_group)) - set(old)
    bare = {row["zone"] for row in old.values()} - {_rows(aws.state)[identifier]["zone"] for identifier in started}
    if bare:
        for identifier in started:
            del _rows(aws.state)[identifier]
        return failure or f"NodeCreationFailure: no new node in {', '.join(sorted(bare))}"
    for identifier in old:
        del _rows(aws.state)[identifier]
        _launch_one(aws, request)  # the group keeps its surge for as long as it can; its size counts in the end
    return scale(aws, request)


def renew_minimal(aws: Account, request: NodeGroupRequest, unavailable: int) -> str | None:
    """Replace every machine as EKS's strategy MINIMAL does: some old ones end, as many new ones start in their place.

    It never runs more than the group's size. Where no machine starts, the group stays smaller; the answer says why.
    """
    old = list(_rows_of(aws.state, request.cluster, request.node_group))
    for first in range(0, len(old), unavailable):
        for identifier in old[first : first + unavailable]:
            del _rows(aws.state)[identifier]
        failure = scale(aws, request)
        if failure is not None:
            return failure
    return None


def retire(aws: Account, cluster: str, node_group: str) -> None:
    """End all instances of a group."""
    for identifier in _rows_of(aws.state, cluster, node_group):
        del _rows(aws.state)[identifier]


def in_zone(state: AccountState, cluster: str, node_group: str, zone_id: str) -> dict[str, Any]:
    """Return the instances of a group that stand in a zone, by id."""
    return {key: row for key, row in _rows_of(state, cluster, node_group).items() if row["zone_id"] == zone_id}


def end(state: AccountState, identifiers: Iterable[str]) -> None:
    """End instances, whichever group they are of."""
    for identifier in identifiers:
        _rows(state).pop(identifier, None)


def settle(store: Store, cluster: str, region: str) -> None:
    """Make the cluster's nodes match its instances, and wait until the new ones are Ready. A cluster without a control
    plane has no nodes.

    Nodes that no longer have an instance are drained: first where nothing takes their place, after the new ones are
    Ready where a group is renewed, and in turn with them where it retires first. One program at a time does this, from
    rows that it reads while it does; otherwise one would drain what another has just started.
    Raises `TimeoutError` when a node does not get ready and `OperationError` when the cluster does not answer.
    """
    kubeconfig = control_planes.kubeconfig_of(store.load(), cluster, region)
    if kubeconfig is None:
        return
    from urllib3.exceptions import HTTPError

    from twin import nodes  # not at the top: a plugin starts at once

    with store.exclusive_use("nodes.lock"):
        with store.exclusive_use():
            every = _rows(store.load())
        rows = {key: row for key, row in every.items() if (row["cluster"], row["region"]) == (cluster, region)}
        server = nodes.ApiServer(kubeconfig)
        try:
            nodes_by_name = _nodes_by_name(server)
            instances_by_name = {row["name"]: _instance(identifier, row) for identifier, row in rows.items()}
            leaving = {
                name: node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"]
                for name, node in sorted(nodes_by_name.items())
                if name not in instances_by_name
            }
            coming = {row["name"]: row for row in rows.values() if row["name"] not in nodes_by_name}
            renewed = {row["node_group"]: row.get("retires_first", False) for row in coming.values()}

            def leave(names: list[str]) -> None:
                with ThreadPoolExecutor(max_workers=8) as pool:
                    list(pool.map(lambda name: nodes.leave(server, name), names))

            def join(names: list[str]) -> None:
                nodes.wait_ready(server, nodes.join(server, [instances_by_name[name] for name in names]), _JOIN_LIMIT_S)

            leave([name for name, group in leaving.items() if group not in renewed])
            for name in sorted(set(nodes_by_name) & set(instances_by_name)):
                _relabel(server, nodes_by_name[name], nodes.node_object(instances_by_name[name]))
            in_turn = {
                name
                for name, row in coming.items()
                if row.get("retires_first") and row["node_group"] in leaving.values()
            }
            for group in sorted(group for group, retires_first in renewed.items() if retires_first):
                old = [name for name, own in leaving.items() if own == group]
                new = sorted(name for name in in_turn if coming[name]["node_group"] == group)
                for index in range(max(len(old), len(new))):
                    leave(old[index : index + 1])
                    join(new[index : index + 1])
            join(sorted(set(coming) - in_turn))
            leave([name for name, group in leaving.items() if renewed.get(group) is False])
        except HTTPError as error:
            raise OperationError(f"the twin cluster of {kubeconfig} does not answer: {error}") from error
        finally:
            server.close()


def _nodes_by_name(server: ApiServer) -> dict[str, dict[str, Any]]:
    items = server.items("/api/v1/nodes", labelSelector="eks.amazonaws.com/nodegroup")
    return {node["metadata"]["name"]: node for node in items}


def _relabel(server: ApiServer, node: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    """Bring changed labels and taints of a group to the machines it has, as EKS does. Labels that it no longer sets
    stay."""
    there, held = node["metadata"]["labels"], node["spec"].get("taints", ())
    labels = {key: value for key, value in manifest["metadata"]["labels"].items() if there.get(key) != value}
    foreign = [taint for taint in held if taint["key"].startswith("node.kubernetes.io/")]
    own = {(taint["key"], taint.get("value"), taint["effect"]) for taint in held if taint not in foreign}
    taints = manifest["spec"]["taints"]
    patch: dict[str, Any] = {"metadata": {"labels": labels}} if labels else {}
    if own != {(taint["key"], taint["value"] or None, taint["effect"]) for taint in taints}:
        patch["spec"] = {"taints": [*taints, *foreign]}
    if patch:
        server.patch(f"/api/v1/nodes/{node['metadata']['name']}", patch)


def _launch_one(aws: Account, request: NodeGroupRequest) -> str | None:
    """Start one instance in the emptiest zone that has the type. Types are tried in their order."""
    failures = []
    for instance_type in request.instance_types:
        failure = _over_quota(aws, instance_type, request.capacity_type)
        if failure is not None:
            failures.append(failure)
            continue
        for subnet in sorted(
            request.subnets, key=lambda subnet: (_instances_in_zone(aws, request, subnet), subnet.zone_id)
        ):
            failure = _no_capacity(aws, instance_type, request, subnet)
            if failure is None:
                _start(aws, request, subnet, instance_type)
                return None
            failures.append(failure)
    kind = "Spot" if request.capacity_type == "SPOT" else "On-Demand"
    return (
        f"1 error occurred: AsgInstanceLaunchFailures: Could not launch {kind} Instances. {failures[-1]} "
        "Launching EC2 instance failed."
    )


def _over_quota(aws: Account, instance_type: str, capacity_type: str) -> str | None:
    from twin.nodes.instance_types import UnknownInstanceTypeError, describe

    try:
        vcpus = describe(instance_type).vcpus
    except UnknownInstanceTypeError:
        return f"InvalidParameterValue - The requested instance type {instance_type} does not exist."
    code = quota_code(instance_type, capacity_type)
    limit = faults.quota_limit(aws.state, code)
    if limit is None:
        return None
    used_vcpus = sum(
        describe(row["instance_type"]).vcpus
        for row in _rows(aws.state).values()
        if quota_code(row["instance_type"], row["capacity_type"]) == code
    )
    if used_vcpus + vcpus <= limit:
        return None
    if capacity_type == "SPOT":
        return "MaxSpotInstanceCountExceeded - Max spot instance count exceeded"
    return (
        f"VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of {limit} allows "
        "for the instance bucket that the specified instance type belongs to. Please visit "
        "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
    )


def _no_capacity(aws: Account, instance_type: str, request: NodeGroupRequest, subnet: Subnet) -> str | None:
    if subnet.zone_id not in offering_zones(instance_type, aws.region):
        others = sorted(offering_zones(instance_type, aws.region))
        return (
            f"Unsupported - Your requested instance type ({instance_type}) is not supported in your requested "
            f"Availability Zone ({subnet.zone}). Please retry your request by choosing {', '.join(others) or 'another'}"
            "."
        )
    if faults.has_capacity(aws.state, instance_type, subnet.zone_id, request.capacity_type):
        return None
    if request.capacity_type == "SPOT":
        return "UnfulfillableCapacity - Unable to fulfill capacity due to your request configuration."
    return (
        f"InsufficientInstanceCapacity - We currently do not have sufficient {instance_type} capacity in the "
        f"Availability Zone you requested ({subnet.zone}). Our system will be working on provisioning additional "
        "capacity."
    )


def _start(aws: Account, request: NodeGroupRequest, subnet: Subnet, instance_type: str) -> None:
    rows = _rows(aws.state)
    used_addresses = {row["ip"] for row in rows.values() if row["subnet"] == subnet.id}
    hosts = ipaddress.ip_network(subnet.cidr).hosts()
    # The first three addresses of a subnet are AWS's own.
    free = (str(host) for index, host in enumerate(hosts) if index >= 3 and str(host) not in used_addresses)
    address = next(free)
    suffix = "ec2.internal" if aws.region == "us-east-1" else f"{aws.region}.compute.internal"
    indices = [row["index"] for row in _rows_of(aws.state, request.cluster, request.node_group).values()]
    rows[f"i-{uuid.uuid4().hex[:17]}"] = {
        "index": max(indices, default=-1) + 1,
        "cluster": request.cluster,
        "node_group": request.node_group,
        "instance_type": instance_type,
        "capacity_type": request.capacity_type,
        "region": aws.region,
        "subnet": subnet.id,
        "zone": subnet.zone,
        "zone_id": subnet.zone_id,
        "ip": address,
        "name": f"ip-{address.replace('.', '-')}.{suffix}",
        "labels": dict(request.labels),
        "taints": [list(taint) for taint in request.taints],
        "root_volume_gib": request.root_volume_gib,
        "retires_first": request.retires_first,
    }


def _instance(identifier: str, row: Mapping[str, Any]) -> Any:
    from twin import nodes

    return nodes.Instance(
        instance_type=nodes.describe(row["instance_type"]),
        instance_id=identifier,
        private_dns_name=row["name"],
        private_ip=row["ip"],
        region=row["region"],
        zone=row["zone"],
        zone_id=row["zone_id"],
        node_group=row["node_group"],
        capacity_type=row["capacity_type"],
        root_volume_gib=row["root_volume_gib"],
        labels=row["labels"],
        taints=tuple(nodes.Taint(*taint) for taint in row["taints"]),
    )


def _instances_in_zone(aws: Account, request: NodeGroupRequest, subnet: Subnet) -> int:
    return sum(row["zone"] == subnet.zone for row in _rows_of(aws.state, request.cluster, request.node_group).values())


def _rows_of(state: AccountState, cluster: str, node_group: str) -> dict[str, Any]:
    return {
        identifier: row
        for identifier, row in _rows(state).items()
        if (row["cluster"], row["node_group"]) == (cluster, node_group)
    }


def _rows(state: AccountState) -> dict[str, Any]:
    return state.tables.setdefault(_TABLE, {})
