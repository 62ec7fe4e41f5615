"""The base of a review: its lock, and the folder of environments as it stood at a git revision.

The folder lies in a temporary place while a review is made, with the team's own catalog, traces and calibrations. What
a run that was killed left there is removed by the next one.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from planner.documents.lock import Lock
from planner.edges.git import archive_at
from planner.edges.workspace import Workspace

PREFIX = "spillway-base-"
"""Start of the name of a temporary folder; the process that made it follows."""


@dataclass(frozen=True)
class Base:
    """The base of a review.

    name: the git revision, or the path of the lock's file.
    lock: None where the revision has no lock.
    workspace: its folder; None where there is only a lock.
    """

    name: str
    lock: Lock | None
    workspace: Workspace | None


@contextmanager
def base_of(workspace: Workspace, name: str, base: str) -> Iterator[Base]:
    """Open the base of an environment: a lock in a file, or a git revision.

    Raises `Problems`: IO001 for a file that does not exist, GIT001 and GIT002, and LOCK001 to LOCK003.
    """
    lock = workspace.base(name, base) if base else None
    archive = None if lock is None or Path(base).is_file() else archive_at(base, workspace.folder)
    if archive is None:
        yield Base(base, lock, None)
        return
    _remove_leftovers()
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Base(base, lock, Workspace(Path(folder)) if _unpacked(archive, folder) else None)


def _unpacked(archive: bytes, folder: str) -> bool:
    """Unpack an archive; say whether that could be done. A link that leads out of the folder is refused."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
    except (tarfile.TarError, OSError):
        return False
    return True


def _remove_leftovers() -> None:
    """Remove the folders of this user's runs that are no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        process = folder.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdigit() and folder.is_dir() and not folder.is_symlink() and not _lives(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
