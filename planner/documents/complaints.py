"""What a schema finds wrong in a file that people write, in their words: a code, a place, and what to write instead.

Environments and files of rules are read so. Codes are those of environments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from planner.documents.misspelt import (
    Schema,
    admits_truths,
    as_meant,
    field_at,
    keys_at,
    nearest_key,
    planned_later,
)
from planner.domain.environment import TASKS_LATER
from planner.words.diagnostics import Problem, Span, first_of
from planner.words.spans import Document, Path, value_at
from planner.words.wrapping import clipped

T = TypeVar("T", bound=BaseModel)


def read_as(root: type[T], document: Document) -> tuple[T | None, Document, tuple[Problem, ...]]:
    """Return what a document holds, the document with misspelt keys under the names that they mean, and its problems.

    The value is None where the schema refuses it. Codes: ENV002 (a key is missing), ENV003 (a key is unknown), ENV004
    (a value or unit is wrong), ENV010 (a key is planned for a later release).
    """
    document, misspelt = as_meant(document, root)
    value: T | None = None
    details: list[ErrorDetails] = []
    try:
        value = root.model_validate(document.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
    complained = {_file_path(document, tuple(detail["loc"])) for detail in details}
    found = (
        *first_of(misspelt),
        *first_of(_problem(document, detail, root) for detail in _telling(details)),
        *first_of(_truths(document, complained, root)),
    )
    return value, document, found


def _truths(document: Document, complained: Set[Path], root: Schema) -> Iterator[Problem]:
    """Require that `true` and `false` stand where they may: pydantic takes them for the numbers 1 and 0.

    complained: paths of which the schema has told already.
    """
    for path, where in document.values.items():
        value = value_at(document.value, path)
        told = any(path[:length] in complained for length in range(len(path) + 1))
        if isinstance(value, bool) and not told and not admits_truths(path, root):
            message = f"{_dotted(path)}: `{str(value).lower()}` is no number and no text"
            yield Problem("ENV004", message, where, _description(path, root))


def _telling(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out complaints that a list is too short where it is so only because one of its items was refused."""
    places = [detail["loc"] for detail in details]
    for detail in details:
        loc = detail["loc"]
        if detail["type"] == "too_short" and any(o[: len(loc)] == loc and o != loc for o in places):
            continue
        yield detail


def _problem(document: Document, detail: ErrorDetails, root: Schema) -> Problem:
    """Return the diagnostic for one of pydantic's complaints."""
    path = _file_path(document, tuple(detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return _unknown_key(document, path, root)
    if detail["type"] == "missing":
        dotted = _dotted((*path, detail["loc"][-1]))
        hint = _description((*path, detail["loc"][-1]), root)
        return Problem("ENV002", f"missing key `{dotted}`", document.key(path) or Span(document.file, 1), hint)
    if detail["loc"][-1] == "[key]":
        return _wrong_name(document, path, detail)
    if path[-1:] == ("task",) and detail["input"] in TASKS_LATER:
        message = f"task `{detail['input']}` is not planned yet; chat and completion are"
        return Problem("ENV010", message, document.at(path), "leave the route out")
    message = f"{_dotted(path)}: {_sentence(detail)}" if path else _sentence(detail)
    return Problem("ENV004", message, document.at(path), _description(path, root))


def _sentence(detail: ErrorDetails) -> str:
    """Put pydantic's complaint in the words of the file."""
    value, context = detail["input"], detail.get("ctx", {})
    shown = "an empty value" if value is None else f"`{clipped(str(value))}`"
    match detail["type"]:
        case "model_type" | "dict_type":
            return "this must be a mapping of keys" + ("" if isinstance(value, dict | list) else f", not {shown}")
        case "tuple_type":
            return f"{shown} is not a list; write [a, b]"
        case "string_type":
            return f"{shown} is not text; put it in quotes"
        case "string_pattern_mismatch":
            return f"{shown} does not have the form that is wanted here"
        case "literal_error":
            return f"{shown} is not known here; write {context['expected']}".replace("'", "")
        case "too_short" | "too_long":
            bounds = [f"{word} {context[key]}" for key, word in _BOUNDS.items() if key in context]
            return f"this has {context['actual_length']} entries and must have {' '.join(bounds)}"
        case kind if kind.startswith("date_"):
            return f"{shown} is not a date; write 2026-11-01"
        case kind if kind.startswith("int_"):
            return f"{shown} is not a whole number"
        case kind if kind.startswith("float_"):
            return f"{shown} is not a number"
        case kind if kind.startswith("bool_"):
            return f"{shown} is neither true nor false"
    message = re.sub(r"^(Value error, |Input should )", "", detail["msg"])
    return f"{shown} should {message}" if message.startswith("be ") else message


_BOUNDS = {"min_length": "at least", "max_length": "at most"}


def _file_path(document: Document, loc: Path) -> Path:
    """Return the steps of pydantic's location that stand in the file. Others name a type, or a key that is missing."""
    path: Path = ()
    for step in loc:
        if (*path, step) in document.keys:
            path = (*path, step)
    return path


def _wrong_name(document: Document, path: Path, detail: ErrorDetails) -> Problem:
    """Return the diagnostic for a key that the team chose and that cannot stand there."""
    if detail["type"] == "literal_error":
        possible = detail["ctx"]["expected"].replace("'", "")
        return Problem("ENV004", f"`{clipped(str(path[-1]))}` is not known here; write {possible}", document.key(path))
    if not detail["type"].startswith("string_"):
        return Problem("ENV004", f"{_dotted(path)}: {_sentence(detail)}", document.key(path))
    hint = "lower-case letters, digits and hyphens, 30 at most, a letter first"
    return Problem("ENV004", f"`{clipped(str(path[-1]))}` cannot be used as a name here", document.key(path), hint)


def _unknown_key(document: Document, path: Path, root: Schema) -> Problem:
    """Return the diagnostic for a key that the schema does not have there."""
    key = clipped(str(path[-1]))
    if re.fullmatch(r"\d{3}", key):  # `{monthly: $60,000}` is two keys to YAML
        hint = 'inside {…} a comma ends the value; write "$60,000" in quotes, or $60000'
        return Problem("ENV004", f"`{key}` is the rest of a number that a comma cut", document.key(path), hint)
    if (reason := planned_later(path, root)) is not None:
        return Problem("ENV010", f"`{key}`: {reason}", document.key(path), f"remove `{key}`")
    keys = keys_at(path[:-1], root)
    near = nearest_key(key, keys)
    hint = f"did you mean `{near}`?" if near else f"known keys here: {', '.join(keys)}" if keys else ""
    return Problem("ENV003", f"unknown key `{key}`", document.key(path), hint)


def _description(path: Path, root: Schema) -> str:
    """Return what the schema says of the key at `path`. It is the hint for a value of the wrong form."""
    field = field_at(path, root)
    return field.description or "" if field is not None else ""


def _dotted(path: Path) -> str:
    return ".".join(clipped(str(step)) for step in path)
