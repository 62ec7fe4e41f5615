"""The base of everything that an environment file holds, and the types that its parts share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
"""Text that is not empty."""


class EnvironmentPart(BaseModel):
    """The base of all parts of an environment. A part is frozen, and a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)


def since_1_1(default: Any, **options: Any) -> Any:
    """Return the field of a key that locks of format 1.0 do not know.

    It is left out at its default wherever it is written. So an older lock stays fresh beside a file that does not use
    the key, and its own digest holds. options: further options of pydantic's `Field`.
    """
    return Field(default=default, exclude_if=lambda value: value == default, **options)
