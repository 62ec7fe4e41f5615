"""YAML as catalog files use it: text → plain values, and the place of each of them.

A scalar is what it looks like and nothing else: `true`, `false`, `null`, a whole number (`32_762_123_264`), a decimal
number (`62.5`). Everything else is text, also a date and the word `no`. A file ends with the line `...`, which is
YAML's own mark for the end of a document, so that a file that was cut off cannot pass.

CAT002: text that is not YAML or not whole. CAT004: a key that stands twice. No file is opened here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Path

END = "..."
"""The last line of every catalog file."""


_SCALARS = (
    ("tag:yaml.org,2002:null", r"(?:null)?", "n", ""),
    ("tag:yaml.org,2002:bool", r"true|false", "t", "f"),
    ("tag:yaml.org,2002:int", r"-?(?:0|[1-9][0-9]*(?:_[0-9]+)*)", *"-0123456789"),
    ("tag:yaml.org,2002:float", r"-?[0-9]+\.[0-9]+", *"-0123456789"),
)
"""A tag, the form of the whole text that bears it, and the characters with which such a text begins."""

TEXT = "tag:yaml.org,2002:str"
COLLECTIONS: dict[type[yaml.Node], str] = {
    yaml.MappingNode: "tag:yaml.org,2002:map",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
}

_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # the parser in C where PyYAML was built with it


class TextLoader(_Base):  # type: ignore[misc]  # a class that is chosen at run time
    """A loader that reads every scalar as the text that stands there, so that a price keeps all its digits."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's attribute

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """Return the tag of a node. It is PyYAML's rule without resolvers by path, which no catalog file needs."""
        if kind is not yaml.ScalarNode:
            return COLLECTIONS[kind]
        if value is not None and implicit[0]:
            for tag, whole in self.yaml_implicit_resolvers.get(value[:1], ()):
                if whole.match(value):
                    return tag
        return TEXT

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:
        """Do nothing: there are no resolvers by path."""

    def ascend_resolver(self) -> None:
        """Do nothing: there are no resolvers by path."""


class FactLoader(TextLoader):
    """A loader that reads scalars as the docstring of this module says."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, re.compile(rf"(?:{whole})\Z")) for tag, whole, *begins in _SCALARS if first in begins]
        for first in {first for _, _, *begins in _SCALARS for first in begins}
    }


@dataclass(frozen=True)
class CatalogDocument:
    """A catalog file that was read.

    file: its name within the catalog folder.
    value: its plain values.
    lines: its lines.
    root: its YAML nodes, which give the place of a value when a problem asks for one.
    twice: CAT004 for each key that stands twice; `value` has the last of them.
    """

    file: str
    value: Any
    lines: Sequence[str]
    root: yaml.Node | None
    twice: tuple[Problem, ...]

    def holds(self, path: Path) -> bool:
        """Return whether there is a value at `path`."""
        node = self.root
        for step in path:
            node, _ = _step(node, step)
        return node is not None

    def span(self, path: Path) -> Span:
        """Return the place of the key (in a list: of the item) at `path`, or of its nearest ancestor in the file."""
        node, nearest = self.root, self.root
        for step in path:
            node, mark = _step(node, step)
            if mark is None:
                break
            nearest = mark
        return _span(self.file, self.lines, nearest) if nearest is not None else Span(self.file, 1)


def read(text: str, file: str, loader: type[TextLoader] = FactLoader) -> CatalogDocument:
    """Parse the text of one catalog file. Raises `Problems` with CAT002."""
    lines = text.splitlines()
    if not lines or lines[-1].rstrip() != END:
        hint = f"the last line of a catalog file is `{END}`; without it the file was cut off"
        raise Problems([Problem("CAT002", f"{file} does not end", Span(file, max(1, len(lines))), hint)])
    try:
        root = yaml.compose(text, Loader=loader)
        problems: list[Problem] = []
        value = _Values(file, lines, problems).of(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Span(file, mark.line + 1, mark.column + 1, 1, lines[mark.line]) if mark else Span(file, 1)
        raise Problems([Problem("CAT002", f"this is not YAML: {error.problem or error}", where)]) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Problems([Problem("CAT002", f"this is not YAML: {error}", Span(file, 1))]) from error
    return CatalogDocument(file, value, lines, root, tuple(problems))


class _Values:
    """One walk over a file's nodes, which makes plain values of them."""

    def __init__(self, file: str, lines: Sequence[str], problems: list[Problem]) -> None:
        self._file, self._lines, self._problems = file, lines, problems

    def of(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.of(child) for child in node.value]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in mapping:
                first = next(k.start_mark.line + 1 for k, _ in node.value if k.value == name)
                where = _span(self._file, self._lines, key)
                self._problems.append(
                    Problem("CAT004", f"{name} stands twice, first in line {first}", where, "keep one of them")
                )
            mapping[name] = self.of(value)
        return mapping


def _scalar(node: yaml.Node) -> Any:
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return node.value == "true"
        case "int":
            return int(node.value)
        case "float":
            return float(node.value)
        case _:
            return node.value


def _step(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Return (value, the node that marks its place) of one step down; None twice where the step leads nowhere."""
    if isinstance(node, yaml.MappingNode):
        return next(((value, key) for key, value in node.value if key.value == step), (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None, None


def _span(file: str, lines: Sequence[str], node: yaml.Node) -> Span:
    start, end = node.start_mark, node.end_mark
    length = end.column - start.column if end.line == start.line else 1
    source = lines[start.line] if start.line < len(lines) else ""
    return Span(file, start.line + 1, start.column + 1, max(1, length), source)
