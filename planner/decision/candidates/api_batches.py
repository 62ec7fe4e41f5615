"""Batches of hosted models: the price of work that may wait until a provider's window ends.

A route is planned at the price of batches where all of this is known: its deadline is not below the window within which
the provider states that a batch is done, and the price snapshot has a dated price of batches for the model's input and
output. Otherwise it is planned at the plain price. A prompt that a provider bills as a long one has no price of batches
in the snapshot, so that a route with such prompts keeps the plain one. Batches are sent to the provider's own address,
and nothing is billed there as cached input.

The limits of batches are of waiting tokens and of requests in a file, and not of tokens a minute. They are not known
here, and the plan names that as a gap.
"""

from __future__ import annotations

from dataclasses import replace

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.price_parts import tokens_by_price_part
from planner.decision.candidates.terms import ServedAt
from planner.domain.apis import BATCH, ApiModel, PricePart, is_batch
from planner.domain.catalog import Catalog
from planner.domain.environment import ApiAccounts
from planner.domain.gaps import Gap
from planner.domain.workload import Mix
from planner.words.units import MS_PER_HOUR

PARTS: dict[PricePart, PricePart] = {"input": "batch-input", "output": "batch-output"}
"""Price part of an answer at once → that of the same tokens in a batch."""


def batches_at(at: ServedAt, route: RouteDemand, catalog: Catalog) -> ServedAt | None:
    """Return the batches of a hosted model, where a route may use them; None where it may not.

    at: the model as the route would use it at once. route: its demand, in the tokens of the model.
    """
    deadline_ms, batches = route.route.slo.deadline, catalog.providers[at.row.provider].batches
    if deadline_ms is None or batches is None or at.address or deadline_ms < batches.window_hours * MS_PER_HOUR:
        return None
    terms = route.route.terms
    if terms.zero_retention or terms.retention is not None:  # how long batches are kept is not what the terms promise
        return None
    longest = max(max(band.mix.input_tokens) for band in route.bands)
    if at.row.long_context_above is not None and longest > at.row.long_context_above:
        return None
    if any(at.price(part, catalog.prices) is None for part in PARTS.values()):
        return None
    return replace(at, row=replace(at.row, key=at.row.key + BATCH))


def billed_tokens(row: ApiModel, mix: Mix, cached_tokens: float = 0.0) -> dict[PricePart, float]:
    """Return the mean tokens of a request by the price part that they are billed at (`tokens_by_price_part`)."""
    if not is_batch(row.key):
        return tokens_by_price_part(row, mix, cached_tokens)
    return {PARTS[part]: count for part, count in tokens_by_price_part(row, mix).items()}


def batch_unknowns(row: ApiModel, catalog: Catalog, accounts: ApiAccounts) -> list[Gap]:
    """Return what is not known of a provider's batches."""
    hint = "read the limit of waiting tokens on the account's page of limits, and hold it against a day of the route"
    message = f"how many tokens {row.provider} lets wait in batches is not known; no limit of theirs is planned with"
    return [Gap("batches", row.provider, message, hint), *catalog.providers[row.provider].gaps()]
