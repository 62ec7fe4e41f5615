"""What the network's S3 endpoint refuses: by its policy, and as pods of the cluster meet it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import CoreV1Api

from tests.twin.aws_program import Program
from twin.aws import pulls
from twin.aws.store import Store
from twin.cluster import CLUSTER_FOLDER_VARIABLE, RunningCluster

ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
STARPORT = "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"
HUB = "arn:aws:s3:::docker-images-prod/*"


def policy(*resources: str, **statement: Any) -> dict[str, Any]:
    allowed = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": list(resources)}
    return {"Version": "2012-10-17", "Statement": [{**allowed, **statement}]}


@pytest.mark.parametrize(
    ("document", "passes"),
    [
        (policy(HUB), True),
        (policy(STARPORT), False),
        (policy("*", Action="s3:*"), True),
        (policy("*", Action="s3:PutObject"), False),
        (policy(HUB, Condition={"StringEquals": {"aws:PrincipalAccount": "1"}}), False),
        ({"Statement": [*policy("*")["Statement"], *policy(HUB, Effect="Deny")["Statement"]]}, False),
    ],
)
def test_a_policy_admits_what_it_allows_and_does_not_deny(document: dict[str, Any], passes: bool) -> None:
    assert pulls.admits(document, "s3:GetObject", "arn:aws:s3:::docker-images-prod/x") is passes


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def _endpoint(program: Program, region: str = "us-east-1", **inputs: Any) -> None:
    vpc = program.create("aws:ec2/vpc:Vpc", "v", cidrBlock="10.0.0.0/16").id
    service = f"com.amazonaws.{region}.s3"
    program.create(ENDPOINT, "e", vpcId=vpc, serviceName=service, vpcEndpointType="Gateway", **inputs)


def _refused(store: Store, image: str) -> bool:
    return any(re.fullmatch(pattern, image) for pattern in pulls.denied(store.load()))


@pytest.mark.parametrize(
    ("image", "refused"),
    [
        ("vllm/vllm-openai:v0.33.0@sha256:1", True),
        ("python:3.12", True),
        ("docker.io/library/python", True),
        ("quay.io/prometheus/prometheus:v3", True),
        ("registry.k8s.io/metrics-server:v1", True),
        ("nvcr.io/nvidia/k8s-device-plugin:v1", False),
        ("registry.example/spillway-gateway:1.0", False),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/hub/vllm/vllm-openai:v1", False),
    ],
)
def test_images_are_refused_whose_layers_lie_in_a_bucket_that_is_not_named(
    program: Program, image: str, refused: bool
) -> None:
    assert not _refused(program.store, image)
    _endpoint(program, policy=json.dumps(policy(STARPORT)))
    assert _refused(program.store, image) is refused


def test_an_endpoint_without_a_policy_refuses_nothing_and_one_elsewhere_is_not_on_the_way(tmp_path: Path) -> None:
    open_one, elsewhere = Program(tmp_path / "a"), Program(tmp_path / "b", region="eu-west-1")
    _endpoint(open_one)
    assert pulls.denied(open_one.store.load()) == ()
    _endpoint(elsewhere, region="eu-west-1", policy=json.dumps(policy(STARPORT.replace("us-east-1", "eu-west-1"))))
    assert not _refused(elsewhere.store, "vllm/vllm-openai:v1")  # the bucket is in us-east-1, over NAT
    assert _refused(elsewhere.store, "registry.k8s.io/metrics-server:v1")


@pytest.mark.engine
def test_a_refused_pod_waits_until_the_endpoint_names_the_bucket(
    program: Program, cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CLUSTER_FOLDER_VARIABLE, str(cluster.folder))
    client = cluster.client()
    api = CoreV1Api(client)
    node = {
        "metadata": {"name": "puller", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"capacity": {"cpu": "4", "pods": "9"}, "allocatable": {"cpu": "4", "pods": "9"}},
    }

    def pod(name: str, image: str) -> None:
        spec = {"containers": [{"name": "c", "image": image}], "nodeName": "puller"}
        api.create_namespaced_pod("default", {"metadata": {"name": name}, "spec": spec})

    def status(name: str) -> str:
        found = api.read_namespaced_pod(name, "default").status
        waiting = [c.state.waiting.reason for c in found.container_statuses or () if c.state.waiting]
        return waiting[0] if waiting else str(found.phase)

    def soon(what: Callable[[], bool]) -> bool:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if what():
                return True
            time.sleep(0.1)
        return False

    try:
        api.create_node(node)
        _endpoint(program, policy=json.dumps(policy(STARPORT)))
        time.sleep(2)  # the API server takes a rule up within a second
        pod("refused", "vllm/vllm-openai:v0.33.0")
        pod("mirrored", "123456789012.dkr.ecr.us-east-1.amazonaws.com/hub/vllm/vllm-openai:v0.33.0")
        assert soon(lambda: status("mirrored") == "Running")
        assert soon(lambda: status("refused") == "ImagePullBackOff")
        program.update("e", **{**program.states["e"][1].inputs, "policy": json.dumps(policy(STARPORT, HUB))})
        assert soon(lambda: status("refused") == "Running")
    finally:
        for name in ("refused", "mirrored"):
            api.delete_namespaced_pod(name, "default", grace_period_seconds=0)
        api.delete_node("puller")
        program.destroy()
        client.close()
