"""docs/lock.md names every part of a lock, and nothing that is not one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from planner.documents.lock import Lock
from tests.docs.markdown import code, tables, text_of
from tests.examples import lock_paths

TOLD = {code(row["key"]): row["what it says"] for row in tables(text_of("docs/lock.md"), "key", "what it says")}


def model_keys(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every key that holds a value, by dotted path; `[]` is an entry of a list."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        inner = [kind for kind in (annotation, *get_args(annotation)) if _is_model(kind)]
        here = f"{path}.{name}" if path else name
        if inner:
            yield from model_keys(inner[0], f"{here}[]" if get_origin(annotation) is tuple else here)
        else:
            yield here


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def file_keys(value: Any, path: str = "") -> Iterator[str]:
    """Paths that stand in a file, down to those that the guide tells."""
    if path in TOLD:
        yield path
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from file_keys(part, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for part in value:
            yield from file_keys(part, f"{path}[]")
    elif value is not None or not any(key.startswith(f"{path}.") for key in TOLD):  # a part that a plan lacks is null
        yield path


def test_every_key_of_the_model_is_told_and_no_other() -> None:
    assert sorted(TOLD) == sorted(model_keys(Lock)), "docs/lock.md and the models of the lock name other keys"
    assert [key for key, text in TOLD.items() if len(text) < 4] == []


@pytest.mark.parametrize("path", lock_paths(), ids=lambda path: path.name)
def test_a_reader_of_a_committed_lock_finds_every_key(path: Any) -> None:
    found = set(file_keys(json.loads(path.read_text(encoding="utf-8"))))
    assert found <= set(TOLD)
    assert "plan.cost.usd_per_month" in found
