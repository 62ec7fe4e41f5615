"""ARCHITECTURE.md describes the repository as it is: its modules, its folders, its import contracts."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, ROOT, code, tables, text_of

ARCHITECTURE = text_of("ARCHITECTURE.md")
FLOORS = list(tables(ARCHITECTURE, "floor", "modules", "what it knows"))
PARTS = {code(row["folder"]): row for row in tables(ARCHITECTURE, "folder", "is", "reads", "never imports")}
LINTER = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in LINTER["contracts"]}


def modules(package: str) -> set[str]:
    return {path.stem for path in (ROOT / package).glob("*.py") if path.stem != "__init__"}


@pytest.mark.parametrize("row", FLOORS, ids=lambda row: code(row["floor"]))
def test_a_floor_has_these_modules(row: dict[str, str]) -> None:
    told = re.findall(r"`([a-z_]+)`", row["modules"])
    assert sorted(told) == sorted(modules(f"planner/{code(row['floor'])}")), "ARCHITECTURE.md, floors of the planner"


def test_the_floors_are_those_of_the_contract() -> None:
    assert [code(row["floor"]) for row in FLOORS] == CONTRACTS["floors"]["layers"]


@pytest.mark.parametrize("package", ["planner", "gateway", "infra", "twin", "weights"])
def test_forbidden_imports_are_those_of_the_contracts(package: str) -> None:
    assert CONTRACTS[package]["source_modules"] == [package]
    forbidden = CONTRACTS[package]["forbidden_modules"]
    outside = {"pulumi": "Pulumi", "pulumi_aws": "Pulumi", "pulumi_kubernetes": "Pulumi", "kubernetes": "Kubernetes"}
    told = set(re.findall(r"`([a-z.]+)`|(Pulumi|Kubernetes)", PARTS[f"{package}/"]["never imports"]))
    assert {first or second for first, second in told} == {outside.get(name, name) for name in forbidden}


def test_reading_a_lock_loads_no_solver() -> None:
    """What decision 0003 rests on: the edge that the infrastructure calls is light."""
    script = "import sys, planner.edges.workspace; print({'highspy', 'scipy', 'planner.decision'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "path", [*ROOT.glob("*.md"), *DOCS.rglob("*.md")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_paths_that_are_named_exist(path: Path) -> None:
    """Pieces of code that look like a path of this repository are one; what lies in `environments/` is the team's."""
    tops = "planner|measurement|gateway|infra|twin|charts|examples|tools|tests|benchmarks|docs"
    named = set(re.findall(rf"`((?:{tops})/[\w./-]*)`", path.read_text(encoding="utf-8")))
    missing = [name for name in sorted(named) if not (ROOT / name).exists()]
    assert [name for name in missing if "NAME" not in name and "DAY" not in name] == []
