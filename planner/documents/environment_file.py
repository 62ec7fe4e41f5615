"""Reads an environment from text: every problem of the file in one run, each with its line.

The schema is `planner.domain.environment`; this module turns pydantic's complaints into diagnostics and adds what a
schema cannot say: keys that a later release will read, and references between parts of the file.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from planner.domain.environment import PLANNED_LATER, Environment, InputDependent
from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Document, Path, read


def parse(text: str, file: str) -> tuple[Environment, Document]:
    """Text of an environment file → the value, and the document that knows where each key stood.

    Errors: `Problems` with every problem of the file (ENV001 not YAML, ENV002 duplicate or missing key, ENV003 unknown
    key, ENV004 wrong value or unit, ENV005 contradiction, ENV010 planned later).
    """
    document = read(text, file)
    if not isinstance(document.value, dict):
        raise Problems(
            [Problem("ENV004", "an environment is a mapping of keys", Span(file, 1), "see environments/dev.yaml")]
        )
    try:
        environment = Environment.model_validate(document.value)
    except ValidationError as error:
        raise Problems(_problem(document, detail) for detail in error.errors(include_url=False)) from error
    contradictions = tuple(_contradictions(environment, document))
    if contradictions:
        raise Problems(contradictions)
    return environment, document


def canonical(environment: Environment) -> dict[str, Any]:
    """The environment as plain values, in the units of the file; the lock embeds it and digests it."""
    values: dict[str, Any] = environment.model_dump(mode="json", exclude_none=True)
    return values


def _contradictions(environment: Environment, document: Document) -> list[Problem]:
    found = []
    for name, route in environment.routes.items():
        path: Path = ("routes", name)
        if route.traffic.trace is None and route.tokens is None:
            found.append(
                Problem(
                    "ENV005",
                    f"route `{name}` has neither a trace nor token lengths",
                    document.key(path),
                    "add `traffic.trace:` or `tokens: {input: {mean, p95}, output: {mean, p95}}`",
                )
            )
        if isinstance(route.traffic.profile, tuple) and len(route.traffic.profile) != 168:
            where = document.at((*path, "traffic", "profile"))
            found.append(
                Problem("ENV004", f"a week has 168 hours, this profile has {len(route.traffic.profile)}", where)
            )
        if route.tokens is not None:
            for side in ("input", "output"):
                lengths = getattr(route.tokens, side)
                if lengths.p95 < lengths.mean:
                    where = document.at((*path, "tokens", side))
                    hint = "a lognormal's 95th percentile is above its mean here; check which is which"
                    found.append(Problem("ENV005", f"{side} p95 is below the mean", where, hint))
    return found


def _problem(document: Document, detail: ErrorDetails) -> Problem:
    path = _file_path(document, tuple(detail["loc"]))
    dotted = ".".join(str(part) for part in path)
    if detail["type"] == "extra_forbidden":
        return _unknown_key(document, path)
    if detail["type"] == "missing":
        return Problem("ENV002", f"missing key `{dotted}`", document.key(path[:-1]) or Span(document.file, 1))
    if path and path[-1] == "[key]":
        name = str(path[-2])
        hint = "lower-case letters, digits and hyphens, 30 at most, a letter first"
        return Problem("ENV004", f"`{name}` cannot be used as a name here", document.key(path[:-1]), hint)
    message = re.sub(r"^(Value error|Assertion failed), ", "", detail["msg"])
    return Problem("ENV004", f"{dotted}: {message[0].lower() + message[1:]}", document.at(path))


def _file_path(document: Document, loc: Path) -> Path:
    """pydantic's location without the steps that name a type instead of a key."""
    path: Path = ()
    for step in loc:
        candidate = (*path, step)
        known = candidate in document.values or candidate in document.keys
        if known or step == loc[-1] or step == "[key]":
            path = candidate
    return path


def _unknown_key(document: Document, path: Path) -> Problem:
    key = str(path[-1])
    if re.fullmatch(r"\d{3}", key):  # `{monthly: $60,000}` is two keys to YAML
        hint = 'inside {…} a comma ends the value; write "$60,000" in quotes, or $60000'
        return Problem("ENV004", f"`{key}` is the rest of a number that a comma cut", document.key(path), hint)
    for pattern, reason in PLANNED_LATER.items():
        steps = pattern.split(".")
        if len(steps) == len(path) and all(s in ("*", str(p)) for s, p in zip(steps, path, strict=True)):
            return Problem("ENV010", f"`{key}`: {reason}", document.key(path), f"remove `{key}`")
    siblings = _keys_at(path[:-1])
    close = difflib.get_close_matches(key, siblings, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"known keys here: {', '.join(siblings)}" if siblings else ""
    return Problem("ENV003", f"unknown key `{key}`", document.key(path), hint)


def _keys_at(path: Path) -> list[str]:
    """Field names of the model that stands at `path` of the environment."""
    model: Any = Environment
    for step in path:
        if isinstance(model, type) and issubclass(model, BaseModel) and step in model.model_fields:
            model = _model_in(model.model_fields[str(step)].annotation)
        elif isinstance(model, type) and issubclass(model, BaseModel):
            return []
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    """The pydantic model inside an annotation: of a mapping its values, of a list its items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return _model_in(arguments[1])
    models = [m for m in (_model_in(a) for a in arguments) if m not in (None, InputDependent)]
    return models[0] if models else None
