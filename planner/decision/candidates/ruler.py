"""How the step times of candidates are judged: the fit, the team's own calibrations, and the planning margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from planner.decision.candidates.demand import RouteDemand
from planner.decision.candidates.shapes import Shape
from planner.decision.inputs import Inputs
from planner.performance.calibration import Calibration, Evidence, evidence
from planner.performance.capacity import Capacity, CapacityQuestion
from planner.performance.coefficients import Coefficients
from planner.performance.memory import MemoryFit
from planner.performance.prefix import cached_prompts
from planner.performance.roofline import ideal_step, step_clock
from planner.performance.step_time import StepClock


@dataclass(frozen=True)
class Ruler:
    """The ruler says how long the steps of a shape are planned to take.

    coefficients: the fit that is shipped.
    margins: factor on step time that covers the residuals of the fit, by GPU; 1 without a margin.
    calibrations: the team's own measurements, by GPU. They replace the fit, its margin and its provenance there.
    quantile: which residuals a calibration's margin covers; `p50` plans without a margin.
    """

    coefficients: Coefficients
    margins: Mapping[str, float]
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    quantile: Literal["p50", "p90"] = "p90"

    def evidence(self, shape: Shape) -> Evidence:
        """Return what is known of the speed of a shape."""
        weights, gpu = f"{shape.model.key}/{shape.quantization.name}", shape.gpu.key
        calibration = self.calibrations.get(gpu)
        return evidence(self.coefficients, calibration, gpu, weights, shape.tensor_parallel_size)

    def margin(self, shape: Shape) -> float:
        """Return the factor on the step time of a shape."""
        if shape.gpu.key not in self.calibrations:
            return self.margins[shape.gpu.key]
        return self.evidence(shape).margin if self.quantile == "p90" else 1.0

    def clock(self, shape: Shape) -> StepClock:
        """Return the step clock of a shape at the mean context of its routes. It includes the margin."""
        context = max(1.0, sum(route.lengths.mean_context for route in shape.routes) / len(shape.routes))
        architecture, size = shape.model.architecture, shape.tensor_parallel_size
        way = architecture, shape.quantization, shape.gpu, size
        ideal = ideal_step(*way, context_tokens=context, kv_format=shape.kv_format)
        basis = self.evidence(shape)
        return step_clock(ideal, basis.coefficients).slower_by(basis.step * self.margin(shape)).as_written()

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

        Where first tokens really take longer than is computed, the target is made that much shorter instead;
        `as_measured` brings the times of the answer back. Bursts are not in it. `cap` is the batch cap, sequences;
        `batched_tokens` are the most tokens of one step.
        """
        basis, context = self.evidence(shape), shape.max_model_len
        lengths = route.lengths_read(context) if band is None else route.lengths_for(band, context)
        return CapacityQuestion(
            clock=clock,
            memory=memory,
            lengths=lengths,
            target=route.target.nearer(basis.first_token),
            max_num_seqs=cap,
            max_num_batched_tokens=batched_tokens,
            reuse=cached_prompts(memory, clock, lengths, cap, route.repeated, route.spread),
            first_token_overhead_ms=basis.coefficients.first_token_overhead_ms,
            provenance=basis.provenance,
        )

    def as_measured(self, shape: Shape, answer: Capacity) -> Capacity:
        """Return the same capacity with TTFT as it will be measured."""
        factor = self.evidence(shape).first_token
        if factor == 1.0:
            return answer
        return replace(answer, ttft_ms_p50=answer.ttft_ms_p50 * factor, ttft_ms_p95=answer.ttft_ms_p95 * factor)


def ruler(inputs: Inputs) -> Ruler:
    """Return the ruler under the environment's margin."""
    c = inputs.coefficients
    careful = inputs.environment.planning.margin == "p90"
    margins = {gpu: c.margin(gpu) if careful else 1.0 for gpu in inputs.catalog.gpus}
    return Ruler(c, margins, inputs.calibrations, inputs.environment.planning.margin)
