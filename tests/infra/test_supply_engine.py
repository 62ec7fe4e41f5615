"""The first `up` of an account: secrets first, everything once they have values, answers, nothing left at the end.

The gateway is asked as soon as `up` has ended: it is the real one, with the arguments, policy and keys of its pods
(twin/workloads).

Nodes take the engine from the account's own registry. Were it Docker Hub, whose bucket the endpoint does not name then,
the replicas would wait in ImagePullBackOff (tests/twin/test_aws_pulls.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import AppsV1Api, NetworkingV1Api

from gateway.keys import new_key
from tests.engine import Engine, Outcome, stage
from tests.infra import locks
from tests.infra.checkout import checkout
from tests.infra.pods import ClusterView, Pods
from tools.first_request import Answered, ask, clocks, offers
from twin.cluster import RunningCluster
from twin.engine.prompt import hint
from twin.workloads import Workloads

pytestmark = pytest.mark.engine

HUB = "ecr-pullthroughcache/spillway-prod-docker-hub"
SECRETS = ["spillway-prod/OPENAI_API_KEY", "spillway-prod/client-keys", HUB]
SECRET = "a-value-that-stands-nowhere-else"
ROUTES = {"chat": "chat-1xl40s", "code": "code-2xl40s", "extraction": "extraction-1xl40s"}
LONG = 300
"""Tokens of an answer that takes some seconds."""
SEEN_S = 15.0
"""Longest time until what runs has followed the cluster, seconds."""


@dataclass
class Life:
    """What each step gave."""

    steps: dict[str, Outcome] = field(default_factory=dict)
    made: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    pods: Pods = field(default_factory=Pods)
    answers: dict[str, Answered] = field(default_factory=dict)
    answered_after_s: float = 0.0
    """Time from the start of the `up` that made everything to the first answer, seconds."""
    went_on: bool = False
    """Whether an answer was still being given when its replica had left the pool."""
    programs: dict[str, set[str]] = field(default_factory=dict)
    state: str = ""
    left: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def life(cluster: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder = tmp_path_factory.mktemp("supply")
    root = checkout(folder / "checkout")
    plan = locks.on_platform(locks.plan(cluster=locks.SUPPLIED), image_mirror="ecr")
    locks.write(root / "environments", plan)
    pulumi = Engine(stage(folder / "stage", cluster=cluster.folder), root, "prod", {"SPILLWAY_RUNNER": "inside"})
    for key, value in locks.IMAGES.items():
        pulumi.configure(key, value)
    life, api = Life(), ClusterView(cluster.kubeconfig)
    key, entry = new_key("support", tuple(ROUTES))
    values = {**dict.fromkeys(SECRETS, SECRET), SECRETS[1]: json.dumps({"support": entry["support"].model_dump()})}

    def custom() -> list[str]:
        return sorted({r["type"] for r in pulumi.resources().values() if r["type"].startswith("aws:")})

    life.steps["first up"] = pulumi.up()
    life.made["first up"], life.outputs["first up"] = custom(), pulumi.outputs()
    fill = [
        sys.executable,
        "-m",
        "twin.aws",
        "fill",
        "--region",
        "us-east-1",
        *(f"{name}={json.dumps(value)}" for name, value in values.items()),
    ]
    command = [*fill, "--folder", str(pulumi.stage.account_folder)]
    subprocess.run(command, env=dict(pulumi.stage.environment), check=True, capture_output=True, timeout=60)
    began = time.monotonic()
    life.steps["second up"] = pulumi.up()
    sold = offers(plan, {"OPENAI_API_KEY": SECRET})
    account = pulumi.stage.account_folder
    with Workloads(cluster.kubeconfig, folder / "pods", clocks(plan), account=account, offers=sold) as running:
        gateway = running.forward("gateway", "gateway", 80)
        life.answers = {route: ask(gateway, key, route) for route in ROUTES}
        life.answered_after_s = time.monotonic() - began
        life.answers["stream"] = ask(gateway, key, "chat", stream=True)
        life.answers["wrong key"] = ask(gateway, key[:-64] + "0" * 64, "chat")
        life.made["second up"], life.outputs["second up"] = custom(), pulumi.outputs()
        life.pods, life.state = api.settled(), str(pulumi.stack_export())
        life.steps["preview"] = pulumi.preview()
        _by_hand(cluster, running, key, life)
        life.programs["before"] = _programs(running.folder)
        os.kill(running.pid, signal.SIGKILL)
        _wait(lambda: not _programs(running.folder))
        life.programs["after"] = _programs(running.folder)
    life.steps["destroy"] = pulumi.destroy()
    life.left = sorted(token for token, records in pulumi.account.load().records.items() if records)
    return life


def _by_hand(cluster: RunningCluster, running: Workloads, key: str, life: Life) -> None:
    """Close a pool to the network, and open it again; take all replicas of two others away, one of them in the middle
    of an answer; and ask meanwhile."""
    client = cluster.client()
    networking, apps = NetworkingV1Api(client), AppsV1Api(client)
    *_, gateway = [f"http://{address}:8080" for pod, address in running.serving().items() if pod.startswith("gateway/")]

    def admit(rules: list[Any]) -> None:
        change = [{"op": "replace", "path": "/spec/ingress", "value": rules}]
        networking.patch_namespaced_network_policy("vllm-code-2xl40s", "serving", change)
        time.sleep(1)  # the next look at the cluster

    opened = client.sanitize_for_serialization(
        networking.read_namespaced_network_policy("vllm-code-2xl40s", "serving").spec.ingress
    )
    admit([])
    life.answers["code, closed"] = ask(gateway, key, "code")
    admit(opened)
    life.answers["code, open again"] = ask(gateway, key, "code")
    with ThreadPoolExecutor() as asking:
        asked = asking.submit(ask, gateway, key, "extraction", hint(20, LONG), stream=True, max_tokens=LONG)
        time.sleep(1)  # its first tokens flow
        for pool in ("vllm-chat-1xl40s", "vllm-extraction-1xl40s"):
            apps.patch_namespaced_deployment_scale(pool, "serving", {"spec": {"replicas": 0}})
        gone = ("serving/vllm-chat", "serving/vllm-extraction")
        _wait(lambda: not [pod for pod in running.serving() if pod.startswith(gone)])
        life.went_on = not asked.done()
        life.answers["extraction, while it goes"] = asked.result()
    life.answers["chat, gone"] = ask(gateway, key, "chat")
    life.answers["extraction, gone"] = ask(gateway, key, "extraction")
    client.close()


def _programs(folder: Path) -> set[str]:
    """Ids of the processes that were started for pods of this folder."""
    found = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"SPILLWAY_TWIN_NETWORK={folder}" in environ.read_text(errors="replace"):
                found.add(environ.parent.name)
        except OSError:  # it has ended, or is not ours to read
            continue
    return found


def _wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SEEN_S
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.1)


def test_the_first_up_makes_the_secrets_says_how_to_fill_them_and_stops(life: Life) -> None:
    first = life.steps["first up"]
    assert first.status == 0, first.output
    assert life.made["first up"] == ["aws:secretsmanager/secret:Secret"]
    assert sorted(life.outputs["first up"]["waiting_for"]) == sorted(SECRETS)
    said = " ".join(first.diagnostics)
    for name in SECRETS:
        assert f"secret {name} has no value yet" in said
        assert f"--secret-id {name}" in said


def test_the_second_up_makes_all_else_and_every_replica_is_ready(life: Life) -> None:
    second = life.steps["second up"]
    assert second.status == 0, second.output + str(second.diagnostics)
    assert life.outputs["second up"]["waiting_for"] == []
    ready = {"gateway": 2, "vllm-chat-1xl40s": 4, "vllm-code-2xl40s": 2, "vllm-extraction-1xl40s": 2}
    assert life.pods.ready() == ready
    assert "aws:ecr/pullThroughCacheRule:PullThroughCacheRule" in life.made["second up"]


def test_every_route_is_answered_by_its_own_pool_when_up_has_ended(life: Life) -> None:
    """Restricted `extraction` too; keys come from Secrets Manager into the pods that may read them."""
    for route, pool in ROUTES.items():
        answer = life.answers[route]
        assert (answer.status, answer.served_by) == (200, f"pool/{pool}"), answer
        assert len(answer.text.split()) == 12
    assert life.answers["stream"].text == life.answers["chat"].text
    assert life.answered_after_s > life.steps["second up"].seconds


def test_a_key_that_is_not_among_the_secrets_is_refused(life: Life) -> None:
    assert (life.answers["wrong key"].status, life.answers["wrong key"].code) == (401, "key_invalid")


def test_a_pool_that_lets_nobody_in_does_not_answer(life: Life) -> None:
    closed = life.answers["code, closed"]
    assert (closed.served_by, closed.code) == (None, "no_backend"), closed
    assert life.answers["code, open again"].served_by == "pool/code-2xl40s"


def test_what_is_gone_is_answered_from_elsewhere_or_refused_as_the_policy_says(life: Life) -> None:
    """The API takes over for `chat`, with the key of its secret; restricted `extraction` has nobody else.

    Its refusal says whether the gateway still knew a replica, which did not answer, or none, so that there is no place.
    """
    assert (life.answers["chat, gone"].status, life.answers["chat, gone"].served_by) == (200, "api/openai.gpt-6-luna")
    refused = life.answers["extraction, gone"]
    assert (refused.status, refused.code) in {(502, "no_backend"), (503, "overloaded")}
    assert refused.served_by is None


def test_a_stream_whose_replica_goes_comes_to_its_end(life: Life) -> None:
    """As on the way down to the night: the replica drains, and nobody sees it."""
    answer = life.answers["extraction, while it goes"]
    assert life.went_on
    assert (answer.status, answer.served_by) == (200, "pool/extraction-1xl40s")
    assert len(answer.text.split()) == LONG


def test_programs_of_pods_end_with_whoever_runs_them(life: Life) -> None:
    assert len(life.programs["before"]) == 2
    assert life.programs["after"] == set()


def test_no_value_is_in_the_state(life: Life) -> None:
    assert "client-keys" in life.state
    assert SECRET not in life.state


def test_nothing_changes_afterwards_and_nothing_is_left(life: Life) -> None:
    assert life.steps["preview"].changed() == {}
    assert life.steps["destroy"].status == 0, life.steps["destroy"].output
    assert set(life.left) <= {"aws:kms/key:Key"}
