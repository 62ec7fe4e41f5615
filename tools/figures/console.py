"""Commands in a document, run in order in a checkout of their own, and the document with what they print.

A block of a console is run where one of these marks stands before it; a block without a mark is left alone.

    <!-- printed: all -->                              all that its commands print
    <!-- printed: Plan for, Why not 8, wrote -->       parts of it; each gap becomes `…`
    <!-- printed: all, exit 1 -->                      the answer of its last command is no
    <!-- printed: varies -->                           it depends on the machine, so it is run on request alone
    <!-- run: spillway plan prod -->                   a command without a block, whose output nobody reads

A part is what stands between empty lines. A part is shown whole if it begins with one of the words, up to as many lines
as a number behind them says; of other parts those lines are shown that begin so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

WIDTH = "80"
CUT = "…"
ALL_LINES = 10_000
PATIENCE_S = 300
Kind = Literal["stable", "varies", "hidden"]
STABLE: frozenset[Kind] = frozenset({"stable", "hidden"})
_BLOCK = re.compile(
    r"<!-- printed: (?P<mark>[^\n]*) -->\n```console\n(?P<body>.*?)```\n|<!-- run: (?P<hidden>[^\n]*) -->\n", re.DOTALL
)
_EXIT = re.compile(r"exit (\d)")


class CommandFailed(Exception):
    """A command of a document ended otherwise than the document says; the message has its output."""


@dataclass(frozen=True)
class Part:
    """A part of an output by how it begins, and how many of its lines are shown at most."""

    start: str
    most: int


@dataclass(frozen=True)
class Block:
    """Commands that are run together.

    kind: whether the output is shown and is the same on every machine. parts: what is shown of it, none for all.
    exit_code: of the last command; the others end with 0. body: what the document shows now.
    """

    commands: tuple[str, ...]
    kind: Kind
    parts: tuple[Part, ...] = ()
    exit_code: int = 0
    body: str = ""


@dataclass(frozen=True)
class Checkout:
    """A folder with the worked environments under git, and the variables that commands run with."""

    folder: Path
    variables: dict[str, str]

    def output_of(self, command: str) -> tuple[int, str]:
        """Run a command: its exit code, and what it printed on both streams."""
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return ended.returncode, ended.stdout


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a document that are run, in order."""
    return (_block(found) for found in _BLOCK.finditer(text))


def rewritten(text: str, checkout: Checkout, kinds: frozenset[Kind]) -> str:
    """The document with what its blocks of these kinds print now; their commands are run one after the other.

    Errors: CommandFailed.
    """

    def now(found: re.Match[str]) -> str:
        block = _block(found)
        if block.kind not in kinds:
            return found[0]
        lines = list[str]()
        for number, command in enumerate(block.commands, 1):
            wanted = block.exit_code if number == len(block.commands) else 0
            exit_code, output = checkout.output_of(command)
            if exit_code != wanted:
                raise CommandFailed(f"`{command}` ended with {exit_code}, not {wanted}:\n{output}")
            lines += [f"$ {command}", *shortened(output, block.parts)]
        if block.kind == "hidden":
            return found[0]
        return "\n".join([f"<!-- printed: {found['mark']} -->", "```console", *lines, "```\n"])

    return _BLOCK.sub(now, text)


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


def checkout_of(example: Path, folder: Path) -> Checkout:
    """Copy the worked environments into an empty folder, at their own place and at that of a team's, under git."""
    for place in ("environments", "examples/environments"):
        shutil.copytree(example, folder / place)
    on_own_cluster = example.with_name("existing-cluster")
    if on_own_cluster.is_dir():
        shutil.copytree(on_own_cluster, folder / "examples" / on_own_cluster.name)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost", "GIT_CONFIG_GLOBAL": os.devnull}
    identity |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost"}
    variables = {**os.environ, **identity, "PATH": path, "COLUMNS": WIDTH, "PYTHONUNBUFFERED": "1"}
    for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "TTY_COMPATIBLE", "SPILLWAY_ENVIRONMENTS"):
        variables.pop(name, None)
    for command in ("init --quiet --initial-branch=main", "add .", "commit --quiet --message example"):
        subprocess.run(["git", *command.split()], cwd=folder, env=variables, check=True)
    return Checkout(folder, variables)


def _block(found: re.Match[str]) -> Block:
    if found["hidden"]:
        return Block((found["hidden"],), "hidden")
    commands = tuple(line[2:] for line in found["body"].splitlines() if line.startswith("$ "))
    words = found["mark"].split(", ")
    exits = [int(match[1]) for word in words if (match := _EXIT.fullmatch(word))]
    parts = tuple(_part(word) for word in words if word not in ("all", "varies") and not _EXIT.fullmatch(word))
    return Block(commands, "varies" if "varies" in words else "stable", parts, sum(exits), found["body"])


def _part(words: str) -> Part:
    """`Why not 8` → at most eight lines of the part that begins with `Why not`."""
    start, _, most = words.rpartition(" ")
    return Part(start, int(most)) if most.isdigit() else Part(words, ALL_LINES)
