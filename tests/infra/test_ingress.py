"""The way in: who may call, what is registered for it, what clients call, and what speaks against it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from infra import ingress
from infra.load_balancer import DRAIN_SECONDS
from infra.preflight import problems
from infra.settings import ROOT
from planner.plan.ingress import PlannedIngress, PlannedPoolTls
from planner.plan.plan import Plan
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Registered
from tests.infra.test_billing import without_a_line

NODES = ("10.64.64.0/20", "10.64.96.0/20")


def with_way(**way: Any) -> Plan:
    return locks.on_platform(locks.plan(), ingress=PlannedIngress.model_validate(way))


def test_without_a_way_in_nothing_is_registered_for_it(run: Run) -> None:
    registered = run()
    assert [r.type for r in registered.resources if ":lb/" in r.type or "acm" in r.type] == []
    values = registered.one(":Chart", "gateway").inputs["values"]
    assert values["networkPolicy"]["clients"] == [{"namespaceSelector": {}}]
    assert "service" not in values
    assert registered.outputs["address"] == registered.outputs["gateway"]


def test_an_internal_load_balancer_stands_among_the_nodes_and_admits_the_stated_networks(run: Run) -> None:
    registered = run(locks.behind_balancer(cidrs=["10.0.0.0/8", "192.168.4.0/24"]))
    balancer = registered.one("lb/loadBalancer:LoadBalancer").inputs
    private = {f"{r.name}-id" for r in registered.of(":Subnet") if "private" in r.name}
    assert balancer["loadBalancerType"] == "network"
    assert balancer["internal"] is True
    assert balancer["enableCrossZoneLoadBalancing"] is True
    assert set(balancer["subnets"]) == private
    assert balancer["securityGroups"] == ["spillway-prod-clients-id"]
    rules = {
        r.name: r.inputs
        for r in registered.of("SecurityGroupIngressRule")
        if "cidrIpv4" in r.inputs and "Clients" in r.inputs["description"]
    }
    assert {rule["cidrIpv4"] for rule in rules.values()} == {"10.0.0.0/8", "192.168.4.0/24"}
    assert {(rule["fromPort"], rule["toPort"], rule["ipProtocol"]) for rule in rules.values()} == {(443, 443, "tcp")}
    assert registered.outputs["address"] == "https://llm.example.com"


def test_only_the_load_balancer_reaches_the_port_of_the_nodes(run: Run) -> None:
    registered = run(locks.behind_balancer())
    to_nodes = registered.one("SecurityGroupIngressRule", "nodes-from-balancer").inputs
    assert to_nodes["referencedSecurityGroupId"] == "spillway-prod-clients-id"
    assert (to_nodes["fromPort"], to_nodes["toPort"]) == (ingress.NODE_PORT, ingress.NODE_PORT)
    (out,) = registered.of("SecurityGroupEgressRule")
    assert "cidrIpv4" not in out.inputs
    assert out.inputs["securityGroupId"] == "spillway-prod-clients-id"


def test_targets_are_the_system_nodes_at_the_port_of_the_gateways_service(run: Run) -> None:
    registered = run(locks.behind_balancer())
    targets = registered.one(":TargetGroup").inputs
    assert (targets["targetType"], targets["protocol"], targets["port"]) == ("instance", "TCP", ingress.NODE_PORT)
    assert targets["healthCheck"]["path"] == "/readyz"
    attached = registered.one(":Attachment").inputs
    assert attached["autoscalingGroupName"] == "eks-system"
    values = registered.one(":Chart", "gateway").inputs["values"]
    assert values["service"]["type"] == "NodePort"
    assert values["service"]["nodePort"] == ingress.NODE_PORT
    peers = [peer["ipBlock"]["cidr"] for peer in values["networkPolicy"]["clients"]]
    assert peers == sorted(r.inputs["cidrBlock"] for r in registered.of(":Subnet") if "private" in r.name)


def test_a_leaving_machine_is_drained_for_as_long_as_a_gateway() -> None:
    drain = yaml.safe_load((ROOT / "charts" / "gateway" / "values.yaml").read_text())["drain"]
    assert drain["preStopSeconds"] + drain["timeoutSeconds"] + 5 == DRAIN_SECONDS


def test_a_hosted_zone_gets_certificate_and_name(run: Run) -> None:
    registered = run(locks.behind_balancer(**locks.FROM_INTERNET))
    assert registered.one(":Certificate").inputs["domainName"] == "llm.example.com"
    alias = registered.one(":Record", "address").inputs
    assert (alias["zoneId"], alias["name"], alias["type"]) == ("Z1", "llm.example.com", "A")
    assert alias["aliases"][0]["name"] == "spillway-prod.elb.example"
    listener = registered.one(":Listener").inputs
    assert (listener["protocol"], listener["port"]) == ("TLS", 443)
    assert listener["certificateArn"].endswith("spillway-prod-clients")
    public = {f"{r.name}-id" for r in registered.of(":Subnet") if "public" in r.name}
    assert len(public) == len(locks.ZONES)
    assert set(registered.one("lb/loadBalancer:LoadBalancer").inputs["subnets"]) == public
    assert "annotations" not in registered.one(":Chart", "gateway").inputs["values"]["service"]


def test_the_listener_of_a_replaced_load_balancer_goes_first_and_the_balancer_last(run: Run) -> None:
    """AWS lets the listeners of one load balancer forward to a target group, and the group stays."""
    registered = run(locks.behind_balancer())
    deleted_first = {kind for kind, _ in registered.deleted_first}
    assert "aws:lb/listener:Listener" in deleted_first
    assert not deleted_first & {"aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"}


def test_a_stated_certificate_is_used_and_external_dns_is_told_the_name(run: Run) -> None:
    registered = run(locks.behind_balancer())
    assert registered.one(":Listener").inputs["certificateArn"] == locks.CERTIFICATE
    assert registered.of(":Certificate") == registered.of(":Record") == []
    assert registered.one(":Chart", "gateway").inputs["values"]["service"]["annotations"] == {
        "external-dns.alpha.kubernetes.io/hostname": "llm.example.com",
        "external-dns.alpha.kubernetes.io/target": "spillway-prod.elb.example",
    }


def test_inside_the_network_clear_text_can_be_chosen(run: Run) -> None:
    registered = run(locks.behind_balancer(hostname=None, certificate=None))
    listener = registered.one(":Listener").inputs
    assert (listener["protocol"], listener["port"]) == ("TCP", 80)
    assert listener["tcpIdleTimeoutSeconds"] == ingress.IDLE_SECONDS
    assert registered.outputs["address"] == "http://spillway-prod.elb.example"


def test_a_protected_environment_keeps_its_load_balancer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.inputs._not_committed", lambda path: ())
    monkeypatch.setattr("infra.inputs._unreviewed", lambda folder, name: ())
    assert (
        run(locks.behind_balancer(), protected="true", **locks.IMAGES)
        .one("lb/loadBalancer:LoadBalancer")
        .inputs["enableDeletionProtection"]
    )


def test_what_is_named_may_call_and_nobody_else() -> None:
    plan = with_way(namespaces=["apps", "tools"])
    assert ingress.clients(plan.platform, NODES) == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in ("apps", "tools")
    ]
    assert ingress.doors(plan.platform, None) == {}


def test_the_clusters_own_gateway_lets_its_proxies_in(run: Run) -> None:
    plan = with_way(hostname="llm.example.com", gateway_api={"name": "shared", "namespace": "edge", "section": "https"})
    registered = run(plan)
    values = registered.one(":Chart", "gateway").inputs["values"]
    assert values["httpRoute"] == {
        "enabled": True,
        "parentRefs": [{"name": "shared", "namespace": "edge", "sectionName": "https"}],
        "hostnames": ["llm.example.com"],
    }
    assert len(values["networkPolicy"]["clients"]) == 1
    assert registered.of(":TargetGroup") == []
    assert registered.outputs["address"] == "https://llm.example.com"


def test_an_ingress_class_brings_its_annotations(run: Run) -> None:
    own = {"name": "nginx", "namespace": "edge", "tls_secret": "llm", "annotations": {"a/buffering": "off"}}
    values = run(with_way(hostname="llm.example.com", ingress_class=own)).one(":Chart", "gateway").inputs["values"]
    assert values["ingress"] == {
        "enabled": True,
        "className": "nginx",
        "hosts": ["llm.example.com"],
        "tls": {"secretName": "llm"},
        "annotations": {"a/buffering": "off"},
    }


BAD = {
    "everyone": (locks.behind_balancer(scheme="internet-facing", cidrs=["0.0.0.0/0"]), "DEP055"),
    "half of everyone": (locks.behind_balancer(scheme="internet-facing", cidrs=["128.0.0.0/1"]), "DEP055"),
    "nobody": (locks.behind_balancer(cidrs=[]), "DEP055"),
    "clear text from the internet": (
        locks.behind_balancer(None, scheme="internet-facing", cidrs=["203.0.113.0/24"], certificate=None),
        "DEP056",
    ),
    "a certificate without a name": (locks.behind_balancer(None), "DEP057"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(case: str) -> None:
    plan, code = BAD[case]
    (problem,) = problems(plan, "inside")
    assert problem.code == code
    assert problem.hint


def test_a_route_that_is_silent_for_longer_than_a_load_balancer_listens_is_refused() -> None:
    plan = locks.behind_balancer()
    route = plan.routes[0]
    slow = route.model_copy(update={"triggers": route.triggers.model_copy(update={"deadline_ms": 400_000})})
    plan = plan.model_copy(update={"routes": (slow, *plan.routes[1:])})
    (problem,) = problems(plan, "inside")
    assert (problem.code, "400 s" in problem.message) == ("DEP058", True)
    assert problems(locks.plan().model_copy(update={"routes": plan.routes}), "inside") == ()


@pytest.mark.parametrize(
    "plan",
    [locks.behind_balancer(), locks.behind_balancer(scheme="internet-facing", cidrs=["203.0.113.0/24"])],
    ids=str,
)
def test_what_is_built_is_billed(run: Run, plan: Plan) -> None:
    registered: Registered = run(plan)
    assert without_a_line(registered, plan.cost) == []
    addresses = sum(line.quantity for line in plan.cost.lines if line.price.endswith("/public-ipv4"))
    balancer = plan.platform.cluster and plan.platform.cluster.load_balancer
    assert balancer
    assert addresses == locks.HOURS * (len(registered.of(":Eip")) + balancer.public_addresses)


def test_pools_get_certificates_and_the_gateway_their_authority(run: Run) -> None:
    plan = locks.on_platform(locks.plan(), pool_tls=PlannedPoolTls(authority="pool-ca", issuer="pools"))
    registered = run(plan)
    releases = {release.name: release.inputs["values"] for release in registered.of(":Chart")}
    assert releases.pop("gateway")["poolTls"] == {"secretName": "pool-ca"}
    assert [values["tls"] for values in releases.values()] == [
        {"issuer": {"name": "pools", "kind": "ClusterIssuer"}}
    ] * 3


def test_without_an_issuer_the_certificates_are_there_already() -> None:
    assert ingress.pool_certificate(PlannedPoolTls(authority="pool-ca"), "vllm-chat") == {"secretName": "vllm-chat-tls"}
    assert ingress.pool_certificate(None, "vllm-chat") is ingress.pool_authority(None) is None
