"""The environment file: an environment is read from text, and every problem of it is told in one run, with its line.

The schema is `planner.domain.environment`. This module turns pydantic's complaints into diagnostics that say what to
write instead. Keys that a later release will read are refused with their reason (ENV010).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from planner.documents.contradictions import contradictions
from planner.documents.misspelt import annotation_at, as_meant, field_at, keys_at, nearest_key, planned_later
from planner.domain.environment import TASKS_LATER, Environment
from planner.words.diagnostics import Problem, Problems, Span, first_of
from planner.words.spans import Document, Path, read, value_at
from planner.words.wrapping import clipped


def parse(text: str, file: str) -> tuple[Environment, Document]:
    """Read the text of an environment file. Return the environment, and the document that knows where each key stood.

    Raises `Problems` with every problem of the file: ENV001 (it is no YAML), ENV002 (a key stands twice), and those of
    `environment_of`.
    """
    document = read(text, file)
    return environment_of(document), document


def environment_of(document: Document) -> Environment:
    """Return the environment that a document holds.

    Raises `Problems` with every problem of it: ENV002 (a key is missing), ENV003 (a key is unknown), ENV004 (a value or
    unit is wrong), ENV005 (parts contradict each other), ENV010 (a key is planned for a later release).
    """
    if not isinstance(document.value, dict):
        hint = "see examples/environments/dev.yaml and docs/environment.md"
        raise Problems([Problem("ENV004", "an environment is a mapping of keys", Span(document.file, 1), hint)])
    document, misspelt = as_meant(document)
    try:
        environment = Environment.model_validate(document.value)
        details: list[ErrorDetails] = []
    except ValidationError as error:
        details = error.errors(include_url=False)
    complained = {_file_path(document, tuple(detail["loc"])) for detail in details}
    found = (
        *first_of(misspelt),
        *first_of(_problem(document, detail) for detail in _telling(details)),
        *first_of(_truths(document, complained)),
        *first_of(contradictions(document)),
    )
    if found:
        raise Problems(found)
    return environment


def canonical(environment: Environment) -> dict[str, Any]:
    """Return the environment as plain values, in the units of the file. The lock embeds them and digests them."""
    values: dict[str, Any] = environment.model_dump(mode="json", exclude_none=True)
    return values


def _truths(document: Document, complained: Set[Path]) -> Iterator[Problem]:
    """Require that `true` and `false` stand where they may: pydantic takes them for the numbers 1 and 0.

    complained: paths of which the schema has told already.
    """
    for path, where in document.values.items():
        value = value_at(document.value, path)
        told = any(path[:length] in complained for length in range(len(path) + 1))
        if isinstance(value, bool) and not told and annotation_at(path) is not bool:
            message = f"{_dotted(path)}: `{str(value).lower()}` is no number and no text"
            yield Problem("ENV004", message, where, _description(path))


def _telling(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out complaints that a list is too short where it is so only because one of its items was refused."""
    places = [detail["loc"] for detail in details]
    for detail in details:
        loc = detail["loc"]
        if detail["type"] == "too_short" and any(o[: len(loc)] == loc and o != loc for o in places):
            continue
        yield detail


def _problem(document: Document, detail: ErrorDetails) -> Problem:
    """Return the diagnostic for one of pydantic's complaints."""
    path = _file_path(document, tuple(detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return _unknown_key(document, path)
    if detail["type"] == "missing":
        dotted = _dotted((*path, detail["loc"][-1]))
        hint = _description((*path, detail["loc"][-1]))
        return Problem("ENV002", f"missing key `{dotted}`", document.key(path) or Span(document.file, 1), hint)
    if detail["loc"][-1] == "[key]":
        return _wrong_name(document, path, detail)
    if path[-1:] == ("task",) and detail["input"] in TASKS_LATER:
        message = f"task `{detail['input']}` is not planned yet; chat and completion are"
        return Problem("ENV010", message, document.at(path), "leave the route out")
    message = f"{_dotted(path)}: {_sentence(detail)}" if path else _sentence(detail)
    return Problem("ENV004", message, document.at(path), _description(path))


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


def _unknown_key(document: Document, path: Path) -> Problem:
    """Return the diagnostic for a key that the schema does not have there."""
    key = clipped(str(path[-1]))
    if re.fullmatch(r"\d{3}", key):  # `{monthly: $60,000}` is two keys to YAML
        hint = 'inside {…} a comma ends the value; write "$60,000" in quotes, or $60000'
        return Problem("ENV004", f"`{key}` is the rest of a number that a comma cut", document.key(path), hint)
    if (reason := planned_later(path)) is not None:
        return Problem("ENV010", f"`{key}`: {reason}", document.key(path), f"remove `{key}`")
    keys = keys_at(path[:-1])
    near = nearest_key(key, keys)
    hint = f"did you mean `{near}`?" if near else f"known keys here: {', '.join(keys)}" if keys else ""
    return Problem("ENV003", f"unknown key `{key}`", document.key(path), hint)


def _description(path: Path) -> str:
    """Return what the schema says of the key at `path`. It is the hint for a value of the wrong form."""
    field = field_at(path)
    return field.description or "" if field is not None else ""


def _dotted(path: Path) -> str:
    return ".".join(clipped(str(step)) for step in path)
