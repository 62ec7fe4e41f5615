"""The names of environments in a folder, read without loading what plans need: a shell asks at every press of a key."""

from __future__ import annotations

from pathlib import Path


def environment_names(folder: Path) -> tuple[str, ...]:
    """Return the names of all environments in the folder, sorted. Pulumi's settings of a stack are none."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml") if not path.name.startswith("Pulumi.")))
