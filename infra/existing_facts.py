"""What a cluster that is there already says of itself: its identity, nodes, namespaces, and what this user may do.

The module only reads, and it names the context, so that nothing reaches the cluster that happens to be current. Its
library is loaded when a cluster is asked, and not before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.naming import GATEWAY_NAMESPACE, GPU_TAINT, SERVING_NAMESPACE

SECONDS = 20
"""Time in which the API server must answer a question."""
ASKING_AT_ONCE = 8
FINISHED = "status.phase!=Succeeded,status.phase!=Failed"
_SUFFIXES: dict[str, Decimal | int] = {"m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SUFFIXES |= {f"{letter}i": 2 ** (10 * power) for power, letter in enumerate("KMGT", start=1)}


class UnreadableClusterError(Exception):
    """The cluster cannot be asked. The message says why."""


@dataclass(frozen=True)
class Right:
    """A right is what a user must be allowed to do; an empty namespace means the whole cluster."""

    verb: str
    group: str
    resource: str
    namespace: str = ""

    def words(self) -> str:
        """Return the right as kubectl spells it."""
        name = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {name}" + (f" in {self.namespace}" if self.namespace else "")


RightsOf = Callable[[Mapping[str, Mapping[str, str]]], Iterable[Right]]
"""Labels of namespaces by name -> the rights that are needed."""


@dataclass(frozen=True)
class FoundNode:
    """A node is as it stands in the cluster.

    taints: `KEY=VALUE:EFFECT`, those with effect alone that keep pods off.
    is_ready: whether it is Ready and takes pods.
    gpus, cpu_m, memory_mib: what it can give to pods.
    taken_gpus: GPUs of it that pods have which are not this environment's.
    """

    name: str
    labels: Mapping[str, str]
    taints: frozenset[str]
    is_ready: bool
    gpus: int
    cpu_m: int
    memory_mib: int
    taken_gpus: int = 0


@dataclass(frozen=True)
class ExistingFacts:
    """The facts are what preflight asks a cluster.

    uid: that of namespace kube-system, which no other cluster has.
    minor: minor version of Kubernetes.
    namespaces: labels by name.
    claims: access modes of the volume claims in the namespace of pools, by name.
    denied: rights that the user lacks.
    has_scaled_objects: whether KEDA's definition of a scaled pool is there.
    """

    uid: str
    minor: int
    nodes: tuple[FoundNode, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    claims: Mapping[str, tuple[str, ...]]
    denied: tuple[Right, ...]
    has_scaled_objects: bool = False


def read_facts(context: str, kubeconfig: str | None, rights: RightsOf) -> ExistingFacts:
    """Ask the cluster of a context. Raises `UnreadableClusterError`.

    kubeconfig: path of the file; None takes that of kubectl (KUBECONFIG, else ~/.kube/config).
    rights: what the user needs, by the namespaces that there are.
    """
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        with config.new_client_from_config(kubeconfig, context, persist_config=False) as api:
            return _read(client, api, rights)
    except ApiException as error:
        raise UnreadableClusterError(f"the cluster answers {error.status} {error.reason}") from error
    except (config.ConfigException, HTTPError, OSError, ValueError) as error:
        raise UnreadableClusterError(" ".join(str(error).split())) from error


def _read(client: Any, api: Any, rights: RightsOf) -> ExistingFacts:
    core, patience = client.CoreV1Api(api), {"_request_timeout": SECONDS}
    namespaces = {item.metadata.name: item for item in core.list_namespace(**patience).items}
    taken: dict[str, int] = {}
    for pod in core.list_pod_for_all_namespaces(field_selector=FINISHED, **patience).items:
        if pod.spec.node_name and pod.metadata.namespace not in (SERVING_NAMESPACE, GATEWAY_NAMESPACE):
            taken[pod.spec.node_name] = taken.get(pod.spec.node_name, 0) + _gpus_asked(pod)
    claims: list[Any] = []
    if SERVING_NAMESPACE in namespaces:
        claims = core.list_namespaced_persistent_volume_claim(SERVING_NAMESPACE, **patience).items
    labels = {name: item.metadata.labels or {} for name, item in namespaces.items()}
    return ExistingFacts(
        uid=namespaces["kube-system"].metadata.uid,
        minor=int(re.sub(r"\D.*", "", client.VersionApi(api).get_code(**patience).minor)),
        nodes=tuple(_node(node, taken.get(node.metadata.name, 0)) for node in core.list_node(**patience).items),
        namespaces=labels,
        claims={item.metadata.name: tuple(item.spec.access_modes or ()) for item in claims},
        denied=_denied(client, api, tuple(rights(labels))),
        has_scaled_objects="keda.sh"
        in {group.name for group in client.ApisApi(api).get_api_versions(**patience).groups},
    )


def _denied(client: Any, api: Any, rights: tuple[Right, ...]) -> tuple[Right, ...]:
    """Return the rights that the user lacks. The questions are many and short, so several are under way at a time."""
    with ThreadPoolExecutor(ASKING_AT_ONCE) as asking:
        answers = asking.map(lambda right: _may(client, api, right), rights)
        return tuple(right for right, granted in zip(rights, answers, strict=True) if not granted)


def _may(client: Any, api: Any, right: Right) -> bool:
    attributes = {"verb": right.verb, "group": right.group, "resource": right.resource, "namespace": right.namespace}
    review = {"spec": {"resourceAttributes": attributes}}
    answer = client.AuthorizationV1Api(api).create_self_subject_access_review(review, _request_timeout=SECONDS)
    return bool(answer.status.allowed)


def _node(node: Any, taken_gpus: int) -> FoundNode:
    can_give = node.status.allocatable or {}
    conditions = node.status.conditions or ()
    ready = any(condition.type == "Ready" and condition.status == "True" for condition in conditions)
    taints = (taint for taint in node.spec.taints or () if taint.effect != "PreferNoSchedule")
    return FoundNode(
        name=node.metadata.name,
        labels=node.metadata.labels or {},
        taints=frozenset(
            f"{taint.key}{'=' if taint.value else ''}{taint.value or ''}:{taint.effect}" for taint in taints
        ),
        is_ready=ready and not node.spec.unschedulable,
        gpus=int(can_give.get(GPU_TAINT, 0)),
        cpu_m=int(quantity(can_give.get("cpu", "0")) * 1000),
        memory_mib=int(quantity(can_give.get("memory", "0")) / 2**20),
        taken_gpus=taken_gpus,
    )


def _gpus_asked(pod: Any) -> int:
    limits = (container.resources.limits or {} for container in pod.spec.containers if container.resources)
    return sum(int(each.get(GPU_TAINT, 0)) for each in limits)


def quantity(text: str) -> Decimal:
    """Return a quantity of Kubernetes as a number. Raises ValueError for what is none."""
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", text)
    if found is None or found[2] not in {"", *_SUFFIXES}:
        raise ValueError(f"`{text}` is no quantity of Kubernetes")
    return Decimal(found[1]) * (_SUFFIXES[found[2]] if found[2] else 1)
