"""Which ways of buying machines a team allows besides on demand, and which machines it has bought already.

It allows spot up to a share, and commitments for a term. It has machines of its own, capacity blocks and reservations.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from planner.domain.environment_part import EnvironmentPart
from planner.domain.owning import OwnedMachines
from planner.domain.purchases import COMMITMENTS, Commitment, Payment
from planner.domain.reserved_capacity import CapacityBlock, CapacityReservation
from planner.words.fields import left_out_at
from planner.words.units import Share

SPOT_QUOTA = "-spot"
"""End of the name of a quota that binds spot machines: AWS counts them apart."""


Payments = Annotated[
    Annotated[bool, Tag("flag")] | Annotated[tuple[Payment, ...], Tag("payments")],
    Discriminator(lambda value: "payments" if isinstance(value, list | tuple) else "flag"),
]
"""Which payments of a term may be taken; `true` is the one that asks for nothing at once."""
_HINT = "`true`, with nothing at once, or a list of no-upfront, partial-upfront and all-upfront"


class SpotRules(EnvironmentPart):
    """How far machines may be spot, which AWS takes back when it needs them.

    max_share: largest share of spot among the GPUs of a kind, without machines that hold restricted data.
    """

    max_share: Annotated[Share, Field(description="a percentage: 50%")]


class Purchase(EnvironmentPart):
    """How machines may be bought besides on demand.

    spot: spot machines, in two zones or more; none without it.
    reserved_1y, reserved_3y: standard reserved instances of a term. Its months must lie within the horizon.
    owned: machines of one's own, outside AWS.
    capacity_blocks, reservations: capacity of the account that is paid for, whether it is used or not.
    """

    spot: SpotRules | None = left_out_at(None, description="write {max_share: 50%}")
    reserved_1y: Payments = left_out_at(False, description=_HINT)
    reserved_3y: Payments = left_out_at(False, description=_HINT)
    owned: tuple[OwnedMachines, ...] = left_out_at((), description="a list, like [{gpu: H100, count: 8}]")
    capacity_blocks: tuple[CapacityBlock, ...] = left_out_at((), description="a list of blocks")
    reservations: tuple[CapacityReservation, ...] = left_out_at((), description="a list of reservations")

    @property
    def commitments(self) -> tuple[Commitment, ...]:
        """Return the commitments that a plan may take."""
        allowed = {"1y": _payments(self.reserved_1y), "3y": _payments(self.reserved_3y)}
        return tuple(each for each in COMMITMENTS if each.payment in allowed[each.term])

    @property
    def spot_share(self) -> float:
        """Return the largest share of spot, 0 to 1."""
        return float(self.spot.max_share) if self.spot else 0.0


def _payments(stated: bool | tuple[Payment, ...]) -> tuple[Payment, ...]:
    if isinstance(stated, bool):
        return ("no-upfront",) if stated else ()
    return stated
