"""The same catalog at other prices: what a seller lists is multiplied, and what the team has agreed stays.

A discount is a share of the list price, so that it moves with the list. A net price of the team's own does not move.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal

from planner.domain.catalog import Catalog
from planner.domain.discounts import DiscountedPrice, OwnPrice
from planner.domain.prices import Price
from planner.words.layered import Layered


def with_list_prices(catalog: Catalog, kinds: Collection[str], factor: float) -> Catalog:
    """Return the catalog with the list prices of some kinds (`api`, `ec2`, `spot`, `platform`) times a factor.

    The prices are those of one day already (`Catalog.priced_on`); those of other days are not moved.
    """
    exact = Decimal(str(factor))

    def moved(key: str, price: Price) -> Price:
        return _times(price, exact) if price.kind in kinds else price

    return replace(catalog, prices=replace(catalog.prices, rows=Layered({}, catalog.prices.rows, moved)))


def _times(price: Price, factor: Decimal) -> Price:
    if isinstance(price, OwnPrice):
        return price
    if isinstance(price, DiscountedPrice):
        return price.discount.taken_off(price.listed.times(factor))
    return price.times(factor)
