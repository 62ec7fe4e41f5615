"""Charts rendered by the real Helm, and golden files of what comes out.

`render` gives the objects of a release; a refusal is an `Unrenderable` with Helm's message. Both Helm versions that the
project meets can be asked: 3.20, which Pulumi's provider embeds, and 4.2.
"""

from __future__ import annotations

import copy
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.tools import require_tool

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
GOLDEN = Path(__file__).parent / "golden"
HELMS = ("helm3", "helm4")

Object = dict[str, Any]

# The two value sets of each chart that ship as examples and are pinned as golden files.
EXAMPLES = {
    "vllm": ("internal-tp1", "restricted-tp2"),
    "gateway": ("restricted", "spilling"),
}
ALL_EXAMPLES = [(chart, example) for chart, examples in EXAMPLES.items() for example in examples]


class Unrenderable(Exception):
    """Helm refused; the text is what it told."""


def example(chart: str, name: str) -> dict[str, Any]:
    """Values of one shipped example, as a fresh copy."""
    text = (CHARTS / chart / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def pool(**changes: Any) -> dict[str, Any]:
    """Values of the small internal pool, with `changes` merged in (`{"engine": {"maxNumSeqs": 8}}`)."""
    return merged(example("vllm", "internal-tp1"), changes)


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with `changes` laid over, mapping by mapping, as Helm does."""
    result = copy.deepcopy(dict(values))
    for key, change in changes.items():
        old = result.get(key)
        result[key] = merged(old, change) if isinstance(old, Mapping) and isinstance(change, Mapping) else change
    return result


def template(chart: str, values: Mapping[str, Any], release: str = "pool-a", helm: str = "helm3") -> str:
    """`helm template` as text. Errors: `Unrenderable` with Helm's message."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values), sort_keys=False), encoding="utf-8")
        where = ["--namespace", "spillway", "--values", str(file)]
        command = [str(require_tool(helm)), "template", release, str(CHARTS / chart), *where]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=_quiet(folder))
    if done.returncode != 0:
        raise Unrenderable(done.stderr)
    return done.stdout


def render(chart: str, values: Mapping[str, Any], release: str = "pool-a", helm: str = "helm3") -> list[Object]:
    """The objects of a release in Helm's order, hooks (tests) included."""
    text = template(chart, values, release, helm)
    return [document for document in yaml.safe_load_all(text) if document]


def one(objects: list[Object], kind: str, name: str | None = None) -> Object:
    """The only object of that kind (and name)."""
    (found,) = (item for item in objects if item["kind"] == kind and (name is None or item["metadata"]["name"] == name))
    return found


def lasting(objects: list[Object]) -> list[Object]:
    """What stays in the cluster: everything but the objects of `helm test`."""
    return [item for item in objects if "helm.sh/hook" not in item["metadata"].get("annotations", {})]


def pod_templates(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """(kind/name, pod as an object with metadata and spec) of everything that makes pods."""
    for item in objects:
        label = f"{item['kind']}/{item['metadata']['name']}"
        if item["kind"] == "Pod":
            yield label, item
        elif item["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            yield label, {"apiVersion": "v1", "kind": "Pod", **item["spec"]["template"]}


def container(objects: list[Object]) -> Object:
    """The only container of the only Deployment."""
    found: list[Object] = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    (only,) = found
    return only


def assert_golden(name: str, text: str) -> None:
    """Compare with `golden/NAME`; UPDATE_GOLDEN=1 writes it instead."""
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"{file} is missing: run the tests with UPDATE_GOLDEN=1"
    assert text == file.read_text(encoding="utf-8"), f"{name} differs: if that is meant, run with UPDATE_GOLDEN=1"


def _quiet(folder: str) -> dict[str, str]:
    """An environment in which Helm finds no plugins, no repositories and no cluster of this user."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))}
    homes = {f"HELM_{kind}_HOME": f"{folder}/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")}
    return {**kept, **homes, "KUBECONFIG": f"{folder}/no-cluster"}
