from __future__ import annotations

from typing import Any

import pytest

from twin.kubernetes.api_server import ApiServer, KindEndpoint
from twin.kubernetes.immutable import replacing_paths
from twin.kubernetes.objects import AUTONAMED, completed
from twin.kubernetes.provider import KubernetesProvider
from twin.kubernetes.readiness import readiness_of
from twin.provider.arguments import Sdk
from twin.provider.contract import OperationError, Resource, ResourceState
from twin.provider.wire import UNKNOWN

CONFIG_MAP = Resource("urn:pulumi:dev::p::t::policy", "kubernetes:core/v1:ConfigMap", "policy")
KUBECONFIG = '{"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:%d"}}]}'


@pytest.fixture
def provider() -> KubernetesProvider:
    return KubernetesProvider(Sdk("pulumi_kubernetes"))


def config_map(data: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": data}}


def test_names_are_invented_once_and_marked() -> None:
    first = completed(CONFIG_MAP, {}, config_map("1"), b"seed")
    assert first["metadata"]["name"].startswith("policy-")
    assert first["metadata"]["annotations"] == {AUTONAMED: "true"}
    assert completed(CONFIG_MAP, first, config_map("1"), b"other") == first
    named = config_map("1", name="policy")
    assert completed(CONFIG_MAP, {}, named, b"seed") == named
    assert completed(CONFIG_MAP, {}, config_map("1", name=UNKNOWN), b"s")["metadata"]["name"] is UNKNOWN


def test_a_changed_config_map_is_a_new_one(provider: KubernetesProvider) -> None:
    named, unnamed = config_map("1", name="policy"), completed(CONFIG_MAP, {}, config_map("1"), b"seed")
    for old, first in ((named, True), (unnamed, False)):
        found = provider.diff(CONFIG_MAP, ResourceState("i", old, {}), {**old, "data": {"a": "2"}})
        assert [(change.path, change.replaces) for change in found.changes] == [("data.a", True)]
        assert found.delete_first is first


def test_unless_the_provider_is_told_otherwise(provider: KubernetesProvider) -> None:
    provider.configure({"kubeconfig": KUBECONFIG % 1, "enableConfigMapMutable": "true"})
    old = config_map("1", name="policy")
    found = provider.diff(CONFIG_MAP, ResourceState("i", old, {}), config_map("2", name="policy"))
    assert [change.replaces for change in found.changes] == [False]


def test_selectors_do_not_change_in_place() -> None:
    assert "spec.selector" in replacing_paths("Deployment")
    assert "spec.template" not in replacing_paths("Deployment")
    assert "spec.template" in replacing_paths("Job")


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/v1/namespaces/n/configmaps/x", KindEndpoint("v1", "ConfigMap", "configmaps", True)),
        ("/api/v1/namespaces/x", KindEndpoint("v1", "Namespace", "namespaces", False)),
        ("/apis/apps/v1/namespaces/n/deployments/x", KindEndpoint("apps/v1", "Deployment", "deployments", True)),
    ],
)
def test_paths_of_the_api(path: str, endpoint: KindEndpoint) -> None:
    assert endpoint.path("n", "x") == path


def deployment(**status: int) -> dict[str, Any]:
    return {"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}


@pytest.mark.parametrize(
    ("live", "ready", "hopeless"),
    [
        (deployment(), False, False),
        (deployment(observedGeneration=1, updatedReplicas=3, availableReplicas=3), False, False),
        (deployment(observedGeneration=2, updatedReplicas=3, availableReplicas=2), False, False),
        (deployment(observedGeneration=2, updatedReplicas=3, availableReplicas=3), True, False),
        ({"kind": "Job", "status": {}}, False, False),
        ({"kind": "Job", "status": {"conditions": [{"type": "Complete", "status": "True"}]}}, True, False),
        ({"kind": "Job", "status": {"conditions": [{"type": "Failed", "status": "True"}]}}, False, True),
        ({"kind": "Namespace"}, True, False),
        ({"kind": "Job", "metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}, True, False),
    ],
)
def test_readiness(live: dict[str, Any], ready: bool, hopeless: bool) -> None:
    found = readiness_of(live)
    assert (found.ready, found.hopeless) == (ready, hopeless)


def test_another_cluster_replaces_everything_and_another_door_does_not(provider: KubernetesProvider) -> None:
    here, there = KUBECONFIG % 1, KUBECONFIG % 2

    def replaces(old: dict[str, Any], new: dict[str, Any]) -> bool:
        return any(change.replaces for change in provider.diff_configuration(old, new).changes)

    assert replaces({"kubeconfig": here}, {"kubeconfig": there})
    assert not replaces({"kubeconfig": here, "namespace": "a"}, {"kubeconfig": here, "namespace": "b"})
    assert not replaces(
        {"kubeconfig": here, "clusterIdentifier": "arn"}, {"kubeconfig": there, "clusterIdentifier": "arn"}
    )
    assert replaces({"kubeconfig": here, "clusterIdentifier": "arn"}, {"kubeconfig": here, "clusterIdentifier": "b"})


def test_out_of_reach_counts_as_gone_only_where_the_program_said_so(provider: KubernetesProvider) -> None:
    state = ResourceState("serving/policy", config_map("1", name="policy", namespace="serving"), {})
    document = (
        '{"apiVersion": "v1", "kind": "Config", "current-context": "c", '
        '"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], '
        '"users": [{"name": "u", "user": {"token": "t"}}], '
        '"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}]}'
    )
    provider.configure({"kubeconfig": document})
    with pytest.raises(OperationError, match="set deleteUnreachable"):
        provider.delete(CONFIG_MAP, state, 0)
    with pytest.raises(OperationError, match="unreachable"):
        provider.create(CONFIG_MAP, state.inputs, 0)
    allowed = KubernetesProvider(provider.sdk)
    allowed.configure({"kubeconfig": document, "deleteUnreachable": True})
    allowed.delete(CONFIG_MAP, state, 0)
    assert allowed.read(CONFIG_MAP, state) is None


@pytest.mark.parametrize(
    "token", ["kubernetes:yaml/v2:ConfigGroup", "kubernetes:core/v1:ConfigMapPatch", "kubernetes:helm.sh/v4:Chart"]
)
def test_types_that_are_not_imitated_are_errors(provider: KubernetesProvider, token: str) -> None:
    with pytest.raises(OperationError, match="does not imitate"):
        provider.check(Resource("urn", token, "x"), {}, {"apiVersion": "v1", "kind": "ConfigMap"}, b"")


def test_a_text_that_is_no_kubeconfig_is_refused() -> None:
    with pytest.raises(ValueError, match="no clusters"):
        ApiServer("hello: world")


@pytest.mark.parametrize(
    ("configuration", "path"),
    [
        ({"kubeconfg": "x"}, "kubeconfg"),
        ({"renderYamlToDirectory": "out"}, "renderYamlToDirectory"),
        ({"enableServerSideApply": "false"}, "enableServerSideApply"),
    ],
)
def test_settings_are_checked(provider: KubernetesProvider, configuration: dict[str, Any], path: str) -> None:
    assert [problem.path for problem in provider.check_configuration(configuration)] == [path]
