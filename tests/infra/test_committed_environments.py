"""The worked environments can be deployed as they stand."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.examples import ENVIRONMENTS, ROOT, environment_name, lock_paths
from tests.infra.programs import run_worked_lock


@pytest.mark.parametrize("name", [environment_name(path) for path in lock_paths()])
def test_its_lock_becomes_its_node_groups_and_releases(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, registered = run_worked_lock(ENVIRONMENTS, name, monkeypatch)
    plan = lock.plan
    sizes = {
        group.inputs["labels"]["spillway.dev/node-group"]: group.inputs["scalingConfig"]["desiredSize"]
        for group in registered.of("eks/nodeGroup:NodeGroup")
    }
    assert {k: v for k, v in sizes.items() if k != "system"} == {
        group.name: group.max_nodes for group in plan.node_groups
    }
    releases = {chart.name: chart.inputs["values"] for chart in registered.of(":Chart")}
    assert set(releases) == ({f"vllm-{pool.name}" for pool in plan.pools} | {"gateway"} if plan.pools else set())
    for release, values in releases.items():
        jsonschema.validate(values, _schema("gateway" if release == "gateway" else "vllm"))


def _schema(chart: str) -> Any:
    return json.loads((ROOT / "charts" / chart / "values.schema.json").read_text())
