"""Pulls of images that the network's S3 endpoint refuses, as nodes meet them.

Some registries redirect nodes to layers in S3. Nodes reach S3 of their own region through the gateway endpoint of their
network, and its policy decides. Where it names no such bucket, the kubelet gets 403 and the pod stays in
ImagePullBackOff. Here the real API server marks such pods (a MutatingAdmissionPolicy), and kwok leaves a marked pod
waiting (twin/cluster/stages.yaml). A policy that is opened later releases those that wait, as the kubelet tries again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twin.aws import control_planes
from twin.aws.store import AccountState, Store
from twin.provider.contract import OperationError

if TYPE_CHECKING:
    from twin.nodes import ApiServer

MARK: Final = "twin.spillway/pull-denied"
_NAME: Final = "twin-pulls-denied"
_RULES: Final = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
_BINDINGS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"
_CLUSTER: Final = "aws:eks/cluster:Cluster"
_ENDPOINT: Final = "aws:ec2/vpcEndpoint:VpcEndpoint"
_LAYERS: Final = {
    r"^(docker[.]io/.+|[^/.:@]+(/.+)?(:[^/]+)?(@.+)?)$": ("docker-images-prod", "us-east-1"),
    r"^quay[.]io/.+$": ("quayio-production-s3", "us-east-1"),
    r"^registry[.]k8s[.]io/.+$": ("prod-registry-k8s-io-{region}", None),
    r"^[0-9]{12}[.]dkr[.]ecr[.][a-z0-9-]+[.]amazonaws[.]com/.+$": ("prod-{region}-starport-layer-bucket", None),
}
"""Names of images → the bucket with their layers, and its region; None where each region has one of its own."""


def admits(document: Mapping[str, Any], action: str, resource: str) -> bool:
    """Tell whether a policy lets this pass: some statement allows it, and none denies it.

    A condition asks for what a pull does not have, so a statement with one allows nothing here and denies nothing.
    """
    effects = {
        statement["Effect"]
        for statement in document["Statement"]
        if "Condition" not in statement
        and any(fnmatchcase(action.lower(), pattern.lower()) for pattern in _list(statement.get("Action")))
        and any(fnmatchcase(resource, pattern) for pattern in _list(statement.get("Resource")))
    }
    return effects == {"Allow"}


def denied(state: AccountState, vpc: str | None = None) -> tuple[str, ...]:
    """Return the patterns of images whose layers some endpoint of the network refuses, sorted.

    vpc: id of the network; None takes all of the account.
    """
    found = set()
    for record in state.records.get(_ENDPOINT, {}).values():
        if vpc is not None and record.inputs["vpcId"] != vpc:
            continue
        policy, region = record.inputs.get("policy"), record.region
        if not policy or not str(record.inputs["serviceName"]).endswith(".s3"):
            continue
        document = json.loads(policy) if isinstance(policy, str) else policy
        for images, (bucket, home) in _LAYERS.items():
            # What lies in another region is reached over NAT and not over the endpoint.
            resource = f"arn:aws:s3:::{bucket.format(region=region)}/layer"
            if home in (None, region) and not admits(document, "s3:GetObject", resource):
                found.add(images)
    return tuple(sorted(found))


def settle(store: Store, kubeconfig: Path) -> None:
    """Bring the cluster's rule, and the pods that wait, to what the endpoints say now."""
    from urllib3.exceptions import HTTPError

    from twin import nodes  # not at the top: a plugin starts at once

    with store.exclusive_use("nodes.lock"):
        with store.exclusive_use():
            state = store.load()
            patterns = denied(state, _network_of(state, kubeconfig))
        server = nodes.ApiServer(kubeconfig)
        try:
            _put_rule(server, patterns)
            for pod in server.items("/api/v1/pods"):
                metadata = pod["metadata"]
                images = [container["image"] for container in pod["spec"]["containers"]]
                marked = MARK in metadata.get("annotations", {})
                if marked and not any(re.fullmatch(pattern, image) for pattern in patterns for image in images):
                    body = {"metadata": {"annotations": {MARK: None}}}
                    server.patch(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", body)
        except HTTPError as error:
            raise OperationError(f"the twin cluster of {kubeconfig} does not answer: {error}") from error
        finally:
            server.close()


def _network_of(state: AccountState, kubeconfig: Path) -> str | None:
    """Return the network of the cluster for which a control plane stands; None while it stands for none."""
    cluster = state.records.get(_CLUSTER, {}).get(control_planes.cluster_at(state, kubeconfig) or "")
    return None if cluster is None else str(cluster.outputs["vpcConfig"]["vpcId"])


def _put_rule(server: ApiServer, patterns: tuple[str, ...]) -> None:
    """Mark new pods with such images. Where nothing is refused, there is no rule."""
    from twin.nodes import ApiError

    for path in (_BINDINGS, _RULES):
        try:
            server.delete(f"{path}/{_NAME}")
        except ApiError as error:
            if error.status != 404:
                raise
    if patterns:
        server.create(_RULES, _rule(patterns))
        server.create(_BINDINGS, {"metadata": {"name": _NAME}, "spec": {"policyName": _NAME}})


def _rule(patterns: tuple[str, ...]) -> dict[str, Any]:
    asked = " || ".join(f"c.image.matches({json.dumps(pattern)})" for pattern in patterns)
    mark = f'Object{{metadata: Object.metadata{{annotations: {{"{MARK}": "403 Forbidden from S3"}}}}}}'
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "metadata": {"name": _NAME},
        "spec": {
            "matchConstraints": {"resourceRules": [pods]},
            "matchConditions": [{"name": "denied", "expression": f"object.spec.containers.exists(c, {asked})"}],
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": mark}}],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
        },
    }


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
