"""Repositories of models, and what goes wrong with them on request."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOKEN = "hf_twin"
STRANGER = "hf_stranger"
"""A token that the Hub knows, of an account that may read nothing gated."""
LARGE = (".safetensors", ".bin", ".gguf", ".pth")
"""Endings of files that do not lie in git itself, so that the Hub states their SHA-256."""


@dataclass
class Repository:
    """A repository holds revisions by name; each is a commit with files.

    gated: whether its licence must be accepted; only the token may read its content then.
    cuts: file → numbers of bytes after which its connection breaks, one a request.
    spoilt: files whose content arrives changed.
    """

    revisions: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: bool = False
    cuts: dict[str, list[int]] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)

    def commit(self, files: Mapping[str, bytes], *names: str) -> str:
        """Add a commit, let names point to it, and return it."""
        digest = hashlib.sha1(usedforsecurity=False)
        for name, content in sorted(files.items()):
            digest.update(name.encode() + content)
        commit = digest.hexdigest()
        self.commits[commit] = dict(files)
        self.revisions.update(dict.fromkeys((commit, *names), commit))
        return commit

    def siblings(self, commit: str) -> list[dict[str, Any]]:
        """Return the files of a commit as the Hub lists them."""
        return [_sibling(name, content) for name, content in sorted(self.commits[commit].items())]


@dataclass
class World:
    """The Hub: repositories by name, and every request that came, with whether it bore the token."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, bool]] = field(default_factory=list)

    @staticmethod
    def of_folder(folder: Path) -> World:
        """Return the Hub of `FOLDER/OWNER/NAME/REVISION/...`."""
        world = World()
        for revision in sorted(folder.glob("*/*/*")):
            name = revision.parent.relative_to(folder).as_posix()
            files = {file.relative_to(revision).as_posix(): file for file in revision.rglob("*") if file.is_file()}
            contents = {path: file.read_bytes() for path, file in files.items()}
            world.repositories.setdefault(name, Repository()).commit(contents, revision.name)
        return world


def _sibling(name: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    entry = {"rfilename": name, "size": len(content), "blobId": blob}
    if name.endswith(LARGE):
        large = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 135}
        return {**entry, "lfs": large}
    return entry
