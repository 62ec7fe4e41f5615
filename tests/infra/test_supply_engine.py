"""The first `up` of an account: secrets first, everything once they have values, nothing left at the end.

Nodes take the engine from the account's own registry. Were it Docker Hub, whose bucket the endpoint does not name then,
the replicas would wait in ImagePullBackOff (tests/twin/test_aws_pulls.py).
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.engine import Engine, Outcome, stage
from tests.infra import locks
from tests.infra.checkout import checkout
from tests.infra.pods import ClusterView, Pods
from twin.cluster import RunningCluster

pytestmark = pytest.mark.engine

HUB = "ecr-pullthroughcache/spillway-prod-docker-hub"
SECRETS = ["spillway-prod/OPENAI_API_KEY", "spillway-prod/client-keys", HUB]
SECRET = "a value that stands nowhere else"


@dataclass
class Life:
    """What each step gave."""

    steps: dict[str, Outcome] = field(default_factory=dict)
    made: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    pods: Pods = field(default_factory=Pods)
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
        *(f"{name}={SECRET}" for name in SECRETS),
    ]
    command = [*fill, "--folder", str(pulumi.stage.account_folder)]
    subprocess.run(command, env=dict(pulumi.stage.environment), check=True, capture_output=True, timeout=60)
    life.steps["second up"] = pulumi.up()
    life.made["second up"], life.outputs["second up"] = custom(), pulumi.outputs()
    life.pods, life.state = api.settled(), str(pulumi.stack_export())
    life.steps["preview"] = pulumi.preview()
    life.steps["destroy"] = pulumi.destroy()
    life.left = sorted(token for token, records in pulumi.account.load().records.items() if records)
    return life


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


def test_no_value_is_in_the_state(life: Life) -> None:
    assert "client-keys" in life.state
    assert SECRET not in life.state


def test_nothing_changes_afterwards_and_nothing_is_left(life: Life) -> None:
    assert life.steps["preview"].changed() == {}
    assert life.steps["destroy"].status == 0, life.steps["destroy"].output
    assert set(life.left) <= {"aws:kms/key:Key"}
