"""The root entry finds its package from any working folder, also where another top-level package would hide it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import runpy, sys, pulumi
sys.path[:] = [p for p in sys.path if p not in ("", {root!r})]
import pulumi.runtime.mocks as mocks
class Cloud(mocks.Mocks):
    def new_resource(self, args): raise SystemExit("something was registered")
    def call(self, args): return {{}}
mocks.set_mocks(Cloud(), project="spillway", stack="no-such-environment")
try:
    runpy.run_path({root!r}, run_name="__main__")
except pulumi.RunError as refusal:
    print(refusal)
"""


@pytest.mark.parametrize("folder", [".", "infra", "examples/environments", "gateway"])
def test_the_program_starts_from(folder: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "SPILLWAY_ENVIRONMENTS"}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE.format(root=str(ROOT))],
        cwd=ROOT / folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "environment `no-such-environment` is not deployed" in run.stdout
    assert "environments/no-such-environment" in run.stdout


def test_no_module_hides_a_top_level_package() -> None:
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    modules = {path.stem for path in (ROOT / "infra").glob("*.py")} - {"__init__"}
    assert modules & (packages | set(sys.stdlib_module_names)) == set()
