"""What a team says of its load: how many requests come, when, and how that changes over the months."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from planner.domain.environment_part import EnvironmentPart
from planner.words.fields import left_out_at
from planner.words.units import HOURS_PER_WEEK, Count, DurationMs, Share

MOST_REQUESTS_PER_SECOND, LEAST_REQUESTS_PER_SECOND = 1e6, 1e-6
"""Rates that are planned, requests/s: from three requests a month to more than any service has."""

Week = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1e9)], ...], Field(min_length=HOURS_PER_WEEK, max_length=HOURS_PER_WEEK)
]
"""How the 168 hours of a week compare, from Monday 00:00 on."""
NamedProfile = Literal["flat", "office-hours", "global", "batch-nightly"]
Profile = Annotated[
    Annotated[NamedProfile, Tag("name")] | Annotated[Week, Tag("week")],
    Discriminator(lambda value: "week" if isinstance(value, list | tuple) else "name"),
]
RequestsPerSecond = Annotated[float, Field(ge=LEAST_REQUESTS_PER_SECOND, le=MOST_REQUESTS_PER_SECOND)]
Month = Annotated[int, Field(ge=1, le=12)]
"""A month of the calendar, 1 to 12."""


class Rate(EnvironmentPart):
    """Requests per second: their mean over the week, or over its busiest hour."""

    mean: RequestsPerSecond | None = None
    peak: RequestsPerSecond | None = None


class Volume(EnvironmentPart):
    """An amount a day or a month, averaged over the week."""

    per_day: Count | None = None
    per_month: Count | None = None


class Users(EnvironmentPart):
    """People who use the route in the busiest hour: each sends a request, reads the answer, and sends the next one."""

    concurrent: Count
    think_time: DurationMs


class Traffic(EnvironmentPart):
    """How many requests come, and when. Several statements of the load must agree."""

    trace: str | None = None
    profile: Profile = "flat"
    timezone: str = "UTC"
    requests_per_second: Rate | None = None
    requests: Volume | None = None
    tokens: Volume | None = None
    users: Users | None = None
    growth_per_month: Share | None = None
    seasons: dict[Month, Annotated[float, Field(gt=0, le=100)]] = left_out_at({})
    uncertainty: Share | None = None
