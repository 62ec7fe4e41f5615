"""What a request used and what it cost, in whole nano-dollars.

It stands for the arithmetic of the bill: tokens as the backend reported them (or a flagged estimate), prices as the
policy states them. Local tokens are counted and cost nothing here: GPUs are paid by the hour, elsewhere. It keeps no
balance.

cost [n$] = ceil((input - cached) x p_input + cached x p_cached + output x p_output), p in n$ a token
= USD per million tokens x 1000.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gateway.policy import TokenPrice

NANO_PER_USD = 1_000_000_000
_PICO_PER_NANO = 1_000


@dataclass(frozen=True)
class Usage:
    """Tokens of one attempt. `cached_tokens` are part of `input_tokens`. `estimated`: not reported by the backend."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    estimated: bool = False


def usage_of(reported: object) -> Usage | None:
    """Usage from an OpenAI `usage` object; None when it is missing or makes no sense."""
    if not isinstance(reported, dict):
        return None
    input_tokens = _count(reported.get("prompt_tokens"))
    output_tokens = _count(reported.get("completion_tokens", 0))
    if input_tokens is None or output_tokens is None:
        return None
    details = reported.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(input_tokens, min(cached or 0, input_tokens), output_tokens)


def estimated_stream_usage(input_tokens: int, data_events: int) -> Usage:
    """For a stream that ended without usage: the input estimate, and one token an event that came."""
    return Usage(input_tokens, 0, data_events, estimated=True)


def full_reserve(input_tokens: int, output_cap: int | None, choices: int, context_tokens: int) -> Usage:
    """For a whole answer that was asked and never seen: everything it may have produced.

    Without an output cap that is what the context leaves beside the input.
    """
    most = output_cap if output_cap is not None else max(0, context_tokens - input_tokens)
    return Usage(input_tokens, 0, choices * most, estimated=True)


def nano_usd(usage: Usage, price: TokenPrice) -> int:
    """Cost of `usage` at `price`, rounded up to a whole nano-dollar."""
    cached_price = price.input if price.cached_input is None else price.cached_input
    # USD per million tokens has at most six decimals, so pico-dollars a token are whole: no rounding before the sum.
    pico = (
        (usage.input_tokens - usage.cached_tokens) * _pico_per_token(price.input)
        + usage.cached_tokens * _pico_per_token(cached_price)
        + usage.output_tokens * _pico_per_token(price.output)
    )
    return -(-pico // _PICO_PER_NANO)


def _pico_per_token(usd_per_mtok: Decimal) -> int:
    return int(usd_per_mtok * 1_000_000)


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None
