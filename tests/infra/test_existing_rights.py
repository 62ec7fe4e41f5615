"""The rights that are asked for are those of what is made: held against what Helm renders and the program registers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra import existing_facts
from infra.chart_objects import Kind, kinds
from infra.existing_rights import VERBS, rights_needed
from planner.documents.lock import Lock, load
from planner.domain.existing_cluster import ExistingCluster
from planner.plan.ingress import PlannedGateway, PlannedIngress, PlannedIngressClass, PlannedPoolTls
from tests.charts.rendering import ALL_EXAMPLES, example, lasting, merged, render
from tests.infra import clocks, existing_sites, locks
from tests.infra.existing_sites import ON_PREMISES
from tests.infra.programs import Registered, run_program
from tests.infra.test_existing_preflight import facts

PLATFORMS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "TLS to the pools": {"pool_tls": PlannedPoolTls(issuer="pools", authority="pools-ca")},
    "an Ingress": {"ingress": PlannedIngress(ingress_class=PlannedIngressClass(name="nginx", namespace="ingress"))},
    "a Gateway": {"ingress": PlannedIngress(gateway_api=PlannedGateway(name="edge", namespace="edge"))},
}


@pytest.fixture
def made(environments: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`made(platform, monitored)`: the lock, and what the program registers of it."""

    def run(platform: Mapping[str, Any], monitored: bool, device_plugin: str = "theirs") -> tuple[Lock, Registered]:
        plan = locks.on_platform(existing_sites.plan(ON_PREMISES, "berlin", device_plugin=device_plugin), **platform)
        existing_sites.write(environments, ON_PREMISES, "berlin", device_plugin=device_plugin)
        locks.write(environments, plan, environment=(environments / "prod.yaml").read_text())
        monkeypatch.setattr(existing_facts, "read_facts", lambda *_: facts())
        registered = run_program("prod", {"kubeconfig": "/etc/kubeconfig", "monitoring": str(monitored).lower()})
        path = environments / "prod.lock.json"
        return load(path.read_text(), str(path)), registered

    return run


@pytest.mark.charts
@pytest.mark.parametrize("monitored", [False, True])
@pytest.mark.parametrize("name", PLATFORMS)
def test_every_object_that_is_made_may_be_made(name: str, monitored: bool, made: Any) -> None:
    lock, registered = made(PLATFORMS[name], monitored, "ours")
    wanted = {
        (namespace, group_of(item["apiVersion"]), Kind("", item["kind"]).resource)
        for chart in registered.of(":Chart")
        for item in lasting(render(chart.inputs["chart"].rpartition("/")[2], chart.inputs["values"]))
        for namespace in [chart.inputs["namespace"] if "namespace" in item["metadata"] else ""]
    }
    for own in registered.resources:
        if own.type.startswith("kubernetes:") and not own.type.endswith(":Chart"):
            _, version, kind = own.type.split(":")
            namespace = own.inputs["metadata"].get("namespace", "")
            wanted.add((namespace, group_of(version), Kind("", kind).resource))
    asked = rights_needed(lock, existing_of(lock), monitored=monitored)
    assert {(r.namespace, r.group, r.resource) for r in asked if r.verb == "create"} == wanted
    for verb in VERBS:
        assert wanted <= {(right.namespace, right.group, right.resource) for right in asked if right.verb == verb}


@pytest.mark.parametrize("namespace", ["serving", "gateway", "kube-system"])
def test_the_warnings_of_the_cluster_may_be_read_where_something_is_made(namespace: str) -> None:
    plan = existing_sites.plan(ON_PREMISES, "berlin", device_plugin="ours")
    lock = locks.sealed(plan, environment=ON_PREMISES.environment_text("berlin"))
    asked = {right.words() for right in rights_needed(lock, existing_of(lock)) if right.namespace == namespace}
    assert {words for words in asked if "events" in words} == {
        f"{verb} events in {namespace}" for verb in ("list", "watch")
    }


def test_a_pool_that_follows_the_clock_needs_the_right_to_scaled_objects() -> None:
    fixed = existing_sites.plan(ON_PREMISES, "berlin")
    asked = {}
    for name, plan in (("fixed", fixed), ("by the clock", clocks.elastic(fixed))):
        lock = locks.sealed(plan, environment=ON_PREMISES.environment_text("berlin"))
        asked[name] = {right.words() for right in rights_needed(lock, existing_of(lock))}
    scaled = {f"{verb} scaledobjects.keda.sh in serving" for verb in VERBS}
    assert asked["by the clock"] - asked["fixed"] == scaled


SCALED = {"enabled": True, "maxReplicas": 4, "demandPerReplica": 8, "prometheusUrl": "http://prometheus"}


@pytest.mark.charts
@pytest.mark.parametrize(
    ("chart", "name", "further"),
    [
        *((*each, {}) for each in ALL_EXAMPLES),
        ("vllm", "internal-tp1", {"networkPolicy": {"enabled": False}, "serviceAccount": {"create": False}}),
        ("vllm", "internal-tp1", {"autoscaling": SCALED, "priorityClass": {"create": False}}),
        ("vllm", "internal-tp1", {"priorityClass": {"create": True, "name": "theirs"}}),
        ("gateway", "spilling", {"autoscaling": {"enabled": True}, "networkPolicy": {"enabled": False}}),
        ("gateway", "spilling", {"monitoring": {"dashboards": {"enabled": True}}}),
    ],
)
def test_a_template_is_read_as_helm_reads_it(chart: str, name: str, further: dict[str, Any]) -> None:
    values = merged(example(chart, name), further)
    rendered = {
        Kind(group_of(item["apiVersion"]), item["kind"], "namespace" in item["metadata"])
        for item in lasting(render(chart, values))
    }
    assert kinds(chart, values) == rendered


def test_namespaces_that_the_team_made_need_no_right() -> None:
    lock = locks.sealed(existing_sites.plan(ON_PREMISES, "berlin"), environment=ON_PREMISES.environment_text("berlin"))
    some = {right.words() for right in rights_needed(lock, existing_of(lock), {"serving"})}
    none = {right.words() for right in rights_needed(lock, existing_of(lock), {"serving", "gateway"})}
    assert some - none == {f"{verb} namespaces" for verb in VERBS}


def existing_of(lock: Lock) -> ExistingCluster:
    assert lock.plan.platform.existing is not None
    return lock.plan.platform.existing


def group_of(version: str) -> str:
    group, slash, _ = version.rpartition("/")
    return {"core": ""}.get(group, group) if slash else ""
