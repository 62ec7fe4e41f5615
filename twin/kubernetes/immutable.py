"""Which fields of which kinds cannot change in place: such a change replaces the object.

The API server refuses most of these; ConfigMaps and Secrets are replaced because the real provider does so unless it
is told otherwise, so that pods notice.
"""

from __future__ import annotations

from typing import Final

_EVERYWHERE: Final = frozenset({"metadata.name", "metadata.namespace", "apiVersion", "kind"})

_BY_KIND: Final[dict[str, frozenset[str]]] = {
    "ConfigMap": frozenset({"data", "binaryData", "immutable"}),
    "Secret": frozenset({"data", "stringData", "type", "immutable"}),
    "Job": frozenset({"spec.completions", "spec.selector", "spec.template"}),
    "Pod": frozenset({"spec"}),
    "Deployment": frozenset({"spec.selector"}),
    "DaemonSet": frozenset({"spec.selector"}),
    "StatefulSet": frozenset(
        {"spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"}
    ),
    "Service": frozenset({"spec.clusterIP"}),
    "PersistentVolumeClaim": frozenset(
        {"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName", "spec.volumeMode"}
    ),
    "StorageClass": frozenset({"parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"}),
    "PriorityClass": frozenset({"value", "preemptionPolicy"}),
    "RoleBinding": frozenset({"roleRef"}),
    "ClusterRoleBinding": frozenset({"roleRef"}),
}


def replacing_paths(kind: str) -> frozenset[str]:
    """Path prefixes whose change replaces an object of the kind."""
    return _EVERYWHERE | _BY_KIND.get(kind, frozenset())
