"""What git knows of a file: its text at a revision, and whether it is committed as it stands."""

from __future__ import annotations

import subprocess
from pathlib import Path

from planner.words.diagnostics import Problem, Problems


def text_at(revision: str, path: Path) -> str | None:
    """The text of a file at a revision; None when the revision has no such file.

    Errors: GIT001 when the folder is in no git checkout, the revision is unknown (a shallow clone gets its own hint) or
    the file was not text; GIT002 without git.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise Problems([Problem("GIT001", f"{folder} is not a folder", hint="name a file of a git checkout")])
    inside = _git(folder, "rev-parse", "--is-shallow-repository")
    if inside.returncode != 0:
        said = inside.stderr.decode(errors="replace").strip().splitlines()
        raise Problems([Problem("GIT001", f"git cannot read {folder}: {said[0] if said else 'it does not say why'}")])
    if _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").returncode != 0:
        shallow = inside.stdout.strip() == b"true"
        hint = "this clone is shallow: check out with `fetch-depth: 0`" if shallow else "see `git log --oneline`"
        raise Problems([Problem("GIT001", f"git knows no revision {revision!r} in {folder}", hint=hint)])
    shown = _git(folder, "show", f"{revision}:./{path.name}")
    try:
        return shown.stdout.decode() if shown.returncode == 0 else None
    except UnicodeDecodeError as error:
        message = f"{path.name} is not UTF-8 text at revision {revision!r}"
        raise Problems([Problem("GIT001", message, hint="choose another revision")]) from error


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise Problems([Problem("GIT002", "git is not installed", hint="install git, or give a file")]) from error
