"""The gateway chart keeps the gateway's own contract: its command line, its policy, its secrets, its drain."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml

from gateway.__main__ import _options
from gateway.document import load_policy
from tests.charts.rendering import Object, Unrenderable, container, example, lasting, merged, one, render

pytestmark = pytest.mark.charts

SPILLING = example("gateway", "spilling")
RESTRICTED = example("gateway", "restricted")


def _pod(values: dict[str, Any]) -> Object:
    spec: Object = one(render("gateway", values), "Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("values", [SPILLING, RESTRICTED], ids=["spilling", "restricted"])
def test_the_gateway_understands_its_arguments(values: dict[str, Any]) -> None:
    gateway = container(render("gateway", values))
    assert gateway["command"] == ["python", "-m", "gateway"]
    options = _options(gateway["args"])
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert (options.port, options.admin_port) == (ports["http"], ports["admin"]) == (8080, 9090)
    assert options.host == "0.0.0.0"
    assert options.drain_seconds == 120
    mounts = {mount["mountPath"] for mount in gateway["volumeMounts"]}
    assert {str(options.policy.parent), str(options.keys.parent)} <= mounts


def test_a_gateway_without_keys_says_so() -> None:
    values = merged(RESTRICTED, {"clientKeys": {"secretName": None, "noAuth": True}})
    options = _options(container(render("gateway", values))["args"])
    assert (options.no_auth, options.keys) == (True, None)
    assert [volume["name"] for volume in _pod(values)["volumes"]] == ["policy", "tmp"]


@pytest.mark.parametrize("values", [SPILLING, RESTRICTED], ids=["spilling", "restricted"])
def test_the_gateway_reads_the_rendered_policy(values: dict[str, Any], tmp_path: Any) -> None:
    file = tmp_path / "policy.json"
    file.write_text(one(render("gateway", values), "ConfigMap")["data"]["policy.json"], encoding="utf-8")
    assert load_policy(file).policy.environment in ("prod", "vault")


def test_a_text_is_kept_byte_for_byte() -> None:
    text = '{"routes": {"a": {"x": "<&> \\u00e9 é"}},\n  "n": 1.50, "big": 12345678901234567890}\n\n'
    values = merged(RESTRICTED, {"policy": {"document": text}})
    config = one(render("gateway", values), "ConfigMap")
    assert config["data"]["policy.json"] == text
    assert config["metadata"]["annotations"]["spillway.dev/policy-sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_an_object_becomes_the_same_document() -> None:
    config = one(render("gateway", RESTRICTED), "ConfigMap")
    assert json.loads(config["data"]["policy.json"]) == RESTRICTED["policy"]["document"]


def test_the_policy_is_a_folder_and_its_change_rolls_the_pods_only_if_wanted() -> None:
    (mount,) = (m for m in container(render("gateway", SPILLING))["volumeMounts"] if m["name"] == "policy")
    assert "subPath" not in mount, "a subPath is never updated in a running pod"
    changed = merged(SPILLING, {"policy": {"document": SPILLING["policy"]["document"] + " "}})
    hot = {"policy": {"onChange": "hot"}}

    def template(values: dict[str, Any]) -> Object:
        made: Object = one(render("gateway", values), "Deployment")["spec"]["template"]
        return made

    assert template(SPILLING) != template(changed)
    assert template(merged(SPILLING, hot)) == template(merged(changed, hot))


@pytest.mark.parametrize("values", [SPILLING, RESTRICTED], ids=["spilling", "restricted"])
def test_pods_are_told_the_digest_of_the_document_that_they_are_rolled_out_for(
    values: dict[str, Any], tmp_path: Any
) -> None:
    file = tmp_path / "policy.json"
    objects = render("gateway", values)
    file.write_bytes(one(objects, "ConfigMap")["data"]["policy.json"].encode())
    assert _options(container(objects)["args"]).policy_digest == load_policy(file).digest
    hot = container(render("gateway", merged(values, {"policy": {"onChange": "hot"}})))
    assert _options(hot["args"]).policy_digest is None


def test_old_pods_that_start_again_find_their_document_while_new_ones_refuse_theirs() -> None:
    def mounted(values: dict[str, Any]) -> tuple[str, str]:
        objects = render("gateway", values)
        (volume,) = (v for v in _pod(values)["volumes"] if v["name"] == "policy")
        made = one(objects, "ConfigMap")["metadata"]["name"]
        before = one(objects, "Deployment")["metadata"]["annotations"]["config.kubernetes.io/depends-on"]
        assert f"/ConfigMap/{made}" in before
        return volume["configMap"]["name"], made

    changed = merged(SPILLING, {"policy": {"document": SPILLING["policy"]["document"] + " "}})
    (first, made), (second, made_then) = mounted(SPILLING), mounted(changed)
    assert (first, second) == (made, made_then)
    assert first != second
    hot = {"policy": {"onChange": "hot"}}
    assert mounted(merged(SPILLING, hot)) == mounted(merged(changed, hot)) == ("pool-a-policy", "pool-a-policy")


def test_why_a_gateway_ended_stands_where_the_deployer_reads_it() -> None:
    assert container(render("gateway", SPILLING))["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_keys_are_references() -> None:
    gateway = container(render("gateway", SPILLING))
    assert gateway["env"] == [
        {"name": "OPENAI_API_KEY", "valueFrom": {"secretKeyRef": {"name": "provider-openai", "key": "api-key"}}}
    ]
    (keys,) = (volume for volume in _pod(SPILLING)["volumes"] if volume["name"] == "keys")
    assert keys["secret"] == {"secretName": "gateway-client-keys", "defaultMode": 0o440}
    assert "Secret" not in {item["kind"] for item in render("gateway", SPILLING)}


@pytest.mark.parametrize(("replicas", "most"), [(2, 1), (3, 2), (4, 2)])
def test_gateways_survive_the_loss_of_a_node(replicas: int, most: int) -> None:
    node, zone = _pod(merged(RESTRICTED, {"replicas": replicas}))["topologySpreadConstraints"]
    assert (node["topologyKey"], node["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    assert (node["maxSkew"], node["matchLabelKeys"]) == (most, ["pod-template-hash"])
    assert node["minDomains"] >= 1000
    assert zone["whenUnsatisfiable"] == "ScheduleAnyway"


def test_spread_can_be_a_wish() -> None:
    rules = _pod(merged(RESTRICTED, {"placement": {"nodeSpread": "preferred", "zoneSpread": "none"}}))
    (node,) = rules["topologySpreadConstraints"]
    assert node["whenUnsatisfiable"] == "ScheduleAnyway"


def test_a_rollout_never_goes_below_the_wanted_number() -> None:
    deployment = one(render("gateway", SPILLING), "Deployment")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert one(render("gateway", SPILLING), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_drain_outlasts_an_engines() -> None:
    pool = one(render("vllm", example("vllm", "internal-tp1")), "Deployment")["spec"]["template"]["spec"]
    gateway = _pod(SPILLING)
    assert gateway["terminationGracePeriodSeconds"] == 140
    assert gateway["terminationGracePeriodSeconds"] > pool["terminationGracePeriodSeconds"]
    assert container(render("gateway", SPILLING))["lifecycle"]["preStop"]["sleep"]["seconds"] == 15


def test_probes_ask_the_clients_port() -> None:
    gateway = container(render("gateway", SPILLING))
    assert gateway["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert gateway["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_autoscaling_is_off_and_owns_the_number_when_on() -> None:
    assert "HorizontalPodAutoscaler" not in {item["kind"] for item in render("gateway", SPILLING)}
    scaled = render("gateway", merged(SPILLING, {"autoscaling": {"enabled": True, "inFlight": 150}}))
    assert "replicas" not in one(scaled, "Deployment")["spec"], "two owners of one field conflict"
    autoscaler = one(scaled, "HorizontalPodAutoscaler")["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 10)
    assert [metric["type"] for metric in autoscaler["metrics"]] == ["Resource", "Pods"]
    node, _ = one(scaled, "Deployment")["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert (node["maxSkew"], node["minDomains"]) == (1, 2)


def test_services() -> None:
    objects = lasting(render("gateway", SPILLING, release="edge"))
    clients, peers = one(objects, "Service", "edge")["spec"], one(objects, "Service", "edge-peers")["spec"]
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert (clients["type"], clients["ports"]) == ("ClusterIP", [{"name": "http", "port": 80, "targetPort": "http"}])
    assert peers["clusterIP"] == "None"
    assert clients["selector"].items() <= labels.items()
    assert peers["selector"].items() <= labels.items()


def test_helm_test_asks_for_readiness() -> None:
    (asking,) = one(render("gateway", SPILLING), "Pod")["spec"]["containers"]
    compile(asking["args"][0], "test", "exec")
    assert asking["args"][1:] == ["http://pool-a:80/readyz", "10"]


FROM_AWS = {
    "region": "eu-west-1",
    "clientKeys": "spillway-prod/client-keys",
    "providerKeys": [{"env": "OPENAI_API_KEY", "name": "spillway-prod/OPENAI_API_KEY"}],
}


def test_keys_from_aws_come_as_files_that_the_gateway_reads() -> None:
    values = merged(SPILLING, {"clientKeys": {"secretName": None}, "providerKeys": [], "awsSecrets": FROM_AWS})
    objects = render("gateway", values)
    options = _options(container(objects)["args"])
    assert (str(options.keys), str(options.secrets)) == ("/etc/spillway/secrets/keys.json", "/etc/spillway/secrets")
    chosen = one(objects, "SecretProviderClass")
    (volume,) = (volume for volume in _pod(values)["volumes"] if "csi" in volume)
    assert volume["csi"]["volumeAttributes"]["secretProviderClass"] == chosen["metadata"]["name"]
    assert chosen["spec"]["parameters"]["usePodIdentity"] == "true"
    mounted = yaml.safe_load(chosen["spec"]["parameters"]["objects"])
    assert [(entry["objectName"], entry["objectAlias"]) for entry in mounted] == [
        ("spillway-prod/client-keys", "keys.json"),
        ("spillway-prod/OPENAI_API_KEY", "OPENAI_API_KEY"),
    ]
    assert "env" not in container(objects)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"awsSecrets": FROM_AWS, "providerKeys": []}, "both say who may call"),
        ({"awsSecrets": {**FROM_AWS, "region": None}, "providerKeys": []}, "awsSecrets.region is missing"),
        ({"awsSecrets": {**FROM_AWS, "clientKeys": None}}, "OPENAI_API_KEY is set twice"),
    ],
)
def test_keys_have_one_home(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Unrenderable, match=says):
        render("gateway", merged(SPILLING, change))
