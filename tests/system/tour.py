"""The tour as a program: its commands, run in order in a checkout, and its text with what they printed.

    <!-- show: Plan for, Why not 8, wrote -->     before a block: what is shown of the output; the rest becomes `…`
    <!-- varies -->                              before a block: what it prints depends on the machine

Shown are the parts (what stands between empty lines) that begin so, of `Why not` the first 8 lines, and of other parts
the single lines that begin so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.examples import ENVIRONMENTS

BLOCK = re.compile(r"(?:<!-- (?P<mark>show: [^\n]*|varies) -->\n)?```console\n(?P<body>.*?)```\n", re.DOTALL)
WIDTH = "160"
CUT = "…"


@dataclass(frozen=True)
class Part:
    """A part of an output by how it begins, and how many of its lines are shown at most."""

    start: str
    most: int


@dataclass(frozen=True)
class Block:
    """Commands that are run together, which parts of their output are shown (none: all), and what is shown now."""

    commands: tuple[str, ...]
    parts: tuple[Part, ...]
    varies: bool
    body: str


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a tour, in order."""
    for found in BLOCK.finditer(text):
        mark = found["mark"] or ""
        words = mark.removeprefix("show: ").split(", ") if mark.startswith("show: ") else []
        commands = tuple(line[2:] for line in found["body"].splitlines() if line.startswith("$ "))
        yield Block(commands, tuple(_part(word) for word in words), mark == "varies", found["body"])


def with_output(text: str, body: Callable[[Block], str]) -> str:
    """The tour with each block's body written anew."""
    found = iter(list(blocks(text)))

    def written(match: re.Match[str]) -> str:
        mark = f"<!-- {match['mark']} -->\n" if match["mark"] else ""
        return f"{mark}```console\n{body(next(found))}```\n"

    return BLOCK.sub(written, text)


def shortened(output: str, parts: tuple[Part, ...]) -> list[str]:
    """The lines of an output that are shown."""
    whole = "\n".join(line.rstrip() for line in output.strip("\n").splitlines())
    if not parts or not whole:
        return whole.splitlines()
    shown: list[str] = []
    for paragraph in whole.split("\n\n"):
        lines = paragraph.splitlines()
        part = next((part for part in parts if paragraph.startswith(part.start)), None)
        if part is None:
            shown += [] if shown[-1:] == [CUT] else [CUT]
            shown += [line for line in lines if line.startswith(tuple(p.start for p in parts))]
        else:
            shown += [""] if shown and shown[-1] != CUT else []
            shown += lines if len(lines) <= part.most else [*lines[: part.most], CUT]
    return shown


def _part(words: str) -> Part:
    """`Why not 8` → at most eight lines of the part that begins with `Why not`."""
    start, _, most = words.rpartition(" ")
    return Part(start, int(most)) if most.isdigit() else Part(words, 10_000)


def checkout(folder: Path) -> dict[str, str]:
    """The worked environments under git in `folder`, as a team's own; returns the variables that commands run with."""
    shutil.copytree(ENVIRONMENTS, folder / "environments")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost", "GIT_CONFIG_GLOBAL": os.devnull}
    identity |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost"}
    variables = {**os.environ, **identity, "PATH": path, "COLUMNS": WIDTH, "PYTHONUNBUFFERED": "1"}
    for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "TTY_COMPATIBLE", "SPILLWAY_ENVIRONMENTS"):
        variables.pop(name, None)
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "the worked example"]):
        subprocess.run(["git", *command], cwd=folder, env=variables, check=True)
    return variables


def printed(command: str, folder: Path, variables: dict[str, str]) -> tuple[int, str]:
    """Exit code of a command, and what it printed on both streams."""
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return ended.returncode, ended.stdout
