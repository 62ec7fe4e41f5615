"""Commands in the documents print what stands below them; `make figures` writes what they print.

Of the tour, the sense is held too, and its rehearsal is run. The rehearsal differs from run to run.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples import ENVIRONMENTS, ROOT
from tools.figures.console import STABLE, blocks, checkout_of
from tools.figures.documents import with_commands, with_output_now

pytestmark = pytest.mark.system

TOUR = "docs/tour.md"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", with_commands())
def test_every_command_prints_what_the_document_shows(name: str) -> None:
    assert text_of(name) == with_output_now(text_of(name), STABLE), f"if that is meant, run `make figures FILES={name}`"


def test_the_documents_with_commands() -> None:
    assert {"README.md", TOUR} <= set(with_commands())


@pytest.mark.parametrize("name", [TOUR, "docs/reviewing.md"])
def test_the_change_shows_its_point(name: str) -> None:
    """A changed line that scales no pool, or the restricted one, would show nothing."""
    shown = next(block.body for block in blocks(text_of(name)) if "spillway diff" in block.body)
    why, touched = shown.split("What a deployment touches")
    assert "environments/prod.yaml:" in why[why.index("Why it changed") :]
    touched = touched.split("\n$ ")[0]
    assert re.search(r"^pool \S+ +changed +replicas: \d+ → \d+", touched, flags=re.MULTILINE)
    assert "-private" not in touched


def test_the_tour_shows_a_stale_lock() -> None:
    assert "error[LOCK010]: stale" in text_of(TOUR)


def test_the_rehearsal_of_the_tour(tmp_path: Path) -> None:
    """Its figures are the machine's; that nothing restricted left, and the form of what is printed, are not."""
    (block,) = [block for block in blocks(text_of(TOUR)) if block.kind == "varies"]
    (command,) = block.commands
    exit_code, output = checkout_of(ENVIRONMENTS, tmp_path).output_of(command)
    assert exit_code in (0, 1, 2), output  # 1: a promise was broken on this machine, 2: it was too busy to judge
    assert "restricted requests at the API: 0 (kept;" in output
    assert "restricted requests at the API: 0 (kept;" in block.body
    starts = {_start(line) for line in output.splitlines()}
    steady = [
        line for line in block.body.splitlines() if re.match(r"(Rehearsal|route|\w+ +steady|spill|dollars)", line)
    ]
    assert len(steady) > 5
    assert [line for line in steady if _start(line) not in starts] == []


def _start(line: str) -> str:
    """The words of a line before its first figure."""
    return " ".join(re.split(r"\d|NaN| - ", line)[0].split())
