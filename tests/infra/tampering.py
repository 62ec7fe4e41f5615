"""What a person does by hand to a deployed environment, with the field owners that `kubectl` leaves behind."""

from __future__ import annotations

from kubernetes.client import AppsV1Api, CoreV1Api, NetworkingV1Api

from twin.cluster import RunningCluster

GATEWAY_BY_HAND = {
    "spec": {"template": {"spec": {"containers": [{"name": "gateway", "image": "elsewhere/gateway:2"}]}}}
}


def tamper(cluster: RunningCluster) -> None:
    """Scale a pool, change the gateway's image, and delete a Service and a NetworkPolicy."""
    client = cluster.client()
    apps = AppsV1Api(client)
    apps.patch_namespaced_deployment_scale(
        "vllm-code-2xl40s", "serving", {"spec": {"replicas": 1}}, field_manager="kubectl"
    )
    apps.patch_namespaced_deployment("gateway", "gateway", GATEWAY_BY_HAND, field_manager="kubectl-edit")
    NetworkingV1Api(client).delete_namespaced_network_policy("vllm-extraction-1xl40s", "serving")
    CoreV1Api(client).delete_namespaced_service("vllm-chat-1xl40s", "serving")
    client.close()
