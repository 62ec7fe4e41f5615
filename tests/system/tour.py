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

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:<!-- (?P<mark>show: [^\n]*|varies) -->\n)?```console\n(?P<body>.*?)```\n", re.DOTALL)
WIDTH = "160"
CUT = "…"


@dataclass(frozen=True)
class Block:
    """Commands that are run together, which parts of their output are shown, and what is shown now."""

    commands: tuple[str, ...]
    parts: tuple[str, ...]
    varies: bool
    body: str


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a tour, in order."""
    for found in BLOCK.finditer(text):
        mark = found["mark"] or ""
        parts = tuple(part.strip() for part in mark.removeprefix("show:").split(",")) if mark.startswith("show") else ()
        commands = tuple(line[2:] for line in found["body"].splitlines() if line.startswith("$ "))
        yield Block(commands, parts, mark == "varies", found["body"])


def with_output(text: str, body: Callable[[Block], str]) -> str:
    """The tour with each block's body written anew."""
    found = iter(list(blocks(text)))

    def written(match: re.Match[str]) -> str:
        mark = f"<!-- {match['mark']} -->\n" if match["mark"] else ""
        return f"{mark}```console\n{body(next(found))}```\n"

    return BLOCK.sub(written, text)


def shortened(output: str, parts: tuple[str, ...]) -> list[str]:
    """The lines of an output that are shown: all if no parts are named."""
    lines = [line.rstrip() for line in output.strip("\n").splitlines()]
    if not parts or not lines:
        return lines
    most = {re.sub(r" \d+$", "", part): int((re.findall(r" (\d+)$", part) or [10_000])[0]) for part in parts}
    shown: list[str] = []
    for paragraph in "\n".join(lines).split("\n\n"):
        whole = next((limit for start, limit in most.items() if paragraph.startswith(start)), 0)
        kept = paragraph.splitlines()[:whole] or [line for line in paragraph.splitlines() if line.startswith(tuple(most))]
        complete = "\n".join(kept) == paragraph
        if whole and shown and shown[-1] != CUT:
            shown.append("")
        if not whole and shown[-1:] != [CUT]:
            shown.append(CUT)
        shown += kept if whole and complete else [*kept, CUT] if whole else kept
    return shown


def checkout(folder: Path) -> dict[str, str]:
    """The environments under git in `folder`, as they are here; the variables that commands run with are returned."""
    shutil.copytree(ROOT / "environments", folder / "environments")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost", "GIT_CONFIG_GLOBAL": os.devnull}
    identity |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost"}
    variables = {**os.environ, **identity, "PATH": path, "COLUMNS": WIDTH, "PYTHONUNBUFFERED": "1"}
    for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "TTY_COMPATIBLE", "SPILLWAY_ENVIRONMENTS"):
        variables.pop(name, None)
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "as released"]):
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
