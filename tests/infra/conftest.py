"""Fixtures of the program's tests: a folder of environments, and a run of the program on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from planner.plan.plan import Plan
from tests.infra import locks
from tests.infra.programs import Account, Registered, run_program

Run = Callable[..., Registered]


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the program takes for `environments/`, on a machine inside the network."""
    folder = tmp_path / "environments"
    folder.mkdir()
    monkeypatch.setenv("SPILLWAY_ENVIRONMENTS", str(folder))
    monkeypatch.setenv("SPILLWAY_RUNNER", "inside")
    return folder


@pytest.fixture
def run(environments: Path) -> Run:
    """`run(plan, account=…, **config)`: write plan and environment, run the program on mocks; what it registered."""

    def run_plan(
        plan: Plan | None = None,
        name: str = "prod",
        environment: str | None = None,
        account: Account | None = None,
        **config: str,
    ) -> Registered:
        locks.write(environments, plan or locks.plan(), name, environment)
        return run_program(name, config, account)

    return run_plan
