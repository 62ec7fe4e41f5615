"""The program on a cluster that is there already, on mocks: what it registers, and what it refuses before that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra import existing_facts
from infra.existing_values import toleration, tolerations
from planner.domain.existing_cluster import NodesByLabel
from tests.infra import existing_sites
from tests.infra.existing_sites import GKE, ON_PREMISES, Site
from tests.infra.programs import Registered, run_program
from tests.infra.test_existing_preflight import HANDED_OVER, UID, facts


@pytest.fixture
def registered(environments: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`registered(site, found, **keys)`: what the program registers on a cluster that says `found` of itself."""

    def run(
        site: Site,
        found: Any,
        outputs: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        **keys: str,
    ) -> Registered:
        def read(context: str, kubeconfig: str | None, rights: Any) -> Any:
            assert (context, kubeconfig) == ("berlin", "/etc/kubeconfig")
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(existing_facts, "read_facts", read)
        monkeypatch.setattr("infra.program.stack_outputs", lambda: outputs or {})
        existing_sites.write(environments, site, "berlin", **keys)
        return run_program("prod", {"kubeconfig": "/etc/kubeconfig", **(settings or {})})

    return run


def test_nothing_of_aws_is_registered_and_the_context_is_named(registered: Any) -> None:
    made: Registered = registered(ON_PREMISES, facts())
    assert [r.type for r in made.resources if "aws" in r.type] == []
    provider = made.one(":kubernetes")
    assert provider.inputs["context"] == "berlin"
    assert provider.inputs["clusterIdentifier"] == UID
    assert "deleteUnreachable" not in provider.inputs
    assert made.outputs["cluster_uid"] == UID
    assert made.of(":DaemonSet") == []
    labels = {r.inputs["metadata"]["name"]: r.inputs["metadata"]["labels"] for r in made.of(":Namespace")}
    assert labels.keys() == {"serving", "gateway"}
    assert all(each["spillway.dev/environment"] == "prod" for each in labels.values())


def test_a_namespace_that_the_team_made_is_not_registered_and_closed_all_the_same(registered: Any) -> None:
    found = facts(GKE, namespaces={"serving": HANDED_OVER}, claims={"models": ("ReadOnlyMany",)})
    made: Registered = registered(GKE, found)
    assert made.names(":Namespace") == ["gateway"]
    assert made.one(":NetworkPolicy", "closed-by-default").inputs["metadata"]["namespace"] == "serving"


def test_a_device_plugin_of_ours_stands_on_the_nodes_that_are_named(registered: Any) -> None:
    made: Registered = registered(ON_PREMISES, facts(), device_plugin="ours")
    pod = made.one(":DaemonSet").inputs["spec"]["template"]["spec"]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [{e["key"]: e["values"] for e in term["matchExpressions"]} for term in terms] == [
        {"nvidia.com/gpu.count": ["1"], "nvidia.com/gpu.product": ["NVIDIA-L40S"]},
        {"nvidia.com/gpu.count": ["4"], "nvidia.com/gpu.product": ["NVIDIA-L40S"]},
    ]


def test_weights_of_a_cluster_that_is_there_are_the_teams(registered: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is copied from the Hub: no image of that Job is asked for, and no revision is missed."""
    made: Registered = registered(ON_PREMISES, facts(), settings={"weightsImage": ""})
    assert made.of(":Job") == []
    assert "weightsImage" not in caplog.text
    assert "DEP062" not in caplog.text


def test_a_cluster_that_cannot_be_read_is_refused_with_everything_else(registered: Any) -> None:
    with pytest.raises(pulumi.RunError, match=r"DEP040.*no such context"):
        registered(ON_PREMISES, existing_facts.UnreadableClusterError("no such context"))


def test_a_stack_that_made_its_cluster_is_not_moved(registered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.program.recorded", lambda: {("aws:eks/cluster:Cluster", "spillway-prod"): {}})
    with pytest.raises(pulumi.RunError, match=r"DEP041.*made a cluster on AWS"):
        registered(ON_PREMISES, facts())


def test_a_stack_that_was_deployed_elsewhere_is_refused(registered: Any) -> None:
    with pytest.raises(pulumi.RunError, match=r"DEP041.*this stack was deployed on another"):
        registered(ON_PREMISES, facts(), {"cluster_uid": "another"})


def test_a_context_that_no_kubeconfig_knows_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(existing_facts.UnreadableClusterError):
        existing_facts.read_facts("berlin", str(tmp_path / "none"), lambda namespaces: ())


@pytest.mark.parametrize(
    ("taint", "answer"),
    [
        ("team=a:NoSchedule", {"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"}),
        ("team:NoExecute", {"key": "team", "operator": "Exists", "effect": "NoExecute"}),
    ],
)
def test_tolerations(taint: str, answer: dict[str, str]) -> None:
    assert toleration(taint) == answer


def test_what_engines_tolerate_always_is_not_said_twice() -> None:
    taints = ("nvidia.com/gpu=present:NoSchedule", "nvidia.com/gpu:NoSchedule", "a:NoSchedule")
    kind = NodesByLabel(labels={"a": "b"}, taints=taints)
    assert [each["key"] for each in tolerations(kind)] == ["a"]
