"""The commands of docs/tour.md print what the tour shows; UPDATE_GOLDEN=1 writes what they print into it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.examples import ROOT
from tests.system.tour import blocks, checkout, printed, shortened, with_output

pytestmark = pytest.mark.system

TOUR = ROOT / "docs" / "tour.md"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"
SAYS_NO = "spillway check prod"
"""The command of the tour whose answer is no."""


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], str]:
    """What each block's commands print now, without those that vary with the machine, which are not run."""
    folder = tmp_path_factory.mktemp("tour")
    variables = checkout(folder)
    found: dict[tuple[str, ...], str] = {}
    for block in blocks(TOUR.read_text(encoding="utf-8")):
        lines = list[str]()
        for command in () if block.varies else block.commands:
            status, output = printed(command, folder, variables)
            assert status == (1 if command == SAYS_NO else 0), f"{command} ended with {status}:\n{output}"
            lines += [f"$ {command}", *shortened(output, block.parts)]
        if lines:
            found[block.commands] = "\n".join(lines) + "\n"
    return found


def test_every_command_prints_what_the_tour_shows(bodies: dict[tuple[str, ...], str]) -> None:
    text = TOUR.read_text(encoding="utf-8")
    written = with_output(text, lambda block: bodies.get(block.commands, block.body))
    if UPDATE:
        TOUR.write_text(written, encoding="utf-8")
    assert TOUR.read_text(encoding="utf-8") == written, "if that is meant, run with UPDATE_GOLDEN=1"


def test_the_tour_shows_its_point(bodies: dict[tuple[str, ...], str]) -> None:
    """A changed line that leaves its lock fresh, or that scales no pool or the restricted one, would be no tour."""
    printed_now = "".join(bodies.values())
    assert "error[LOCK010]: stale" in printed_now
    why, touched = printed_now.split("What a deployment touches")
    assert "environments/prod.yaml:" in why[why.index("Why it changed") :]
    touched = touched.split("\n$ ")[0]
    assert re.search(r"^pool \S+ +changed +replicas: \d+ → \d+", touched, flags=re.MULTILINE)
    assert "-private" not in touched


def test_the_rehearsal_of_the_tour(tmp_path: Path) -> None:
    """Its figures are the machine's; that nothing restricted left, and the form of what is printed, are not."""
    variables = checkout(tmp_path)
    text = TOUR.read_text(encoding="utf-8")
    (block,) = [block for block in blocks(text) if block.varies]
    (command,) = block.commands
    status, output = printed(command, tmp_path, variables)
    assert status in (0, 1, 2), output  # 1: a promise was broken on this machine, 2: it was too busy to judge
    if UPDATE and status == 0:  # a run on a busy machine is nothing to show
        lines = [f"$ {command}", *(line.rstrip() for line in output.splitlines())]
        TOUR.write_text(with_output(text, lambda b: "\n".join(lines) + "\n" if b.varies else b.body), encoding="utf-8")
        (block,) = [block for block in blocks(TOUR.read_text(encoding="utf-8")) if block.varies]
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
