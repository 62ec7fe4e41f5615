"""What git knows at a revision: the text of a file, and a folder as an archive. `git_branch` asks it about branches."""

from __future__ import annotations

import subprocess
from pathlib import Path

from planner.words.diagnostics import Problem, Problems


def text_at(revision: str, path: Path) -> str | None:
    """Return the text of a file at a revision; None when the revision has no such file.

    Raises `Problems`. GIT001: the folder is in no git checkout, the revision is unknown (a shallow clone gets a hint of
    its own), or the file was not text. GIT002: git is not installed.
    """
    folder = path.resolve().parent
    known_revision(folder, revision)
    shown = run_git(folder, "show", f"{revision}:./{path.name}")
    try:
        return shown.stdout.decode() if shown.returncode == 0 else None
    except UnicodeDecodeError as error:
        message = f"{path.name} is not UTF-8 text at revision {revision!r}"
        raise Problems([Problem("GIT001", message, hint="choose another revision")]) from error


def known_revision(folder: Path, revision: str) -> str:
    """Return what to do where this clone knows too little of a revision. Raises `Problems` where it knows nothing."""
    if not folder.is_dir():
        raise Problems([Problem("GIT001", f"{folder} is not a folder", hint="name a file of a git checkout")])
    inside = run_git(folder, "rev-parse", "--is-shallow-repository")
    if inside.returncode != 0:
        errors = inside.stderr.decode(errors="replace").strip().splitlines()
        reason = errors[0] if errors else "it does not say why"
        raise Problems([Problem("GIT001", f"git cannot read {folder}: {reason}")])
    shallow = inside.stdout.strip() == b"true"
    hint = "this clone is shallow: check out with `fetch-depth: 0`" if shallow else "see `git log --oneline`"
    known = run_git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if known.returncode != 0:
        raise Problems([Problem("GIT001", f"git knows no revision {revision!r} in {folder}", hint=hint)])
    return hint


def archive_at(revision: str, folder: Path) -> bytes | None:
    """Return a folder at a revision as a tar archive; None when git cannot give one, as of a folder that was not there.

    Raises `Problems` with GIT002 when git is not installed.
    """
    shown = run_git(folder, "archive", "--format=tar", revision, "--", ".")
    return shown.stdout if shown.returncode == 0 else None


def run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder and return how it ended. Raises `Problems` with GIT002 without git."""
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise Problems([Problem("GIT002", "git is not installed", hint="install git, or give a file")]) from error
