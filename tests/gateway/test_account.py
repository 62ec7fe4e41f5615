"""Tokens to nano-dollars."""

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.account import Usage, estimated_stream_usage, full_reserve, nano_usd, usage_of
from gateway.policy import TokenPrice

prices = st.decimals("0", "1000", places=6)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), prices, st.none() | prices, prices)
def test_cost_is_the_exact_sum_rounded_up_once(
    fresh: int, cached: int, output: int, input_price: Decimal, cached_price: Decimal | None, output_price: Decimal
) -> None:
    price = TokenPrice(input=input_price, cached_input=cached_price, output=output_price)
    usd = (
        fresh * input_price + cached * (input_price if cached_price is None else cached_price) + output * output_price
    ) / 10**6
    expected = int((usd * 10**9).to_integral_value(ROUND_CEILING))
    assert nano_usd(Usage(fresh + cached, cached, output), price) == expected


def test_by_hand() -> None:
    price = TokenPrice(input=Decimal("0.40"), cached_input=Decimal("0.10"), output=Decimal("1.60"))
    # 1000 input tokens of which 400 cached, 200 output: 600 x 400 + 400 x 100 + 200 x 1600 n$
    assert nano_usd(Usage(1000, 400, 200), price) == 240_000 + 40_000 + 320_000


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(3, 0, 4)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}}, Usage(3, 2, 4)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(3, 3, 4)),
        ({"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": None}, Usage(3, 0, 4)),
        ({"prompt_tokens": 3}, Usage(3, 0, 0)),
        ({"completion_tokens": 4}, None),
        ({"prompt_tokens": -1, "completion_tokens": 4}, None),
        ({"prompt_tokens": True, "completion_tokens": 4}, None),
        ({"prompt_tokens": 3, "completion_tokens": "4"}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_of(reported: object, usage: Usage | None) -> None:
    assert usage_of(reported) == usage


def test_estimates_are_flagged() -> None:
    assert estimated_stream_usage(10, 7) == Usage(10, 0, 7, estimated=True)
    assert full_reserve(10, 100, 3, 1000) == Usage(10, 0, 300, estimated=True)
    assert full_reserve(10, None, 2, 1000) == Usage(10, 0, 1980, estimated=True)
    assert full_reserve(2000, None, 1, 1000).output_tokens == 0
