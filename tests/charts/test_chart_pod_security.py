"""Every pod of both charts, test pods included, holds the Pod Security profile `restricted` without an exception."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.charts.pod_security import violations
from tests.charts.rendering import ALL_EXAMPLES, container, example, one, pod_templates, pool, render
from tests.charts.test_chart_kubernetes_schemas import EVERY_OBJECT

charts = pytest.mark.charts
CASES = [(chart, example(chart, name)) for chart, name in ALL_EXAMPLES] + list(EVERY_OBJECT.items())

GOOD_POD: dict[str, Any] = {
    "metadata": {"name": "good"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "containers": [
            {
                "name": "a",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "livenessProbe": {"httpGet": {"port": 1}},
            }
        ],
    },
}

Breaking = Callable[[dict[str, Any], dict[str, Any]], Any]
BREAKING: dict[str, Breaking] = {
    "hostNetwork": lambda spec, _: spec.update(hostNetwork=True),
    "hostPID": lambda spec, _: spec.update(hostPID=True),
    "hostPath": lambda spec, _: spec["volumes"].append({"name": "nvme", "hostPath": {"path": "/mnt"}}),
    "sysctl": lambda spec, _: spec["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "runAsUser": lambda spec, _: spec["securityContext"].update(runAsUser=0),
    "runAsNonRoot": lambda spec, _: spec["securityContext"].pop("runAsNonRoot"),
    "seccompProfile": lambda spec, _: spec["securityContext"].pop("seccompProfile"),
    "privileged": lambda _, one: one["securityContext"].update(privileged=True),
    "allowPrivilegeEscalation": lambda _, one: one["securityContext"].pop("allowPrivilegeEscalation"),
    "drop ALL": lambda _, one: one["securityContext"].update(capabilities={"drop": ["NET_RAW"]}),
    "must not be added": lambda _, one: one["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
    "procMount": lambda _, one: one["securityContext"].update(procMount="Unmasked"),
    "hostPort": lambda _, one: one.update(ports=[{"containerPort": 1, "hostPort": 1}]),
    "SELinux type": lambda _, one: one["securityContext"].update(seLinuxOptions={"type": "spc_t"}),
    "appArmorProfile": lambda spec, _: spec["securityContext"].update(appArmorProfile={"type": "Unconfined"}),
    "name a host": lambda _, one: one["livenessProbe"]["httpGet"].update(host="example.com"),
}


@charts
@pytest.mark.parametrize(("chart", "values"), CASES)
def test_pods_hold_restricted(chart: str, values: dict[str, Any]) -> None:
    pods = dict(pod_templates(render(chart, values)))
    assert len(pods) == 2, "the Deployment's pods and the test pod"
    assert [(name, violation) for name, pod in pods.items() for violation in violations(pod)] == []


@pytest.mark.parametrize("expected", BREAKING)
def test_the_checker_sees_each_violation(expected: str) -> None:
    assert violations(GOOD_POD) == []
    pod = copy.deepcopy(GOOD_POD)
    BREAKING[expected](pod["spec"], pod["spec"]["containers"][0])
    found = violations(pod)
    assert len(found) == 1
    assert expected in found[0]


@charts
@pytest.mark.parametrize(("chart", "values"), CASES)
def test_pods_hold_no_token_no_links_and_write_only_to_empty_dirs(chart: str, values: dict[str, Any]) -> None:
    for name, pod in pod_templates(render(chart, values)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for one_container in spec["containers"]:
            assert one_container["securityContext"]["readOnlyRootFilesystem"] is True, name
            for mount in one_container.get("volumeMounts", []):
                assert mount.get("readOnly") or "emptyDir" in volumes[mount["name"]], (name, mount["name"])
        for volume in volumes.values():
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": "not an emptyDir"}), volume["name"]


@charts
def test_the_engine_runs_as_the_user_of_its_image() -> None:
    spec = one(render("vllm", pool()), "Deployment")["spec"]["template"]["spec"]
    assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["fsGroup"]) == (2000, 2000)
    mounts = {mount["mountPath"] for mount in container(render("vllm", pool()))["volumeMounts"]}
    assert {"/home/vllm", "/tmp"} <= mounts


@charts
@pytest.mark.parametrize(("chart", "values"), CASES)
def test_no_object_gives_rights(chart: str, values: dict[str, Any]) -> None:
    kinds = {item["kind"] for item in render(chart, values)}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"}
