"""Kubernetes up by one minor version on the twin, as a change of the lock: what moves, and in which order.

A skip is refused before anything is registered (test_upgrades.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from planner.plan.plan import Plan
from tests.engine import Engine, Outcome
from tests.infra import locks
from tests.infra.kills import aws_half

pytestmark = pytest.mark.engine

ADDONS, GROUPS = 7, ("gpu-shared", "gpu-vault", "system")


@dataclass
class Upgrade:
    """What each step gave."""

    preview: Outcome
    up: Outcome
    again: Outcome
    state: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    engine = aws_half(tmp_path_factory.mktemp("upgrade"))
    _write(engine, "1.35")
    first = engine.up()
    assert first.status == 0, first.output
    _write(engine, "1.36")
    return Upgrade(engine.preview(), engine.up(), engine.preview(), engine.resources())


def test_the_preview_shows_everything_that_moves(upgrade: Upgrade) -> None:
    assert upgrade.preview.status == 0, upgrade.preview.output
    changed = upgrade.preview.changed()
    assert set(changed.values()) == {"update"}
    assert set(changed) == {"spillway-prod", *GROUPS, *_addons(upgrade)}
    assert len(_addons(upgrade)) == ADDONS


def test_all_of_it_moves(upgrade: Upgrade) -> None:
    assert upgrade.up.status == 0, upgrade.up.output
    assert {upgrade.state[name]["outputs"]["addonVersion"] for name in _addons(upgrade)} == {"v1.36.0-eksbuild.1"}
    assert {upgrade.state[name]["outputs"]["releaseVersion"] for name in GROUPS} == {"1.36.0-20261101"}
    assert upgrade.again.changed() == {}


def test_control_plane_then_addons_then_system_then_pools(upgrade: Upgrade) -> None:
    order = [name for name in upgrade.up.changed() if name in {"spillway-prod", *GROUPS, *_addons(upgrade)}]
    place = {name: index for index, name in enumerate(order)}
    node_addons = [name for name in place if name.endswith(("vpc-cni", "kube-proxy", "eks-pod-identity-agent"))]
    assert place["spillway-prod"] == 0
    assert len(node_addons) == 3
    assert max(place[name] for name in node_addons) < place["system"] < min(place["gpu-shared"], place["gpu-vault"])


def _addons(upgrade: Upgrade) -> list[str]:
    return sorted(name for name, item in upgrade.state.items() if item["type"] == "aws:eks/addon:Addon")


def _write(engine: Engine, version: str) -> None:
    environment = locks.environment_text().replace("  nat: single\n", f'  nat: single\n  kubernetes: "{version}"\n')
    folder: Path = engine.project / "environments"
    plan: Plan = locks.on_platform(locks.plan(), kubernetes=version)
    locks.write(folder, plan, environment=environment)
