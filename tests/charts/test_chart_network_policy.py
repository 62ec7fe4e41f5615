"""Who may call, and where to: the network policies of both charts, read as sets of peers and ports."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.rendering import Object, example, lasting, merged, one, pool, render

pytestmark = pytest.mark.charts

RESTRICTED = example("vllm", "restricted-tp2")
GATEWAY_LABELS = {"app.kubernetes.io/name": "gateway"}
DNS = ("pods k8s-app=kube-dns in kubernetes.io/metadata.name=kube-system", "53/TCP,53/UDP")
POD_IDENTITY = ("169.254.170.23/32", "80/TCP")


def _policy(chart: str, values: dict[str, Any]) -> Object:
    spec: Object = one(lasting(render(chart, values)), "NetworkPolicy")["spec"]
    return spec


def _labels(selector: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector.get("matchLabels", {}).items())) or "any"


def _peer(peer: Object) -> str:
    if "ipBlock" in peer:
        without = ",".join(peer["ipBlock"].get("except", []))
        return f"{peer['ipBlock']['cidr']} without {without}" if without else str(peer["ipBlock"]["cidr"])
    where = f" in {_labels(peer['namespaceSelector'])}" if "namespaceSelector" in peer else ""
    return f"pods {_labels(peer.get('podSelector', {}))}{where}"


def _rules(rules: list[Object], direction: str) -> list[tuple[str, str]]:
    """One (peer, ports) a peer, in order; a rule without peers or ports would mean anything and must not be."""
    found = []
    for rule in rules:
        ports = ",".join(sorted(f"{port['port']}/{port['protocol']}" for port in rule["ports"]))
        assert rule[direction], "a rule without peers allows everyone"
        found += [(_peer(peer), ports) for peer in rule[direction]]
    return found


@pytest.mark.parametrize("chart", ["vllm", "gateway"])
def test_the_policy_holds_for_the_deployments_pods_both_ways(chart: str) -> None:
    objects = render(chart, RESTRICTED if chart == "vllm" else example("gateway", "restricted"))
    policy = one(lasting(objects), "NetworkPolicy")["spec"]
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]


def test_a_restricted_pool_is_called_by_the_gateway_and_prometheus_only() -> None:
    assert _rules(_policy("vllm", RESTRICTED)["ingress"], "from") == [
        (
            "pods app.kubernetes.io/instance=gateway,app.kubernetes.io/name=gateway "
            "in kubernetes.io/metadata.name=spillway",
            "http/TCP",
        ),
        ("pods app.kubernetes.io/name=prometheus in kubernetes.io/metadata.name=monitoring", "http/TCP"),
    ]


def test_a_restricted_pool_reaches_dns_the_store_and_pod_identity_only() -> None:
    store = ["16.15.176.0/20", "3.5.0.0/19", "52.216.0.0/15", "54.231.0.0/16"]
    wanted = [DNS, *((cidr, "443/TCP") for cidr in store), POD_IDENTITY]
    assert _rules(_policy("vllm", RESTRICTED)["egress"], "to") == wanted


def test_without_pod_identity_and_store_only_dns_is_left() -> None:
    values = merged(RESTRICTED, {"podIdentity": {"enabled": False}, "networkPolicy": {"modelStoreCidrs": []}})
    values = merged(values, {"model": {"source": "/models/a"}, "modelStore": {"volumeClaim": "weights"}})
    assert _rules(_policy("vllm", values)["egress"], "to") == [DNS]


def test_the_order_in_which_a_cloud_lists_its_prefixes_is_no_change() -> None:
    cidrs = RESTRICTED["networkPolicy"]["modelStoreCidrs"]
    turned = merged(RESTRICTED, {"networkPolicy": {"modelStoreCidrs": [*reversed(cidrs), cidrs[0]]}})
    assert _policy("vllm", turned) == _policy("vllm", RESTRICTED)


def test_an_internal_pool_may_have_further_egress() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 4317, "protocol": "TCP"}]}
    rules = _rules(_policy("vllm", pool(networkPolicy={"extraEgress": [rule]}))["egress"], "to")
    assert rules[-1] == ("10.1.2.3/32", "4317/TCP")


def test_selectors_can_be_replaced_and_prometheus_turned_away() -> None:
    policy = _policy(
        "vllm",
        pool(networkPolicy={"gateway": {"podLabels": {"app": "edge"}}, "prometheus": {"enabled": False}}),
    )
    assert _rules(policy["ingress"], "from") == [("pods app=edge", "http/TCP")]


def test_the_pools_policy_lets_in_the_gateway_charts_pods() -> None:
    labels = one(render("gateway", example("gateway", "restricted")), "Deployment")["spec"]["template"]["metadata"]
    (peer,) = _policy("vllm", pool())["ingress"][0]["from"]
    assert peer["podSelector"]["matchLabels"].items() <= labels["labels"].items()


def test_the_gateways_policy_reaches_the_vllm_charts_pods_at_their_port() -> None:
    objects = render("vllm", pool())
    labels = one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    _, pools = _policy("gateway", example("gateway", "restricted"))["egress"]
    assert pools["to"][0]["podSelector"]["matchLabels"].items() <= labels.items()
    assert pools["ports"][0]["port"] == one(objects, "Service")["spec"]["ports"][0]["port"]


def test_a_gateway_of_restricted_routes_has_no_way_out() -> None:
    assert _rules(_policy("gateway", example("gateway", "restricted"))["egress"], "to") == [
        DNS,
        ("pods app.kubernetes.io/name=vllm", "8000/TCP"),
    ]


def test_a_spilling_gateway_reaches_apis_but_no_private_network() -> None:
    assert _rules(_policy("gateway", example("gateway", "spilling"))["egress"], "to")[2:] == [
        ("0.0.0.0/0 without 10.0.0.0/8,100.64.0.0/10,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16", "443/TCP"),
        ("::/0 without fc00::/7,fe80::/10", "443/TCP"),
    ]


def test_api_egress_can_be_narrowed_to_a_proxy() -> None:
    values = merged(
        example("gateway", "spilling"), {"networkPolicy": {"api": {"cidrs": ["10.9.0.4/32"], "port": 3128}}}
    )
    assert _rules(_policy("gateway", values)["egress"], "to")[2:] == [("10.9.0.4/32", "3128/TCP")]


def test_clients_reach_the_api_and_prometheus_the_admin_port() -> None:
    assert _rules(_policy("gateway", example("gateway", "spilling"))["ingress"], "from") == [
        ("10.20.0.0/16", "http/TCP"),
        ("pods any in spillway.dev/client=true", "http/TCP"),
        ("pods app.kubernetes.io/name=prometheus in kubernetes.io/metadata.name=monitoring", "admin/TCP"),
    ]


@pytest.mark.parametrize("chart", ["vllm", "gateway"])
def test_the_test_pods_way_in_lives_as_long_as_the_test(chart: str) -> None:
    objects = render(chart, RESTRICTED if chart == "vllm" else example("gateway", "restricted"))
    (hook,) = (item for item in objects if item["kind"] == "NetworkPolicy" and item not in lasting(objects))
    assert hook["metadata"]["annotations"] == {
        "helm.sh/hook": "test",
        "helm.sh/hook-weight": "-5",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded,hook-failed",
    }
    assert hook["spec"]["policyTypes"] == ["Ingress"]
    tester = one(objects, "Pod")["metadata"]["labels"]
    assert hook["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"].items() <= tester.items()
    serving = one(objects, "Service", "pool-a")["spec"]["selector"]
    assert not serving.items() <= tester.items(), "the test pod must never serve"
