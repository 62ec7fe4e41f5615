"""Files of own prices, `catalog/prices/KIND/GROUP.yaml` beside the environments, as a refresh reads and writes them.

Remarks above the first key are kept. A remark further down would be lost when the file is written again, so such a file
is refused by name. REF007: a file that cannot be written again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from planner.documents.price_file import Names, PriceFile
from planner.edges.catalog_entries import SUFFIX
from planner.edges.catalog_yaml import TextLoader, read
from planner.edges.files import read_text
from planner.edges.own_catalog import FOLDER
from planner.words.diagnostics import Problem, Problems, Span

PRICES = "prices"
HEAD_KEYS = frozenset({"unit", "sources", "prices"})
_REMARK = re.compile(r"(?:^|\s)#(?=[^'\"]*$)")


def own_price_path(folder: Path, kind: str, group: str) -> Path:
    """Return the path of a file of own prices."""
    return folder / FOLDER / PRICES / kind / f"{group}{SUFFIX}"


def read_price_file(path: Path) -> PriceFile:
    """Return a file of own prices; an empty one where there is none. Raises `Problems`."""
    if not path.exists():
        return PriceFile()
    document = read(read_text(path), str(path), TextLoader)
    value = document.value if isinstance(document.value, dict) else {}
    problems = list(document.twice)
    first = next((n for n, line in enumerate(document.lines) if line.strip() and not line.startswith("#")), 0)
    for number, line in enumerate(document.lines[first:], first + 1):
        if _REMARK.search(line):
            where = Span(str(path), number, 1, len(line), line)
            hint = "move the remark above the first key of the file, or into the row's `note`"
            problems.append(Problem("REF007", "a remark that a refresh would lose", where, hint))
    for name in sorted(value.keys() - HEAD_KEYS):
        hint = "a file of own prices has `unit`, `sources` and `prices`"
        problems.append(Problem("REF007", f"{name} is not understood", document.span((name,)), hint))
    rows, sources = _mapping(value, "prices"), _mapping(value, "sources")
    if problems:
        raise Problems(problems)
    return PriceFile(
        unit=str(value.get("unit") or ""),
        sources={name: {key: str(text) for key, text in row.items()} for name, row in sources.items()},
        rows=dict(_rows(rows, ())),
        head=tuple(document.lines[:first]),
    )


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _rows(tree: Mapping[str, Any], above: Names) -> Iterator[tuple[Names, Mapping[str, str]]]:
    for name, value in tree.items():
        if not isinstance(value, dict):
            continue
        if any(isinstance(inner, dict) for inner in value.values()):
            yield from _rows(value, (*above, name))
        else:
            yield (*above, name), {key: str(text) for key, text in value.items()}
