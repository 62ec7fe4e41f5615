"""Other ways of buying a machine than on demand, as the environment allows them and as far as they have a price.

Spot needs a price in two zones of the environment, which are pools of capacity that AWS takes back apart from each
other. A commitment needs a price that is not of before the last cut of its family's prices.
"""

from __future__ import annotations

from dataclasses import replace

from planner.domain.environment import Environment
from planner.domain.offerings import Offering, Offerings
from planner.domain.prices import PriceSnapshot
from planner.domain.purchases import committed_price, spot_price


def with_purchases(offerings: Offerings, environment: Environment, prices: PriceSnapshot) -> Offerings:
    """Return what may be bought, with the prices of the other ways in which the environment lets it be bought.

    A machine that cannot be bought on demand, because it is there already and is not sold, has no other way either.
    """
    wanted = environment.purchase
    if not wanted.spot_share and not wanted.commitments:
        return offerings

    def ways(row: Offering) -> Offering:
        if row.price is None:
            return row
        found = ((each, committed_price(prices, row.region, row.instance_type, each)) for each in wanted.commitments)
        return replace(
            row,
            spot=spot_price(prices, row.region, row.instance_type, row.zones) if wanted.spot_share else None,
            committed=tuple((each, price) for each, price in found if price is not None),
        )

    return Offerings(tuple(ways(row) for row in offerings))
