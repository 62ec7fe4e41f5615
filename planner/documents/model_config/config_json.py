"""The JSON files of a model's repository: plain values, and the line of each key.

CFG001: text that is not a JSON object. CFG004: a key that stands twice with different values. No file is opened here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from planner.words.bounded_yaml import WRITTEN_BY_PROGRAMS, BeyondLimits, compose
from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Path


@dataclass(frozen=True)
class JsonFile:
    """A JSON file that was read.

    file: its name, for messages.
    text: its text.
    value: its plain values.
    """

    file: str
    text: str
    value: dict[str, Any]

    def span(self, path: Path) -> Span:
        """Return the place of the key at `path`, or of its nearest ancestor in the file."""
        lines = self.text.splitlines()
        try:
            node = compose(self.text, self.file, lines, WRITTEN_BY_PROGRAMS)  # JSON is YAML, and YAML knows its lines
        except (yaml.YAMLError, BeyondLimits, ValueError):
            return Span(self.file, 1)
        mark: yaml.Node | None = None
        for step in path:
            found = None
            if isinstance(node, yaml.MappingNode):
                found = next((pair for pair in node.value if pair[0].value == step), None)
            if found is None:
                break
            mark, node = found
        if mark is None:
            return Span(self.file, 1)
        line, column = mark.start_mark.line, mark.start_mark.column
        return Span(self.file, line + 1, column + 1, max(1, mark.end_mark.column - column), lines[line])


def read_json(text: str, file: str) -> JsonFile:
    """Parse a JSON object. Raises `Problems`."""
    twice: list[str] = []

    def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if key in made and made[key] != value:
                twice.append(key)
            made[key] = value
        return made

    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=without_doubles)
    except json.JSONDecodeError as error:
        where = Span(file, error.lineno, error.colno)
        hint = "give the `config.json` of the model's repository, as it is there"
        raise Problems([Problem("CFG001", f"this is not JSON: {error.msg}", where, hint)]) from error
    except (RecursionError, ValueError) as error:
        raise Problems([Problem("CFG001", f"this is not JSON that can be read: {error}", Span(file, 1))]) from error
    if not isinstance(value, dict):
        raise Problems([Problem("CFG001", f"{file} holds no JSON object", Span(file, 1))])
    read = JsonFile(file, text, value)
    if twice:
        raise Problems(
            Problem("CFG004", f"the key `{key}` stands twice, with different values", read.span((key,)))
            for key in dict.fromkeys(twice)
        )
    return read
