"""The JSON files of a model's repository: plain values, and the line of each key.

CFG001: text that is not a JSON object. CFG004: a key that stands twice with different values. No file is opened here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Path

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
"""A word of JSON: a text, a mark, or anything else."""


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
        wanted = [str(step) for step in path]
        found, depth = None, 0
        for names, start, end in _keys(self.text):
            if depth < len(names) <= len(wanted) and names == wanted[: len(names)]:
                found, depth = (start, end), len(names)
        if found is None:
            return Span(self.file, 1)
        start, end = found
        line = self.text.count("\n", 0, start)
        column = start - (self.text.rfind("\n", 0, start) + 1)
        return Span(self.file, line + 1, column + 1, end - start, self.text.splitlines()[line])


def _keys(text: str) -> Iterator[tuple[list[str], int, int]]:
    """Yield each key of a JSON text: the names that lead to it, and where it begins and ends."""
    names: list[str] = []
    objects: list[bool] = []  # whether each collection around the place is an object
    previous = ""
    for token in _TOKEN.finditer(text):
        word = token.group()
        if word in "{[":
            objects.append(word == "{")
            names.append("")
        elif word in "}]" and objects:
            objects.pop()
            names.pop()
        elif word[0] == '"' and objects and objects[-1] and previous in "{,":
            names[-1] = word[1:-1]
            yield list(names), token.start(), token.end()
        previous = word


def _finite(number: str) -> float | str:
    """Return a decimal number; its text where it is not finite.

    Some models have `Infinity` at a key that nobody reads (Mamba 2: `time_step_limit`). As a text it is refused
    wherever a number is read.
    """
    value = float(number)
    return value if math.isfinite(value) else number


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
        value = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=without_doubles, parse_constant=str, parse_float=_finite
        )
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
