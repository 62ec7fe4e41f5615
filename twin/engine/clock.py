"""The clock file: the limits of one replica, and the coefficients that say how long one engine step lasts.

    engine = √(dense_read² + (dense_compute · T)²)
           + √((expert_read · (1 − (1 − hit)^T))² + (expert_compute · T)²)
           + kv_read · X + attention · P · ctx
           + overhead + overhead_per_sequence · C + comm_per_step + comm_per_token · T
    step   = the longer one of engine and server_per_sequence · C

    C     decode sequences, which receive one token each
    T     tokens that are computed: tokens_per_sequence · C + P
    X     tokens of context that they read
    P     prefill tokens of the step
    ctx   mean context that a prefill token attends to, tokens

Under each root stand reading the weights and multiplying with them, which go on at the same time. Everything else
follows one after the other. The server processes send the tokens of a step while the engine computes the next one, so
that the slower of the two says how long a step lasts.

The planner writes this file from a plan. The twin reads it and has its own implementation of the formula, so that an
error in either shows as a difference.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(gt=0)]


class ClockFileError(ValueError):
    """The clock file cannot be used. The message names the file, the field and what to do."""


class StepCoefficients(BaseModel):
    """The coefficients give the milliseconds of one engine step, by cause.

    expert_hit_fraction: share of the experts that one token uses.
    tokens_per_sequence: tokens that are computed for each token that a sequence receives; 1 without speculation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dense_read_ms: _Milliseconds
    dense_compute_ms_per_token: _Milliseconds
    expert_read_ms: _Milliseconds
    expert_compute_ms_per_token: _Milliseconds
    expert_hit_fraction: Annotated[float, Field(ge=0, le=1)]
    kv_read_ms_per_token: _Milliseconds
    attention_ms_per_token_pair: _Milliseconds
    overhead_ms: _Milliseconds
    overhead_ms_per_sequence: _Milliseconds
    comm_ms_per_token: _Milliseconds
    comm_ms_per_step: _Milliseconds
    server_ms_per_sequence: _Milliseconds = 0.0
    tokens_per_sequence: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0

    def step_ms(
        self, decode_sequences: int, context_tokens: int, prefill_tokens: int = 0, prefill_context: float = 0.0
    ) -> float:
        """Return the milliseconds of a step: C sequences decode over X context tokens, P tokens prefill at mean context
        ctx."""
        batch_tokens = self.tokens_per_sequence * decode_sequences + prefill_tokens
        products_ms = math.hypot(self.dense_read_ms, self.dense_compute_ms_per_token * batch_tokens)
        if self.expert_read_ms or self.expert_compute_ms_per_token:
            expert_ms = self.expert_read_ms * (1.0 - (1.0 - self.expert_hit_fraction) ** batch_tokens)
            products_ms += math.hypot(expert_ms, self.expert_compute_ms_per_token * batch_tokens)
        attention_ms = self.kv_read_ms_per_token * context_tokens
        if prefill_tokens:
            attention_ms += self.attention_ms_per_token_pair * prefill_tokens * prefill_context
        fixed_ms = self.overhead_ms + self.comm_ms_per_step + self.overhead_ms_per_sequence * decode_sequences
        engine_ms = products_ms + attention_ms + fixed_ms + self.comm_ms_per_token * batch_tokens
        return max(engine_ms, self.server_ms_per_sequence * decode_sequences)


class EngineClock(BaseModel):
    """The clock describes one replica as the plan sees it: vLLM's limits (in vLLM's own names) and its step
    coefficients.

    kv_tokens: tokens that the KV cache holds.
    max_num_queued_reqs: requests in flight, waiting and running, above which vLLM turns requests away.
    max_num_queued_tokens: tokens of whole prompts still in prefill above which vLLM turns requests away.
    adapters: names of LoRA adapters that it answers to, beside its model.

    None is vLLM's default for both: there is no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["1.0"]
    pool: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)]
    max_model_len: _Count
    max_num_seqs: _Count
    max_num_batched_tokens: _Count
    kv_tokens: _Count
    max_num_queued_reqs: _Count | None = None
    max_num_queued_tokens: _Count | None = None
    step: StepCoefficients
    adapters: Annotated[tuple[str, ...], Field(exclude_if=lambda names: not names)] = ()

    @model_validator(mode="after")
    def _limits_that_vllm_would_refuse(self) -> EngineClock:
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


def read_clock(path: Path) -> EngineClock:
    """Read the clock of a file. Raises ClockFileError with every problem of the file in one message."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ClockFileError(
            f"cannot read the clock file {path}: {error.strerror}; the plan's routing writes it"
        ) from error
    try:
        return EngineClock.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'document'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ClockFileError(f"{path} is not a clock file: {problems}") from error
