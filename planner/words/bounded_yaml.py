"""YAML text → its tree of nodes, in bounded time and memory whatever the text is.

A short text can stand for a huge tree: ten aliases of ten aliases, eight times over, are a hundred million values. So
values are counted as they will stand when every alias is replaced by what it names, and they are counted without
replacing any: the count of an anchor's node is known when its aliases come. Length, depth and count have limits, and
the first place beyond a limit is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from yaml.error import Mark

from planner.words.diagnostics import Problem, Span


@dataclass(frozen=True)
class YamlLimits:
    """How much a YAML file may hold.

    characters: length of its text.
    values: keys, items and values, with every alias replaced by what it names.
    text: characters of one key or value.
    depth: collections around a value.
    """

    characters: int
    values: int
    text: int
    depth: int = 50


WRITTEN_BY_PEOPLE = YamlLimits(characters=250_000, values=30_000, text=1_000)
"""Limits of an environment file: a hundred routes with a week of 168 numbers each."""
WRITTEN_BY_PROGRAMS = YamlLimits(characters=20_000_000, values=1_000_000, text=100_000)
"""Limits of a file that a program wrote, like a calibration of many runs."""


class BeyondLimits(Exception):
    """A text that holds more than its limits allow. problem: what is told of it (ENV001)."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


def compose(text: str, file: str, lines: list[str], limits: YamlLimits) -> yaml.Node | None:
    """Return the root of a text's nodes; None when it holds nothing.

    An alias is the node that its anchor names, so that a node may stand in several places.
    Raises BeyondLimits, and the errors of PyYAML for text that is no YAML.
    """
    if len(text) > limits.characters:
        message = f"this file has {len(text):,} characters; {limits.characters:,} are the most that is read"
        raise BeyondLimits(Problem("ENV001", message, Span(file, 1), "check that it is the file you mean"))
    composer = _Composer(text, file, lines, limits)
    try:
        root: yaml.Node | None = composer.get_single_node()
    finally:
        composer.dispose()
    return root


class _Composer(yaml.SafeLoader):
    """PyYAML's composer, which counts values and their depth."""

    def __init__(self, text: str, file: str, lines: list[str], limits: YamlLimits) -> None:
        super().__init__(text)
        self._file, self._lines, self._limits = file, lines, limits
        self._values = self._depth = self._deepest = 0
        self._size: dict[int, tuple[int, int]] = {}
        """Values in a node, and levels of them, by the id of the node; an anchored node lives as long as this."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next node and count the values in it."""
        start: Mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self._size:  # the node is not composed to its end
                raise self._beyond(start, "this alias stands inside the anchor that it names")
            values, levels = self._size[id(node)]
            self._grow(values, levels, start, "with every alias replaced by what it names, ")
            return node
        before, deepest = self._values, self._deepest
        self._grow(1, 1, start)
        self._depth, self._deepest = self._depth + 1, self._depth + 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._size[id(node)] = self._values - before, self._deepest - self._depth
        self._deepest = max(deepest, self._deepest)
        return node

    def _grow(self, values: int, levels: int, start: Mark, how: str = "") -> None:
        self._values += values
        self._deepest = max(self._deepest, self._depth + levels)
        if self._values > self._limits.values:
            raise self._beyond(start, f"{how}this file has more than {self._limits.values:,} values up to here")
        if self._depth + levels > self._limits.depth:
            raise self._beyond(start, f"{how}this is nested deeper than {self._limits.depth} levels")

    def _beyond(self, start: Mark, message: str) -> BeyondLimits:
        source = self._lines[start.line] if start.line < len(self._lines) else ""
        hint = "write out what is meant, or split the file"
        where = Span(self._file, start.line + 1, start.column + 1, 1, source)
        return BeyondLimits(Problem("ENV001", message, where, hint))
