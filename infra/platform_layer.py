"""What every pool needs in the cluster before it is installed: namespaces, priorities, and GPUs that can be asked for.

The AL2023 NVIDIA image brings driver and container toolkit but no device plugin; without its DaemonSet, no node offers
`nvidia.com/gpu`. Both namespaces admit only pods of the Pod Security level `restricted`. In the namespace of the pools,
nothing may talk unless a chart's network policy says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra import objects
from infra.images import Image
from infra.naming import ACCELERATOR_LABEL, GATEWAY_NAMESPACE, GPU_TAINT, POOL_TAINT, SERVING_NAMESPACE
from infra.priorities import Priority

POD_SECURITY = "restricted"
DEVICE_PLUGIN_IMAGE = (
    "nvcr.io/nvidia/k8s-device-plugin:v0.19.3@sha256:25cc340fe6fd53c101e16fc452f503e7a92c219c64a80ed5381784b522dbbf77"
)
_PLUGIN = "nvidia-device-plugin"
_SOCKETS = "/var/lib/kubelet/device-plugins"


NODES_OF_AWS: tuple[Mapping[str, Any], ...] = (
    {"matchExpressions": [{"key": ACCELERATOR_LABEL, "operator": "Exists"}]},
)
"""GPU nodes of a cluster that is made, as a node selector's terms."""


@dataclass(frozen=True)
class PlatformLayerArgs:
    """Arguments of the platform layer.

    priorities: those of all pools and canaries.
    device_plugin: image of the device plugin, as nodes ask for it.
    namespace_labels: further labels of the namespaces.
    theirs: namespaces that are there already and stay as they are.
    plugin_on: terms of a node selector for the nodes that get a device plugin; none where the cluster has its own.
    plugin_tolerations: what it tolerates beside the taints of a cluster that is made.
    """

    priorities: tuple[Priority, ...]
    device_plugin: Image
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    theirs: frozenset[str] = frozenset()
    plugin_on: tuple[Mapping[str, Any], ...] = NODES_OF_AWS
    plugin_tolerations: tuple[Mapping[str, str], ...] = ()


class PlatformLayer(pulumi.ComponentResource):
    """The layer's outputs are `serving` and `gateway`, the names of the two namespaces."""

    def __init__(self, name: str, args: PlatformLayerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:kubernetes:PlatformLayer", name, None, opts)
        self._own = pulumi.ResourceOptions(parent=self)
        self.serving = self._namespace(SERVING_NAMESPACE, args)
        self.gateway = self._namespace(GATEWAY_NAMESPACE, args)
        self._closed(self.serving)
        for priority in args.priorities:
            self._priority_class(priority)
        if args.plugin_on:
            self._device_plugin(args)
        self.register_outputs({"serving": self.serving, "gateway": self.gateway})

    def _namespace(self, name: str, args: PlatformLayerArgs) -> pulumi.Input[str]:
        if name in args.theirs:
            return name
        labels = {f"pod-security.kubernetes.io/{mode}": POD_SECURITY for mode in ("audit", "enforce", "warn")}
        labels |= args.namespace_labels
        made = kubernetes.core.v1.Namespace(name, metadata=objects.metadata(name, labels=labels), opts=self._own)
        found: pulumi.Output[str] = made.metadata.name
        return found

    def _closed(self, namespace: pulumi.Input[str]) -> None:
        kubernetes.networking.v1.NetworkPolicy(
            "closed-by-default",
            metadata=objects.metadata("closed-by-default", namespace),
            spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
            opts=self._own,
        )

    def _priority_class(self, priority: Priority) -> None:
        kubernetes.scheduling.v1.PriorityClass(
            priority.name,
            metadata=objects.metadata(priority.name),
            value=priority.value,
            description=priority.description,
            opts=self._own,
        )

    def _device_plugin(self, args: PlatformLayerArgs) -> None:
        labels = {"app.kubernetes.io/name": _PLUGIN}
        image = args.device_plugin
        secrets = [{"name": name} for name in image.pull_secrets]
        kubernetes.apps.v1.DaemonSet(
            _PLUGIN,
            metadata=objects.metadata(_PLUGIN, "kube-system", labels=labels),
            spec={
                "selector": {"matchLabels": labels},
                "updateStrategy": {"type": "RollingUpdate"},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "affinity": {
                            "nodeAffinity": {
                                "requiredDuringSchedulingIgnoredDuringExecution": {
                                    "nodeSelectorTerms": list(args.plugin_on)
                                }
                            }
                        },
                        "tolerations": [
                            {"key": key, "operator": "Exists", "effect": "NoSchedule"}
                            for key in (GPU_TAINT, POOL_TAINT)
                        ]
                        + [dict(each) for each in args.plugin_tolerations],
                        "priorityClassName": "system-node-critical",
                        "automountServiceAccountToken": False,
                        **({"imagePullSecrets": secrets} if secrets else {}),
                        "containers": [_plugin_container(image.reference)],
                        "volumes": [{"name": "sockets", "hostPath": {"path": _SOCKETS, "type": "Directory"}}],
                    },
                },
            },
            opts=self._own,
        )


def _plugin_container(image: str) -> dict[str, object]:
    return {
        "name": _PLUGIN,
        "image": image,
        "env": [{"name": "FAIL_ON_INIT_ERROR", "value": "true"}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "sockets", "mountPath": _SOCKETS}],
    }
