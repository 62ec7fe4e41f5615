"""Hard eligibility: may this backend serve this request at all?

It stands for the rules that no load, price or failure can bend: the fields a backend understands and the tokens it can
hold. A fit test answers with the reason, not with a bool. Privacy needs no test here: a restricted route has no API to
test. The input is an estimate, so a backend is ruled out for length only beyond `LENGTH_TOLERANCE`; nearer to the
limit the backend's own 400 has the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import Refusal
from gateway.policy import Api, Band, Policy, Pool, Route
from gateway.request import ChatRequest

LENGTH_TOLERANCE = 1.25
"""Estimated input may exceed its room by this factor: bytes per token of one prompt scatter about the route's mean."""


class Misfit(StrEnum):
    """Why a backend is ruled out."""

    FIELD = "field"
    LENGTH = "length"


@dataclass(frozen=True)
class Unfit:
    """One ruled-out backend: its name, the kind of misfit, and what exactly it lacks."""

    backend: str
    misfit: Misfit
    lacks: str


@dataclass(frozen=True)
class Fit:
    """Who may serve one request: pools with their weights, APIs in the order of the chain, and who was ruled out."""

    weights: dict[str, float]
    chain: tuple[str, ...]
    unfit: tuple[Unfit, ...]

    @property
    def pools_lack_length_only(self) -> bool:
        """Whether local pools exist for the band and each was ruled out by length alone."""
        pools = [unfit for unfit in self.unfit if unfit.backend.startswith("pool/")]
        return bool(pools) and not self.weights and all(unfit.misfit is Misfit.LENGTH for unfit in pools)


def fit(policy: Policy, route: Route, band: Band, request: ChatRequest) -> Fit:
    """Sort the band's pools and the route's chain into those that may serve `request` and those that may not."""
    input_tokens = request.input_tokens(route.bytes_per_token)
    output_cap = request.capped(route.max_output_tokens)
    weights: dict[str, float] = {}
    chain: list[str] = []
    unfit: list[Unfit] = []
    for name, weight in band.weights.items():
        if weight == 0:
            continue
        pool = policy.pools[name]
        reason = pool_misfit(name, pool, request, input_tokens, output_cap)
        if reason is None:
            weights[name] = weight
        else:
            unfit.append(reason)
    for name in route.fallback:
        reason = api_misfit(name, policy.apis[name], request, input_tokens, output_cap)
        if reason is None:
            chain.append(name)
        else:
            unfit.append(reason)
    return Fit(weights, tuple(chain), tuple(unfit))


def pool_misfit(name: str, pool: Pool, request: ChatRequest, input_tokens: int, output_cap: int | None) -> Unfit | None:
    """Why a pool may not serve the request, or None."""
    backend = f"pool/{name}"
    missing = sorted(request.features.difference(pool.supports))
    if missing:
        return Unfit(backend, Misfit.FIELD, ", ".join(missing))
    return _length_misfit(backend, pool.max_model_len, input_tokens, output_cap)


def api_misfit(name: str, api: Api, request: ChatRequest, input_tokens: int, output_cap: int | None) -> Unfit | None:
    """Why an API may not serve the request, or None."""
    backend = f"api/{name}"
    missing = sorted(request.features.difference(api.supports) | request.plain_fields.intersection(api.refuses))
    if missing:
        return Unfit(backend, Misfit.FIELD, ", ".join(missing))
    return _length_misfit(backend, api.context_tokens, input_tokens, output_cap)


def nobody_fits(unfit: Sequence[Unfit]) -> Refusal:
    """What to tell a client whose request no backend of the route may serve. Names fields, never backends."""
    lacking = sorted({field for reason in unfit if reason.misfit is Misfit.FIELD for field in reason.lacks.split(", ")})
    if lacking and not any(reason.misfit is Misfit.LENGTH for reason in unfit):
        message = f"no backend of this route supports {', '.join(lacking)}"
        return Refusal(400, "field_unsupported", message, param=lacking[0])
    message = "input and output together are longer than any context that may serve this request"
    return Refusal(400, "context_length_exceeded", message, param="messages")


def _length_misfit(backend: str, context_tokens: int, input_tokens: int, output_cap: int | None) -> Unfit | None:
    # Without a cap the backend fits the output into what the input leaves, so one token of room is enough.
    needed = input_tokens / LENGTH_TOLERANCE + (output_cap or 1)
    if needed <= context_tokens:
        return None
    return Unfit(backend, Misfit.LENGTH, f"{input_tokens} + {output_cap or 1} tokens in {context_tokens}")
