"""Weights are copied by Jobs that can reach the Hub and one prefix of the bucket, and pools wait for theirs."""

from __future__ import annotations

import json
from typing import Any

import kubernetes_validate
import pytest

from infra.images import Image
from infra.weights_copy import DEFAULT_IMAGE, WeightsCopy, copies, copy_seconds, job_spec, way_out
from planner.plan.plan import Plan
from tests.charts.pod_security import violations
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Registered

COPY = WeightsCopy("Qwen/Qwen3-14B", "8b2cdf1", "Qwen/Qwen3-14B/8b2cdf1")
WEIGHTS = {"weightsImage": "registry.example/spillway-weights:1.0"}


def spec(token_secret: str | None = None) -> dict[str, Any]:
    return job_spec(COPY, "models", "us-east-1", Image.parse("registry.example/w:1@sha256:ab"), token_secret)


def test_pools_of_one_revision_share_a_copy_and_own_weights_need_none() -> None:
    plan = locks.plan()
    first = plan.pools[0]
    twin = first.model_copy(update={"name": "another"})
    own = first.model_copy(update={"name": "own", "weights": "s3://acme/own"})
    newest = first.model_copy(update={"name": "newest", "revision": None})
    assert [(each.repository, each.revision) for each in copies([first, twin, own, newest])] == [
        (first.hf_id, "0123abc"),
        (first.hf_id, "main"),
    ]


@pytest.mark.parametrize(
    ("repository", "revision"),
    [("Qwen/Qwen3-14B", "a" * 40), ("a" * 60 + "/" + "B" * 60, "main"), ("o/Größe.v1_x-", "v1.0-")],
)
def test_names_are_those_of_kubernetes(repository: str, revision: str) -> None:
    name = WeightsCopy(repository, revision, "p").name
    assert len(name) <= 56
    assert name.strip("-") == name == name.lower()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert name != WeightsCopy(repository + "x", revision, "p").name


def test_the_job_is_one_that_kubernetes_takes_under_restricted() -> None:
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": COPY.name}, "spec": spec("hub-token")}
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    assert violations({"apiVersion": "v1", "kind": "Pod", **spec()["template"]}) == []


def test_the_job_stays_and_gives_up_only_where_a_person_must_act() -> None:
    made = spec()
    assert "ttlSecondsAfterFinished" not in made
    assert made["template"]["spec"]["restartPolicy"] == "Never"
    codes = [rule["onExitCodes"]["values"] for rule in made["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert codes == [[3]]


def test_the_program_gets_what_its_command_line_wants() -> None:
    (container,) = spec("hub-token")["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/w:1@sha256:ab"
    place = "s3://models/Qwen/Qwen3-14B/8b2cdf1"
    assert container["args"] == ["Qwen/Qwen3-14B", "8b2cdf1", place, "--token-secret", "hub-token"]
    (without,) = spec()["template"]["spec"]["containers"]
    assert without["args"] == ["Qwen/Qwen3-14B", "8b2cdf1", place]
    assert "hub-token" not in json.dumps(container["env"])


def test_a_way_to_the_hub_and_none_into_the_own_networks() -> None:
    rules = way_out()
    (web,) = [rule for rule in rules["egress"] if {"protocol": "TCP", "port": 443} in rule["ports"]]
    (block,) = web["to"]
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(block["ipBlock"]["except"])
    assert rules["ingress"] == []
    assert rules["policyTypes"] == ["Ingress", "Egress"]


def test_time_follows_the_weights() -> None:
    assert copy_seconds(0) == 1200
    assert copy_seconds(140) == 1200 + 7000


@pytest.fixture
def registered(run: Run) -> Registered:
    return run(hubToken="hub-token", **WEIGHTS)


def test_each_copy_writes_below_its_own_prefix_alone(registered: Registered) -> None:
    for name, prefix in (("acme-chat", "acme/chat-8b/0123abc"), ("acme-extract", "acme/extract-7b/0123abc")):
        policy = json.loads(registered.one(":RolePolicy", name).inputs["policy"])
        allowed = {action: s["Resource"] for s in policy["Statement"] for action in s["Action"]}
        for action in ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"):
            assert [resource.partition("/")[2] for resource in allowed[action]] == [f"{prefix}/*"]
        (secret,) = allowed["secretsmanager:GetSecretValue"]
        assert secret == f"arn:aws:secretsmanager:us-east-1:{locks.ACCOUNT}:secret:hub-token-??????"
        identity = registered.one(":PodIdentityAssociation", name).inputs
        job = registered.one(":Job", name).inputs
        assert (identity["namespace"], identity["serviceAccount"]) == ("weights", job["metadata"]["name"])
        assert job["spec"]["template"]["spec"]["serviceAccountName"] == identity["serviceAccount"]
        assert job["spec"]["template"]["spec"]["containers"][0]["image"] == WEIGHTS["weightsImage"]


def test_without_a_secret_none_may_be_read(run: Run) -> None:
    policies = [r.inputs["policy"] for r in run(**WEIGHTS).of(":RolePolicy")]
    assert "secretsmanager" not in "".join(policies)


def test_who_copies_weights_himself_gets_no_job(run: Run) -> None:
    registered = run(weights="copied")
    assert registered.of(":Job") == []
    assert sorted(registered.names(":Namespace")) == ["gateway", "serving"]
    assert len(registered.of(":Chart")) == 4


def test_own_weights_need_no_job(run: Run) -> None:
    plan: Plan = locks.plan()
    for pool in plan.pools:
        plan = locks.replaced(plan, "pools", pool.name, weights=f"s3://acme/{pool.name}")
    assert run(plan).of(":Job") == []


def test_what_cannot_be_meant_is_refused(run: Run) -> None:
    with pytest.raises(Exception, match="write synced or copied"):
        run(weights="moved")
    with pytest.raises(Exception, match="must list names"):
        run(acceptedLicences="3")


def test_the_image_has_a_name_of_its_own_by_default() -> None:
    assert DEFAULT_IMAGE.reference == "spillway-weights:0.1.0"
