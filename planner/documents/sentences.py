"""Changes as sentences of a person: of the keys of an environment, and of the bands, pools and machines of a plan.

A change that no sentence is written for is told by its key and its plain values, never as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from planner.documents.changes import KeyChange
from planner.plan.traffic import PlannedRoute, RouteBand

ROUTE_SENTENCES: Mapping[str, str] = {
    "data": "data class of {name}: {old} → {new}",
    "residency": "{name} may be processed in {old} → {new}",
    "slo.deadline": "{name} may wait for its answers {old} → {new}",
    "slo.availability": "{name} shall be available {old} → {new} of the time",
    "slo.e2e_p95": "{name} shall answer whole within {old} → {new}",
    "slo.tokens_per_second": "{name} shall write {old} → {new} tokens/s",
    "slo.tpot_p95": "{name} shall write a token within {old} → {new}",
    "slo.ttft_p95.base": "{name} shall begin to answer within {old} → {new}",
    "slo.ttft_p95.per_1k_input": "{name} may take {old} → {new} longer to begin for 1,000 tokens of prompt",
    "tokens.input.mean": "prompts of {name} have {old} → {new} tokens on average",
    "tokens.output.mean": "answers of {name} have {old} → {new} tokens on average",
    "traffic.profile": "the week of {name}: {old} → {new}",
    "traffic.requests_per_second.mean": "{name} gets {old} → {new} requests/s on average",
    "traffic.trace": "trace of {name}: {old} → {new}",
}
"""Sentence of a changed key of a route, by its path in the route."""
SENTENCES: Mapping[str, str] = {
    "api.monthly_budget": "budget of APIs: {old} → {new} a month",
    "budget.monthly": "budget: {old} → {new} a month",
    "horizon.months": "months of the horizon: {old} → {new}",
    "horizon.start": "first day of the horizon: {old} → {new}",
    "planning.margin": "margin on step times: {old} → {new}",
    "planning.replan_threshold": "another mix is taken when it saves {old} → {new}",
    "platform.engine.canary.image": "image of the engine that is tried: {old} → {new}",
    "platform.engine.canary.replicas": "replicas of each pool that try an image of the engine: {old} → {new}",
    "platform.engine.image": "image of the engine: {old} → {new}",
    "platform.images.mirror": "images come from {old} → {new}",
    "platform.nat": "NAT gateways: {old} → {new}",
    "platform.region": "region: {old} → {new}",
    "platform.secrets": "keys lie in {old} → {new}",
    "platform.zones": "zones: {old} → {new}",
    "quotas.G": "vCPUs of the account in family G: {old} → {new}",
    "quotas.P": "vCPUs of the account in family P: {old} → {new}",
    "reserve.node": "a reserve for the loss of a node: {old} → {new}",
    "reserve.zone": "a reserve for the loss of a zone: {old} → {new}",
}
"""Sentence of another changed key of an environment, by its path."""
PART_SENTENCES: Mapping[str, str] = {
    "api_key_env": "its key is read from {new}, before from {old}",
    "base_url": "requests are sent to {new}, before to {old}",
    "bytes_per_token": "a token is taken for {old} → {new} bytes",
    "canary": "canary of the engine: {old} → {new}",
    "disk_gb": "disk of a node: {old} → {new} GB",
    "format": "weights are stored as {old} → {new}",
    "gpu": "GPU: {old} → {new}",
    "image": "image of the engine: {old} → {new}",
    "instance_type": "instance type: {old} → {new}",
    "kubernetes": "Kubernetes: {old} → {new}",
    "max_in_flight": "requests in one replica at once: {old} → {new}",
    "model": "model: {old} → {new}",
    "nodes": "nodes: {old} → {new}",
    "privacy": "data class: {old} → {new}",
    "replicas": "replicas: {old} → {new}",
    "replicas on a node": "replicas on a node: {old} → {new}",
    "residency": "its data may be processed in {old} → {new}",
    "revision": "revision of the weights: {old} → {new}",
    "usd_per_million_cached_input_tokens": "a million cached tokens of prompt cost ${old} → ${new}",
    "usd_per_million_input_tokens": "a million tokens of prompt cost ${old} → ${new}",
    "usd_per_million_output_tokens": "a million tokens of answer cost ${old} → ${new}",
    "triggers.deadline_ms": "an answer may take {old} → {new} ms",
    "triggers.queue_ms": "a request without an API waits {old} → {new} ms for a place",
    "triggers.spill_after_ms": "a request goes to an API after {old} → {new} ms without a first event",
}
"""Sentence of a changed value of a part of the plan, by its path in the part."""


def plain(value: Any) -> str:
    """Write a plain value as a person would: `9`, `60ms`, `a, b`, `yes`, `none`; a mapping by its keys."""
    if value is None:
        return "not stated"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return f"{int(value):,}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "none"
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {plain(each)}" for key, each in value.items()) or "none"
    return str(value)


def percent(share: Decimal) -> str:
    """Write a share like `18 %`, with a decimal below 10 %; one that is not nothing never reads as nothing."""
    value = share * 100
    if 0 < value < Decimal("0.05"):
        return "< 0.1 %"
    return f"{value:,.0f} %" if value >= 10 or not value else f"{value:.1f} %"


def key_sentence(change: KeyChange) -> str:
    """Tell what changed in an environment."""
    path = tuple(map(str, change.path))
    if path[0] == "routes" and len(path) == 2:
        return _come_or_gone(f"route {path[1]}", change)
    if path[0] == "routes" and path[2:] == ("quality", "accept"):
        return _accept_sentence(path[1], change)
    if path[:2] == ("api", "providers") and len(path) == 3:
        return _come_or_gone(f"account at {path[2]}", change)
    route = path[0] == "routes"
    told = ROUTE_SENTENCES.get(".".join(path[2:])) if route else SENTENCES.get(".".join(path))
    if told is None:
        return generic_sentence(".".join(path), change)
    empty = "any place" if path[-1] == "residency" else "none"
    return told.format(name=path[1] if route else "", old=_shown(change.old, empty), new=_shown(change.new, empty))


def _come_or_gone(what: str, change: KeyChange) -> str:
    if change.old is None or change.new is None:
        return f"{what} is {'added' if change.old is None else 'removed'}"
    return f"{what}: {plain(change.old)} → {plain(change.new)}"


def _accept_sentence(route: str, change: KeyChange) -> str:
    come, gone, new = _come_and_gone(change)
    parts = [f"{route} also accepts {plain(come)}"] if come else []
    parts += [f"{route} no longer accepts {plain(gone)}"] if gone else []
    return "; ".join(parts) or f"{route} accepts the same in another order: {plain(new)}"


def _come_and_gone(change: KeyChange) -> tuple[list[Any], list[Any], list[Any]]:
    """Return what a list has more and less, and the list."""
    old, new = list(change.old or ()), list(change.new or ())
    return [each for each in new if each not in old], [each for each in old if each not in new], new


def generic_sentence(key: str, change: KeyChange) -> str:
    """Tell a change by its key and plain values."""
    if isinstance(change.old, Mapping) or isinstance(change.new, Mapping):
        return _come_or_gone(key, change)
    return f"{key}: {plain(change.old)} → {plain(change.new)}"


def part_sentence(change: KeyChange) -> str:
    """Tell what changed in a part of the plan."""
    key = ".".join(map(str, change.path))
    if change.path[0] == "fallback":
        return _fallback_sentence(change)
    told = PART_SENTENCES.get(key)
    if told is None:
        return generic_sentence(key.removeprefix("engine."), change)
    empty = "any place" if key == "residency" else "none"
    return told.format(old=_shown(change.old, empty), new=_shown(change.new, empty))


def _fallback_sentence(change: KeyChange) -> str:
    """Tell which APIs a route may use."""
    come, gone, new = _come_and_gone(change)
    parts = [f"requests may now go to {plain(come)}"] if come else []
    parts += [f"requests no longer go to {plain(gone)}"] if gone else []
    return "; ".join(parts) or f"APIs are asked in another order: {plain(new)}"


def _shown(value: Any, empty: str) -> str:
    return empty if value in ((), []) else plain(value)


def band_sentences(old: PlannedRoute, new: PlannedRoute) -> Iterator[str]:
    """Tell which prompts of a route are served by something else, in the order of their length.

    The bands of both sides may end at different lengths. Lengths with the same change are told at once.
    """
    ends = sorted({b.max_input_tokens for route in (old, new) for b in route.bands if b.max_input_tokens is not None})
    pieces = list(zip([0, *ends], [*ends, None], strict=True))
    begun, former = 0, None
    for place, (low, high) in enumerate(pieces):
        change = (_service(_band_of(old, low)), _service(_band_of(new, low)))
        if change != former:
            begun, former = low, change
        following = pieces[place + 1][0] if place + 1 < len(pieces) else None
        if following is not None and (_service(_band_of(old, following)), _service(_band_of(new, following))) == change:
            continue
        if change[0] != change[1]:
            yield f"{_prompts(begun, high)} {_served(_band_of(old, low), _band_of(new, low), new)}"


def _band_of(route: PlannedRoute, tokens: int) -> RouteBand:
    """Return the band of prompts just longer than so many tokens."""
    return next(b for b in route.bands if b.max_input_tokens is None or b.max_input_tokens > tokens)


def _service(band: RouteBand) -> tuple[Any, ...]:
    """Return what the gateway does with a band."""
    return (sorted(band.weights.items()), band.api_share, band.is_refused, band.cut_to_tokens)


def _prompts(low: int, high: int | None) -> str:
    if not low:
        return "all prompts" if high is None else f"prompts up to {high:,} tokens"
    return f"prompts above {low:,} tokens" if high is None else f"prompts of {low + 1:,} to {high:,} tokens"


def _served(old: RouteBand, new: RouteBand, route: PlannedRoute) -> str:
    api = route.fallback[0] if route.fallback else "an API"
    if new.is_refused != old.is_refused:
        return "are now refused" if new.is_refused else f"are no longer refused, and served by {_pools(new) or api}"
    if new.api_share == 1 and old.api_share != 1:
        return f"now go to the API ({api})"
    if old.api_share == 1 and new.weights:
        rest = (
            f", and {percent(new.api_share)} of them still by the API"
            if new.api_share
            else ", and no longer by the API"
        )
        return f"are now served by {_pools(new)}{rest}"
    told = []
    if new.weights != old.weights:
        told.append(f"are now served by {_pools(new) or 'no own pool'}, before by {_pools(old) or 'no own pool'}")
    if new.api_share != old.api_share:
        share = (
            f"{percent(new.api_share)} of them at every hour" if new.api_share else "only when pools are full or down"
        )
        told.append(f"go to the API: {share}, before {percent(old.api_share)}")
    if new.cut_to_tokens != old.cut_to_tokens:
        told.append("are no longer cut" if new.cut_to_tokens is None else f"are cut to {new.cut_to_tokens:,} tokens")
    return " and ".join(told)


def _pools(band: RouteBand) -> str:
    if len(band.weights) == 1:
        return next(iter(band.weights))
    return " and ".join(f"{name} ({percent(weight)})" for name, weight in sorted(band.weights.items()))
