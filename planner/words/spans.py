"""YAML that remembers where every key and value stood, so that an error can point at it.

`read` gives plain Python values, and a table from path to span. It reads only what an environment file needs: mappings
with text keys, lists and scalars. Anchors are allowed. Duplicate keys, which YAML parsers usually swallow, are errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from planner.words.diagnostics import Problem, Problems, Span

Path = tuple[str | int, ...]
"""Keys and indices that lead from the top of a file to a value."""


@dataclass(frozen=True)
class Document:
    """A parsed file.

    file: its path.
    value: its plain values.
    keys, values: where the key and the value of each path stood. An item of a list has no key; it stands in both.
    """

    file: str
    value: Any
    keys: Mapping[Path, Span]
    values: Mapping[Path, Span]

    def key(self, path: Path) -> Span | None:
        """Return where the key of `path` stands, or that of its nearest ancestor in the file."""
        return self._nearest(self.keys, path)

    def at(self, path: Path) -> Span | None:
        """Return where the value of `path` stands, or the key of its nearest ancestor in the file."""
        return self.values[path] if path in self.values else self.key(path)

    def _nearest(self, table: Mapping[Path, Span], path: Path) -> Span | None:
        for length in range(len(path), -1, -1):
            if path[:length] in table:
                return table[path[:length]]
        return None


def value_at(value: Any, path: Path) -> Any:
    """Return the value at a path of plain values; None when the path leads nowhere."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def mapping_at(value: Any, *path: str) -> dict[Any, Any]:
    """Return the mapping at a path; an empty one when something else stands there."""
    mapping = value_at(value, path)
    return mapping if isinstance(mapping, dict) else {}


def read(text: str, file: str) -> Document:
    """Parse YAML text.

    Raises `Problems`: ENV001 for text that is not YAML, ENV002 for duplicate keys and for keys that are not text.
    """
    lines = text.splitlines()
    walk = _Walk(file, lines)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = walk.build(node, ()) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _span(file, lines, mark.line, mark.column, 1) if mark else None
        raise Problems([Problem("ENV001", f"this is not YAML: {error.problem or error}", where)]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        column = error.position - (text.rfind("\n", 0, error.position) + 1)
        where = Span(file, line + 1, column + 1)
        message = f"this is not YAML: the character #x{ord(text[error.position]):04x} may not stand in it"
        raise Problems([Problem("ENV001", message, where)]) from error
    except RecursionError as error:
        message = "this is not YAML that ends: an anchor holds itself, or it is nested too deeply"
        raise Problems([Problem("ENV001", message, Span(file, 1))]) from error
    if walk.problems:
        raise Problems(walk.problems)
    return Document(file, value, walk.keys, walk.values)


def _span(file: str, lines: list[str], line: int, column: int, length: int) -> Span:
    return Span(file, line + 1, column + 1, max(1, length), lines[line] if line < len(lines) else "")


class _Walk:
    """One pass over the node tree, which collects spans and problems."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.file, self.lines = file, lines
        self.keys: dict[Path, Span] = {}
        self.values: dict[Path, Span] = {}
        self.problems: list[Problem] = []
        self._scalars = yaml.SafeLoader("")

    def span(self, node: yaml.Node) -> Span:
        start, end = node.start_mark, node.end_mark
        length = end.column - start.column if end.line == start.line else len(self.lines[start.line]) - start.column
        return _span(self.file, self.lines, start.line, start.column, length)

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.values[path] = self.span(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self.keys[path] = self.span(node)
        return self.build(node, path)

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":  # a date stays text: one parser, one message
            return node.value
        try:
            return self._scalars.construct_object(node)
        except ValueError:  # `!!int twelve`: what reads the value will say what it should be
            return node.value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            span = self.span(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem("ENV002", "a key must be plain text", span))
                continue
            key = str(key_node.value)
            if key in result:
                first = self.keys[(*path, key)]
                hint = f"the first one is on line {first.line}; keep one of them"
                self.problems.append(Problem("ENV002", f"duplicate key `{key}`", span, hint))
                continue
            self.keys[(*path, key)] = span
            result[key] = self.build(value_node, (*path, key))
        return result
