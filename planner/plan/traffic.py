"""Where requests go: the hours that look alike, the routes with their input bands, and the APIs that they may reach."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.plan.parts import PlanPart
from planner.words.numbers import Dollars, Figure, UnitPrice


class PlanLevel(PlanPart):
    """Hours of a month that look alike. `mean` bills, `planned` sizes: p95 of the rate over the scale-up window."""

    name: str
    hours: Figure
    mean_requests_per_second: dict[str, Figure]
    planned_requests_per_second: dict[str, Figure]


class RouteBand(PlanPart):
    """Requests of a route whose prompt is at most `max_input_tokens` long (None: no bound)."""

    max_input_tokens: int | None
    share_of_requests: Figure
    mean_input_tokens: Figure
    mean_output_tokens: Figure
    weights: dict[str, Figure]
    api_share: Annotated[Figure, Field(description="share sent to the API at every hour, as planned")]
    spill_by_level: Annotated[dict[str, Figure], Field(description="share sent to the API at each level")]


class Triggers(PlanPart):
    """When the gateway gives up on the local pools, in ms."""

    spill_after_ms: int
    deadline_ms: int
    queue_ms: int


class PlannedSlo(PlanPart):
    """What is promised at the 95th percentile."""

    ttft_p95_base_ms: Figure
    ttft_p95_per_1k_input_ms: Figure
    tpot_p95_ms: Figure
    availability: Figure


class PlannedRoute(PlanPart):
    """Where the requests of a route go."""

    name: str
    task: str
    privacy: Literal["public", "internal", "restricted"]
    residency: tuple[str, ...]
    slo: PlannedSlo
    model: str | None
    bytes_per_token: Figure
    bands: tuple[RouteBand, ...]
    fallback: tuple[str, ...]
    triggers: Triggers
    spill_share: Figure
    usd_per_month: Dollars
    usd_per_million_tokens: Figure
    binding: str
    reasons: tuple[str, ...]


class FallbackApi(PlanPart):
    """A hosted model that some route may spill to."""

    name: str
    provider: str
    protocol: Literal["openai"]
    model: str
    base_url: str
    api_key_env: str
    supports: tuple[str, ...]
    renames: dict[str, str]
    context_tokens: int
    usd_per_million_input_tokens: UnitPrice
    usd_per_million_cached_input_tokens: UnitPrice | None
    usd_per_million_output_tokens: UnitPrice
    tokens_per_minute: int | None
    requests_per_minute: int | None
