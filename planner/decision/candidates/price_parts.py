"""The tokens of a request by the price part that an API bills them at.

    USD a request = N·p_in + H·p_cached + O·p_out        H: tokens of the shared prefix, N = S − H

A prefix that all prompts share is billed as cached input where all of this is known: the provider recognises it without
a mark in the request, the prefix is long enough for it, the snapshot has a price of cached input, and the model does
not bill what it writes into its cache. Otherwise there is no discount, and the reason is a value. That a provider still
has the prefix is assumed and not promised; the history of a session gets no discount anywhere, because nobody says how
long it is kept and the gateway may send its requests to different APIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from planner.domain.apis import ApiModel, PricePart, PromptCaching
from planner.domain.workload import Mix

NoDiscount = Literal["unknown", "marks", "no-minimum", "too-short", "no-price", "writes"]
"""Why a shared prefix is billed as other input. `unknown`: the catalog does not say how the provider recognises
prompts. `marks`: requests would have to carry marks. `no-minimum`: the shortest prefix is not stated. `too-short`: the
prefix is shorter. `no-price`: there is no price of cached input. `writes`: the model bills what it writes into its
cache, which would have to be estimated too."""


@dataclass(frozen=True)
class Recognised:
    """How much of the prompts of a route a hosted model bills as cached input.

    tokens: of every prompt that is longer.
    why_not: why there are none; None where there are some, or where the prompts share nothing.
    """

    tokens: float = 0.0
    why_not: NoDiscount | None = None


def recognised_prefix(
    row: ApiModel, caching: PromptCaching | None, parts: Mapping[PricePart, object], shared_tokens: float
) -> Recognised:
    """Return how much of a prefix a hosted model bills as cached input. `parts` are those that have a price."""
    if not shared_tokens:
        return Recognised()
    if "cached-input" not in parts:
        return Recognised(why_not="no-price")
    if caching is None:
        return Recognised(why_not="unknown")
    if caching.kind == "explicit":
        return Recognised(why_not="marks")
    if "cache-write" in parts:
        return Recognised(why_not="writes")
    least = caching.minimum(row.slug)
    if least is None:
        return Recognised(why_not="no-minimum")
    if shared_tokens < least:
        return Recognised(why_not="too-short")
    return Recognised(least + (shared_tokens - least) // caching.step_tokens * caching.step_tokens)


def tokens_by_price_part(row: ApiModel, mix: Mix, cached_tokens: float = 0.0) -> dict[PricePart, float]:
    """Return the mean tokens of a request by the price part that they are billed at.

    cached_tokens: tokens at the beginning of each prompt that is longer, which are billed as cached input.
    """
    above = row.long_context_above
    parts: dict[PricePart, float] = {"input": 0.0, "output": 0.0}
    for tokens_in, tokens_out, weight in zip(mix.input_tokens, mix.output_tokens, mix.weights, strict=True):
        long = above is not None and tokens_in > above
        new, cached, out = _LONG if long else _PLAIN
        found = cached_tokens if tokens_in >= cached_tokens else 0.0
        parts[new] = parts.get(new, 0.0) + weight * (tokens_in - found)
        parts[out] = parts.get(out, 0.0) + weight * tokens_out
        if found:
            parts[cached] = parts.get(cached, 0.0) + weight * found
    return parts


_PLAIN: tuple[PricePart, PricePart, PricePart] = ("input", "cached-input", "output")
_LONG: tuple[PricePart, PricePart, PricePart] = ("long-input", "long-cached-input", "long-output")
