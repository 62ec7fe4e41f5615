"""Hard eligibility: may this backend serve this request at all?

This module holds the rules that no load, price or failure can bend: the fields that a backend understands and the
tokens that it can hold. A rule answers with the reason, not with a bool. Privacy needs no rule here, because a
restricted route has no API that could be asked.

The number of input tokens is an estimate. A backend is therefore ruled out for its context only beyond
`LENGTH_TOLERANCE`; nearer to the limit, the backend's own 400 has the last word. An input limit of an API
(`api_max_input_tokens`) has no tolerance and leaves the output out: behind it the API would answer, at a price that
nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import Refusal
from gateway.policy import ApiPolicy, BandPolicy, Policy, PoolPolicy, RoutePolicy
from gateway.request import ChatRequest

LENGTH_TOLERANCE = 1.25
"""The estimated input may exceed its room by this factor, because the bytes per token of one prompt scatter about the
route's mean."""


class ExclusionCause(StrEnum):
    """The cause says why a backend is ruled out."""

    FIELD = "field"
    """It does not support a field of the request."""
    LENGTH = "length"
    """Its context is too short for the request, or the input is longer than what may be sent there."""


@dataclass(frozen=True)
class Exclusion:
    """An exclusion says that a backend may not serve the request.

    backend: name of the pool or API.
    cause: which rule speaks against it.
    unsupported: features and fields that it does not support, sorted; empty if length is the cause.
    """

    backend: str
    cause: ExclusionCause
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True)
class EligibleBackends:
    """The eligible backends are those that may serve one request; the others are listed beside them.

    weights: pool -> weight in the draw, for pools that may serve.
    chain: names of the APIs that may serve, in the order of the route's chain.
    excluded_pools, excluded_apis: pools of the band and APIs of the chain that may not serve.
    """

    weights: dict[str, float]
    chain: tuple[str, ...]
    excluded_pools: tuple[Exclusion, ...]
    excluded_apis: tuple[Exclusion, ...]

    @property
    def exclusions(self) -> tuple[Exclusion, ...]:
        """List all backends that were ruled out, pools first."""
        return self.excluded_pools + self.excluded_apis

    @property
    def pools_lack_length_only(self) -> bool:
        """Tell whether the band has local pools and length alone rules out each of them."""
        pools = self.excluded_pools
        return bool(pools) and not self.weights and all(pool.cause is ExclusionCause.LENGTH for pool in pools)


def admitted_band(route: RoutePolicy, input_tokens: int) -> BandPolicy:
    """Return the band of a request. Raises Refusal (400) where its inputs are too long for everything that serves it.

    An input that is hardly in a refused band by its estimate counts as one of the band before it.
    """
    index = route.band_index_of(input_tokens)
    while route.bands[index].refused:
        longest = route.bands[index - 1].max_input_tokens
        if longest is None or input_tokens > longest * LENGTH_TOLERANCE:
            raise too_long()
        index -= 1
    return route.bands[index]


def too_long() -> Refusal:
    """Build the answer for a request that is too long for everything that may serve it."""
    message = "input and output together are longer than any context that may serve this request"
    return Refusal(400, "context_length_exceeded", message, param="messages")


def eligible_backends(policy: Policy, route: RoutePolicy, band: BandPolicy, request: ChatRequest) -> EligibleBackends:
    """Sort the band's pools and the route's chain into those that may serve `request` and those that may not."""
    input_tokens = request.input_tokens(route.bytes_per_token)
    output_cap = request.output_limit(route.max_output_tokens)
    weights: dict[str, float] = {}
    chain: list[str] = []
    excluded_pools: list[Exclusion] = []
    excluded_apis: list[Exclusion] = []
    for name, weight in band.weights.items():
        if weight == 0:
            continue
        read_tokens = input_tokens if band.cut_to_tokens is None else min(input_tokens, band.cut_to_tokens)
        exclusion = pool_exclusion(name, policy.pools[name], request, read_tokens, output_cap)
        if exclusion is None:
            weights[name] = weight
        else:
            excluded_pools.append(exclusion)
    for name in route.fallback:
        most_input = route.api_max_input_tokens.get(name)
        exclusion = api_exclusion(name, policy.apis[name], request, input_tokens, output_cap, most_input)
        if exclusion is None:
            chain.append(name)
        else:
            excluded_apis.append(exclusion)
    return EligibleBackends(weights, tuple(chain), tuple(excluded_pools), tuple(excluded_apis))


def pool_exclusion(
    name: str, pool: PoolPolicy, request: ChatRequest, input_tokens: int, output_cap: int | None
) -> Exclusion | None:
    """Say why a pool may not serve the request; None means that it may."""
    unsupported = request.features.difference(pool.supports)
    return _exclusion(name, unsupported, pool.max_model_len, input_tokens, output_cap)


def api_exclusion(
    name: str,
    api: ApiPolicy,
    request: ChatRequest,
    input_tokens: int,
    output_cap: int | None,
    most_input_tokens: int | None = None,
) -> Exclusion | None:
    """Say why an API may not serve the request; None means that it may.

    most_input_tokens: longest input that the route may send there, tokens; None without such a limit.
    """
    unsupported = request.features.difference(api.supports) | request.plain_fields.intersection(api.refuses)
    exclusion = _exclusion(name, unsupported, api.context_tokens, input_tokens, output_cap)
    if exclusion is None and most_input_tokens is not None and input_tokens > most_input_tokens:
        return Exclusion(name, ExclusionCause.LENGTH)
    return exclusion


def no_backend_fits(exclusions: Sequence[Exclusion]) -> Refusal:
    """Build the answer for a request that no backend of the route may serve. It names fields, never backends."""
    unsupported = sorted({field for exclusion in exclusions for field in exclusion.unsupported})
    if unsupported and not any(exclusion.cause is ExclusionCause.LENGTH for exclusion in exclusions):
        message = f"no backend of this route supports {', '.join(unsupported)}"
        return Refusal(400, "field_unsupported", message, param=unsupported[0])
    return too_long()


def _exclusion(
    backend: str, unsupported: frozenset[str], context_tokens: int, input_tokens: int, output_cap: int | None
) -> Exclusion | None:
    if unsupported:
        return Exclusion(backend, ExclusionCause.FIELD, tuple(sorted(unsupported)))
    # Without a cap the backend fits the output into what the input leaves, so one token of room is enough.
    needed_tokens = input_tokens / LENGTH_TOLERANCE + (output_cap or 1)
    return None if needed_tokens <= context_tokens else Exclusion(backend, ExclusionCause.LENGTH)
