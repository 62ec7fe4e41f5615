"""What git knows of a file: its text at a revision, and whether it is committed as it stands."""

from __future__ import annotations

import subprocess
from pathlib import Path

from planner.words.diagnostics import Problem, Problems


def text_at(revision: str, path: Path) -> str | None:
    """The text of a file at a revision; None when the revision has no such file.

    Errors: GIT001 when the folder is no git checkout or the revision is unknown; a shallow clone gets its own hint.
    """
    folder = path.resolve().parent
    if _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").returncode != 0:
        shallow = _git(folder, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"
        hint = "this clone is shallow: check out with `fetch-depth: 0`" if shallow else "see `git log --oneline`"
        raise Problems([Problem("GIT001", f"git knows no revision {revision!r} in {folder}", hint=hint)])
    shown = _git(folder, "show", f"{revision}:./{path.name}")
    return shown.stdout if shown.returncode == 0 else None


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Problems([Problem("GIT002", "git is not installed", hint="install git, or give a file")]) from error
