"""The planner works with the packages of `requirements-planner.lock` alone: no other one can be imported here.

So `pip install .` without an extra can plan, and a run of continuous integration installs a quarter of what tests need.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.examples import ENVIRONMENTS, ROOT

LEAN = """
import json, sys

sys.modules.update(dict.fromkeys(json.loads(sys.argv[1])))  # None there: nobody can import it, and nobody finds it
"""
RUN = (
    LEAN
    + """
from typer.testing import CliRunner
from planner.cli.main import app

ended = {}
for line in json.loads(sys.argv[2]):
    result = CliRunner().invoke(app, line)
    why = repr(result.exception) if result.exception and not isinstance(result.exception, SystemExit) else ""
    ended[" ".join(line[:2])] = [result.exit_code, why or result.stderr[-400:]]
print(json.dumps(ended))
"""
)
VERBS = [
    ["version"],
    ["check", "dev"],
    ["diff", "dev", "--base", "dev.lock.json"],
    ["show", "dev"],
    ["explain", "dev"],
    ["plan", "dev", "--dry-run", "--notes", "notes.md"],
    ["catalog", "list"],
    ["catalog", "age"],
    ["ci", "summary", "notes.md"],
    ["report", "dev", "-o", "dev.html"],
    ["comment", "github", "dev", "--base", "dev.lock.json", "--dry-run"],
]
"""What a run of continuous integration may call, and what people type beside it."""


def barred() -> list[str]:
    """Top-level modules that no package of the planner's lock brings."""
    lock = (ROOT / "requirements-planner.lock").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)) | {"spillway"}
    found = packages_distributions()
    return sorted(
        module
        for module, distributions in found.items()
        if not {re.sub(r"[-_.]+", "-", name).lower() for name in distributions} & pinned
    )


def lean(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script without what is barred, and without pictures, which `plot` adds to the planner's lock."""
    command = [sys.executable, "-c", script, json.dumps([*barred(), "matplotlib"]), *arguments]
    return subprocess.run(command, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False)


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "SPILLWAY_ENVIRONMENTS": str(folder)}


def test_what_is_barred_is_what_is_heavy() -> None:
    heavy = {"pulumi", "pulumi_aws", "moto", "boto3", "mypy", "kubernetes", "aiohttp", "cryptography"}
    assert heavy <= set(barred())
    assert {"numpy", "highspy", "typer", "yaml", "pydantic"} & set(barred()) == set()


def test_the_planners_verbs_need_nothing_else(tmp_path: Path) -> None:
    for file in ENVIRONMENTS.glob("dev.*"):
        shutil.copy(file, tmp_path)
    run = lean(RUN, json.dumps(VERBS), folder=tmp_path)
    assert run.returncode == 0, run.stderr
    ended = json.loads(run.stdout)
    assert {name: end for name, end in ended.items() if end[0] != 0} == {}
    assert len(ended) == len(VERBS)


@pytest.mark.parametrize(
    ("line", "code", "hint"),
    [
        (["rehearse", "prod"], "REH001", "[gateway]"),
        (["perf", "accuracy", "--held-out", "none", "--plot", "picture.svg"], "USE003", "[plot]"),
        (["catalog", "refresh"], "REF001", "[refresh]"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_verb_that_needs_more_says_which_extra(tmp_path: Path, line: list[str], code: str, hint: str) -> None:
    for file in ENVIRONMENTS.glob("prod.*"):
        shutil.copy(file, tmp_path)
    run = lean(RUN, json.dumps([line]), folder=tmp_path)
    (ended,) = json.loads(run.stdout).values()
    assert ended[0] == 2, ended
    assert f"error[{code}]" in ended[1]
    assert hint in ended[1]


def test_the_infrastructure_says_which_extra_it_needs(tmp_path: Path) -> None:
    script = LEAN + f"import runpy\nrunpy.run_path({str(ROOT / '__main__.py')!r}, run_name='__main__')\n"
    run = lean(script, folder=tmp_path)
    assert run.returncode == 1
    assert run.stderr == "the package pulumi is not installed, and deploying needs it: pip install -e '.[deploy]'\n"
