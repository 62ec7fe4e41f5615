"""The page on which a machine of continuous integration shows a summary of its run."""

from __future__ import annotations

import os
from pathlib import Path

from planner.words.diagnostics import Problem, Problems

SUMMARY = "GITHUB_STEP_SUMMARY"


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
