"""Names of resources: stable for the same lock, and short enough for the service that limits them.

Pulumi adds a dash and seven characters to most names, so the limits here are AWS's own less eight.
"""

from __future__ import annotations

from planner.documents import routing
from planner.words.names import bounded

PROJECT = "spillway"
ENVIRONMENT_TAG = "spillway.dev/environment"
"""Tag of everything that can be tagged: the environment."""
RESOURCE_TAG = "spillway.dev/resource"
"""Tag with the name that a resource has in the program."""
STACK_TAG = "spillway.dev/stack"
"""Tag with the mark of the stack that made a resource (`infra.stack_mark`)."""
NODE_GROUP_LABEL = "spillway.dev/node-group"
"""Label on every node: the node group of the lock, or `system`."""
ENVIRONMENT_LABEL = "spillway.dev/environment"
"""Label on namespaces of a cluster that is there already: the environment that may use them."""
POOL_TAINT = "spillway.dev/pool"
"""Taint on nodes that hold one pool only. Its value is the pool."""
ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"
"""Label by which AWS's own tools tell GPU nodes."""
GPU_TAINT = "nvidia.com/gpu"

SERVING_NAMESPACE = routing.SERVING_NAMESPACE
GATEWAY_NAMESPACE = "gateway"
WEIGHTS_NAMESPACE = "weights"
GATEWAY_RELEASE = "gateway"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Label that Kubernetes itself puts on each namespace: its name."""

IAM_ROLE_LIMIT = 64 - 8
NODE_GROUP_LIMIT = 63 - 8


def stack_prefix(environment: str) -> str:
    """Return the beginning of every physical name of an environment, such as `spillway-prod`. It leaves room for what
    follows."""
    return f"{PROJECT}-{bounded(environment, 20)}"


def gpu_name(group: str) -> str:
    """Return the name in the program of a node group of the lock."""
    return f"gpu-{group}"


def own_name(name: str) -> str:
    """Return the name in the program of a group's resources, short enough for its name at AWS."""
    return bounded(name, NODE_GROUP_LIMIT)


def label_value(text: str) -> str:
    """Spell `text` as a Kubernetes label value: at most 63 letters, digits, `-`, `_` and `.`, in lower case."""
    spelled = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in text.lower())
    return bounded(spelled, 63).strip("-_.")
