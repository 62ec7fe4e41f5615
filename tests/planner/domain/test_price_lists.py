"""Which sources are price lists: those that a refresh writes, and no agreement of a team."""

from __future__ import annotations

import datetime

import pytest

from planner.domain.price_lists import is_list_price
from planner.edges import aws_prices
from planner.edges.api_price_list import open_price_list


@pytest.mark.parametrize("source", [aws_prices.SOURCE, open_price_list(datetime.date(2026, 11, 30)).source])
def test_what_a_refresh_writes_is_a_list_price(source: str) -> None:
    assert is_list_price(source)


@pytest.mark.parametrize("source", ["contract 4711 with AWS", "", "AWS Price List", "genai-prices-of-ours 1"])
def test_everything_else_is_what_the_team_pays(source: str) -> None:
    assert not is_list_price(source)
