"""The real KEDA on the twin's control plane: definitions, rights, operator and metrics adapter.

The operator scales between 0 and 1 and makes a HorizontalPodAutoscaler for the rest. The controller manager asks that
one's metric of the API server, which passes the question to the adapter (an aggregated API), which asks the operator.
Certificates are our own; KEDA's webhook for admission is not run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kubernetes import client

from twin import binaries
from twin.autoscaling.manifests import apply, define, read, until
from twin.cluster import RunningCluster, certificates
from twin.processes import program

NAMESPACE = "keda"
_ADAPTER, _OPERATOR = 6443, 9666
"""Ports. The namespace of the network is their own, so that no other program can hold them."""
_SERVICES = ("keda-operator", "keda-metrics-apiserver")
_API = "v1beta1.external.metrics.k8s.io"


@contextmanager
def scaling(cluster: RunningCluster, folder: Path) -> Iterator[None]:
    """Run KEDA for the length of the block. It is ready when the API server serves external metrics."""
    operator, adapter = binaries.require("keda-operator"), binaries.require("keda-adapter")
    api = cluster.client()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    apply(api, [namespace])
    define(api, operator.parent / "crds")  # an operator that misses a kind looks again after ten seconds only
    for rights in ("rbac", "metrics-rbac"):
        apply(api, read(operator.parent / rights))
    authority = _certificates(folder / "certificates")
    kubeconfig = _kubeconfig(api, cluster, folder / "keda.kubeconfig")
    with (
        program("keda-operator", [operator, *_operator(kubeconfig, folder)], folder, _environment(folder)),
        program("keda-adapter", [adapter, *_adapter(kubeconfig, folder)], folder, _environment(folder)),
    ):
        apply(api, _registration(authority))
        until(lambda: _available(api), "KEDA's metrics", 60)
        yield


def _operator(kubeconfig: Path, folder: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        "--metrics-bind-address=127.0.0.1:8180",
        "--health-probe-bind-address=127.0.0.1:8181",
        f"--metrics-service-bind-address=127.0.0.1:{_OPERATOR}",
        "--enable-cert-rotation=false",
        f"--cert-dir={folder / 'certificates'}",
    ]


def _adapter(kubeconfig: Path, folder: Path) -> list[str]:
    access = ("kubeconfig", "lister-kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    held = folder / "certificates"
    return [
        *(f"--{flag}={kubeconfig}" for flag in access),
        "--bind-address=127.0.0.1",
        f"--secure-port={_ADAPTER}",
        "--port=8182",
        f"--cert-dir={held}",
        f"--tls-cert-file={held / 'tls.crt'}",
        f"--tls-private-key-file={held / 'tls.key'}",
        f"--client-ca-file={held / 'ca.crt'}",
        f"--metrics-service-address=127.0.0.1:{_OPERATOR}",
        f"--metrics-service-grpc-authority=keda-operator.{NAMESPACE}.svc.cluster.local",
    ]


def _environment(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "WATCH_NAMESPACE": "",
        "POD_NAMESPACE": NAMESPACE,
        "POD_NAME": "keda-operator-0",
        "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
    }


def _certificates(folder: Path) -> bytes:
    """Write the certificates of KEDA's services, and return that of their authority (PEM)."""
    folder.mkdir(parents=True)
    authority = certificates.new_authority()
    names = [f"{service}.{NAMESPACE}{rest}" for service in _SERVICES for rest in ("", ".svc", ".svc.cluster.local")]
    identity = certificates.serving_identity(authority, "keda", (*names, "localhost"), ("127.0.0.1",), calls=True)
    held = certificates.certificate_pem(authority.certificate)
    (folder / "ca.crt").write_bytes(held)
    (folder / "tls.crt").write_bytes(identity.certificate)
    (folder / "tls.key").write_bytes(identity.key)
    return held


def _kubeconfig(api: Any, cluster: RunningCluster, path: Path) -> Path:
    """Write a kubeconfig with the rights of KEDA's own service account."""
    wanted = {"spec": {"expirationSeconds": 86400}}
    token = client.CoreV1Api(api).create_namespaced_service_account_token("keda-operator", NAMESPACE, wanted)
    authority = str(cluster.folder / "ca.crt")
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "twin", "cluster": {"server": cluster.endpoint, "certificate-authority": authority}}],
        "users": [{"name": "keda", "user": {"token": token.status.token}}],
        "contexts": [{"name": "twin", "context": {"cluster": "twin", "user": "keda"}}],
        "current-context": "twin",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _registration(authority: bytes) -> list[dict[str, Any]]:
    """Return the Service and the APIService by which the API server finds the adapter on loopback."""
    name = "keda-metrics-apiserver"
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": _API},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(authority).decode("ascii"),
                "service": {"name": name, "namespace": NAMESPACE, "port": _ADAPTER},
            },
        },
    ]


def _available(api: Any) -> bool:
    registered = client.ApiregistrationV1Api(api).read_api_service(_API)
    return any(c.type == "Available" and c.status == "True" for c in registered.status.conditions or [])
