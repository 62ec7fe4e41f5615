"""The index of decision records in docs/README.md, from the titles of the records."""

from __future__ import annotations

from pathlib import Path


def parts(folder: Path) -> dict[str, list[str]]:
    """The generated part of the index; folder: `docs/decisions`."""
    lines = []
    for record in sorted(folder.glob("*.md")):
        title = record.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}]({folder.name}/{record.name})")
    return {"decisions": lines}
