"""How the step times of candidates are judged: the fit, the team's own calibrations, and the planning margin.

A clock is that of one API server. Where its server would hold the engine up, a replica gets more of them, as far as the
machine has cores for them:

    servers = ⌈server·C / (SERVER_SHARE · step(C))⌉         at most MOST_SERVERS and cores − GPUs − copies

C are the sequences of a full batch. Every GPU keeps a core busy, and so does the scheduler of each copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.hosts import HOST_CPU_M_PER_GPU
from planner.decision.candidates.shapes import Shape
from planner.decision.inputs import Inputs
from planner.domain.offerings import InstanceType
from planner.performance.adapters import SLOWER
from planner.performance.calibration import Calibration, Evidence, evidence, weights_class
from planner.performance.capacity import Capacity, CapacityQuestion, LatencyTarget
from planner.performance.coefficients import Coefficients
from planner.performance.lengths import Lengths
from planner.performance.memory import MemoryFit
from planner.performance.prefix import cached_prompts
from planner.performance.speculation import clock_of, first_token_factor
from planner.performance.step_time import StepClock
from planner.performance.throughput import steady_target
from planner.plan.fleet import tokens_of_step
from planner.words.numbers import six_digits

MOST_SERVERS = 4
"""API servers of a replica at most. No published run says how well more of them share the work."""
SERVER_SHARE = 0.8
"""Share of a step of a full batch that the server may take before another server is added."""
LEAST_CORES_PER_GPU = HOST_CPU_M_PER_GPU / 1000
"""Cores for each GPU that every machine has which may serve."""


@dataclass(frozen=True)
class Ruler:
    """The ruler says how long the steps of a shape are planned to take.

    coefficients: the fit that is shipped.
    calibrations: the team's own measurements, by GPU. They replace the fit, its margin and its provenance there.
    quantile: which residuals the margin covers; `p50` plans without a margin.
    cores_per_gpu: cores for each GPU on the smallest machine that may serve, by GPU.
    sigmas: standard deviations of the error by which steps are slower than the model expects, beside the margin.
    """

    coefficients: Coefficients
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    quantile: Literal["p50", "p90"] = "p90"
    cores_per_gpu: Mapping[str, float] = field(default_factory=dict)
    sigmas: float = 0.0

    def evidence(self, shape: Shape) -> Evidence:
        """Return what is known of the speed of a shape.

        Few runs have copies of the attention, or MLA with fp8 KV, and none of ours has a drafter or adapters.
        """
        gpu = shape.gpu.key
        weights = weights_class(shape.model.key, shape.quantization.name, shape.kv_format, shape.parallelism.word)
        latent_fp8 = shape.kv_format == "fp8" and shape.model.architecture.latent is not None
        few_runs = shape.copies > 1 or latent_fp8 or shape.drafter is not None or bool(shape.adapters)
        return evidence(self.coefficients, self.calibrations.get(gpu), gpu, weights, shape.gpus, few_runs)

    def margin(self, shape: Shape) -> float:
        """Return the factor on the step time of a shape."""
        basis = self.evidence(shape)
        return (basis.margin if self.quantile == "p90" else 1.0) * basis.slower_by_sigmas(self.sigmas)

    def clock(self, shape: Shape) -> StepClock:
        """Return the step clock of a shape at the mean context of its routes. It includes the margin.

        Copies of the attention step together: the clock is that of all of them. Adapters slow every step.
        """
        context = max(1.0, sum(route.lengths.mean_context for route in shape.routes) / len(shape.routes))
        basis = self.evidence(shape)
        clock = clock_of(
            shape.model,
            shape.quantization,
            shape.gpu,
            shape.parallelism,
            basis.coefficients,
            context_tokens=context,
            kv_format=shape.kv_format,
            drafter=shape.drafter,
        )
        adapters = SLOWER if shape.adapters else 1.0
        return clock.slower_by(basis.step * adapters * self.margin(shape)).as_written()

    def api_servers(self, shape: Shape, clock: StepClock, cap: int) -> int:
        """Return the number of API servers of a replica with a batch cap, sequences. clock: that of one server."""
        sequences = cap * shape.copies
        context = max(route.lengths.mean_context for route in shape.routes)
        engine_ms = replace(clock, server_ms_per_sequence=0.0).step_ms(sequences, sequences * context)
        needed = math.ceil(clock.server_ms_per_sequence * sequences / (SERVER_SHARE * engine_ms))
        cores = math.floor(self.cores_per_gpu.get(shape.gpu.key, LEAST_CORES_PER_GPU) * shape.gpus)
        return max(1, min(needed, MOST_SERVERS, cores - shape.gpus - shape.copies))

    def served(self, shape: Shape, clock: StepClock, cap: int) -> StepClock:
        """Return the clock of one server with the API servers that a replica with this batch cap has."""
        servers = self.api_servers(shape, clock, cap)
        return replace(clock, server_ms_per_sequence=six_digits(clock.server_ms_per_sequence / servers))

    def question(
        self,
        shape: Shape,
        clock: StepClock,
        memory: MemoryFit,
        route: RouteDemand,
        band: int | None,
        cap: int,
        batched_tokens: int,
    ) -> CapacityQuestion:
        """Return the question to the performance model about one band of a route, or all of it when `band` is None.

        Where first tokens really take longer than is computed, the target is made that much shorter instead, as with
        copies of the attention and with a drafter; `as_measured` brings the times of the answer back. Bursts are not in
        it. `cap` is the batch cap, sequences; `batched_tokens` are the most tokens of one step of the engine. Both are
        of one copy of the attention; the question is about all copies together.
        """
        basis, context = self.evidence(shape), shape.max_model_len
        lengths = route.lengths_read(context) if band is None else route.lengths_for(band, context)
        batched_tokens = tokens_of_step(batched_tokens, cap, shape.drafted, clock.tokens_per_sequence)
        alone = on_one_copy(clock, lengths.mean_input, batched_tokens, shape.copies)
        cap, batched_tokens = cap * shape.copies, batched_tokens * shape.copies
        full = max(1.0, min(float(cap), memory.sequences(lengths.mean_context)))
        of_engine = first_token_factor(
            clock, shape.drafted, full, full * lengths.mean_context, lengths.mean_input, batched_tokens
        )
        return CapacityQuestion(
            clock=clock,
            memory=memory,
            lengths=lengths,
            target=self._target(shape, clock, memory, route, lengths, cap, batched_tokens).nearer(
                basis.first_token * alone * six_digits(of_engine)
            ),
            max_num_seqs=cap,
            max_num_batched_tokens=batched_tokens,
            reuse=cached_prompts(memory, clock, lengths, cap, route.repeated, route.spread),
            first_token_overhead_ms=basis.coefficients.first_token_overhead_ms,
            provenance=basis.provenance,
        )

    def _target(
        self,
        shape: Shape,
        clock: StepClock,
        memory: MemoryFit,
        route: RouteDemand,
        lengths: Lengths,
        cap: int,
        batched_tokens: int,
    ) -> LatencyTarget:
        """Return what the requests of a route must keep on a replica of a shape.

        Work that may wait fills the replica where it is alone. Beside requests for which somebody waits it must be as
        quick as the quickest of them, or it would slow them down: a replica answers all alike.
        """
        if not route.route.may_wait:
            return route.target
        others = [each.target for each in shape.routes if not each.route.may_wait]
        if not others:
            return steady_target(route.target, clock, memory, lengths, cap, batched_tokens)
        return LatencyTarget(
            ttft_ms=min(each.ttft_ms for each in others),
            ttft_ms_per_1k_input=min(each.ttft_ms_per_1k_input for each in others),
            tpot_ms=min(each.tpot_ms for each in others),
            e2e_ms=min(each.e2e_ms for each in others),
        )

    def as_measured(self, question: CapacityQuestion, answer: Capacity) -> Capacity:
        """Return the answer to a question with TTFT as it will be measured."""
        factor = question.target.first_token
        if factor == 1.0:
            return answer
        return replace(answer, ttft_ms_p50=answer.ttft_ms_p50 * factor, ttft_ms_p95=answer.ttft_ms_p95 * factor)


def on_one_copy(clock: StepClock, input_tokens: float, batched_tokens: int, copies: int) -> float:
    """Return the time to compute a prompt on one copy of the attention ÷ the time by the clock of all copies.

    The clock shares the tokens of a step out among all copies, as they are when many requests run. The tokens of one
    prompt are all on one of them: only the experts of the others help. So first tokens take this much longer on an idle
    replica, and no longer than that on a busy one.

    clock: that of all copies. batched_tokens: most tokens of one step of one copy.
    """
    if copies == 1:
        return 1.0
    one = replace(
        clock,
        dense_compute_ms_per_token=clock.dense_compute_ms_per_token * copies,
        attention_ms_per_token_pair=clock.attention_ms_per_token_pair * copies,
        comm_ms_per_token=clock.comm_ms_per_token * copies,
    )
    shared = clock.prefill_ms(input_tokens, batched_tokens * copies)
    return max(1.0, six_digits(one.prefill_ms(input_tokens, batched_tokens) / shared))


def ruler(inputs: Inputs) -> Ruler:
    """Return the ruler under the environment's margin."""
    margin, cores = inputs.environment.planning.margin, cores_per_gpu(inputs.catalog.instances.values())
    return Ruler(inputs.coefficients, inputs.calibrations, margin, cores, inputs.step_sigmas)


def cores_per_gpu(instances: Iterable[InstanceType]) -> dict[str, float]:
    """Return the cores for each GPU on the smallest machine that may serve, by GPU."""
    found: dict[str, float] = {}
    for instance in instances:
        cores = instance.allocatable_cpu_m / 1000.0 / instance.gpu_count
        if cores >= LEAST_CORES_PER_GPU and not instance.bare_metal:
            found[instance.gpu] = min(cores, found.get(instance.gpu, math.inf))
    return found
