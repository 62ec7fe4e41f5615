"""The text of modules as a digest: whether something that was computed before would be computed the same today."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

COMPILED_MODULES = (
    "compiling.py",
    "compiled_step.py",
    "state.py",
    "events.py",
    "batch.py",
    "gaps.py",
    "loop.py",
    "closed_loops.py",
)
"""The modules of which the compiled simulator is made."""


def sources_digest(modules: Iterable[str], folder: Path) -> str:
    """Return the SHA-256 of the text of some modules of a folder."""
    sources = (folder / name for name in modules)
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
