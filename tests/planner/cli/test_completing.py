"""What a shell is offered: environments of the named folder and codes, as bash asks for them, and without delay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from planner.documents.codes import CODES
from planner.edges.environment_names import environment_names
from planner.edges.workspace import Workspace
from tests.planner.cli.command import spillway


def offered(line: str, **variables: str) -> list[str]:
    """What bash is told for the end of this line."""
    word = len(line.split()) - (0 if line.endswith(" ") else 1)
    ended = spillway(_SPILLWAY_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(word), **variables)
    return ended.out.split()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for folder, names in (("environments", ("prod", "preview", "dev", "Pulumi.dev")), ("others", ("lab",))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.yaml").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("spillway plan ", ["dev", "preview", "prod"]),
        ("spillway plan pr", ["preview", "prod"]),
        ("spillway plan dev ", ["preview", "prod"]),
        ("spillway check p", ["preview", "prod"]),
        ("spillway diff ", ["dev", "preview", "prod"]),
        ("spillway show d", ["dev"]),
        ("spillway rehearse d", ["dev"]),
        ("spillway plan --environments others ", ["lab"]),
        ("spillway plan x", []),
        ("spillway explain d", ["dev"]),
        ("spillway explain LOCK00", sorted(code for code in CODES if code.startswith("LOCK00"))),
    ],
)
def test_names_of_environments(folders: Path, line: str, names: list[str]) -> None:
    assert offered(line) == names


def test_the_folder_may_be_a_variable(folders: Path) -> None:
    assert offered("spillway show ", SPILLWAY_ENVIRONMENTS="others") == ["lab"]


def test_a_folder_that_is_not_there_offers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert offered("spillway plan ") == []


def test_names_are_those_that_check_judges(folders: Path) -> None:
    assert environment_names(folders / "environments") == Workspace(folders / "environments").names()


def test_nothing_heavy_is_loaded_for_it() -> None:
    slow = {"numpy", "scipy", "highspy", "pydantic", "yaml", "planner.edges.workspace", "rich.table"}
    code = "import sys, planner.cli.completing as c; from types import SimpleNamespace as N; "
    code += "c.environments(N(params={}), ''); c.environments_and_codes(N(params={}), 'L'); "
    code += f"print(*sorted({slow} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
