"""What ready pods would run: read from the pods, led to by Services, let in by NetworkPolicies."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.twin.workload_objects import (
    CLOCKS,
    GATEWAY,
    GATEWAYS,
    SERVING,
    endpoint_slice,
    engine_pod,
    gateway_pod,
    policy,
    service,
)
from twin.workloads import pods
from twin.workloads.container import look_up
from twin.workloads.firewall import End, OutsideEnd, PodEnd, admits, selects
from twin.workloads.objects import Object, Objects
from twin.workloads.pods import PodError
from twin.workloads.services import services


def test_an_engine_has_the_limits_of_its_own_arguments() -> None:
    clock = pods.engine_clock(engine_pod(), CLOCKS)
    assert (clock.model, clock.max_model_len, clock.max_num_seqs) == ("chat-1xl40s", 4096, 16)
    assert (clock.max_num_batched_tokens, clock.max_num_queued_reqs, clock.max_num_queued_tokens) == (2048, 4, 9000)
    assert clock.adapters == ("support", "law")
    assert clock.step == CLOCKS["chat-1xl40s"].step
    copies = pods.engine_clock(engine_pod(data_parallel_size="2", api_server_count="2"), CLOCKS)
    assert (copies.max_num_seqs, copies.max_num_batched_tokens, copies.max_num_queued_tokens) == (32, 4096, 18000)
    unlimited = pods.engine_clock(engine_pod(max_num_queued_reqs=None, max_num_queued_tokens=None), CLOCKS)
    assert (unlimited.max_num_queued_reqs, unlimited.max_num_queued_tokens) == (None, None)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (engine_pod(max_model_len=None), "states no --max-model-len"),
        (engine_pod(max_num_seqs="many"), "--max-num-seqs of serving/chat-1 is many"),
        (engine_pod(model="elsewhere"), "serves elsewhere, which has no clock"),
        (engine_pod(max_model_len="200000"), "would refuse its arguments"),
        (engine_pod(ssl_certfile="/etc/vllm/tls/tls.crt"), "serves with TLS"),
    ],
)
def test_an_engine_that_cannot_be_told_is_a_problem(made: Object, said: str) -> None:
    with pytest.raises(PodError, match=said):
        pods.engine_clock(made, CLOCKS)


def test_a_program_keeps_its_command_with_its_own_address_and_its_files() -> None:
    module, arguments = pods.command_of(gateway_pod(), "127.9.9.9", "/run/pod")
    assert module == "gateway"
    assert arguments == [
        "--policy=/run/pod/etc/spillway/policy/policy.json",
        "--host=127.9.9.9",
        "--port=8080",
        "--admin-port=9090",
        "--keys=/run/pod/etc/spillway/keys/keys.json",
    ]
    assert pods.readiness(gateway_pod()) == (8080, "/readyz")


def test_a_job_is_not_run() -> None:
    made = gateway_pod()
    assert pods.kind_of(made) == "program"
    del made["spec"]["containers"][0]["ports"]
    assert pods.kind_of(made) is None


def test_a_pod_that_is_on_its_way_out_is_not_ready() -> None:
    made = engine_pod()
    assert pods.is_ready(made)
    made["metadata"]["deletionTimestamp"] = "2026-12-01T00:00:00Z"
    assert not pods.is_ready(made)
    assert not pods.is_ready({**engine_pod(), "status": {}})


def test_a_service_leads_to_the_ready_pods_of_its_slices() -> None:
    addresses = {"uid-a": "127.9.9.1", "uid-b": "127.9.9.2"}
    objects = Objects(
        services=(service("serving", "vllm", "None", 8000), service("gateway", "gateway", "10.96.0.9", 80)),
        slices=(
            endpoint_slice("serving", "vllm", 8000, "uid-b", "uid-elsewhere"),
            endpoint_slice("serving", "vllm", 8000, "uid-a", ready=False),
            endpoint_slice("serving", "another", 8000, "uid-a"),
            endpoint_slice("gateway", "gateway", 8080, "uid-a"),
        ),
    )
    headless, balanced = services(objects, addresses)
    assert headless.host == "vllm.serving.svc.cluster.local"
    assert headless.answers() == {"*": [("127.9.9.2", None)]}
    assert headless.targets == {8000: (("127.9.9.2", 8000),)}
    assert balanced.answers() == {"80": [("127.9.9.1", 8080)]}


def test_a_container_looks_names_up_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "network.json"
    names = {
        "a.svc": {"*": [["127.9.9.1", None]]},
        "api.example": {"443": [["127.9.9.2", 4431]]},
        "empty.svc": {"*": []},
    }
    file.write_text(json.dumps({"names": names}))
    assert look_up(file, "a.svc", 8000) == [("127.9.9.1", 8000)]
    assert look_up(file, "api.example", 443) == [("127.9.9.2", 4431)]
    for name, port in (("api.example", 80), ("empty.svc", 8000), ("example.com", 443)):
        with pytest.raises(socket.gaierror):
            look_up(file, name, port)


CALLER = PodEnd("gateway", GATEWAY, GATEWAYS)
POOL = PodEnd("serving", {"app": "vllm", "tier": "gold"}, SERVING, {"http": 8000})
IN = [{"podSelector": {"matchLabels": GATEWAY}, "namespaceSelector": {"matchLabels": GATEWAYS}}]
OUT = [{"podSelector": {"matchLabels": {"app": "vllm"}}, "namespaceSelector": {"matchLabels": SERVING}}]
HTTP = [{"protocol": "TCP", "port": "http"}]


@pytest.mark.parametrize(
    ("policies", "admitted"),
    [
        ([], True),
        ([policy("serving", {}, ingress=[])], False),
        ([policy("elsewhere", {}, ingress=[])], True),
        ([policy("serving", {"matchLabels": {"app": "other"}}, ingress=[])], True),
        ([policy("serving", {}, ingress=[{}])], True),
        ([policy("serving", {}, egress=[])], True),
        ([policy("gateway", {}, egress=[])], False),
        ([policy("serving", {}, ingress=[{"from": IN, "ports": HTTP}])], True),
        ([policy("serving", {}, ingress=[{"from": IN, "ports": [{"port": "metrics"}]}])], False),
        ([policy("serving", {}, ingress=[{"from": IN, "ports": [{"port": 7000, "endPort": 8000}]}])], True),
        ([policy("serving", {}, ingress=[{"from": IN, "ports": [{"port": 8000, "protocol": "UDP"}]}])], False),
        ([policy("serving", {}, ingress=[{"from": [{"podSelector": {}}]}])], False),
        ([policy("serving", {}, ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])], False),
        ([policy("serving", {}, ingress=[]), policy("serving", {}, ingress=[{"from": IN}])], True),
        ([policy("gateway", {}, egress=[{"to": OUT, "ports": HTTP}])], True),
        ([policy("gateway", {}, egress=[{"to": OUT, "ports": [{"port": 8001}]}])], False),
        ([policy("gateway", {}, egress=[{"to": OUT}]), policy("serving", {}, ingress=[])], False),
    ],
)
def test_a_connection_is_carried_where_both_sides_admit_it(policies: list[Object], admitted: bool) -> None:
    assert admits(policies, CALLER, POOL, 8000) is admitted


@pytest.mark.parametrize(
    ("other", "port", "admitted"),
    [
        (OutsideEnd("198.51.100.1"), 443, True),
        (OutsideEnd("198.51.100.1"), 80, False),
        (OutsideEnd("10.1.2.3"), 443, False),
        (POOL, 443, False),
    ],
)
def test_an_address_block_names_what_is_outside(other: End, port: int, admitted: bool) -> None:
    block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}
    assert admits([policy("gateway", {}, egress=[{"to": [block], "ports": [{"port": 443}]}])], CALLER, other, port) is (
        admitted
    )


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ({"key": "tier", "operator": "In", "values": ["gold"]}, True),
        ({"key": "tier", "operator": "NotIn", "values": ["gold"]}, False),
        ({"key": "tier", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "DoesNotExist"}, False),
    ],
)
def test_a_selector_may_have_expressions(expression: Object, taken: bool) -> None:
    assert selects({"matchExpressions": [expression]}, POOL.labels) is taken
