"""What a request used and what it cost, in whole nano-dollars.

This module does the arithmetic of the bill. Tokens are those that the backend reported, or an estimate that is marked
as one; prices are those of the policy. Local tokens are counted and cost nothing here, because GPUs are paid by the
hour, elsewhere. The module keeps no balance.

    cost [n$] = ceil((input - cached) × p_input + cached × p_cached + output × p_output)
    p [n$ a token] = price [USD per million tokens] × 1000
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gateway.policy import TokenPrice

NANO_PER_USD = 1_000_000_000
_PICO_PER_NANO = 1_000


@dataclass(frozen=True)
class Usage:
    """The usage of one attempt says which tokens it took.

    input_tokens: tokens of the prompt, cached ones included.
    cached_tokens: the part of `input_tokens` that the backend had in its cache.
    output_tokens: tokens that were generated.
    estimated: true if the backend did not report these figures.
    """

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    estimated: bool = False


def usage_of(reported: object) -> Usage | None:
    """Read an OpenAI `usage` object. The answer is None when the object is missing or makes no sense."""
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
    """Estimate the usage of a stream that ended without reporting it: the input estimate, and one token an event."""
    return Usage(input_tokens, 0, data_events, estimated=True)


def full_reserve(input_tokens: int, output_cap: int | None, choices: int, context_tokens: int) -> Usage:
    """Assume the most that a whole answer may have cost, for an answer that was asked for and never seen.

    Without an output cap, the answer may fill what the context leaves beside the input.
    """
    most = output_cap if output_cap is not None else max(0, context_tokens - input_tokens)
    return Usage(input_tokens, 0, choices * most, estimated=True)


def nano_usd(usage: Usage, price: TokenPrice) -> int:
    """Compute the cost of `usage` at `price`, rounded up to a whole nano-dollar."""
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
