"""The clock file: the limits of one replica and the coefficients that say how long one engine step lasts.

    step = √(dense_read² + (dense_compute · (C + P))²)
         + √((expert_read · (1 − (1 − hit)^(C + P)))² + (expert_compute · (C + P))²)
         + kv_read · X + attention · P · ctx
         + overhead + overhead_per_sequence · C + comm_per_step + comm_per_token · (C + P)

C decode sequences (one token each), X the tokens of context that they read, P prefill tokens of the step, ctx the mean
context that a prefill token attends to. Under each root stand reading the weights and multiplying with them, which go
on at the same time; everything else follows one after the other.

The planner writes this file from a plan; the twin reads it and has its own implementation of the formula, so that an
error in either shows as a difference.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


class ClockFileError(ValueError):
    """A clock file that cannot be used; the message names the file, the field and what to do."""


class StepCoefficients(BaseModel):
    """Milliseconds of one engine step, by cause. `expert_hit_fraction` is the share of the experts one token uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dense_read_ms: Milliseconds
    dense_compute_ms_per_token: Milliseconds
    expert_read_ms: Milliseconds
    expert_compute_ms_per_token: Milliseconds
    expert_hit_fraction: Annotated[float, Field(ge=0, le=1)]
    kv_read_ms_per_token: Milliseconds
    attention_ms_per_token_pair: Milliseconds
    overhead_ms: Milliseconds
    overhead_ms_per_sequence: Milliseconds
    comm_ms_per_token: Milliseconds
    comm_ms_per_step: Milliseconds

    def step_ms(
        self, decode_sequences: int, context_tokens: int, prefill_tokens: int = 0, prefill_context: float = 0.0
    ) -> float:
        """Milliseconds of a step: C sequences decode over X context tokens; P tokens prefill at mean context ctx."""
        batch_tokens = decode_sequences + prefill_tokens
        products_ms = math.hypot(self.dense_read_ms, self.dense_compute_ms_per_token * batch_tokens)
        if self.expert_read_ms or self.expert_compute_ms_per_token:
            expert_ms = self.expert_read_ms * (1.0 - (1.0 - self.expert_hit_fraction) ** batch_tokens)
            products_ms += math.hypot(expert_ms, self.expert_compute_ms_per_token * batch_tokens)
        attention_ms = self.kv_read_ms_per_token * context_tokens
        if prefill_tokens:
            attention_ms += self.attention_ms_per_token_pair * prefill_tokens * prefill_context
        fixed_ms = self.overhead_ms + self.comm_ms_per_step + self.overhead_ms_per_sequence * decode_sequences
        return products_ms + attention_ms + fixed_ms + self.comm_ms_per_token * batch_tokens


class Clock(BaseModel):
    """One replica as the plan sees it: vLLM's limits (vLLM's own names) and its step coefficients.

    `max_num_queued_reqs` counts requests in flight, waiting and running, as vLLM does; `max_num_queued_tokens` counts
    whole prompts still in prefill. None is vLLM's default: no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["1.0"]
    pool: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)]
    max_model_len: Count
    max_num_seqs: Count
    max_num_batched_tokens: Count
    kv_tokens: Count
    max_num_queued_reqs: Count | None = None
    max_num_queued_tokens: Count | None = None
    step: StepCoefficients

    @model_validator(mode="after")
    def _limits_that_vllm_would_refuse(self) -> Clock:
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens {self.max_num_batched_tokens} is below max_num_seqs {self.max_num_seqs}: "
                "a full decode batch would not fit one step; raise the first or lower the second"
            )
        if self.kv_tokens < self.max_model_len:
            raise ValueError(
                f"kv_tokens {self.kv_tokens} is below max_model_len {self.max_model_len}: one longest request would "
                "not fit the KV cache; lower max_model_len or use a class with more memory"
            )
        if self.step.step_ms(1, 0) <= 0:
            raise ValueError("every coefficient that a decode step pays is zero: time would stand still")
        return self


def read_clock(path: Path) -> Clock:
    """The clock of a file. Raises ClockFileError with every problem of the file in one message."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ClockFileError(
            f"cannot read the clock file {path}: {error.strerror}; the plan's routing writes it"
        ) from error
    try:
        return Clock.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'document'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ClockFileError(f"{path} is not a clock file: {problems}") from error
