"""The scalars of a document, one by one, and how to change them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

LeafPath = tuple[str, ...]


def leaves(value: Any, path: LeafPath = ()) -> Iterator[tuple[LeafPath, Any]]:
    """Every scalar of a document, with its path."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, str(index)))
    else:
        yield path, value


def other(value: Any) -> Any:
    """A value of the same kind that differs."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case None:
            return "7"
        case str() if re.fullmatch(r"\d+(\.\d+)?", value):
            return f"{Decimal(value) + 1:f}"
    return value + "x"


def keys_of(path: LeafPath) -> str:
    """The path as `tests.planner.plans.edited` takes it."""
    return "/".join(step.replace("/", "~") for step in path)
