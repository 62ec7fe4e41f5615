"""What ready pods mount, and running it: the real gateway on loopback, asked through its pods, and ended again."""

from __future__ import annotations

import asyncio
import copy
import json
import urllib.error
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.keys import new_key
from planner.documents import routing
from tests.infra import locks
from tests.twin.aws_program import Program, trust
from tests.twin.workload_objects import (
    CLOCKS,
    GATEWAYS,
    PLAN,
    SERVING,
    FakeCluster,
    endpoint_slice,
    engine_pod,
    gateway_pod,
    policy,
    service,
)
from tools.first_request import ask, offers
from twin.api.offers import Offers
from twin.aws import existing
from twin.aws.store import ResourceRecord
from twin.engine.prompt import hint
from twin.workloads import mounts
from twin.workloads.kubelet import Kubelet
from twin.workloads.objects import Object, Objects
from twin.workloads.pods import PodError
from twin.workloads.vault import AccountVault, no_vault

SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret"


def stored_pod() -> Object:
    """A gateway's pod with keys in AWS Secrets Manager."""
    made = gateway_pod()
    attributes = {"secretProviderClass": "gateway"}
    made["spec"]["volumes"] = [
        {"name": "keys", "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": attributes}}
    ]
    made["spec"]["containers"][0]["volumeMounts"] = [{"name": "keys", "mountPath": "/etc/spillway/secrets"}]
    return made


def provider_class(*names: str) -> Object:
    listed = "\n".join(
        f"- {{objectName: {name}, objectType: secretsmanager, objectAlias: {name}.file}}" for name in names
    )
    return {"spec": {"provider": "aws", "parameters": {"usePodIdentity": "true", "objects": listed}}}


def test_a_pod_sees_the_entries_of_what_it_mounts() -> None:
    cluster = FakeCluster(
        config_maps={"gateway/gateway-policy": {"policy.json": b"{}"}},
        secrets={"gateway/gateway-client-keys": {"keys.json": b"{}", "old.json": b"{}"}},
    )
    made = gateway_pod()
    folder = "/etc/spillway"
    assert sorted(mounts.files(made, cluster, no_vault)) == [
        f"{folder}/keys/keys.json",
        f"{folder}/keys/old.json",
        f"{folder}/policy/policy.json",
    ]
    made["spec"]["volumes"][1]["secret"]["items"] = [{"key": "old.json", "path": "chosen.json"}]
    assert sorted(mounts.files(made, cluster, no_vault)) == [
        f"{folder}/keys/chosen.json",
        f"{folder}/policy/policy.json",
    ]
    cluster.secrets.clear()
    with pytest.raises(PodError, match="waits for Secret gateway-client-keys, which is not there"):
        mounts.files(made, cluster, no_vault)
    with pytest.raises(PodError, match="waits for entry OPENAI_API_KEY of Secret gateway-provider-keys"):
        mounts.variables(made, cluster, "127.9.9.9")


def test_files_that_stay_the_same_are_not_touched(tmp_path: Path) -> None:
    mounts.write(tmp_path, {"/a": b"1", "/b/c": b"2"})
    before = (tmp_path / "a").stat().st_mtime_ns
    mounts.write(tmp_path, {"/a": b"1", "/b/d": b"3"})
    assert (tmp_path / "a").stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a", "d"]
    assert (tmp_path / "b" / "d").read_bytes() == b"3"
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_a_pod_gets_the_listed_secrets_that_its_role_may_read(tmp_path: Path) -> None:
    program = Program(tmp_path)
    existing.provide(program.store, "us-east-1", secrets=["keys", "other"])
    existing.fill(program.store, "us-east-1", {"keys": "a-value", "other": "b-value"})
    role = program.create(
        "aws:iam/role:Role", "gateway", name="gateway", assumeRolePolicy=trust("pods.eks.amazonaws.com")
    )
    arn = f"{SECRET_ARN}:keys-??????"
    arn = f"{SECRET_ARN}:keys-??????"
    reading = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [arn]}
    program.create(
        "aws:iam/rolePolicy:RolePolicy",
        "gateway",
        name="read",
        role="gateway",
        policy=json.dumps({"Version": "2012-10-17", "Statement": [reading]}),
    )
    vault = AccountVault(program.store.folder, "us-east-1")
    cluster = FakeCluster(classes={"gateway/gateway": provider_class("keys")})
    with pytest.raises(PodError, match="may not read secret keys: it has no role"):
        mounts.files(stored_pod(), cluster, vault)
    associated = program.store.load()
    outputs = {"namespace": "gateway", "serviceAccount": "gateway", "roleArn": role.outputs["arn"]}
    token = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    associated.records[token] = {"a-1": ResourceRecord("gateway", "us-east-1", outputs, outputs)}
    associated.generation += 1
    program.store.save(associated)
    assert mounts.files(stored_pod(), cluster, vault) == {"/etc/spillway/secrets/keys.file": b"a-value"}
    cluster.classes["gateway/gateway"] = provider_class("keys", "other")
    with pytest.raises(PodError, match="may not read secret other: gateway"):
        mounts.files(stored_pod(), cluster, vault)
    with pytest.raises(PodError, match="these workloads have no account"):
        mounts.files(stored_pod(), cluster, no_vault)


KEY, ENTRY = new_key("support", ("chat", "extraction"))
SERVED = Objects(
    pods=(engine_pod(), engine_pod("extraction-1", "extraction-1xl40s"), gateway_pod()),
    services=(
        service("serving", "vllm-chat-1xl40s", "None", 8000),
        service("serving", "vllm-extraction-1xl40s", "None", 8000),
        service("gateway", "gateway", "10.96.0.9", 80),
    ),
    slices=(
        endpoint_slice("serving", "vllm-chat-1xl40s", 8000, "uid-chat-1"),
        endpoint_slice("serving", "vllm-extraction-1xl40s", 8000, "uid-extraction-1"),
        endpoint_slice("gateway", "gateway", 8080, "uid-gateway-1"),
    ),
    namespaces=(
        {"metadata": {"name": "serving", "labels": SERVING}},
        {"metadata": {"name": "gateway", "labels": GATEWAYS}},
    ),
)


def served(tmp_path: Path, cluster: FakeCluster, life: Callable[[Kubelet], Awaitable[None]]) -> None:
    """Run what the pods say for the length of `life`."""
    sold = offers(PLAN, {"OPENAI_API_KEY": "sk-own"})
    (tmp_path / "pods").mkdir()
    kubelet = Kubelet(tmp_path, cluster, CLOCKS, no_vault, Offers.model_validate(sold))

    async def run() -> None:
        try:
            await life(kubelet)
        finally:
            await kubelet.end()

    asyncio.run(run())


def provisioned() -> FakeCluster:
    """A cluster with a gateway, two engines, and the Secrets that a team makes."""
    document = json.dumps(routing.policy(locks.sealed(PLAN))).encode()
    return FakeCluster(
        SERVED,
        config_maps={"gateway/gateway-policy": {"policy.json": document}},
        secrets={
            "gateway/gateway-client-keys": {
                "keys.json": json.dumps({"support": ENTRY["support"].model_dump()}).encode()
            },
            "gateway/gateway-provider-keys": {"OPENAI_API_KEY": b"sk-own"},
        },
    )


async def until_ready(kubelet: Kubelet) -> str:
    """The gateway's URL, when it answers."""
    for _ in range(600):
        await kubelet.settle()
        assert kubelet.problems == {}
        if not kubelet.awaited:
            network = json.loads((kubelet.folder / "network.json").read_text())
            address, port = network["services"]["gateway/gateway"]["80"][0]
            return f"http://{address}:{port}"
        await asyncio.sleep(0.05)
    raise AssertionError(f"not ready: {kubelet.awaited}")


def test_the_real_gateway_answers_by_the_pods_and_ends_with_its_own(tmp_path: Path) -> None:
    cluster = provisioned()

    async def life(kubelet: Kubelet) -> None:
        url = await until_ready(kubelet)
        chat = await asyncio.to_thread(ask, url, KEY, "chat")
        assert (chat.status, chat.served_by) == (200, "pool/chat-1xl40s")
        cluster.objects = replace(
            SERVED,
            pods=SERVED.pods[1:],
            policies=(policy("serving", {"matchLabels": {"pool": "extraction-1xl40s"}}, ingress=[]),),
        )
        await kubelet.settle()
        gone = await asyncio.to_thread(ask, url, KEY, "chat")
        assert (gone.status, gone.served_by) == (200, "api/openai.gpt-6-luna")
        closed = await asyncio.to_thread(ask, url, KEY, "extraction")
        assert (closed.status, closed.code) == (502, "no_backend")
        cluster.objects = replace(cluster.objects, policies=(policy("gateway", {}, egress=[]),))
        await kubelet.settle()
        names = next((tmp_path / "pods").glob("*.network.json"))
        assert json.loads(names.read_text()) == {"names": {}}  # not even the cluster's DNS
        cluster.objects = replace(cluster.objects, pods=())
        await kubelet.settle()
        with pytest.raises(urllib.error.URLError):
            await asyncio.to_thread(ask, url, KEY, "extraction")

    served(tmp_path, cluster, life)
    assert list((tmp_path / "pods").glob("*/")) == []  # no keys are left


LONG = 120
"""Tokens of an answer that takes some seconds."""


@pytest.mark.parametrize("node_stays", [True, False])
def test_an_engine_finishes_what_it_has_begun_unless_its_node_goes_with_it(tmp_path: Path, node_stays: bool) -> None:
    cluster, pod = provisioned(), copy.deepcopy(engine_pod("extraction-1", "extraction-1xl40s"))
    pod["spec"]["nodeName"] = "node-1"
    there = (SERVED.pods[0], pod, SERVED.pods[2])
    cluster.objects = replace(SERVED, pods=there, nodes=frozenset({"node-1"}))
    sent = hint(20, LONG)

    async def life(kubelet: Kubelet) -> None:
        url = await until_ready(kubelet)
        asked = asyncio.create_task(asyncio.to_thread(ask, url, KEY, "extraction", sent, stream=True, max_tokens=LONG))
        await asyncio.sleep(1)
        assert not asked.done()
        left = frozenset({"node-1"} if node_stays else ())
        cluster.objects = replace(SERVED, pods=(there[0], there[2]), nodes=left)
        await kubelet.settle()
        if node_stays:
            assert not asked.done()
            assert len((await asked).text.split()) == LONG
        else:
            with pytest.raises(ValueError, match="the stream was cut"):
                await asked

    served(tmp_path, cluster, life)


def test_a_gateway_that_refuses_its_policy_is_a_problem_with_its_words(tmp_path: Path) -> None:
    cluster = provisioned()
    cluster.config_maps["gateway/gateway-policy"] = {"policy.json": b"{}"}

    async def life(kubelet: Kubelet) -> None:
        for _ in range(600):
            await kubelet.settle()
            if kubelet.problems:
                break
            await asyncio.sleep(0.05)
        (problem,) = kubelet.problems.values()
        assert "gateway/gateway-1 ended with 2" in problem
        assert "gateway: cannot start" in problem

    served(tmp_path, cluster, life)


def test_a_pod_waits_for_its_secrets(tmp_path: Path) -> None:
    cluster = provisioned()
    given = cluster.secrets.pop("gateway/gateway-client-keys")

    async def life(kubelet: Kubelet) -> None:
        await kubelet.settle()
        assert "waits for Secret gateway-client-keys" in kubelet.problems["gateway/gateway-1"]
        cluster.secrets["gateway/gateway-client-keys"] = given
        own = cluster.secrets.pop("gateway/gateway-provider-keys")
        for _ in range(260):  # more often than there are addresses
            await kubelet.settle()
        assert "waits for entry OPENAI_API_KEY" in kubelet.problems["gateway/gateway-1"]
        cluster.secrets["gateway/gateway-provider-keys"] = own
        url = await until_ready(kubelet)
        assert (await asyncio.to_thread(ask, url, KEY, "extraction")).served_by == "pool/extraction-1xl40s"
        cluster.secrets["gateway/gateway-client-keys"] = {"keys.json": b"others"}
        await kubelet.settle()
        assert [path.read_bytes() for path in (tmp_path / "pods").rglob("keys.json")] == [b"others"]

    served(tmp_path, cluster, life)
