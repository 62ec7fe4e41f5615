"""What `diff --format json` says of each kind of change: a review that can be read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from planner.documents.review import Review
from tests.planner.golden import assert_golden
from tests.planner.reviews.kept import GOLDEN, NAMES, file_name, kept


def without_what_stands(values: dict[str, Any]) -> dict[str, Any]:
    """A review whose cost lines and prices are counted where they are as on the base."""
    lines = [line for line in values["lines"] if line["base_usd_per_month"] != line["usd_per_month"]]
    prices = [price for price in values["prices"] if price["base_unit_price"] != price["unit_price"]]
    counted = {"lines": len(values["lines"]) - len(lines), "prices": len(values["prices"]) - len(prices)}
    return values | {"lines": lines, "prices": prices, "as on the base": counted}


def dense(values: dict[str, Any]) -> Iterator[str]:
    """A document with its keys in order, one line for each value and for each item of a list."""
    for key, value in sorted(values.items()):
        if isinstance(value, list) and value:
            yield f"{json.dumps(key)}: ["
            yield from (f"  {json.dumps(each, sort_keys=True, ensure_ascii=False)}" for each in value)
            yield "]"
        else:
            yield f"{json.dumps(key)}: {json.dumps(value, sort_keys=True, ensure_ascii=False)}"


@pytest.mark.parametrize("name", NAMES)
def test_each_change_for_a_program(name: str) -> None:
    review = kept(name).review()
    values = review.model_dump(mode="json")
    assert Review.model_validate(json.loads(json.dumps(values))) == review
    told = values if name == NAMES[0] else without_what_stands(values)
    assert_golden(GOLDEN / f"{file_name(name)}.json.txt", "\n".join(dense(told)))
