"""What git knows: the text of a file at a revision, the base of a branch, the commits that are checked out."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from planner.words.diagnostics import Problem, Problems


def text_at(revision: str, path: Path) -> str | None:
    """Return the text of a file at a revision; None when the revision has no such file.

    Raises `Problems`. GIT001: the folder is in no git checkout, the revision is unknown (a shallow clone gets a hint of
    its own), or the file was not text. GIT002: git is not installed.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise Problems([Problem("GIT001", f"{folder} is not a folder", hint="name a file of a git checkout")])
    inside = _git(folder, "rev-parse", "--is-shallow-repository")
    if inside.returncode != 0:
        errors = inside.stderr.decode(errors="replace").strip().splitlines()
        reason = errors[0] if errors else "it does not say why"
        raise Problems([Problem("GIT001", f"git cannot read {folder}: {reason}")])
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


def branched_from(revisions: Sequence[str], folder: Path) -> str | None:
    """Return the commit at which the checkout left the first of the revisions that git knows; None where it knows none.

    Of a clone that does not reach back so far it is the revision itself.
    """
    for revision in revisions:
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if (known := _line(folder, *asked)) is not None:
            return _line(folder, "merge-base", known, "HEAD") or known
    return None


def checked_out(folder: Path) -> tuple[str, ...]:
    """Return the commit that is checked out, and of a merge also the one that was merged in."""
    found = (_line(folder, "rev-parse", "--verify", "--quiet", name) for name in ("HEAD", "HEAD^2"))
    return tuple(commit for commit in found if commit is not None)


def _line(folder: Path, *arguments: str) -> str | None:
    """Return the line that git answers with; None where it refuses or there is no git."""
    try:
        answer = _git(folder, *arguments) if folder.is_dir() else None
    except Problems:
        return None
    return answer.stdout.decode(errors="replace").strip() or None if answer and answer.returncode == 0 else None


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise Problems([Problem("GIT002", "git is not installed", hint="install git, or give a file")]) from error
