"""Where requests go: the hours that look alike, the routes with their input bands, and the APIs that they may reach."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from planner.plan.parts import PlanPart
from planner.words.fields import left_out_at
from planner.words.numbers import Dollars, Figure, UnitPrice

MOST_FULL = 0.9
"""Share of a replica's places up to which requests that may wait are let in beside others. The plan counts with it, and
the gateway keeps the rest for requests for which somebody waits, so that these find a place at once."""


class PlanLevel(PlanPart):
    """A level is hours of the month whose load is much the same.

    hours: its length, hours a month.
    mean_requests_per_second: mean rate by route; usage is billed by it.
    planned_requests_per_second: 95th percentile of the rate over the scale-up window, by route; pools are sized by it.
    """

    name: str
    hours: Figure
    mean_requests_per_second: dict[str, Figure]
    planned_requests_per_second: dict[str, Figure]


class RouteBand(PlanPart):
    """A band is the requests of a route whose prompts are longer than the band before it admits.

    max_input_tokens: the longest prompt, tokens; None in the last band, which has no bound.
    share_of_requests: share of the route's requests.
    weights: parts of the band that go to pools, by pool; they sum to 1, or there are none.
    api_share: share that is sent to the API at every hour, as planned.
    spill_by_level: share that is sent to the API, by level; a level that is absent sends none. It is empty where all
    of it goes there at every hour; `spilled` tells both.
    refused_by_level: share that is refused because its prompts are too long for what serves the route, by level; a
    level that is absent refuses none.
    cut_to_tokens: tokens that its pool keeps of its prompts, as the pool's model counts them; None where they stay
    whole.
    """

    max_input_tokens: int | None
    share_of_requests: Figure
    weights: dict[str, Figure]
    api_share: Figure
    cut_to_tokens: int | None = left_out_at(None)
    mean_input_tokens: Figure
    mean_output_tokens: Figure
    spill_by_level: dict[str, Figure]
    refused_by_level: dict[str, Figure] = left_out_at({})

    def spilled(self, level: str) -> Decimal:
        """Return the share that is sent to the API at a level."""
        whole = not self.spill_by_level and not self.weights and self.api_share == 1
        return 1 - self.refused(level) if whole else self.spill_by_level.get(level, Decimal(0))

    def refused(self, level: str) -> Decimal:
        """Return the share that is refused for its length at a level."""
        return self.refused_by_level.get(level, Decimal(0))

    @property
    def is_refused(self) -> bool:
        """Say whether all of it is refused, at every hour."""
        return bool(self.refused_by_level) and not self.weights and not self.api_share


class Triggers(PlanPart):
    """The triggers say when the gateway gives up on local pools.

    spill_after_ms: time without a first event, ms.
    deadline_ms: time for the whole answer, ms.
    queue_ms: time that a request without an API waits for a place, ms.
    """

    spill_after_ms: int
    deadline_ms: int
    queue_ms: int


class PlannedSlo(PlanPart):
    """The SLO is what a route promises. Latencies hold at the 95th percentile; None is promised nothing.

    ttft_p95_base_ms: time to the first token of an empty prompt, ms.
    ttft_p95_per_1k_input_ms: what every 1,000 input tokens add to it, ms; None where no TTFT is promised.
    tpot_p95_ms: time per output token, ms: the stricter of a stated time and of a stated rate of tokens.
    e2e_p95_ms: time from arrival to the last token, ms.
    availability: the share that the environment asks for; `PlannedAvailability` is what is expected.
    """

    ttft_p95_base_ms: Figure | None = left_out_at(None)
    ttft_p95_per_1k_input_ms: Figure | None = left_out_at(None)
    tpot_p95_ms: Figure | None = left_out_at(None)
    e2e_p95_ms: Figure | None = left_out_at(None)
    availability: Figure


class PlannedAvailability(PlanPart):
    """The availability is the expected share of a month's requests that is served within capacity.

    share: that share, or a lower bound where `not_known` names something; None where nothing can be said.
    not_known: what nobody has published, as words.
    costliest: the failure that costs most of the rest, as words; empty where nothing is lost.
    costs: share of the requests that it costs.
    """

    share: Figure | None = None
    not_known: tuple[str, ...] = left_out_at(())
    costliest: str = ""
    costs: Figure = Decimal(0)


class PlannedLoad(PlanPart):
    """The load is how many requests the plan expects, and how the environment's words became a rate.

    stated: the words that decide, such as `10,000 requests a day`; None where the mean rate itself is stated.
    mean_requests_per_second, busiest_hour_requests_per_second: the stated rate over the week and in its busiest hour.
    capacity_factor: load for which machines are sized ÷ the stated load.
    usage_factor: load that is billed ÷ the stated load.
    plan_again_by: the day after the months for which the plan is made; None where the load does not change.
    notes: what was assumed, and what comes later, as sentences.
    """

    stated: str | None
    mean_requests_per_second: Figure
    busiest_hour_requests_per_second: Figure
    capacity_factor: Figure
    usage_factor: Figure
    plan_again_by: str | None
    notes: tuple[str, ...]


class TooLongRequests(PlanPart):
    """Requests of a route that are too long for what serves it.

    over_tokens: every prompt with more tokens than this, as the route states them, is refused or cut.
    refused_share: share of the month's requests that is refused.
    cut_share: share of the month's requests whose prompts are cut.
    """

    over_tokens: int
    refused_share: Figure
    cut_share: Figure


class DeferredWork(PlanPart):
    """Deferred work is the requests of a route that may wait, as shares of those of a month that are not refused.

    deadline_hours: time from the arrival of a request to its whole answer, hours.
    longest_wait_hours: whole hours that some request waits at most before a pool works on it.
    pools_by_level: share that pools work on, by level; a level that is absent has none.
    batches: share that clients send as batches, by hosted model; the gateway takes no part in these.
    apis: share that the gateway sends to APIs as it comes, at the price of an answer at once.
    """

    deadline_hours: Figure
    longest_wait_hours: int
    pools_by_level: dict[str, Figure] = left_out_at({})
    batches: dict[str, Figure] = left_out_at({})
    apis: Figure = left_out_at(Decimal(0))

    @property
    def in_batches(self) -> Decimal:
        """Return the share that clients send as batches."""
        return sum(self.batches.values(), Decimal(0))


class PlannedRoute(PlanPart):
    """A route's plan says where its requests go.

    load: how many requests it expects; None in a lock of a release that did not tell.
    deferred: when its requests are worked on, where they may wait; None where they are answered at once.
    availability: the expected share of requests that is served; None in a lock of a release that did not compute it.
    residency: places where its data may be processed; any, when it is empty.
    model: the model of its pools; None when it has none.
    adapters: LoRA adapter that a pool is asked for, by pool; one that is absent is asked for the model itself.
    bytes_per_token: factor by which the gateway guesses a prompt's tokens.
    fallback: APIs in the order in which they are asked.
    api_max_input_tokens: longest prompt that may be sent to an API, tokens as the route states them, by API; longer
    prompts have no known price there, and an API that is absent has no such limit.
    spill_share: share of the month's requests that goes to APIs, without those that are refused.
    too_long: what happens to requests that are too long; None where none of them are.
    usd_per_month: its part of the bill, USD a month.
    usd_per_million_tokens: that cost for a million input and output tokens, USD.
    binding: what limits its largest band.
    reasons: why it is served so, as sentences.
    """

    name: str
    usd_per_month: Dollars
    usd_per_million_tokens: Figure
    privacy: Literal["public", "internal", "restricted"]
    model: str | None
    adapters: dict[str, str] = left_out_at({})
    fallback: tuple[str, ...]
    spill_share: Figure
    too_long: TooLongRequests | None = left_out_at(None)
    residency: tuple[str, ...]
    task: str
    slo: PlannedSlo
    availability: PlannedAvailability | None = left_out_at(None)
    binding: str
    reasons: tuple[str, ...]
    load: PlannedLoad | None = left_out_at(None)
    deferred: DeferredWork | None = left_out_at(None)
    triggers: Triggers
    api_max_input_tokens: dict[str, int] = left_out_at({})
    bytes_per_token: Figure
    bands: tuple[RouteBand, ...]

    @property
    def hosted(self) -> tuple[str, ...]:
        """Return all hosted models that its requests may reach: those that the gateway asks, and those of batches."""
        return (*self.fallback, *(self.deferred.batches if self.deferred else ()))

    @property
    def reaches_gateway(self) -> bool:
        """Say whether the gateway serves any of it, and not batches that clients send all of it."""
        return bool(self.fallback) or any(band.weights for band in self.bands)


class FallbackApi(PlanPart):
    """A fallback API is a hosted model that some route may spill to.

    protocol: the dialect that the provider speaks.
    model: name of the model at the provider.
    api_key_env: environment variable that holds the key.
    supports: request features that it can answer, in the gateway's words.
    renames: fields of a request that the provider spells differently.
    context_tokens: tokens of context, prompt and answer together, as the model reads them.
    tokens_per_minute, requests_per_minute: limits of the account; None where they are not stated.
    """

    name: str
    provider: str
    model: str
    base_url: str
    usd_per_million_input_tokens: UnitPrice
    usd_per_million_cached_input_tokens: UnitPrice | None
    usd_per_million_output_tokens: UnitPrice
    tokens_per_minute: int | None
    requests_per_minute: int | None
    context_tokens: int
    protocol: Literal["openai"]
    api_key_env: str
    supports: tuple[str, ...]
    renames: dict[str, str]
