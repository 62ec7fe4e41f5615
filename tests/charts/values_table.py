"""A chart's `values.yaml` as a table: one row a key, its default and the comment above it.

It reads the file's own layout (the comment lines directly above a key belong to it), so the README's table is never
written by hand. A key whose value is a mapping with comments inside is a heading; any other value is one row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

BEGIN = "<!-- values: generated from values.yaml -->"
END = "<!-- values: end -->"


@dataclass(frozen=True)
class Row:
    """One documented key: `path` in Helm's dotted form, `default` as JSON, `text` the comment (empty: none)."""

    path: str
    default: str
    text: str


def rows(text: str) -> list[Row]:
    """Keys of a values file in file order."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return list(_rows(root, lines, ""))


def table(text: str) -> str:
    """The Markdown table of a values file."""
    body = [f"| `{row.path}` | `{row.default}` | {_cell(row.text)} |" for row in rows(text)]
    return "\n".join(["| Key | Default | What it is |", "|---|---|---|", *body])


def with_table(readme: str, text: str) -> str:
    """A README with the part between the markers replaced by the table."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table(text)}\n{END}{after}"


def _rows(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Row]:
    for key, value in node.value:
        path = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
            yield from _rows(value, lines, f"{path}.")
        else:
            default = json.dumps(_plain(value), ensure_ascii=False)
            yield Row(path, default, _comment_above(lines, key.start_mark.line))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node, Dumper=yaml.SafeDumper))


def _comment_above(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].lstrip().removeprefix("#").strip())
    return " ".join(found)
