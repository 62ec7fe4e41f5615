"""Which environments the files of a pull request touch. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

LOCK_ENDING = ".lock.json"
NEVER_PLANNED = ("Pulumi.",)
"""Beginnings of files beside the environments that no plan reads."""


def touched(paths: Iterable[str], names: Iterable[str], locked: Iterable[str]) -> tuple[str, ...]:
    """Return the environments that changed files touch, sorted.

    paths: changed files, relative to the folder of the environments.
    names: environments of that folder. locked: those that have a lock. A file beside them that is of none of them, like
    a trace or a price of the team's own, touches all of these.
    """
    known, found = frozenset(names), set[str]()
    for path in map(PurePosixPath, paths):
        if path.name.startswith(NEVER_PLANNED) or path.suffix == ".md":
            continue
        own = path.name.removesuffix(LOCK_ENDING).removesuffix(".yaml")
        if len(path.parts) == 1 and own != path.name:
            found |= {own} & known
        else:
            found |= known & set(locked)
    return tuple(sorted(found))
