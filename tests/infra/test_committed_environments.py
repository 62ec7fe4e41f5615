"""The environments of this repository can be deployed as they stand."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from planner.documents.lock import load
from tests.infra.programs import run_program

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.name.removesuffix(".lock.json") for path in (ROOT / "environments").glob("*.lock.json"))


@pytest.mark.parametrize("name", NAMES)
def test_its_lock_becomes_its_node_groups_and_releases(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPILLWAY_ENVIRONMENTS", str(ROOT / "environments"))
    monkeypatch.setenv("SPILLWAY_RUNNER", "inside")
    path = ROOT / "environments" / f"{name}.lock.json"
    lock = load(path.read_text(), str(path))
    plan = lock.plan

    class SnapshotDay(datetime.date):
        """Models that retire later expire no lock here."""

        @classmethod
        def today(cls) -> SnapshotDay:
            return cls.fromisoformat(lock.consulted.snapshot)

    monkeypatch.setattr("infra.inputs.date", SnapshotDay)
    registered = run_program(name, {})
    sizes = {
        group.inputs["labels"]["spillway.dev/node-group"]: group.inputs["scalingConfig"]["desiredSize"]
        for group in registered.of("eks/nodeGroup:NodeGroup")
    }
    assert {k: v for k, v in sizes.items() if k != "system"} == {
        group.name: group.max_nodes for group in plan.node_groups
    }
    releases = {release.name: release.inputs["values"] for release in registered.of(":Release")}
    assert set(releases) == ({f"vllm-{pool.name}" for pool in plan.pools} | {"gateway"} if plan.pools else set())
    for release, values in releases.items():
        jsonschema.validate(values, _schema("gateway" if release == "gateway" else "vllm"))


def _schema(chart: str) -> Any:
    return json.loads((ROOT / "charts" / chart / "values.schema.json").read_text())
