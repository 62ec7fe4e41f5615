"""Images and secrets before anything is paid for: where nodes pull from, who may read a key, what waits for whom."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import image_rules, secret_rules
from infra.charts import app_version, chart_image
from infra.images import Image
from infra.registries import AMAZON, CACHE_PREFIX_LIMIT, PUBLISHED, Mirror, layer_buckets, published
from infra.settings import ROOT, StackSettings
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Account, Registered, run_program

DIGEST = f"sha256:{'a' * 64}"
AMAZONS = Mirror(AMAZON, locks.ACCOUNT, "us-east-1", "spillway-prod")
HOST = f"{locks.ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
SUPPLIED = locks.on_platform(locks.plan(cluster=locks.SUPPLIED), image_mirror=AMAZON)
ALL = frozenset(
    {"spillway-prod/client-keys", "spillway-prod/OPENAI_API_KEY", "ecr-pullthroughcache/spillway-prod-docker-hub"}
)


@pytest.mark.parametrize(
    ("reference", "host", "path"),
    [
        ("vllm/vllm-openai:v0.33.0", "docker.io", "vllm/vllm-openai"),
        ("python:3.12", "docker.io", "library/python"),
        ("docker.io/python:3.12", "docker.io", "library/python"),
        ("registry.k8s.io/a/b/c:1", "registry.k8s.io", "a/b/c"),
        ("nvcr.io/nvidia/k8s-device-plugin:v1", "nvcr.io", "nvidia/k8s-device-plugin"),
        (f"{HOST}/gateway:1", None, "gateway"),
        ("localhost:5000/gateway:1", None, "gateway"),
    ],
)
def test_an_image_is_known_by_who_publishes_it(reference: str, host: str | None, path: str) -> None:
    registry, found = published(Image.parse(reference))
    assert ((registry.host if registry else None), found) == (host, path)


@pytest.mark.parametrize(
    ("address", "reference", "placed"),
    [
        (AMAZON, "vllm/vllm-openai:v0.33.0", f"{HOST}/spillway-prod/hub/vllm/vllm-openai:v0.33.0"),
        (AMAZON, "nvcr.io/nvidia/k8s-device-plugin:v1", "nvcr.io/nvidia/k8s-device-plugin:v1"),
        (AMAZON, f"{HOST}/gateway:1", f"{HOST}/gateway:1"),
        ("harbor.acme.example/mirror", "nvcr.io/nvidia/x:v1", "harbor.acme.example/mirror/nvidia/x:v1"),
        ("harbor.acme.example/mirror", "registry.acme.example/gateway:1", "registry.acme.example/gateway:1"),
    ],
)
def test_a_mirror_takes_what_others_publish_and_keeps_the_digest(address: str, reference: str, placed: str) -> None:
    mirror = Mirror(address, locks.ACCOUNT, "us-east-1", "spillway-prod")
    found = mirror.place(Image.parse(f"{reference}@{DIGEST}"))
    assert found.reference == f"{placed}@{DIGEST}"
    assert mirror.place(found) == found


@given(st.from_regex(r"\Aspillway-[a-z0-9-]{1,20}\Z"))
def test_the_prefix_of_a_cache_is_never_longer_than_amazon_takes(prefix: str) -> None:
    mirror = Mirror(AMAZON, locks.ACCOUNT, "us-east-1", prefix)
    assert max(len(mirror.cached(registry)) for registry in PUBLISHED) <= CACHE_PREFIX_LIMIT


def test_only_buckets_of_what_runs_are_admitted() -> None:
    own = "prod-eu-west-1-starport-layer-bucket"
    assert layer_buckets([], "eu-west-1") == (own,)
    assert layer_buckets([Image.parse(f"{HOST}/hub/vllm/vllm-openai:1")], "eu-west-1") == (own,)
    images = [Image.parse("vllm/vllm-openai:1"), Image.parse("registry.k8s.io/x:1"), Image.parse("ghcr.io/a/b:1")]
    assert layer_buckets(images, "eu-west-1") == ("docker-images-prod", own, "prod-registry-k8s-io-eu-west-1")


def test_the_charts_images_are_read_as_helm_reads_them() -> None:
    assert chart_image("vllm").reference == "vllm/vllm-openai:v0.33.0"
    assert chart_image("gateway").reference == "spillway-gateway:0.2.0"


@pytest.fixture
def supplied(run: Run) -> Registered:
    return run(SUPPLIED, **locks.IMAGES)


def test_amazons_registry_is_filled_from_docker_hub_with_the_teams_account(supplied: Registered) -> None:
    rule = supplied.one(":PullThroughCacheRule").inputs
    assert rule["upstreamRegistryUrl"] == "registry-1.docker.io"
    assert rule["ecrRepositoryPrefix"] == "spillway-prod/hub"
    assert ":secret:ecr-pullthroughcache/spillway-prod-docker-hub-" in rule["credentialArn"]
    repository = supplied.one(":Repository").inputs
    assert repository["name"] == "spillway-prod/hub/vllm/vllm-openai"
    assert repository["forceDelete"] is True  # what the registry filled goes with the environment
    policy = json.loads(supplied.one(":RolePolicy", "node-images").inputs["policy"])["Statement"]
    assert policy == [
        {
            "Effect": "Allow",
            "Action": ["ecr:BatchImportUpstreamImage"],
            "Resource": ["arn:aws:ecr:us-east-1:123456789012:repository/spillway-prod/hub/vllm/vllm-openai"],
        }
    ]


def test_nodes_ask_the_mirror_and_docker_hubs_bucket_is_closed(supplied: Registered) -> None:
    for release in supplied.of(":Chart"):
        image = release.inputs["values"]["image"]
        own = release.name == "gateway"
        assert image["repository"] == (
            "registry.example/spillway-gateway" if own else f"{HOST}/spillway-prod/hub/vllm/vllm-openai"
        )
        assert image["digest"] == f"sha256:{('1' if own else '2') * 64}"
        assert image["requireDigest"] is True
    assert "docker-images-prod" not in supplied.one(":VpcEndpoint").inputs["policy"]


def test_pull_secrets_reach_every_pod_that_the_program_starts(run: Run) -> None:
    registered = run(pullSecrets='["registry"]', **locks.IMAGES)
    releases = registered.of(":Chart")
    assert [release.inputs["values"]["image"]["pullSecrets"] for release in releases] == [["registry"]] * len(releases)
    pod = registered.one(":DaemonSet").inputs["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_a_registry_with_copies_serves_the_device_plugin_too(run: Run) -> None:
    registered = run(locks.on_platform(locks.plan(), image_mirror="harbor.acme.example/mirror"), **locks.IMAGES)
    (container,) = registered.one(":DaemonSet").inputs["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("harbor.acme.example/mirror/nvidia/k8s-device-plugin:v0.19.3@sha256:")
    assert registered.of(":PullThroughCacheRule") == []


def test_secrets_are_made_empty_and_the_gateway_alone_reads_its_keys(supplied: Registered) -> None:
    assert {secret.inputs["name"] for secret in supplied.of(":Secret")} == ALL
    assert {secret.inputs["recoveryWindowInDays"] for secret in supplied.of(":Secret")} == {0}
    assert supplied.of(":SecretVersion") == []
    (statement,) = json.loads(supplied.one(":RolePolicy", "gateway-keys").inputs["policy"])["Statement"]
    assert statement["Action"] == ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    named = ["spillway-prod/OPENAI_API_KEY", "spillway-prod/client-keys"]
    assert [arn.rpartition(":")[2] for arn in statement["Resource"]] == [f"{name}-a1b2c3" for name in named]
    identity = supplied.one(":PodIdentityAssociation", "gateway-keys").inputs
    assert (identity["namespace"], identity["serviceAccount"]) == ("gateway", "gateway")
    values = supplied.one(":Chart", "gateway").inputs["values"]
    assert values["awsSecrets"] == {
        "region": "us-east-1",
        "clientKeys": "spillway-prod/client-keys",
        "providerKeys": [{"env": "OPENAI_API_KEY", "name": "spillway-prod/OPENAI_API_KEY"}],
    }
    assert "clientKeys" not in values
    addon = supplied.one(":Addon", "secrets-store").inputs
    assert json.loads(addon["configurationValues"])["secrets-store-csi-driver"]["enableSecretRotation"] is True
    assert supplied.outputs["waiting_for"] == []


CLUSTER_URN = "urn:pulumi:prod::spillway::spillway:aws:Cluster$aws:eks/cluster:Cluster::spillway-prod"


def write(folder: Path) -> None:
    locks.write(folder, SUPPLIED)


@pytest.mark.parametrize("empty", sorted(ALL))
def test_a_new_stack_makes_its_secrets_and_then_waits_for_their_values(
    empty: str, environments: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(environments)
    registered = run_program("prod", locks.IMAGES, Account(filled=ALL - {empty}))
    assert {r.type for r in registered.resources if r.custom} == {
        "pulumi:providers:aws",
        "aws:secretsmanager/secret:Secret",
    }
    assert registered.outputs["waiting_for"] == [empty]
    assert not {"lock", "usd_per_month"} & registered.outputs.keys()  # nothing of the plan is deployed
    assert f"--secret-id {empty} --secret-string file:///dev/stdin" in caplog.text


def test_a_stack_that_serves_is_never_taken_back_to_its_secrets(environments: Path) -> None:
    write(environments)
    registered = run_program(
        "prod", locks.IMAGES, Account(filled=frozenset(), state={CLUSTER_URN: {"name": "spillway-prod-1"}})
    )
    assert len(registered.of("eks/cluster:Cluster")) == 1
    assert set(registered.outputs["waiting_for"]) == ALL


def test_a_key_that_no_route_needs_may_stay_empty(run: Run) -> None:
    routes = tuple(route.model_copy(update={"fallback": ()}) for route in SUPPLIED.routes)
    quiet = SUPPLIED.model_copy(update={"routes": routes})
    assert secret_rules.needed(SUPPLIED) == ("OPENAI_API_KEY", "client-keys", "docker-hub")
    assert secret_rules.needed(quiet) == ("client-keys", "docker-hub")
    store = secret_rules.key_store(quiet, "spillway-prod")
    assert store is not None
    assert store.provider_keys == {}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"engineImage": locks.IMAGES["engineImage"], "gatewayImage": ""}, ["gatewayImage is not set"]),
        (
            {"engineImage": locks.IMAGES["engineImage"], "gatewayImage": "registry.example/gateway:1"},
            ["registry.example/gateway:1 has no digest"],
        ),
        ({"gatewayImage": locks.IMAGES["gatewayImage"]}, ["vllm/vllm-openai:v0.33.0 has no digest"]),
        ({"gatewayImage": ""}, ["gatewayImage is not set", "vllm/vllm-openai:v0.33.0 has no digest"]),
    ],
    ids=["no gateway", "a tag alone", "the chart's engine", "neither"],
)
def test_a_protected_stack_runs_only_what_is_named_by_its_digest(
    config: dict[str, str], says: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.inputs._not_committed", lambda path: ())
    monkeypatch.setattr("infra.inputs._unreviewed", lambda folder, name: ())
    with pytest.raises(pulumi.RunError) as refusal:
        run(protected="true", weightsImage=locks.IMAGES["weightsImage"], **config)
    assert str(refusal.value).count("DEP051") == len(says)
    for text in says:
        assert text in str(refusal.value)


@pytest.mark.parametrize(
    ("image", "older"),
    [
        ("registry.example/spillway-gateway:0.1.9", True),
        ("registry.example/spillway-gateway:v0.1.0", True),
        ("spillway-gateway:0.2.0", False),
        ("registry.example/spillway-gateway:0.10.0", False),
        ("registry.example/spillway-gateway:1.0", False),
        (f"registry.example/spillway-gateway:{'a1' * 20}", False),
        ("registry.example/spillway-gateway", False),
        ("registry.example/team/gateway:0.0.7", False),
    ],
)
def test_a_gateway_that_its_tag_tells_to_be_older_than_the_chart_is_refused(image: str, older: bool) -> None:
    """It would end at an argument that it does not know. A tag of somebody else's counting says nothing."""
    settings = StackSettings("prod", Path())
    engine = Image.parse(locks.IMAGES["engineImage"])
    running = image_rules.RunningImages(engine, Image.parse(f"{image}@{DIGEST}"), engine, engine)
    said = image_rules.problems(locks.plan(), settings, running, "0.2.0")
    found = [each for each in said if "older than" in each.message]
    assert [(each.code, each.severity) for each in found] == [("DEP051", "error")] * older


def test_the_gateways_chart_states_the_arguments_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert app_version("gateway") == project["version"]


def test_amazon_fetches_no_images_for_china() -> None:
    running = image_rules.RunningImages(*(Image.parse(f"vllm/vllm-openai:v0.33.0@{DIGEST}"),) * 4)
    settings = StackSettings("prod", Path(), gateway_image=running.gateway)
    there = locks.on_platform(SUPPLIED, region="cn-north-1")
    assert [problem.code for problem in image_rules.problems(there, settings, running, "0.2.0")] == ["DEP052"]
    assert image_rules.problems(SUPPLIED, settings, running, "0.2.0") == ()
