"""Ways in to the gateway: a fixed port of the nodes, the Gateway API, an Ingress; and TLS on the way to the pools."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.charts.rendering import HELMS, ROOT, Object, container, example, lasting, merged, one, pool, render

pytestmark = pytest.mark.charts

ROUTES = ROOT / "tests" / "data" / "gateway-api" / "httproutes.json"
"""The definition of HTTPRoute of gateway-api 1.4.0 (Apache-2.0), without its descriptions."""
SPILLING = example("gateway", "spilling")
DOORS: dict[str, Any] = {
    "service": {"type": "NodePort", "nodePort": 30080},
    "httpRoute": {
        "enabled": True,
        "parentRefs": [{"name": "shared", "namespace": "edge", "sectionName": "https", "port": 443}, {"name": "own"}],
        "hostnames": ["llm.example.com"],
        "annotations": {"a": "b"},
    },
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "hosts": ["llm.example.com", "*.llm.example.com"],
        "tls": {"secretName": "llm"},
        "annotations": {"nginx.ingress.kubernetes.io/proxy-buffering": "off"},
    },
}


def rendered(kind: str, changes: dict[str, Any], helm: str = "helm3") -> Object:
    return one(lasting(render("gateway", merged(SPILLING, changes), helm=helm)), kind)


def fits(route: Object) -> None:
    """Hold a route against the definition that a cluster would hold it against, and against unknown fields."""
    version = json.loads(ROUTES.read_text(encoding="utf-8"))["spec"]["versions"][0]
    assert route["apiVersion"].endswith(f"/{version['name']}")
    jsonschema.Draft7Validator(_closed(version["schema"]["openAPIV3Schema"])).validate(
        {key: value for key, value in route.items() if key != "metadata"} | {"metadata": {}}
    )


def _closed(schema: Any) -> Any:
    """The same schema, in which a property that it does not name is an error, as the API server drops or refuses it."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return {**closed, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else closed


def test_no_door_is_open_by_itself() -> None:
    objects = lasting(render("gateway", example("gateway", "restricted")))
    assert {item["kind"] for item in objects} & {"Ingress", "HTTPRoute"} == set()
    policy = one(objects, "NetworkPolicy")["spec"]
    assert [rule["ports"][0]["port"] for rule in policy["ingress"]] == ["admin"]


@pytest.mark.parametrize("helm", HELMS)
def test_a_route_is_attached_to_the_named_gateways_without_a_limit_of_time(helm: str) -> None:
    route = rendered("HTTPRoute", DOORS, helm)
    fits(route)
    assert route["spec"]["parentRefs"] == DOORS["httpRoute"]["parentRefs"]
    assert route["spec"]["hostnames"] == ["llm.example.com"]
    (rule,) = route["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s"}
    assert rule["backendRefs"] == [{"name": "pool-a", "port": 80}]


def test_the_definition_refuses_what_is_misspelt() -> None:
    wrong = copy.deepcopy(rendered("HTTPRoute", DOORS))
    wrong["spec"]["rules"][0]["timeouts"] = {"requestt": "0s"}
    with pytest.raises(jsonschema.ValidationError, match="requestt"):
        fits(wrong)


def test_a_gateway_without_time_outs_gets_none() -> None:
    route = rendered("HTTPRoute", merged(DOORS, {"httpRoute": {"requestTimeout": None}}))
    fits(route)
    assert "timeouts" not in route["spec"]["rules"][0]


@pytest.mark.parametrize("helm", HELMS)
def test_an_ingress_names_its_hosts_and_their_certificate(helm: str) -> None:
    ingress = rendered("Ingress", DOORS, helm)
    kubernetes_validate.validate(ingress, "1.36", strict=True)
    spec = ingress["spec"]
    assert spec["tls"] == [{"secretName": "llm", "hosts": ["llm.example.com", "*.llm.example.com"]}]
    assert [rule["host"] for rule in spec["rules"]] == ["llm.example.com", "*.llm.example.com"]
    assert spec["ingressClassName"] == "nginx"


def test_an_ingress_without_hosts_takes_all() -> None:
    own = {"ingress": {"enabled": True}}
    ingress = rendered("Ingress", own)
    kubernetes_validate.validate(ingress, "1.36", strict=True)
    assert [sorted(rule) for rule in ingress["spec"]["rules"]] == [["http"]]
    assert {"tls", "ingressClassName"} & ingress["spec"].keys() == set()


def test_the_port_of_the_nodes_is_fixed() -> None:
    service = one(lasting(render("gateway", merged(SPILLING, DOORS))), "Service", "pool-a")["spec"]
    assert (service["type"], service["ports"][0]["nodePort"]) == ("NodePort", 30080)


@pytest.mark.parametrize(
    ("source", "volume"),
    [
        ({"secretName": "pools"}, {"secret": {"secretName": "pools", "defaultMode": 0o440}}),
        ({"configMapName": "pools"}, {"configMap": {"name": "pools"}}),
    ],
)
def test_the_authority_of_the_pools_is_mounted_without_what_lies_beside_it(
    source: dict[str, str], volume: dict[str, Any]
) -> None:
    deployment = rendered("Deployment", {"poolTls": source})
    spec = deployment["spec"]["template"]["spec"]
    (mounted,) = (each for each in spec["volumes"] if each["name"] == "pool-ca")
    (kind,) = volume
    assert mounted == {"name": "pool-ca", kind: {**volume[kind], "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    assert "--pool-ca=/etc/spillway/pool-ca/ca.crt" in spec["containers"][0]["args"]
    assert {"name": "pool-ca", "mountPath": "/etc/spillway/pool-ca", "readOnly": True} in spec["containers"][0][
        "volumeMounts"
    ]
    kubernetes_validate.validate(deployment, "1.36", strict=True)


def test_an_engine_with_a_certificate_speaks_tls_alone() -> None:
    objects = render("vllm", pool(tls={"secretName": "pool-a-tls"}))
    engine = container(objects)
    flags = {"--ssl-certfile=/etc/vllm/tls/tls.crt", "--ssl-keyfile=/etc/vllm/tls/tls.key", "--enable-ssl-refresh"}
    assert flags <= set(engine["args"])
    probes = [engine[f"{kind}Probe"]["httpGet"]["scheme"] for kind in ("startup", "liveness", "readiness")]
    assert probes == ["HTTPS"] * 3
    (asking,) = one(objects, "Pod")["spec"]["containers"]
    assert asking["args"][1] == "https://pool-a:8000"
    assert [item["kind"] for item in objects if item["kind"] == "Certificate"] == []
    kubernetes_validate.validate(one(objects, "Deployment"), "1.36", strict=True)


def test_cert_manager_is_asked_for_the_name_by_which_the_gateway_looks() -> None:
    objects = render("vllm", pool(tls={"issuer": {"name": "pools", "kind": "ClusterIssuer"}}))
    certificate = one(objects, "Certificate")
    assert certificate["spec"]["dnsNames"] == ["pool-a.spillway.svc.cluster.local"]
    assert certificate["spec"]["issuerRef"] == {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "pools"}
    volumes = one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert [each["secret"]["secretName"] for each in volumes if "secret" in each] == [certificate["spec"]["secretName"]]


def test_an_engine_without_a_certificate_speaks_clear_text() -> None:
    engine = container(render("vllm", pool()))
    assert not [flag for flag in engine["args"] if "ssl" in flag]
    assert "scheme" not in engine["readinessProbe"]["httpGet"]
