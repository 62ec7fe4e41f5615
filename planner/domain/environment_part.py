"""The base of everything that an environment file holds, and the types that its parts share."""

from __future__ import annotations

import calendar
import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from planner.words.ranges import ipv4_network
from planner.words.wrapping import clipped


def _day(value: Any) -> Any:
    """Refuse numbers, which pydantic would count in seconds since 1970, and days on which no plan can rest."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        shown = "an empty value" if value is None else f"`{clipped(str(value))}`"
        raise ValueError(f"{shown} is not a date; write 2026-11-01")
    if not "2000" <= value[:4] < "2100":
        raise ValueError(f"`{value}` is not in this century; write 2026-11-01")
    return value


Day = Annotated[date, BeforeValidator(_day)]
"""A day of this century; written `2026-11-01`."""


def months_later(day: date, months: int) -> date:
    """Return the day so many months later, or the last one of its month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


Text = Annotated[str, Field(min_length=1)]
"""Text that is not empty."""
Cidr = Annotated[str, AfterValidator(ipv4_network)]
"""An IPv4 network; written `10.64.0.0/16`."""


class EnvironmentPart(BaseModel):
    """The base of all parts of an environment. A part is frozen, and a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)
