"""Objects of a cluster with two pools and a gateway, as small as running them allows, and a cluster that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.infra import locks
from tools.first_request import clocks
from twin.engine.clock import EngineClock
from twin.workloads.objects import Object, Objects

PLAN = locks.plan()
CLOCKS = {name: EngineClock.model_validate(clock) for name, clock in clocks(PLAN).items()}
GATEWAY = {"app.kubernetes.io/name": "gateway"}
SERVING, GATEWAYS = {"kubernetes.io/metadata.name": "serving"}, {"kubernetes.io/metadata.name": "gateway"}


def pod(namespace: str, name: str, labels: dict[str, str], container: Object, **spec: Any) -> Object:
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": f"uid-{name}", "labels": labels},
        "spec": {"containers": [container], "serviceAccountName": "gateway", **spec},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def engine_pod(name: str = "chat-1", model: str = "chat-1xl40s", **flags: str | None) -> Object:
    """A pod of the chart `vllm`. flags: changes of its arguments; None takes one away."""
    stated: dict[str, str | None] = {
        "served-model-name": model,
        "port": "8000",
        "max-model-len": "4096",
        "max-num-seqs": "16",
        "max-num-batched-tokens": "2048",
        "max-num-queued-reqs": "4",
        "max-num-queued-tokens": "9000",
        **{flag.replace("_", "-"): value for flag, value in flags.items()},
    }
    arguments = ["s3://models/chat", *(f"--{flag}={value}" for flag, value in stated.items() if value is not None)]
    arguments += ["--lora-modules", "support=/adapters/support", "law=/adapters/law", "--enable-prefix-caching"]
    container = {
        "name": "vllm",
        "command": ["vllm", "serve"],
        "args": arguments,
        "ports": [{"name": "http", "containerPort": 8000}],
    }
    return pod("serving", name, {"app.kubernetes.io/name": "vllm", "pool": model}, container)


def gateway_pod() -> Object:
    """A pod of the chart `gateway`, with keys in Secrets."""
    mount = {"policy": "/etc/spillway/policy", "keys": "/etc/spillway/keys", "tmp": "/tmp"}
    reference = {"secretKeyRef": {"name": "gateway-provider-keys", "key": "OPENAI_API_KEY"}}
    container = {
        "name": "gateway",
        "command": ["python", "-m", "gateway"],
        "args": [
            "--policy=/etc/spillway/policy/policy.json",
            "--host=0.0.0.0",
            "--port=8080",
            "--admin-port=9090",
            "--keys=/etc/spillway/keys/keys.json",
        ],
        "env": [{"name": "OPENAI_API_KEY", "valueFrom": reference}],
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9090}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}},
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mount.items()],
    }
    volumes = [
        {"name": "policy", "configMap": {"name": "gateway-policy"}},
        {"name": "keys", "secret": {"secretName": "gateway-client-keys"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    return pod("gateway", "gateway-1", GATEWAY, container, volumes=volumes)


def service(namespace: str, name: str, cluster_ip: str, port: int) -> Object:
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIP": cluster_ip, "ports": [{"name": "http", "port": port, "targetPort": "http"}]},
    }


def endpoint_slice(namespace: str, name: str, port: int, *uids: str, ready: bool = True) -> Object:
    ends = [{"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "uid": uid}} for uid in uids]
    labels = {"kubernetes.io/service-name": name}
    return {
        "metadata": {"namespace": namespace, "labels": labels},
        "endpoints": ends,
        "ports": [{"name": "http", "port": port}],
    }


def policy(namespace: str, selector: Object, **rules: list[Object]) -> Object:
    """A NetworkPolicy with `ingress`, `egress` or both."""
    kinds = [way.capitalize() for way in rules]
    return {"metadata": {"namespace": namespace}, "spec": {"podSelector": selector, "policyTypes": kinds, **rules}}


@dataclass
class FakeCluster:
    """Objects as a test sets them."""

    objects: Objects = field(default_factory=Objects)
    config_maps: dict[str, dict[str, bytes]] = field(default_factory=dict)
    secrets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    classes: dict[str, Object] = field(default_factory=dict)

    def read(self) -> Objects:
        return self.objects

    def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None:
        return self.config_maps.get(f"{namespace}/{name}")

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        return self.secrets.get(f"{namespace}/{name}")

    def provider_class(self, namespace: str, name: str) -> Object | None:
        return self.classes.get(f"{namespace}/{name}")

    def close(self) -> None:
        """Nothing is open."""
