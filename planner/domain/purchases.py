"""Ways to buy a machine besides on demand: spot by zone, reserved for a term, and capacity blocks.

Keys of their prices in a snapshot, all in USD per hour of one machine:

    ec2/REGION/TYPE/spot/ZONE               spot in one zone, named by its id
    ec2/REGION/TYPE/reserved-TERM/PAYMENT   standard reserved instances; what is paid at once is spread over the term
    ec2/REGION/TYPE/capacity-block          a capacity block

A spot fleet runs in several zones, each a pool of capacity with its own price. So the price of spot is the 75th
percentile over the zones: the prices are sorted, and the point at 0.75 × (n − 1) is read with linear interpolation.
One zone alone is no price, because a fleet in one pool goes all at once.

A committed price that is older than the last cut of its family's prices is refused and never scaled: nobody knows by
how much AWS cut which term. Here nothing is decided; what a commitment is worth is the business of the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from typing import Literal, get_args

from planner.domain.discounts import DiscountedPrice, OwnPrice
from planner.domain.gaps import Gap
from planner.domain.prices import Price, PriceSnapshot, earliest_day

Payment = Literal["no-upfront", "partial-upfront", "all-upfront"]
Term = Literal["1y", "3y"]

CAPACITY_BLOCK = "capacity-block"
"""The option of purchase of a capacity block."""
SPOT = "spot"
"""The option of purchase of spot capacity; a zone follows it in the key of a price."""
LEAST_POOLS = 2
"""Zones with a price below which there is no price of spot."""
PERCENTILE = Decimal("0.75")
"""Where among the sorted prices of the zones the price of spot stands."""
_MONTHS: dict[Term, int] = {"1y": 12, "3y": 36}
_TENTH_OF_A_CENT = Decimal("0.001")


@dataclass(frozen=True, order=True)
class Commitment:
    """A standard reserved instance: a machine that is paid for a whole term, whether it runs or not.

    term: how long it is paid for.
    payment: what of it is paid at the beginning.
    """

    term: Term
    payment: Payment

    @property
    def months(self) -> int:
        """Length of the term, months."""
        return _MONTHS[self.term]

    @property
    def words(self) -> str:
        """The commitment in words, like `reserved 1y, no upfront`."""
        return f"reserved {self.term}, {self.payment.replace('-', ' ')}"

    @property
    def key(self) -> str:
        """The last parts of the keys of its prices, like `reserved-1y/no-upfront`."""
        return f"reserved-{self.term}/{self.payment}"

    def price_key(self, region: str, instance_type: str) -> str:
        """Return the key of its price for a machine."""
        return f"ec2/{region}/{instance_type}/{self.key}"


COMMITMENTS: tuple[Commitment, ...] = tuple(
    Commitment(term, payment) for term, payment in product(get_args(Term), get_args(Payment))
)
"""All commitments: the shorter term first, and what asks for less at once before what asks for more."""


def spot_key(region: str, instance_type: str, zone: str = "") -> str:
    """Return the key of the price of spot in a zone; without a zone that of the price over zones."""
    return f"ec2/{region}/{instance_type}/{SPOT}" + (f"/{zone}" if zone else "")


def capacity_block_key(region: str, instance_type: str) -> str:
    """Return the key of the price of a capacity block."""
    return f"ec2/{region}/{instance_type}/{CAPACITY_BLOCK}"


def spot_price(prices: PriceSnapshot, region: str, instance_type: str, zones: Sequence[str]) -> Price | None:
    """Return the price of spot over those of some zones that have one; None with fewer than two of them.

    It is as old as the oldest price in it, and its source names the zones that count. A discount that holds for all of
    them is taken off the price over the zones.
    """
    keys = (spot_key(region, instance_type, zone) for zone in sorted(set(zones)))
    counted = [price for key in keys if (price := prices.price(key)) is not None]
    if len(counted) < LEAST_POOLS:
        return None
    key = spot_key(region, instance_type)
    off = [price for price in counted if isinstance(price, DiscountedPrice)]
    if len(off) == len(counted) and len({price.discount for price in off}) == 1:
        return off[0].discount.taken_off(_over_zones(key, [price.listed for price in off]))
    return _over_zones(key, counted)


def committed_price(prices: PriceSnapshot, region: str, instance_type: str, commitment: Commitment) -> Price | None:
    """Return the price of a machine under a commitment; None without one that `no_commitment` does not refuse."""
    price = prices.price(commitment.price_key(region, instance_type))
    return None if price is None or prices.cut_since(price.key, price.as_of) is not None else price


def no_commitment(prices: PriceSnapshot, region: str, instance_type: str, commitment: Commitment) -> Gap | None:
    """Return why a machine has no price under a commitment; None where it has one.

    Either nobody stated one, or what was stated is of before the last cut of its family's prices.
    """
    price = prices.price(key := commitment.price_key(region, instance_type))
    if price is None:
        return prices.gap(key)
    if (cut := prices.cut_since(key, price.as_of)) is None:
        return None
    message = (
        f"the price {key} is of {price.as_of}, before AWS cut the prices of {cut.key} on {cut.day.isoformat()} "
        f"({cut.source})"
    )
    hint = f"state what AWS asks today in catalog/prices/ec2/{region}.yaml, beside the environments"
    return Gap("price", key, message, hint)


def _over_zones(key: str, counted: Sequence[Price]) -> Price:
    """Return the price over zones, of which each has a price."""
    oldest = min(counted, key=lambda price: (earliest_day(price.as_of), price.key))
    sources = "; ".join(sorted({price.source for price in counted}))
    zones = ", ".join(price.key.rpartition("/")[2] for price in counted)
    price = Price(
        key=key,
        usd=_percentile([price.usd for price in counted]),
        unit=oldest.unit,
        source=f"{sources} (75th percentile over {zones})",
        as_of=oldest.as_of,
        note="; ".join(sorted({price.note for price in counted if price.note})),
    )
    own = [price for price in counted if isinstance(price, OwnPrice)]
    if len(own) < len(counted):
        return price
    until = min((price.until for price in own if price.until is not None), default=None)
    return OwnPrice(**vars(price), until=until)


def _percentile(usd: Sequence[Decimal]) -> Decimal:
    """Return the percentile of some prices, rounded to a tenth of a cent."""
    ordered = sorted(usd)
    place = PERCENTILE * (len(ordered) - 1)
    below = int(place)
    above = ordered[min(below + 1, len(ordered) - 1)]
    exact = ordered[below] + (place - below) * (above - ordered[below])
    return exact.quantize(_TENTH_OF_A_CENT, ROUND_HALF_UP)
