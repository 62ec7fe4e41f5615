"""Speculative decoding: the clock of a replica whose drafter proposes k tokens, of which the model accepts `a`.

In one step of the engine the model verifies V = 1 + k tokens of each sequence, and a sequence receives A = 1 + a of
them on average. A plan's clock counts the tokens that a sequence receives, one a step. So its step is the A-th part of
a step of the engine, in which the prompts of A such steps are computed:

    step(C, X, P)  = [main(T, C, X) + first(T, C, X) + (k − 1)·further(C, X)] / A        T = V·C + A·P
                   ≥ server·C                                             the server sends every token

    main      the model on T tokens; each of the V·C verified tokens has a row of the output head and is sampled
    first     the drafter on the same T tokens, prompts included: its layers count as further layers of the model
    further   the drafter on one token of each sequence, once for each further draft; its products are taken as
              reading + multiplying, which no product exceeds

Each part has the form of `step_time` in the tokens T. With T = A·(v·C + P) and v = V/A, dividing by A leaves that form:

    read → read/A    compute → compute    1 − k/E → (1 − k/E)^A    kv → kv/A    overhead → overhead/A
    per_sequence → (V·per_sequence + drafts)/A    per_token → per_token    tokens_per_sequence → v

so that the result is a `StepClock` like any other, and the simulator, the lock and the engine's twin know nothing more.

- The context of a sequence is read once a step: the V queries of a sequence stand in the same tile of the kernel, as
  the query heads that share a KV head do. Latent attention multiplies so much with what it reads that V queries can
  take longer than reading. A state of linear attention is read once, and written for each verified token, because the
  engine must be able to go back to any of them.
- The experts are those that V·C + A·P tokens visit. The further passes of the drafter are counted with them.
- First tokens are not helped. A prompt enters with a step of the engine, which takes A times as long as one of this
  clock: `first_token_factor` says by how much its targets are shortened. Nor is the budget of a step: it holds the
  verified tokens, and the prompts of A steps (`plan.fleet.tokens_of_step`).

The tokens that a sequence receives in one step go out in one message, which is less work for a server than as many
messages. No run says how much less, so that the server is taken to send them one by one.

The acceptance is published, for other text than the team's own, and no run of ours had a drafter: `analytic`.
"""

from __future__ import annotations

import math
from dataclasses import replace

from planner.domain.architecture import Architecture
from planner.domain.models import Drafter, Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.coefficients import Coefficients
from planner.performance.drafters import drafter_shape
from planner.performance.memory import state_bytes
from planner.performance.parallelism import Parallelism
from planner.performance.precision import KvFormat, peak_flops
from planner.performance.roofline import ideal_step, power_headroom, step_clock
from planner.performance.step_time import StepClock


def clock_of(
    model: Model,
    quantization: Quantization,
    gpu: Gpu,
    layout: Parallelism,
    coefficients: Coefficients,
    *,
    context_tokens: float,
    kv_format: KvFormat = "bf16",
    drafter: Drafter | None = None,
) -> StepClock:
    """Return the clock of a model in a layout, whose sequences hold `context_tokens` on average.

    drafter: what proposes tokens; None without speculative decoding.
    """

    def alone(shape: Architecture) -> StepClock:
        ideal = ideal_step(
            shape,
            quantization,
            gpu,
            layout.tensor_parallel_size,
            context_tokens=context_tokens,
            kv_format=kv_format,
            expert_parallel_size=layout.expert_parallel_size,
        )
        return step_clock(ideal, coefficients)

    main = alone(model.architecture)
    if drafter is None:
        return main
    drafted = drafter.num_speculative_tokens
    multiplying = _latent_ms(model.architecture, gpu, layout, coefficients) * (1 + drafted)
    writing = _state_ms(model.architecture, gpu, layout, coefficients) * drafted / context_tokens
    reading = max(main.kv_read_ms_per_token, multiplying) + writing
    verifying = replace(main, kv_read_ms_per_token=reading)
    return speculative(verifying, alone(drafter_shape(model, drafter)), drafted, drafter.accepted)


def speculative(main: StepClock, draft: StepClock, drafted: int, accepted: float) -> StepClock:
    """Return the clock of a model with a drafter, by the tokens that its sequences receive.

    main: the model alone; draft: one pass of the drafter, with its row of the output head.
    drafted: tokens that it proposes in one step; 0 leaves the clock as it is. accepted: those that are accepted.
    """
    if drafted == 0:
        return main
    received, further = 1.0 + accepted, drafted - 1
    of_a_draft = draft.dense_compute_ms_per_token + draft.expert_compute_ms_per_token + draft.comm_ms_per_token
    per_sequence = (1 + drafted) * main.overhead_ms_per_sequence + drafted * draft.overhead_ms_per_sequence
    return StepClock(
        dense_read_ms=(main.dense_read_ms + draft.dense_read_ms) / received,
        dense_compute_ms_per_token=main.dense_compute_ms_per_token + draft.dense_compute_ms_per_token,
        expert_read_ms=(main.expert_read_ms + drafted * draft.expert_read_ms) / received,
        expert_compute_ms_per_token=main.expert_compute_ms_per_token + draft.expert_compute_ms_per_token,
        expert_hit_fraction=1.0 - math.pow(1.0 - main.expert_hit_fraction, received),
        kv_read_ms_per_token=(main.kv_read_ms_per_token + drafted * draft.kv_read_ms_per_token) / received,
        attention_ms_per_token_pair=main.attention_ms_per_token_pair + draft.attention_ms_per_token_pair,
        overhead_ms=(main.overhead_ms + drafted * draft.overhead_ms + further * draft.dense_read_ms) / received,
        overhead_ms_per_sequence=(per_sequence + further * of_a_draft) / received,
        comm_ms_per_token=main.comm_ms_per_token + draft.comm_ms_per_token,
        comm_ms_per_step=(main.comm_ms_per_step + drafted * draft.comm_ms_per_step) / received,
        server_ms_per_sequence=main.server_ms_per_sequence,
        tokens_per_sequence=(1 + drafted) / received,
    )


def first_token_factor(
    clock: StepClock, drafted: int, sequences: float, context_tokens: float, input_tokens: float, budget: int
) -> float:
    """Return the time until a prompt is computed by the engine's steps ÷ the time by the clock, in a full batch.

    sequences: those of a full batch, with `context_tokens` in all. budget: tokens of a step of the clock, beside which
    the sequences must find place.
    """
    if drafted == 0:
        return 1.0
    received = (1 + drafted) / clock.tokens_per_sequence
    room, context = max(budget - sequences, 1.0), input_tokens / 2.0
    steps = max(1, math.ceil(input_tokens / room))
    of_engine = max(1, math.ceil(input_tokens / (room * received)))
    by_clock = steps * clock.step_ms(sequences, context_tokens, input_tokens / steps, context)
    each = input_tokens / of_engine / received
    by_engine = of_engine * received * clock.step_ms(sequences, context_tokens, each, context)
    return max(1.0, by_engine / by_clock)


def _latent_ms(shape: Architecture, gpu: Gpu, layout: Parallelism, coefficients: Coefficients) -> float:
    """Return the time of one query's latent attention to one token of context, ms; 0 for other attention.

    Queries are compared with the latent vector and its rotary part, and collect the vector: 2·(2·rank + rope) FLOP a
    head and layer. Copies of the attention share the context out.
    """
    if shape.latent is None:
        return 0.0
    width = 2 * shape.latent.kv_lora_rank + shape.latent.qk_rope_head_dim
    flops = 2.0 * shape.heads * width * shape.full_layers / layout.gpus
    reached = coefficients.attention * math.pow(power_headroom(gpu), coefficients.power_exponent)
    return flops / (peak_flops(gpu, "16-bit") * reached) * 1e3


def _state_ms(shape: Architecture, gpu: Gpu, layout: Parallelism, coefficients: Coefficients) -> float:
    """Return the time to write the linear-attention state of one sequence once, ms."""
    seconds = state_bytes(shape) / layout.gpus / (gpu.bandwidth_gb_per_s * 1e9 * coefficients.kv_bandwidth)
    return seconds * 1e3
