"""Simulated capacities of former plans, one small file each, so that planning again takes no simulation.

    $XDG_CACHE_HOME/spillway/capacities/DIGEST.json      ~/.cache without that variable

A file that is missing, torn or of another form counts as absent, and a folder that cannot be written keeps nothing. The
cache changes how long a plan takes, and never what it says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, MutableMapping
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from planner.edges.files import write_text
from planner.performance.capacity import Capacity, NoCapacity
from planner.words.diagnostics import Problems

_FORM: TypeAdapter[Capacity | NoCapacity] = TypeAdapter(Capacity | NoCapacity)


class KeptCapacities(MutableMapping[str, Capacity | NoCapacity]):
    """Capacities by the digest of their question, on disk and in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or cache_folder()
        self._read: dict[str, Capacity | NoCapacity] = {}

    def __getitem__(self, digest: str) -> Capacity | NoCapacity:
        if digest not in self._read:
            try:
                self._read[digest] = _FORM.validate_json(self._file(digest).read_bytes())
            except (OSError, ValidationError):
                raise KeyError(digest) from None
        return self._read[digest]

    def __setitem__(self, digest: str, answer: Capacity | NoCapacity) -> None:
        self._read[digest] = answer
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_text(self._file(digest), json.dumps(asdict(answer), sort_keys=True) + "\n")
        except (OSError, Problems):
            return

    def __delitem__(self, digest: str) -> None:
        if digest not in self:
            raise KeyError(digest)
        del self._read[digest]
        self._file(digest).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[str]:
        written = {path.stem for path in self._folder.glob("[!.]*.json")}
        return (digest for digest in sorted(written | self._read.keys()) if digest in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _file(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"


def cache_folder() -> Path:
    """Return the folder of this user's capacities. Nothing can be written below it for a user without a home."""
    folders = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"), os.devnull)
    return Path(next(folder for folder in folders if os.path.isabs(folder))) / "spillway" / "capacities"
