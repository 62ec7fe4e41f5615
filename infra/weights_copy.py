"""Which weights must be copied into the model bucket, and the Job that copies them, as plain values; pure.

Pools of one model and revision share a copy. Pools of a team's own weights need none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any

from infra.images import Image
from infra.naming import NODE_GROUP_LABEL
from infra.values import weights_prefix
from planner.plan.fleet import Pool
from planner.words.names import bounded

DEFAULT_IMAGE = Image("spillway-weights", "0.1.0", None)
NAME_LIMIT = 56
"""Most characters of a copy's name. A Job's pods bear it as a label, and Pulumi adds to the names of roles."""
GIVES_UP = 3
"""The program's exit code when another attempt cannot help: it says what a person must do."""
ATTEMPTS = 8
START_SECONDS = 1200
"""Time for the first node, the image and a first attempt, seconds."""
SLOW_BYTES_PER_SECOND = 20e6
"""A copy that is slower than this ends the run; bytes/s. The Hub gives one connection several times as much."""
USER = 65532
LABELS = {"app.kubernetes.io/name": "weights", "app.kubernetes.io/managed-by": "pulumi"}
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
"""Addresses that are no part of the Internet (RFC 1918, 3927, 6598)."""
AGENT = "169.254.170.23/32"
TOKEN_FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
TOKEN = "eks-pod-identity-token"


@dataclass(frozen=True)
class WeightsCopy:
    """A revision of a repository that the bucket must hold.

    revision: commit, tag or branch at the Hub.
    prefix: where its files lie in the bucket.
    """

    repository: str
    revision: str
    prefix: str

    @property
    def name(self) -> str:
        """Return the name of the Job, and of all that belongs to it."""
        text = f"{self.repository}-{self.revision[:12]}".lower()
        spelled = "".join(c if c.isascii() and c.isalnum() else "-" for c in text)
        return bounded(spelled.strip("-"), NAME_LIMIT)


def copies(pools: Iterable[Pool]) -> tuple[WeightsCopy, ...]:
    """Return the copies that pools need, sorted by name."""
    listed = (pool for pool in pools if pool.weights is None)
    needed = {WeightsCopy(pool.hf_id, pool.revision or "main", weights_prefix(pool)) for pool in listed}
    return tuple(sorted(needed, key=lambda each: each.name))


def copy_seconds(weights_gb: float) -> int:
    """Say how long to wait for a copy, seconds. weights_gb: all weights of the plan, which share the way."""
    return START_SECONDS + ceil(weights_gb * 1e9 / SLOW_BYTES_PER_SECOND)


def job_spec(copy: WeightsCopy, bucket: str, region: str, image: Image, token_secret: str | None) -> dict[str, Any]:
    """Return the Job's spec. It is kept when it has ended, as the proof that the copy was made.

    A failed attempt gets a new pod. The pod states what Pod Identity would inject, as the engines' do.
    """
    arguments = [copy.repository, copy.revision, f"s3://{bucket}/{copy.prefix}"]
    variables = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{TOKEN_FOLDER}/{TOKEN}",
    }
    token = {"audience": "pods.eks.amazonaws.com", "expirationSeconds": 86400, "path": TOKEN}
    return {
        "backoffLimit": ATTEMPTS,
        "podFailurePolicy": {
            "rules": [
                {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [GIVES_UP]}},
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "template": {
            "metadata": {"labels": {**LABELS, "app.kubernetes.io/instance": copy.name}},
            "spec": {
                "restartPolicy": "Never",
                "serviceAccountName": copy.name,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "nodeSelector": {NODE_GROUP_LABEL: "system"},
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "fsGroup": USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "weights",
                        "image": image.reference,
                        # Why a copy gave up stands in the pod's status, where whoever awaits the Job reads it.
                        "terminationMessagePolicy": "FallbackToLogsOnError",
                        "args": [*arguments, *(["--token-secret", token_secret] if token_secret else [])],
                        "env": [{"name": name, "value": value} for name, value in variables.items()],
                        "resources": {
                            "requests": {"cpu": "250m", "memory": "1Gi", "ephemeral-storage": "64Mi"},
                            "limits": {"memory": "1Gi", "ephemeral-storage": "64Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": [{"name": TOKEN, "mountPath": TOKEN_FOLDER, "readOnly": True}],
                    }
                ],
                "volumes": [{"name": TOKEN, "projected": {"sources": [{"serviceAccountToken": token}]}}],
            },
        },
    }


def way_out() -> dict[str, Any]:
    """Return the network policy of the copies: DNS, the Internet over TLS (the Hub and S3 have no fixed addresses), and
    the Pod Identity agent. Nothing comes in."""
    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    return {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [
            {"to": [dns], "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]},
            {
                "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE)}}],
                "ports": [{"protocol": "TCP", "port": 443}],
            },
            {"to": [{"ipBlock": {"cidr": AGENT}}], "ports": [{"protocol": "TCP", "port": 80}]},
        ],
    }
