"""The keys of the schema at each place of a file that people write, and the key that a misspelt one means.

A misspelt key is one problem. What stands below it is read under the key that is meant, so that nothing is told to be
missing because of it, and what is wrong below it is told in the same run.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from planner.domain.environment import PLANNED_LATER, Environment
from planner.words.diagnostics import Problem
from planner.words.spans import Document, Path
from planner.words.wrapping import clipped

Schema = type[BaseModel]
"""The type of a whole file."""


def as_meant(document: Document, root: Schema = Environment) -> tuple[Document, tuple[Problem, ...]]:
    """Return a document with each misspelt key under the name that it means, and a problem (ENV003) for each of them.

    A key stays as it is where no name comes near, or where the name that it means stands beside it.
    root: the schema of the whole file.
    """
    found: list[Problem] = []
    stands_at: dict[Path, Path] = {}

    def read(value: Any, stood: Path, stands: Path) -> Any:
        stands_at[stood] = stands
        if isinstance(value, list):
            return [read(item, (*stood, index), (*stands, index)) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        names = _meant(value, stands, root)
        found.extend(_problem(document, (*stood, key), names[key]) for key in names if names[key] != key)
        return {names[key]: read(item, (*stood, key), (*stands, names[key])) for key, item in value.items()}

    value = read(document.value, (), ())
    keys = {stands_at[path]: span for path, span in document.keys.items()}
    values = {stands_at[path]: span for path, span in document.values.items()}
    return Document(document.file, value, keys, values), tuple(found)


def planned_later(path: Path, root: Schema = Environment) -> str | None:
    """Return why the key at a path is one of a later release; None where it is none."""
    if root is not Environment:
        return None
    for pattern, reason in PLANNED_LATER.items():
        steps = pattern.split(".")
        if len(steps) == len(path) and all(s in ("*", str(p)) for s, p in zip(steps, path, strict=True)):
            return reason
    return None


def keys_at(path: Path, root: Schema = Environment) -> Sequence[str]:
    """Return the keys that the schema has at `path`, sorted; none where a team chooses them, or where no keys stand."""
    return sorted(_fields(annotation_at(path, root)))


def nearest_key(key: str, keys: Sequence[str]) -> str | None:
    """Return the key that comes nearest to a misspelt one; None where none comes near."""
    return next(iter(difflib.get_close_matches(key, keys, n=1)), None)


def field_at(path: Path, root: Schema = Environment) -> FieldInfo | None:
    """Return the field of the schema at `path`; None where there is no such place."""
    return _fields(annotation_at(path[:-1], root)).get(str(path[-1])) if path else None


def annotation_at(path: Path, root: Schema = Environment) -> Any:
    """Return the type that stands at `path` of the file, or None where there is no such place."""
    annotation: Any = root
    for step in path:
        annotation = _inside(_plain(annotation), step)
    return _plain(annotation)


def admits_truths(path: Path, root: Schema = Environment) -> bool:
    """Say whether `true` and `false` may stand at `path` of the file, alone or in place of something else."""
    annotation = annotation_at(path, root)
    return any(_plain(choice) is bool for choice in (annotation, *get_args(annotation)))


def _meant(mapping: Mapping[Any, Any], path: Path, root: Schema) -> dict[Any, Any]:
    """Return, for each key of a mapping, the key that it means."""
    keys = keys_at(path, root)
    free = [key for key in keys if key not in mapping]
    names: dict[Any, Any] = {}
    for key in mapping:
        names[key] = key
        if keys and key not in keys and planned_later((*path, key), root) is None:
            nearest = nearest_key(clipped(str(key)), keys)
            if nearest in free:
                free.remove(nearest)
                names[key] = nearest
    return names


def _problem(document: Document, path: Path, meant: str) -> Problem:
    message = f"unknown key `{clipped(str(path[-1]))}`"
    return Problem("ENV003", message, document.key(path), f"did you mean `{meant}`?")


def _fields(annotation: Any) -> dict[str, FieldInfo]:
    """Return the fields of a part of the environment by the keys of the file; none of another type."""
    if not _is_model(annotation):
        return {}
    return {field.alias or name: field for name, field in annotation.model_fields.items()}


def _inside(annotation: Any, step: str | int) -> Any:
    if _is_model(annotation):
        field = _fields(annotation).get(str(step))
        return field.annotation if field is not None else None
    arguments, origin = get_args(annotation), get_origin(annotation)
    return arguments[1] if origin is dict else arguments[0] if origin is tuple else None


def _plain(annotation: Any) -> Any:
    """Return the type without its metadata and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    return _plain(choices[0]) if type(None) in get_args(annotation) and len(choices) == 1 else annotation


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
