"""YAML that remembers where every key and value stood, so that an error can point at it.

`read` gives plain Python values, and a table from path to span. It reads only what an environment file needs: mappings
with text keys, lists and scalars. Anchors are allowed within the limits of `bounded_yaml`. Duplicate keys, which YAML
parsers usually swallow, are errors, and so are merge keys and tags of other kinds of values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from planner.words.bounded_yaml import WRITTEN_BY_PEOPLE, BeyondLimits, YamlLimits, compose
from planner.words.diagnostics import Problem, Problems, Span, first_of

Path = tuple[str | int, ...]
"""Keys and indices that lead from the top of a file to a value."""
MOST_DIGITS = 300
"""Digits of the longest whole number that is read as one. A longer one is a number to no processor; it stays text."""
_KINDS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)
"""Tags of what is read. `merge` and `value` are `<<` and `=`, which are text where no key stands."""
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z")
"""A whole number as people mean it. YAML 1.1 reads `010` as 8 and `12:30` as 750; here both stay text."""
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Characters that an escape like `\\0` can write and that no name, path or sentence has."""


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
        if isinstance(value, dict):
            value = value.get(step)
        else:
            value = value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None
    return value


def mapping_at(value: Any, *path: str) -> dict[Any, Any]:
    """Return the mapping at a path; an empty one when something else stands there."""
    mapping = value_at(value, path)
    return mapping if isinstance(mapping, dict) else {}


def read(text: str, file: str, limits: YamlLimits = WRITTEN_BY_PEOPLE) -> Document:
    """Parse YAML text.

    Raises `Problems`: ENV001 for text that is not YAML or beyond the limits, ENV002 for duplicate keys and for keys and
    values of other kinds than a file of ours has.
    """
    text = text.removeprefix("\ufeff")
    lines = text.splitlines()
    walk = _Walk(file, lines, limits.text)
    try:
        node = compose(text, file, lines, limits)
        value = walk.build(node, ()) if node is not None else {}
    except BeyondLimits as beyond:
        raise Problems([beyond.problem]) from beyond
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
    except (
        ValueError,
        OverflowError,
    ) as error:  # an escape like "\UFFFFFFFF", a number of a tag: PyYAML gives no place
        raise Problems([Problem("ENV001", f"this is not YAML: {error}", Span(file, 1))]) from error
    if walk.problems:
        raise Problems(first_of(walk.problems))
    return Document(file, value, walk.keys, walk.values)


def _span(file: str, lines: list[str], line: int, column: int, length: int) -> Span:
    return Span(file, line + 1, column + 1, max(1, length), lines[line] if line < len(lines) else "")


class _Walk:
    """One pass over the node tree, which collects spans and problems."""

    def __init__(self, file: str, lines: list[str], longest: int) -> None:
        self.file, self.lines, self.longest = file, lines, longest
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
        if node.tag not in _KINDS:
            hint = "write plain text, a number, a list or a mapping"
            self.problems.append(
                Problem("ENV001", f"values of the kind `{node.tag}` are not read", self.span(node), hint)
            )
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self.keys[path] = self.span(node)
        return self.build(node, path)

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag
        if not self._is_text(node):
            return None
        if kind.endswith((":int", ":float")):
            return self._number(node)
        # A date stays text: one parser, one message.
        return self._scalars.construct_object(node) if kind.endswith((":bool", ":null")) else node.value

    def _is_text(self, node: yaml.Node) -> bool:
        """Say whether a scalar is text of a length that somebody reads, and tell what is wrong with another one."""
        if len(node.value) > self.longest:
            message = f"this has {len(node.value):,} characters; {self.longest:,} are the most that is read"
            self.problems.append(Problem("ENV004", message, self.span(node)))
        elif _NOT_TEXT.search(node.value):
            self.problems.append(Problem("ENV004", "this has a character that is no text", self.span(node)))
        else:
            return True
        return False

    def _number(self, node: yaml.Node) -> Any:
        """Return a number, or the text of what is none: `!!int twelve`. What reads it will say what it should be."""
        text = node.value
        whole = node.tag.endswith(":int")
        if len(text) > MOST_DIGITS or ":" in text or (whole and not _WHOLE.match(text)):
            return text
        try:
            return self._scalars.construct_object(node)
        except ValueError:
            return text

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            span = self.span(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem("ENV002", "a key must be plain text", span))
                continue
            key = str(key_node.value)
            if key_node.tag == "tag:yaml.org,2002:merge":
                hint = "write out the keys that it would take from the anchor"
                self.problems.append(Problem("ENV002", "merge keys are not read here", span, hint))
                continue
            if not self._is_text(key_node):
                continue
            if key in result:
                first = self.keys[(*path, key)]
                hint = f"the first one is on line {first.line}; keep one of them"
                self.problems.append(Problem("ENV002", f"duplicate key `{key}`", span, hint))
                continue
            self.keys[(*path, key)] = span
            result[key] = self.build(value_node, (*path, key))
        return result
