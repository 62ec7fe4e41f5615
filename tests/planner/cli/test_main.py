"""The verbs, their help and their usage errors."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from planner.cli.main import app
from tests.planner.cli.command import spillway
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb that the program has, groups before their members."""
    for name, member in getattr(command, "commands", {}).items():
        yield (*path, name)
        yield from _verbs(member, (*path, name))


VERBS = tuple(_verbs(get_command(app)))


def test_help_names_every_verb() -> None:
    ended = spillway("--help")
    assert (ended.status, ended.err) == (0, "")
    named = re.findall(r"^  ([a-z]+)  ", ended.out.split("Commands:")[1], flags=re.MULTILINE)
    assert named == [path[0] for path in VERBS if len(path) == 1]
    assert {"plan", "check", "diff", "show", "explain", "rehearse"} <= set(named)
    assert_golden(GOLDEN / "help.txt", ended.out)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_of_a_verb(verb: tuple[str, ...]) -> None:
    ended = spillway(*verb, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert_golden(GOLDEN / f"help-{'-'.join(verb)}.txt", ended.out)


@pytest.mark.parametrize("verb", [(), ("plan",), ("catalog",), ("perf", "predict")], ids=" ".join)
def test_a_short_h_asks_for_help_too(verb: tuple[str, ...]) -> None:
    assert spillway(*verb, "-h") == spillway(*verb, "--help")


def test_no_help_text_is_pinned_without_its_verb() -> None:
    pinned = {path.stem for path in GOLDEN.glob("help-*.txt")}
    assert pinned == {f"help-{'-'.join(verb)}" for verb in VERBS}


def test_version() -> None:
    for words in ("version", "--version"):
        ended = spillway(words)
        assert (ended.status, ended.out, ended.err) == (0, f"spillway {version('spillway')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan"], "Missing argument"),
        (["plann", "prod"], "No such command 'plann'"),
        (["plan", "prod", "--dry"], "No such option: --dry"),
        (["plan", "prod", "--format", "yaml"], "'yaml' is not one of 'text', 'json'"),
        (["rehearse", "prod", "--speed", "900"], "Invalid value for '--speed'"),
    ],
)
def test_a_wrong_command_line_exits_with_2(arguments: list[str], said: str) -> None:
    ended = spillway(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err


def test_help_loads_nothing_that_takes_time() -> None:
    slow = {"numpy", "scipy", "highspy", "pydantic", "yaml", "planner.decision", "planner.documents", "rich.table"}
    code = f"import sys, planner.cli.main; print(*sorted({slow} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
