"""The manifest of a copy names every file with its size and digest. It is written last, as the proof that all came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

NAME = "spillway-manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class CopiedFile:
    """A file as it lies in the bucket.

    name: its path in the repository, and below the prefix.
    size: its length, bytes.
    sha256: digest of its content, hexadecimal.
    etag: S3's own mark of the content, which changes with it.
    """

    name: str
    size: int
    sha256: str
    etag: str


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing of the bucket tells it: its length in bytes, and its mark."""

    size: int
    etag: str


@dataclass(frozen=True)
class Manifest:
    """The manifest of one revision.

    repository: `OWNER/NAME` at the Hub.
    asked: the revision that was asked for, such as `main`.
    commit: the commit that it named.
    """

    repository: str
    asked: str
    commit: str
    files: tuple[CopiedFile, ...]

    def text(self) -> str:
        """Return the manifest as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, sort_keys=True) + "\n"

    @staticmethod
    def parse(text: str) -> Manifest | None:
        """Return the manifest of a text; None when it is none of this format."""
        try:
            raw = json.loads(text)
            if raw["format"] != FORMAT:
                return None
            files = tuple(CopiedFile(**file) for file in raw["files"])
            return Manifest(raw["repository"], raw["asked"], raw["commit"], files)
        except (ValueError, TypeError, KeyError):
            return None

    def proves(self, repository: str, asked: str, held: Mapping[str, StoredObject]) -> bool:
        """Tell whether this is the copy that is asked for, and the bucket holds all of it, unchanged.

        held: objects by their names below the prefix.
        """
        same = self.repository == repository and asked in (self.asked, self.commit)
        return same and all(held.get(file.name) == StoredObject(file.size, file.etag) for file in self.files)
