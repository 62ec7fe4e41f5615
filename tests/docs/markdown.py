"""Reads the documents of this repository: their tables, their blocks of code, their links. Markdown as we write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def text_of(name: str) -> str:
    """A document by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def tables(text: str, *columns: str) -> Iterator[dict[str, str]]:
    """Rows of every table whose heading is exactly `columns`, as column → cell."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if _cells(line) == list(columns):
            for row in lines[number + 2 :]:
                cells = _cells(row)
                if not cells:
                    break
                assert len(cells) == len(columns), f"this row has {len(cells)} cells, not {len(columns)}: {row}"
                yield dict(zip(columns, cells, strict=True))


def code(cell: str) -> str:
    """The text of a cell that is one piece of code: `` `a` `` → a; other cells as they are."""
    match = re.fullmatch(r"(`+) ?(.*?) ?\1", cell)
    return match[2] if match else cell


def links(text: str) -> Iterator[str]:
    """Targets of links that stay in the repository, without their fragment."""
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(text)):
        if not re.match(r"[a-z]+:|#", target):
            yield target.partition("#")[0]


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def _cells(line: str) -> list[str]:
    """Cells of a table's line; a bar inside code or after a backslash parts nothing."""
    if not line.startswith("|"):
        return []
    parts = re.split(r"\|(?=(?:[^`]*`[^`]*`)*[^`]*$)", line.strip().removeprefix("|").removesuffix("|"))
    return [part.strip() for part in parts]
