"""Capacity of an AWS account that is paid for whether it is used or not: capacity blocks and capacity reservations.

A block is there from one day to another and is paid at once, so that an hour of one of its machines costs

    upfront ÷ (count · 24 · days)

A reservation (ODCR) has no end and costs what its machines cost on demand, used or not. Both are bought by a person:
their ids `cr-…` exist already.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from pydantic import Field

from planner.domain.environment_part import Day, EnvironmentPart, Text
from planner.words.units import Usd

RESERVATION_ID = r"^cr-[0-9a-f]{8,17}$"
"""How EC2 spells the id of a capacity reservation."""
_EXACT = Decimal("0.00000001")

ReservationId = Annotated[str, Field(pattern=RESERVATION_ID, description="an id of EC2, like cr-0123456789abcdef0")]


class CapacityBlock(EnvironmentPart):
    """A capacity block: machines that are there between two days.

    end: the first day on which they are gone.
    upfront: what all of it costs, paid at once.
    """

    reservation: ReservationId
    instance_type: Text
    count: Annotated[int, Field(ge=1, le=10_000)]
    start: Day
    end: Day
    upfront: Usd

    @property
    def days(self) -> int:
        """Return for how many days its machines are there."""
        return (self.end - self.start).days

    @property
    def usd_per_hour(self) -> Decimal:
        """Return what one of its machines costs an hour."""
        return (self.upfront / (self.count * 24 * self.days)).quantize(_EXACT, ROUND_HALF_EVEN)

    def is_there(self, day: date) -> bool:
        """Say whether its machines are there on a day."""
        return self.start <= day < self.end


class CapacityReservation(EnvironmentPart):
    """An open capacity reservation: machines that are kept free for the account until somebody cancels it."""

    reservation: ReservationId
    instance_type: Text
    count: Annotated[int, Field(ge=1, le=10_000)]


def there_on(day: date, blocks: Iterable[CapacityBlock]) -> tuple[CapacityBlock, ...]:
    """Return the blocks whose machines are there on a day."""
    return tuple(block for block in blocks if block.is_there(day))
