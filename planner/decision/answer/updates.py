"""How EKS renews the nodes of each group: beside the old ones where the vCPU quota has room, in their place where not.

    surge of a group = 2 · its zones · vCPUs of a node

EKS starts up to two new nodes in each zone before it ends old ones (its strategy DEFAULT, one node unavailable at a
time). An upgrade renews all groups at once, so that their surges add up within a family. Spot nodes are renewed in the
same way, and count against a quota of their own. A quota that is not stated holds everything here; a verdict names
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.domain.buying import SPOT_QUOTA
from planner.plan.fleet import NodeGroup
from planner.plan.review import Verdict


def with_updates(groups: Sequence[NodeGroup], quotas: Mapping[str, int]) -> tuple[NodeGroup, ...]:
    """Return the groups in their order, each with its way of renewal. Small surges are given room first."""
    room = {name: quota - sum(_vcpus(group, name) for group in groups) for name, quota in quotas.items()}
    minimal = set()
    for group in sorted(groups, key=lambda group: (surge_vcpus(group), group.name)):
        used = [name for name in room if _vcpus(group, name)]
        if all(surge_vcpus(group) <= room[name] for name in used):
            room |= {name: room[name] - surge_vcpus(group) for name in used}
        else:
            minimal.add(group.name)
    return tuple(group.model_copy(update={"update": "minimal"}) if group.name in minimal else group for group in groups)


def update_verdicts(groups: Sequence[NodeGroup]) -> list[Verdict]:
    """Warn of groups whose nodes go before others take their place."""
    return [
        Verdict(
            name=f"updates {group.name}",
            state="warn",
            message=(
                f"up to {surge_vcpus(group)} vCPUs of new nodes beside the old do not fit in the quota of family "
                f"{group.quota_family}; an update ends each node before it starts another, and its replicas are away "
                "for so long"
            ),
        )
        for group in groups
        if group.update == "minimal"
    ]


def surge_vcpus(group: NodeGroup) -> int:
    """Return the vCPUs that an update may need beside the group's own."""
    return 2 * len(group.zones) * group.vcpus_per_node


def _vcpus(group: NodeGroup, quota: str) -> int:
    """Return the vCPUs of a group that count against a quota: of its family, on demand or as spot."""
    if group.quota_family != quota.removesuffix(SPOT_QUOTA):
        return 0
    return (group.spot if quota.endswith(SPOT_QUOTA) else group.quota_nodes) * group.vcpus_per_node
