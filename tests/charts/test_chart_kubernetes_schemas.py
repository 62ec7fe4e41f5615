"""Every rendered object fits Kubernetes' own schemas, strictly, in the oldest and newest version that is supported."""

from __future__ import annotations

import copy
import importlib.resources
import json
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.charts.rendering import ALL_EXAMPLES, HELMS, example, merged, pool, render
from tests.tools import require_tool

pytestmark = pytest.mark.charts

VERSIONS = ("1.30", "1.36")
EVERY_OBJECT = {
    "vllm": pool(
        engine={"tensorParallelSize": 2, "maxLoras": 1, "maxLoraRank": 8},
        adapters=[{"name": "acme", "source": "s3://acme-adapters/acme"}],
        placement={"strategy": "pack", "zones": ["a", "b"], "zoneSpread": "required"},
        modelStore={"volumeClaim": "weights"},
        model={"source": "/models/a"},
        image={"pullSecrets": ["registry"]},
        serviceAccount={"annotations": {"a": "b"}},
        tls={"secretName": "pool-a-tls"},
        networkPolicy={"dns": {"cidrs": ["169.254.20.10/32"]}, "extraEgress": [{"to": [{"podSelector": {}}]}]},
    ),
    "gateway": merged(
        example("gateway", "spilling"),
        {
            "autoscaling": {"enabled": True, "inFlight": 200},
            "placement": {"zoneSpread": "required"},
            "image": {"pullSecrets": ["registry"]},
            "service": {"type": "NodePort", "nodePort": 30080, "annotations": {"a": "b"}},
            "ingress": {"enabled": True, "hosts": ["llm.example.com"], "tls": {"secretName": "llm"}},
            "poolTls": {"secretName": "pools"},
            "networkPolicy": {"pools": {"namespaceLabels": {"a": "b"}}, "extraEgress": [{"to": [{"podSelector": {}}]}]},
        },
    ),
}
CASES = [(chart, example(chart, name), helm) for chart, name in ALL_EXAMPLES for helm in HELMS]
CASES += [(chart, values, "helm3") for chart, values in EVERY_OBJECT.items()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("chart", "values", "helm"), CASES)
def test_objects_fit_the_schemas(chart: str, values: dict[str, Any], helm: str, version: str) -> None:
    for item in render(chart, values, helm=helm):
        kubernetes_validate.validate(item, version, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    (deployment,) = (item for item in render("vllm", pool()) if item["kind"] == "Deployment")
    wrong = copy.deepcopy(deployment)
    wrong["spec"]["template"]["spec"]["securityContext"]["runAsNonRooot"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="runAsNonRooot"):
        kubernetes_validate.validate(wrong, "1.36", strict=True)


def test_kubeconform_agrees(local_schemas: Path, tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    objects = [item for chart, values, helm in CASES for item in render(chart, values, helm=helm)]
    assert _kubeconform(local_schemas, file, objects) == (0, len(objects), 0)
    objects[0]["spce"] = {}
    code, valid, invalid = _kubeconform(local_schemas, file, objects)
    assert (code != 0, valid, invalid) == (True, len(objects) - 1, 1)


@pytest.fixture(scope="module")
def local_schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schemas of the kubernetes-validate package in a form that refers to files, not to kubernetes.io."""
    folder = tmp_path_factory.mktemp("schemas")
    packed = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema" / "v1.36.0-local-strict"
    kinds = (
        "deployment-apps",
        "networkpolicy-networking",
        "ingress-networking",
        "poddisruptionbudget-policy",
        "priorityclass-scheduling",
    )
    core = ("pod", "service", "serviceaccount", "configmap")
    for name in ("_definitions", *(f"{kind}-v1" for kind in kinds + core), "horizontalpodautoscaler-autoscaling-v2"):
        text = (packed / f"{name}.json").read_text(encoding="utf-8")
        schema = json.loads(text.replace("/api/_definitions.json#", "_definitions.json#"))
        schema.pop("$id", None)
        (folder / f"{name}.json").write_text(json.dumps(schema), encoding="utf-8")
    return folder


def _kubeconform(schemas: Path, file: Path, objects: list[dict[str, Any]]) -> tuple[int, int, int]:
    """Exit code, valid and invalid objects."""
    file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    location = f"{schemas}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    options = ["-strict", "-summary", "-output", "json", "-schema-location", location]
    command = [str(require_tool("kubeconform")), *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    summary = json.loads(done.stdout)["summary"]
    assert summary["errors"] == summary["skipped"] == 0, done.stdout
    return done.returncode, summary["valid"], summary["invalid"]
