"""Where the pods of a twin cluster stand: release → (ready, node group of its node)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client, config

SETTLE_SECONDS = 30


@dataclass
class Pods:
    """Where the pods of one moment stand: release → (ready, node group of its node)."""

    by_release: dict[str, list[tuple[bool, str]]] = field(default_factory=dict)

    def ready(self) -> dict[str, int]:
        return {name: sum(ready for ready, _ in pods) for name, pods in sorted(self.by_release.items())}

    def node_groups(self, release: str) -> set[str]:
        return {group for _, group in self.by_release[release]}


class ClusterView:
    """The cluster of a kubeconfig, as tests ask it."""

    def __init__(self, kubeconfig: Path) -> None:
        self.api = config.new_client_from_config(str(kubeconfig))
        self._core = client.CoreV1Api(self.api)
        self._batch, self._apps = client.BatchV1Api(self.api), client.AppsV1Api(self.api)

    def settled(self) -> Pods:
        """Where pods stand once all are ready. Helm's wait is content while a Deployment's `maxUnavailable` are not.

        So are DaemonSets: while one lacks a pod, the provider shows it as not fully made.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        pods = self._pods()
        while not (self._on_each_node() and all(ready for found in pods.by_release.values() for ready, _ in found)):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
            pods = self._pods()
        return pods

    def _pods(self) -> Pods:
        groups = {n.metadata.name: n.metadata.labels.get("spillway.dev/node-group") for n in self._nodes()}
        pods = Pods()
        for namespace in ("serving", "gateway"):
            for pod in self._core.list_namespaced_pod(namespace).items:
                if pod.metadata.deletion_timestamp is None:
                    ready = any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
                    release = pod.metadata.labels["app.kubernetes.io/instance"]
                    pods.by_release.setdefault(release, []).append((ready, groups.get(pod.spec.node_name, "none")))
        return pods

    def _on_each_node(self) -> bool:
        """Whether every DaemonSet has a pod of its present form, ready and available, wherever it wants one."""
        found = self._apps.list_namespaced_daemon_set("kube-system").items
        return all(
            each.status.observed_generation == each.metadata.generation
            and each.status.desired_number_scheduled
            == (each.status.number_ready or 0)
            == (each.status.number_available or 0)
            == (each.status.updated_number_scheduled or 0)
            for each in found
        )

    def copied(self) -> dict[str, Any]:
        """Copies of weights → when they were complete."""
        jobs = self._batch.list_namespaced_job("weights").items
        return {job.metadata.name: job.status.completion_time for job in jobs}

    def began(self) -> dict[str, Any]:
        """Pools → when their Deployments were made."""
        made = self._apps.list_namespaced_deployment("serving").items
        return {each.metadata.name: each.metadata.creation_timestamp for each in made}

    def left(self) -> list[str]:
        """Nodes, and namespaces of the environment."""
        namespaces = [n.metadata.name for n in self._core.list_namespace().items]
        return [n.metadata.name for n in self._nodes()] + [
            n for n in namespaces if n in ("serving", "gateway", "weights")
        ]

    def _nodes(self) -> list[Any]:
        found: list[Any] = self._core.list_node().items
        return found
