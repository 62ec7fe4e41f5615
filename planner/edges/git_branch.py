"""What git knows of a branch: where it left another one, what it changed, and how locks are committed to it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from planner.edges.git import known_revision, run_git
from planner.words.diagnostics import Problem, Problems

AUTHOR = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
"""Name and address of a commit that nobody's git is set up for."""


def parting(folder: Path, revision: str) -> str:
    """Return the commit at which the checkout left a revision. Raises `Problems` with GIT001."""
    hint = known_revision(folder, revision)
    found = run_git(folder, "merge-base", revision, "HEAD")
    if found.returncode != 0:
        message = f"git finds no commit that {revision!r} and the checkout share"
        raise Problems([Problem("GIT001", message, hint=hint)])
    return found.stdout.decode().strip()


def branched_from(revisions: Sequence[str], folder: Path) -> str:
    """Return the commit at which the checkout left the first of the revisions that git knows.

    Of a clone that does not reach back so far it is the revision itself. Raises `Problems` where git knows none: those
    of the first (GIT001, GIT002).
    """
    refusals = []
    for revision in revisions:
        try:
            known_revision(folder, revision)
        except Problems as refusal:
            refusals.append(refusal)
        else:
            return _line(folder, "merge-base", revision, "HEAD") or revision
    raise refusals[0]


def changed_files(folder: Path, revision: str) -> tuple[str, ...]:
    """Return the files below a folder that differ from a revision or are new, relative to the folder, sorted.

    Raises `Problems` with GIT003 when git refuses.
    """
    tracked = run_git(folder, "diff", "--name-only", "--relative", "-z", revision, "--", ".")
    new = run_git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    for run in (tracked, new):
        _done(run)
    return tuple(sorted({name for out in (tracked, new) for name in _names(out.stdout)}))


def is_tip(folder: Path, branch: str) -> bool:
    """Say whether the checkout is the last commit of a branch of `origin`, as far as this clone knows."""
    here = run_git(folder, "rev-parse", "HEAD")
    there = run_git(folder, "rev-parse", "--verify", "--quiet", f"refs/remotes/origin/{branch}")
    return there.returncode == 0 and here.stdout == there.stdout


def commit(folder: Path, files: Sequence[Path], message: str) -> str | None:
    """Commit these files alone and return the commit; None where git sees no change in them.

    Raises `Problems` with GIT003 when git refuses.
    """
    names = [str(file.resolve()) for file in files]
    _done(run_git(folder, "add", "--", *names))
    if run_git(folder, "diff", "--cached", "--quiet", "--", *names).returncode == 0:
        return None
    identity: tuple[str, ...] = ()
    if run_git(folder, "config", "user.email").returncode != 0:
        identity = ("-c", f"user.name={AUTHOR[0]}", "-c", f"user.email={AUTHOR[1]}")
    _done(run_git(folder, *identity, "commit", "--quiet", f"--message={message}", "--", *names))
    return run_git(folder, "rev-parse", "HEAD").stdout.decode().strip()


def push(folder: Path, branch: str) -> None:
    """Push the checkout to a branch of `origin`. Raises `Problems` with GIT003, as when the branch has moved on."""
    hint = "where the branch has moved on, its newer run plans; else the token may not write (`contents: write`)"
    _done(run_git(folder, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}"), hint)


def _names(out: bytes) -> list[str]:
    return [name for name in out.decode(errors="surrogateescape").split("\0") if name]


def _done(run: subprocess.CompletedProcess[bytes], hint: str = "") -> None:
    if run.returncode != 0:
        words = run.stderr.decode(errors="replace").strip() or run.stdout.decode(errors="replace").strip()
        shown = re.sub(r"://[^/@\s]+@", "://", words)  # a clone of continuous integration has its token in the address
        raise Problems([Problem("GIT003", f"git refuses: {shown}", hint=hint)])


def checked_out(folder: Path) -> tuple[str, ...]:
    """Return the commit that is checked out, and of a merge also the one that was merged in."""
    found = (_line(folder, "rev-parse", "--verify", "--quiet", name) for name in ("HEAD", "HEAD^2"))
    return tuple(commit for commit in found if commit is not None)


def _line(folder: Path, *arguments: str) -> str | None:
    """Return the line that git answers with; None where it refuses or there is no git."""
    try:
        answer = run_git(folder, *arguments) if folder.is_dir() else None
    except Problems:
        return None
    return answer.stdout.decode(errors="replace").strip() or None if answer and answer.returncode == 0 else None
