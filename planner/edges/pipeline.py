"""What the machine of a continuous integration says of its run, and the page on which it shows a summary."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from planner.documents.pull_request import PullRequest, of_github, of_gitlab
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems

SUMMARY = "GITHUB_STEP_SUMMARY"


def pull_request_here() -> PullRequest | None:
    """Return the pull request of this run; None outside of one. Raises `Problems` (IO001, CI001)."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    if not path:
        return of_gitlab(os.environ)
    try:
        event: Any = json.loads(read_text(Path(path)))
        return of_github(event, os.environ.get("GITHUB_ACTOR", ""))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"{path} is no event of GitHub: {error!r}"
        raise Problems([Problem("CI001", message, hint="GITHUB_EVENT_PATH names the file")]) from error


def summary_page() -> Path | None:
    """Return the file whose Markdown the run shows when it ends; None where the machine has no such page."""
    path = os.environ.get(SUMMARY)
    return Path(path) if path else None


def append_text(path: Path, text: str) -> None:
    """Add text at the end of a file. Raises `Problems` with IO002."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Problems([Problem("IO002", f"{path} cannot be written: {error.strerror}")]) from error
