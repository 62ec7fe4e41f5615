"""The peer in a virtual environment of its own, and one process in it that answers questions.

    $XDG_CACHE_HOME/spillway/peers/NAME-VERSION      ~/.cache without that variable; at most 1 GB with all that it needs

The environment is made once for each release and is never ours. Making it needs a package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKER = Path(__file__).with_name("aiconfigurator_worker.py")
COMPLETE = "complete"
"""Name of the file that stands in an environment when everything in it is installed."""
INSTALL_S = 900.0
ANSWER_S = 900.0


class NoPeer(Exception):
    """The peer could not be installed or did not answer. The text says why, in one line."""


@dataclass(frozen=True)
class PeerAnswers:
    """What the peer said. version: its name and release. answers: one for each question, in order."""

    version: str
    answers: tuple[dict[str, Any], ...]


def cache_folder() -> Path:
    """The folder of the environments of all peers."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "spillway" / "peers"


def python_of(requirement: str, folder: Path) -> Path:
    """The Python of the environment that holds `NAME==VERSION`; it is made where there is none. Raises NoPeer."""
    home = folder / requirement.replace("==", "-")
    python = home / "bin" / "python"
    if (home / COMPLETE).exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    try:
        venv.create(home, with_pip=True)
        run = subprocess.run([*install, requirement], capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoPeer(f"{requirement} could not be installed: {_line(str(error))}") from error
    if run.returncode:
        raise NoPeer(f"{requirement} could not be installed, which needs a package index: {_line(run.stderr)}")
    (home / COMPLETE).touch()
    return python


def ask(python: Path, questions: Sequence[str], worker: Path | None = None) -> PeerAnswers:
    """The answers of one process to all questions, which are lines of JSON. Raises NoPeer.

    worker: the program that answers; the one that predicts times, where none is named.
    """
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [str(python), "-I", str(worker or WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        said, complained = process.communicate("".join(f"{each}\n" for each in questions), timeout=ANSWER_S)
    except subprocess.TimeoutExpired:
        raise NoPeer(f"the peer did not answer {len(questions)} questions within {ANSWER_S:.0f} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return read_answers(said, complained, len(questions))


def read_answers(said: str, complained: str, questions: int) -> PeerAnswers:
    """What the lines of the worker say. Raises NoPeer where they are not one for each question."""
    try:
        head, *answers = (json.loads(line) for line in said.splitlines())
    except ValueError:
        raise NoPeer(f"the peer ended early: {_line(complained)}") from None
    if len(answers) != questions:
        raise NoPeer(f"the peer answered {len(answers)} of {questions} questions: {_line(complained)}")
    return PeerAnswers(str(head["version"]), tuple(answers))


def _line(text: str) -> str:
    """The last line of what a program said; pip and Python say there what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"no word of why ({Path(sys.executable).name})"
