"""The program through the real Pulumi engine onto the twin: real Helm, a real scheduler, AWS's own rules.

One environment's life is run once (`life`) and judged by several tests: preview, up, drift, a change, a shortage,
destroy.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.deploy_policy import documents, kinds_of
from planner.plan.plan import Plan
from tests.engine import Engine, Outcome, stage
from tests.infra import locks
from tests.infra.checkout import checkout
from tests.infra.pods import ClusterView, Pods
from twin.aws.account import CALLS
from twin.cluster import RunningCluster

pytestmark = pytest.mark.engine

GATEWAY_IMAGE = "registry.example/spillway-gateway:1.0@sha256:" + "1" * 64
POOLS = {"vllm-chat-1xl40s": 4, "vllm-code-2xl40s": 2, "vllm-extraction-1xl40s": 2}
ACTIONS = {
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
"""Operation → the action that permits it, where they differ."""
OF_THE_SERVICE = {
    *("ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup"),  # EKS makes the cluster's own
    *("ec2:DescribeAvailabilityZones", "iam:GetPolicy"),
}
"""What the imitation asks and does for AWS's services, which have roles of their own."""
AFTERLIFE = {"aws:kms/key:Key"}
"""What AWS keeps of a destroyed environment: the key, pending deletion."""


@dataclass
class Life:
    """What each step of the environment's life gave."""

    steps: dict[str, Outcome] = field(default_factory=dict)
    pods: dict[str, Pods] = field(default_factory=dict)
    left: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def life(cluster: RunningCluster, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Run the whole life, in order, once."""
    folder = tmp_path_factory.mktemp("engine")
    root = checkout(folder / "checkout")
    pulumi = Engine(
        stage(folder / "stage", cluster=cluster.folder), root / "sub", "prod", {"SPILLWAY_RUNNER": "inside"}
    )
    pulumi.configure("gatewayImage", GATEWAY_IMAGE)
    life, api = Life(), ClusterView(cluster.kubeconfig)

    def plan(plan: Plan) -> None:
        locks.write(root / "environments", plan)

    def twin(*arguments: str) -> None:
        verb, *rest = arguments
        command = [sys.executable, "-m", "twin.aws", verb, "--folder", str(pulumi.stage.account_folder), *rest]
        subprocess.run(command, env=dict(pulumi.stage.environment), check=True, capture_output=True, timeout=240)

    plan(locks.plan())
    life.steps["first preview"] = pulumi.preview()
    life.left["after preview"] = _left(pulumi)
    life.steps["up"] = _done(pulumi.up())
    life.pods["up"], life.outputs = api.settled(), pulumi.outputs()
    life.steps["second preview"] = pulumi.preview()

    twin("poke", "NodeGroup", "gpu-vault", 'labels={"spillway.dev/node-group": "elsewhere"}')
    life.steps["preview of drift"] = pulumi.preview()
    life.steps["up over drift"] = _done(pulumi.up())

    plan(locks.plan(vault_nodes=3))
    life.steps["preview of a change"] = pulumi.preview()
    life.steps["change"] = _done(pulumi.up())
    life.pods["change"] = api.settled()

    twin("fault", "capacity", "instance_type=g6e.xlarge")
    plan(locks.plan(vault_nodes=4))
    life.steps["shortage"] = pulumi.up()
    twin("fault", "--clear")
    life.steps["after the shortage"] = _done(pulumi.up())
    life.pods["after the shortage"] = api.settled()
    life.steps["last preview"] = pulumi.preview()

    life.steps["destroy"] = pulumi.destroy()
    life.calls = set(pulumi.account.load().tables[CALLS])
    life.left["after destroy"] = _left(pulumi)
    life.left["in the cluster"] = api.left()
    life.left["in the state"] = sorted(pulumi.resources())
    return life


def test_the_first_preview_shows_everything_and_makes_nothing(life: Life) -> None:
    preview = life.steps["first preview"]
    assert preview.status == 0, preview.output
    assert preview.diagnostics == []
    assert set(preview.changed().values()) == {"create"}
    assert {"gpu-shared", "gpu-vault", "system"} <= preview.changed().keys()
    assert life.left["after preview"] == {}


def test_up_places_every_replica_on_its_own_node_group(life: Life) -> None:
    up, pods = life.steps["up"], life.pods["up"]
    assert up.status == 0, up.output
    assert pods.ready() == {"gateway": 2, **POOLS}
    assert pods.node_groups("vllm-chat-1xl40s") == {"shared"}
    assert pods.node_groups("vllm-code-2xl40s") == {"shared"}
    assert pods.node_groups("vllm-extraction-1xl40s") == {"vault"}
    assert pods.node_groups("gateway") == {"system"}
    assert life.outputs["pools"] == sorted(POOLS)
    assert life.outputs["lock"] == locks.sealed(locks.plan()).digests.content


@pytest.mark.parametrize("step", ["second preview", "last preview"])
def test_a_preview_after_up_shows_no_change(life: Life, step: str) -> None:
    preview = life.steps[step]
    assert preview.status == 0, preview.output
    assert preview.changed() == {}
    assert preview.summary["same"] > 60


def test_drift_shows_and_is_put_back(life: Life) -> None:
    assert life.steps["preview of drift"].changed() == {"gpu-vault": "update"}
    restored = life.steps["up over drift"]
    assert restored.status == 0, restored.output
    assert "gpu-vault" in restored.changed()


def test_a_change_of_the_environment_touches_what_it_names(life: Life) -> None:
    wanted = {"gpu-vault": "update", "vllm-extraction-1xl40s": "update", "gateway": "update"}
    assert life.steps["preview of a change"].changed() == wanted
    change = life.steps["change"]
    assert change.status == 0, change.output
    assert change.summary["update"] == len(wanted)
    assert life.pods["change"].ready() == {"gateway": 2, **POOLS, "vllm-extraction-1xl40s": 3}


def test_a_shortage_fails_and_the_next_up_converges(life: Life) -> None:
    shortage, after = life.steps["shortage"], life.steps["after the shortage"]
    assert shortage.status != 0
    assert "capacity" in " ".join(shortage.diagnostics).lower()
    assert after.status == 0, after.output
    assert life.pods["after the shortage"].ready()["vllm-extraction-1xl40s"] == 4


def test_destroy_leaves_nothing_but_what_aws_keeps(life: Life) -> None:
    destroy = life.steps["destroy"]
    assert destroy.status == 0, destroy.output
    assert set(life.left["after destroy"]) <= AFTERLIFE
    assert life.left["in the cluster"] == []
    assert life.left["in the state"] == []


def test_every_call_of_the_life_is_one_that_the_deploy_role_may_make(life: Life) -> None:
    platform = locks.plan().platform
    policies = documents(platform, "prod", kinds_of(platform)).values()
    allowed = {action for policy in policies for statement in policy["Statement"] for action in statement["Action"]}
    made = {ACTIONS.get(call, call) for call in life.calls - OF_THE_SERVICE}
    assert len(made) > 40
    assert sorted(made - allowed) == []


def test_a_refused_lock_stops_the_engine_with_one_message(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    locks.write(root / "environments", locks.plan())
    (root / "environments" / "prod.yaml").write_text(locks.environment_text(extraction_rate=5))
    pulumi = Engine(stage(tmp_path / "stage"), root, "prod", {"SPILLWAY_RUNNER": "inside"})
    for refused in (pulumi.preview(), pulumi.up()):
        assert refused.status != 0
        spoken = "\n".join(refused.diagnostics)
        assert "environment `prod` is not deployed; nothing was changed." in spoken
        assert "LOCK010" in spoken
        assert "Traceback" not in refused.output
    assert pulumi.account.is_empty()
    assert pulumi.resources() == {}
    assert pulumi.destroy().status == 0  # asks no lock


def _done(outcome: Outcome) -> Outcome:
    """The outcome of a step that all later ones rest on."""
    if outcome.status != 0:
        pytest.fail("\n".join([f"pulumi ended with {outcome.status}", *outcome.diagnostics]), pytrace=False)
    return outcome


def _left(pulumi: Engine) -> dict[str, Any]:
    """Type → names of what the account still holds."""
    state = pulumi.account.load()
    return {token: sorted(r.name for r in records.values()) for token, records in state.records.items() if records}
