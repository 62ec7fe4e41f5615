"""What a profile is asked to measure, as the profiler's arguments and as a Kubernetes Job.

The manifest has three objects, which are plain values: a ConfigMap with the program, a NetworkPolicy that lets nothing
in or out, and the Job, which runs the program in vLLM's image on GPUs of one node. The Job's whole log is the profile;
progress and errors go to the pod's termination message. The pod keeps to the Pod Security profile `restricted`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from planner.performance.projections import Heads, WeightShape

IMAGE = "vllm/vllm-openai:v0.33.0"
"""The engine's image in the release that the chart deploys. So PyTorch and its kernels are those that will serve."""
NAMESPACE = "serving"
DTYPES = ("bf16", "fp16", "fp8", "int8")
ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"
NODE_GROUP = "spillway.dev/node-group"
GPU_RESOURCE = "nvidia.com/gpu"
USER = 2000
"""The user of vLLM in its image."""
START_S = 1800
"""Seconds to find a node and to pull the image, before anything is measured."""
KEPT_S = 86_400
"""Seconds for which the finished Job stays, and with it the log that is the profile."""
FOLDER, FILE, LOG = "/opt/spillway", "gpu_profiler.py", "/dev/termination-log"
"""Where the program lies and logs. The file must not have the name of a Python module, for its folder comes first on
Python's path."""

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ProfileRequest:
    """What to measure.

    device: `cuda` or `cpu`.
    gpus: GPUs of the all-reduce; 0 for all that there are.
    weights, heads: shapes on one GPU. Without any, they are those of dense 8B, 32B and 70B models.
    tensor_parallel_sizes: sizes at which these models are cut.
    dtypes: types of the matrix products. Without any, all types are measured.
    grid: `full`, or `quick` for a few small shapes.
    time_limit_s: seconds of measuring at most.
    """

    device: str = "cuda"
    gpus: int = 0
    weights: tuple[WeightShape, ...] = ()
    heads: tuple[Heads, ...] = ()
    tensor_parallel_sizes: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ()
    grid: Literal["full", "quick"] = "full"
    time_limit_s: int = 240

    def arguments(self) -> list[str]:
        """The program's command line."""
        words = [f"--device={self.device}", f"--gpus={self.gpus}", f"--time-limit={self.time_limit_s}"]
        words += [f"--gemm={n},{k}" for n, k in self.weights]
        words += [f"--attention={h},{kv},{d}" for h, kv, d in self.heads]
        words += [f"--tensor-parallel-size={size}" for size in self.tensor_parallel_sizes]
        words += [f"--dtype={dtype}" for dtype in self.dtypes]
        return words + (["--quick"] if self.grid == "quick" else [])


@dataclass(frozen=True)
class JobPlace:
    """Where the Job runs.

    gpu: key of the GPU in the catalog.
    image: image of the container.
    namespace: namespace of the objects.
    node_group: node group of the lock; empty for any node with that GPU.
    """

    gpu: str
    image: str = IMAGE
    namespace: str = NAMESPACE
    node_group: str = ""


def manifest(request: ProfileRequest, place: JobPlace, program: str) -> list[Object]:
    """The objects, in the order in which Kubernetes makes them.

    program: source text of the profiler.
    """
    content = json.dumps([request.arguments(), place.__dict__, program], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:6]
    name = f"profile-{place.gpu.lower()}-{request.gpus}-{digest}"
    labels = {
        "app.kubernetes.io/name": "gpu-profile",
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/part-of": "spillway",
    }
    about = {"name": name, "namespace": place.namespace, "labels": labels}
    pods = {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": name}}}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "immutable": True, "data": {FILE: program}},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": about,
            "spec": {**pods, "policyTypes": ["Ingress", "Egress"]},
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": about,
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": START_S + request.time_limit_s,
                "ttlSecondsAfterFinished": KEPT_S,
                "template": {"metadata": {"labels": labels}, "spec": _pod(request, place, name)},
            },
        },
    ]


def render(objects: list[Object]) -> str:
    """The objects as YAML. Texts of several lines are written line by line."""
    return yaml.dump_all(objects, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=120)


def _pod(request: ProfileRequest, place: JobPlace, config_map: str) -> Object:
    tolerations: list[Mapping[str, str]] = [{"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}]
    selector = {ACCELERATOR_LABEL: f"nvidia-{place.gpu.lower()}"}
    if place.node_group:
        selector = {NODE_GROUP: place.node_group}
        group = {"key": NODE_GROUP, "operator": "Equal", "value": place.node_group, "effect": "NoSchedule"}
        tolerations.append(group)
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": selector,
        "tolerations": tolerations,
        "containers": [_container(request, place)],
        "volumes": [
            {"name": "program", "configMap": {"name": config_map}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
            # The GPUs of a group may exchange their parts here, as those of a replica do.
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{2 * request.gpus}Gi"}},
        ],
    }


def _container(request: ProfileRequest, place: JobPlace) -> Object:
    memory = f"{6 + 4 * request.gpus}Gi"
    return {
        "name": "profile",
        "image": place.image,
        "command": ["python3", f"{FOLDER}/{FILE}"],
        "args": [*request.arguments(), f"--log={LOG}"],
        "env": [
            {"name": "HOME", "value": "/tmp"},
            {"name": "USER", "value": "vllm"},
            {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {
            "requests": {"cpu": str(1 + request.gpus), "memory": memory, GPU_RESOURCE: str(request.gpus)},
            "limits": {"memory": memory, GPU_RESOURCE: str(request.gpus)},
        },
        "terminationMessagePath": LOG,
        "volumeMounts": [
            {"name": "program", "mountPath": FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
    }


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines in block style, and equal objects twice instead of by an anchor."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Readable, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Readable.add_representer(str, _text)
