"""Fields of written values that older files do not have: a file states them only where they say something."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def left_out_at(default: Any, **options: Any) -> Any:
    """Return the field of a key that files of format 1.0 do not know.

    It is left out at its default wherever it is written. So an older lock stays fresh beside an environment that does
    not use the key, and its own digest holds. options: further options of pydantic's `Field`.
    """
    return Field(default=default, exclude_if=lambda value: value == default, **options)
