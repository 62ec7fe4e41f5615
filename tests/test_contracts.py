"""Contracts bind what does not exist yet: the linters must refuse new modules that are put into a copy of the tree.

Import contracts and banned names stand in `pyproject.toml`. They forbid by default and allow by name, so a module that
nobody has named may import no solver, print nothing and read no clock.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.examples import ENVIRONMENTS, ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
LINTER = SETTINGS["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in LINTER["contracts"]}
ROOTS: list[str] = LINTER["root_packages"]
SCRIPTS = Path(sys.executable).parent

DOORS = {
    "solver": ["highspy"],
    "numerics": ["numba", "scipy"],
    "faces": ["click", "matplotlib", "rich", "typer"],
    "templates": ["jinja2", "markupsafe"],
    "aws": ["boto3", "botocore", "moto"],
    "price-list": ["genai_prices"],
    "pulumi": ["pulumi", "pulumi_aws", "pulumi_kubernetes", "google", "grpc"],
    "cluster": ["cryptography", "kubernetes", "urllib3"],
    "http": ["aiohttp", "prometheus_client", "uvloop"],
    "yaml": ["yaml"],
    "clock": ["time"],
    "chance": ["random", "secrets", "uuid"],
    "world": ["asyncio", "http", "os", "shutil", "socket", "subprocess", "tempfile", "threading", "urllib"],
}
"""Libraries that no new module may import, by the contract that says so."""
EVERYWHERE = {"numpy", "pydantic", "pydantic_core"}
"""Libraries that any module may import: they hold values and reach nothing."""
TRESPASSES = [
    ("planner.words", "planner.domain.gaps", "floors"),
    ("planner.domain", "planner.performance.capacity", "floors"),
    ("planner.documents", "planner.decision.optimize", "documents"),
    ("planner.faces", "planner.decision.optimize", "documents"),
    ("planner.decision.choice", "planner.decision.candidates.market", "decision"),
    ("planner.decision.candidates", "planner.decision.answer.assemble", "decision"),
    ("planner.performance", "measurement.evidence.fit", "planner-measurement"),
    ("planner.cli", "measurement.verbs.fitting", "planner-measurement"),
    ("planner.edges", "gateway.policy", "planner"),
    ("planner.edges", "infra.program", "planner"),
    ("planner.edges", "twin.stage", "planner"),
    ("planner.edges", "tests", "product"),
    ("planner.edges", "tools", "product"),
    ("measurement.evidence", "measurement.files.fit_files", "measuring"),
    ("measurement.verbs", "planner.decision.optimize", "measurement"),
    ("measurement.verbs", "infra.program", "measurement"),
    ("measurement.verbs", "planner.edges.git", "measurement-planner"),
    ("measurement.files", "planner.cli.review", "measurement-planner"),
    ("measurement.profiler", "planner.words.units", "profiler"),
    ("gateway", "planner.words.units", "gateway"),
    ("gateway", "measurement.evidence.fit", "gateway"),
    ("infra", "planner.performance.memory", "infra"),
    ("infra", "measurement.verbs.fitting", "infra"),
    ("infra", "planner.edges.catalog_files", "infra-planner"),
    ("infra", "planner.domain.models", "infra-planner"),
    ("twin", "planner.words.units", "twin"),
    ("twin.aws", "infra.program", "twin"),
    ("weights", "planner.words.names", "weights"),
    ("infra", "weights.hub", "infra"),
]
"""(where the new module is, what it imports, the contract that forbids it)"""

OUTSPOKEN = {
    "print": "print(1)",
    "sys.stdout": "sys.stdout.write('1')",
    "sys.stderr": "sys.stderr.write('1')",
    "typer.echo": "typer.echo('1')",
    "rich.print": "rich.print('1')",
    "datetime.date.today": "datetime.date.today()",
    "datetime.datetime.now": "datetime.datetime.now(datetime.UTC)",
    "random.random": "random.random()",
    "random.shuffle": "random.shuffle([1])",
    "numpy.random": "numpy.random.default_rng()",
    "os.urandom": "os.urandom(1)",
    "importlib.import_module": "importlib.import_module('highspy')",
}
"""Names that no new module may use, and how it would."""
PRINTS = {"print", "sys.stdout", "sys.stderr", "typer.echo", "rich.print"}
READS_THE_CLOCK = {
    "infra/inputs.py",
    "measurement/verbs/calibrating.py",
    "measurement/verbs/fitting.py",
    "planner/cli/catalog_views.py",
    "planner/cli/cataloguing.py",
    "planner/cli/continuous.py",
    "planner/cli/planning.py",
    "planner/cli/commenting.py",
    "planner/cli/reporting.py",
    "planner/cli/comparing.py",
    "planner/cli/review.py",
    "tests/infra/test_inputs.py",
    "twin/aws/eks_calls.py",
    "twin/cluster/certificates.py",
}
DRAWS = {
    "benchmarks/simulator.py",
    "gateway/exchange.py",
    "tests/planner/performance/test_closed_loops.py",
    "tests/planner/performance/test_latencies.py",
    "tests/planner/performance/test_simulator_reference.py",
}
IMPORTS_BY_NAME = {"measurement/profiler/program.py", "tests/planner/performance/test_compiling.py"}
PRINTS_TOO = {
    "benchmarks/simulator.py",
    "measurement/profiler/program.py",
    "measurement/verbs/calibrating.py",
    "planner/cli/review.py",
}
"""Files of the three sets above that print as well. A rule of ruff's that is off for a file is off for all names."""


def packages() -> Iterator[str]:
    """Every package that is in an import graph."""
    for root in ROOTS:
        for file in sorted((ROOT / root).rglob("__init__.py")):
            parts = file.parent.relative_to(ROOT).parts
            if all((ROOT.joinpath(*parts[:n]) / "__init__.py").exists() for n in range(1, len(parts))):
                yield ".".join(parts)


def new_file(tree: Path, folder: str, name: str, text: str) -> Path:
    path = tree / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What the import linter says of a tree with a new module in every package, by the name of the contract."""
    tree = tmp_path_factory.mktemp("tree")
    for root in ROOTS:
        shutil.copytree(ROOT / root, tree / root, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    libraries = "".join(f"import {library}\n" for door in DOORS.values() for library in door)
    for package in packages():
        new_file(tree, package.replace(".", "/"), "newcomer.py", libraries)
    for number, (package, imported, _) in enumerate(TRESPASSES):
        new_file(tree, package.replace(".", "/"), f"trespasser{number}.py", f"import {imported}\n")
    new_file(tree, "planner/extension", "__init__.py", "")
    wide = {**os.environ, "COLUMNS": "1000", "NO_COLOR": "1"}
    run = subprocess.run([SCRIPTS / "lint-imports"], cwd=tree, env=wide, capture_output=True, text=True, check=False)
    assert "Broken contracts" in run.stdout, run.stdout + run.stderr
    sections = re.split(r"\n(.+)\n-{3,}\n", run.stdout)
    return dict(zip(sections[1::2], sections[2::2], strict=True))


def told(refused: Mapping[str, str], contract: str) -> str:
    return refused.get(CONTRACTS[contract]["name"], "")


@pytest.mark.parametrize(("contract", "library"), [(c, library) for c, door in DOORS.items() for library in door])
def test_no_new_module_may_import_a_library_with_a_door(
    refused: Mapping[str, str], contract: str, library: str
) -> None:
    answer = told(refused, contract)
    bound = set(CONTRACTS[contract]["source_modules"])
    if library == "time":
        bound.remove("twin")  # it imitates a world in which time passes
    places = [package for package in packages() if package.split(".")[0] in bound]
    assert [package for package in places if f"{package}.newcomer -> {library} " not in answer] == []
    assert len(places) >= 20


@pytest.mark.parametrize("number", range(len(TRESPASSES)), ids=lambda n: "-".join(TRESPASSES[n][:2]))
def test_no_new_module_may_enter_another_room(refused: Mapping[str, str], number: int) -> None:
    package, imported, contract = TRESPASSES[number]
    assert f"{package}.trespasser{number} -> {imported} " in told(refused, contract)


def test_a_new_floor_must_find_its_place(refused: Mapping[str, str]) -> None:
    assert "planner.extension" in told(refused, "floors")


def test_contracts_cover_every_package_of_the_repository() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found - {"tests", "tools"} == set(ROOTS)
    assert {name.rstrip("*") for name in SETTINGS["setuptools"]["packages"]["find"]["include"]} == set(ROOTS)
    for contract in {*DOORS, "product"} - {"world"}:
        assert CONTRACTS[contract]["source_modules"] == ROOTS, contract
    assert CONTRACTS["world"]["source_modules"] == ["planner", "measurement"], "the others are programs of the world"


def test_a_permission_that_nobody_uses_is_an_error() -> None:
    assert {contract.get("unmatched_ignore_imports_alerting", "error") for contract in CONTRACTS.values()} == {"error"}


def test_every_library_has_its_door() -> None:
    """A dependency that is new to the product is in a contract, or in the short list of those that are free."""
    used = set()
    for root in ROOTS:
        for file in (ROOT / root).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    used |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    used.add(node.module.split(".")[0])
    outside = used - set(sys.stdlib_module_names) - set(ROOTS)
    assert outside - {library for door in DOORS.values() for library in door} == EVERYWHERE


def checked(tree: Path, *paths: Path, options: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """Files that break the rules of printing, the clock and chance, by the name that each uses."""
    command = [
        str(SCRIPTS / "ruff"),
        "check",
        "--select",
        "T20,TID251",
        "--output-format",
        "json",
        "--no-cache",
        *options,
    ]
    run = subprocess.run([*command, *paths], cwd=tree, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    found: dict[str, set[str]] = defaultdict(set)
    for each in json.loads(run.stdout):
        (name,) = re.findall(r"^`([\w.]+)`", each["message"])
        found[name].add(Path(each["filename"]).relative_to(tree.resolve()).as_posix())
    return found


@pytest.fixture(scope="module")
def outspoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], dict[str, set[str]]]:
    """New files in every folder of code, and what ruff refuses of them."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    text = "import datetime, importlib, numpy, os, random, rich, sys, typer\n" + "\n".join(OUTSPOKEN.values()) + "\n"
    folders = [*(package.replace(".", "/") for package in packages()), "tools", "tests", "tests/planner", "benchmarks"]
    files = [new_file(tree, folder, "outspoken.py", text) for folder in folders]
    return {file.relative_to(tree).as_posix() for file in files}, checked(tree, *files)


@pytest.mark.parametrize("name", OUTSPOKEN)
def test_no_new_file_may_print_read_the_clock_or_draw(
    outspoken: tuple[set[str], dict[str, set[str]]], name: str
) -> None:
    files, found = outspoken
    assert files - found[name] == set()


@cache
def permitted() -> dict[str, set[str]]:
    """What the files of the repository use of these names, with every exception of `pyproject.toml` taken away."""
    return checked(ROOT, ROOT, options=("--config", "lint.per-file-ignores = {}"))


def used(*names: str) -> set[str]:
    return {file for name, files in permitted().items() if name.startswith(names) for file in files}


def test_each_file_uses_what_it_is_let_use_and_no_more() -> None:
    exceptions: dict[str, Any] = SETTINGS["ruff"]["lint"]["per-file-ignores"]
    let = {file for file, rules in exceptions.items() if {"T20", "TID251"} & set(rules)}
    assert used("datetime.") == READS_THE_CLOCK
    assert used("random.", "numpy.random", "os.urandom") == DRAWS
    assert used("importlib.") == IMPORTS_BY_NAME
    assert used(*PRINTS) == let - (READS_THE_CLOCK | DRAWS | IMPORTS_BY_NAME) | PRINTS_TOO
    assert used("print") == {file for file, rules in exceptions.items() if "T20" in rules}


def test_to_open_a_lock_loads_little() -> None:
    """The infrastructure loads no decision, no performance model, no view and no library that goes with them."""
    script = (
        "import datetime, json, pathlib, sys\n"
        "import infra.inputs\n"
        "from planner.edges.workspace import Workspace\n"
        "workspace = Workspace(pathlib.Path(sys.argv[1]))\n"
        "lock, _ = workspace.judgement('prod', datetime.date(2026, 11, 23))\n"
        "assert lock.name == 'prod'\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(ENVIRONMENTS)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    loaded: list[str] = json.loads(run.stdout)
    ours = [name for name in loaded if name.split(".")[0] in ROOTS]
    rooms = ("documents", "domain", "edges", "money", "plan", "words")
    light = ("infra.", *(f"planner.{room}." for room in rooms))
    assert [name for name in ours if name != "planner" and not f"{name}.".startswith(light)] == []
    assert {"highspy", "matplotlib", "numba", "rich", "scipy", "typer"} & set(loaded) == set()
    assert len(ours) <= 120, f"{len(ours)} modules: {', '.join(ours)}"
