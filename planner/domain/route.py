"""One kind of request: its lengths, its promise, what its data allows, and which models and machines may serve it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from planner.domain.environment_part import Day, EnvironmentPart, Text
from planner.domain.traffic import Traffic
from planner.words.fields import left_out_at
from planner.words.units import MS_PER_DAY, MS_PER_HOUR, Count, DurationMs, Share

SHORTEST_DEADLINE_MS, LONGEST_DEADLINE_MS = 2 * MS_PER_HOUR, 7 * MS_PER_DAY
"""Deadlines that are planned, ms: one leaves an hour in which work may wait, and the other is a week."""
Privacy = Literal["public", "internal", "restricted"]
Tokens = Annotated[float, Field(gt=0, le=1e8)]
"""A length in tokens."""
LongestTokens = Annotated[Count, Field(ge=1, le=100_000_000)]
"""A longest length in tokens."""
KvCacheDtype = Literal["auto", "fp8"]
"""The form of the KV cache, as vLLM's `--kv-cache-dtype` spells it. `auto` is the 16-bit type of the model."""


class DeclaredLengths(EnvironmentPart):
    """Token lengths of one side of a request: mean and 95th percentile, or a histogram; and the longest that comes."""

    mean: Tokens | None = None
    p95: Tokens | None = None
    max: LongestTokens | None = None
    histogram: dict[LongestTokens, Share] = left_out_at({})


class DeclaredTokens(EnvironmentPart):
    """Declared token lengths of both sides or of none, and how much of a prompt was seen before.

    Beside a trace the lengths may be absent; what is stated of the reuse then takes the place of what the trace tells.
    """

    input: DeclaredLengths | None = left_out_at(None)
    output: DeclaredLengths | None = left_out_at(None)
    shared_prefix: Count | None = left_out_at(None)
    session_hit: Share | None = left_out_at(None)


class InputDependent(EnvironmentPart):
    """A TTFT target that grows with the prompt."""

    base: DurationMs
    per_1k_input: DurationMs


def _ttft(value: Any) -> Any:
    return (
        value if value is None or isinstance(value, dict | InputDependent) else {"base": value, "per_1k_input": "0ms"}
    )


class Slo(EnvironmentPart):
    """What is promised at the 95th percentile of the route's own requests, or the deadline of work that may wait.

    deadline: time from the arrival of a request to its whole answer. It stands alone: such a route promises no times
    within a request.
    """

    ttft_p95: Annotated[
        InputDependent | None, BeforeValidator(_ttft, json_schema_input_type=DurationMs | InputDependent | None)
    ] = None
    tpot_p95: DurationMs | None = None
    e2e_p95: DurationMs | None = None
    tokens_per_second: Annotated[float, Field(gt=0, le=10_000)] | None = None
    deadline: DurationMs | None = left_out_at(None)
    availability: Share = 0.999

    @property
    def token_ms(self) -> float | None:
        """Return the stricter of the two statements on the time per output token, ms; None when none is made."""
        stated = [ms for ms in (self.tpot_p95, self.reading_ms) if ms is not None]
        return min(stated, default=None)

    @property
    def reading_ms(self) -> float | None:
        """Return the time per output token that `tokens_per_second` asks for, ms; None when it is not stated."""
        return None if self.tokens_per_second is None else 1000 / self.tokens_per_second


class Quality(EnvironmentPart):
    """Which models are good enough for this route: the team's own dated judgement, or all with a score.

    accept: the judgement. Where `metric` stands, it is made from the scores when the file is read.
    metric, minimum: a metric, and the least score in it.
    among: the only models that the metric may choose; empty = all that have a score.
    scores: file with the scores of the team's own evaluation, beside the environment.
    """

    accept: Annotated[tuple[Text, ...], Field(min_length=1)] = ()
    metric: Text | None = left_out_at(None)
    minimum: Annotated[float, Field(ge=-1e9, le=1e9)] | None = left_out_at(None)
    among: tuple[Text, ...] = left_out_at((), min_length=1)
    scores: Text | None = left_out_at(None)
    kv_cache_dtype: tuple[KvCacheDtype, ...] = left_out_at(("auto",), min_length=1)
    source: Text | None = None
    date: Day | None = None


class TooLong(EnvironmentPart):
    """What happens to requests that are too long for the model that serves the route."""

    rule: Literal["elsewhere", "refuse", "truncate"] = "elsewhere"
    most: Share = 0.01


class DataTerms(EnvironmentPart):
    """What an API provider must promise about the requests of this route."""

    no_training: bool = False
    retention: DurationMs | None = None
    zero_retention: bool = False


class HardwareRules(EnvironmentPart):
    """Which machines may serve: names of GPUs, of instance types, of precisions, or of layouts like `tp4`."""

    only: tuple[Text, ...] | None = None
    exclude: tuple[Text, ...] = Field(default=(), alias="not")
    prefer: tuple[Text, ...] = ()


class HeldSettings(EnvironmentPart):
    """Settings of the engine that the plan must take as they are, in vLLM's spelling, and what it may do there.

    speculative: whether the plan may use speculative decoding. It is held by nothing, so that a route which allows it
    and holds nothing else is free.
    """

    max_num_seqs: Annotated[int, Field(ge=1, le=4096)] | None = None
    max_num_batched_tokens: Annotated[int, Field(ge=256, le=1_048_576)] | None = None
    max_model_len: Count | None = None
    speculative: Literal["never", "allow"] = left_out_at("never")

    @property
    def held(self) -> dict[str, int]:
        """Return the settings that are held, by name."""
        return self.model_dump(exclude={"speculative"}, exclude_none=True)

    @property
    def is_free(self) -> bool:
        """Say whether the plan may choose all of them."""
        return not self.held


class Route(EnvironmentPart):
    """One kind of request, with its traffic, promise, privacy and quality."""

    task: Literal["chat", "completion"] = "chat"
    traffic: Traffic
    tokens: DeclaredTokens | None = None
    too_long: TooLong = left_out_at(TooLong())
    slo: Slo
    data: Privacy
    terms: DataTerms = left_out_at(DataTerms())
    quality: Quality
    residency: tuple[str, ...] = ()
    hardware: HardwareRules = left_out_at(HardwareRules())
    engine: HeldSettings = left_out_at(HeldSettings())

    @property
    def lengths(self) -> tuple[DeclaredLengths, DeclaredLengths] | None:
        """Return the declared lengths of input and output; None where they come from the trace."""
        tokens = self.tokens
        return (
            None if tokens is None or tokens.input is None or tokens.output is None else (tokens.input, tokens.output)
        )

    @property
    def may_use_api(self) -> bool:
        """Whether its requests may go to an API. Restricted data has no API key, no API client and no network path."""
        return self.data != "restricted"

    @property
    def may_wait(self) -> bool:
        """Whether its requests may wait until a deadline."""
        return self.slo.deadline is not None
