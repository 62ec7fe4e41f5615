"""Which benchmark runs to make next: those after which the model's predictions are known best.

The candidates are runs of every deployment, and of the same deployment on half and twice as many GPUs where it loads.
Each has a short or a long prompt, and a load of one request, at the knee of the curve, or near capacity. How much a run
would teach follows from the model itself:

    θ     = every coefficient, and two factors for each model: one on its steps and one on its TTFT
    J     = ∂ ln(TPOT, TTFT)/∂ ln θ of one run
    P     = variances of ln θ, which begin at the prior
    R     = variance of ln(TPOT, TTFT) of one run when it is repeated

A run that is made changes the variances:

    P    ←  P − P·Jᵀ·(J·P·Jᵀ + R)⁻¹·J·P

The next run is the one that leaves the least mean variance of ln TPOT and ln TTFT over all candidates. `COUNT` runs are
chosen in this way, one after the other, beginning from the runs that there are. (The books call this a greedy I-optimal
design.) The widths of the prior and the noise are judgements that stand below; they order the runs and enter no plan.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from measurement.calibration.corrections import TAIL
from measurement.calibration.runs import Deployment, OwnRun, closed_form_figures
from planner.performance.coefficients import Coefficients
from planner.performance.memory import MemoryFit, memory_fit
from planner.performance.precision import unsupported_weights
from planner.words.arrays import Floats

T = TypeVar("T")

COUNT = 6
"""Runs that are suggested at most."""
LENGTHS = ((128, 128), (1024, 128), (4096, 128))
"""Tokens in and out. Runs with short prompts measure decoding, runs with long prompts measure prefill."""
KNEE = 1.5
"""TPOT over that of a lone sequence at which batching begins to cost."""
MOST_IN_FLIGHT = 256
"""Requests in flight of a run at most."""
COEFFICIENT, STEP_FACTOR, TTFT_FACTOR = 0.25, 0.15, 0.3
"""Standard deviations of ln θ before any run: of a coefficient, of a factor on steps, of a factor on TTFT."""
NOISE = np.diag([0.04**2, 0.12**2])
"""Variance of ln TPOT and ln TTFT of one run when it is repeated, R."""
NEIGHBOUR = 0.25
"""Weight of a deployment with another number of GPUs, over that of the deployment that was named."""
NUDGE = 1.02
"""Factor on a coefficient with which derivatives are taken."""
ROUNDS, LEAST_PROMPTS = 10, 100
"""Requests of a run for each request in flight, and at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One run to make.

    concurrency: requests in flight.
    input_tokens, output_tokens: tokens of a request.
    place: where on the load curve the run lies, in words.
    prompts: number of requests.
    minutes: how long the run takes, minutes.
    tpot_range, ttft_range: p90 of actual/predicted after the run, over all candidates.
    """

    deployment: Deployment
    concurrency: int
    input_tokens: int
    output_tokens: int
    place: str
    prompts: int
    minutes: float
    tpot_range: float
    ttft_range: float

    @property
    def seed(self) -> int:
        """The seed of the prompts. It differs from run to run, so that no run finds another's prompts in the cache."""
        text = f"{self.deployment} {self.concurrency} {self.input_tokens} {self.output_tokens}"
        return int(hashlib.sha256(text.encode()).hexdigest()[:5], 16)


def next_runs(deployments: Sequence[Deployment], made: Sequence[OwnRun], c: Coefficients) -> tuple[Suggestion, ...]:
    """The runs to make next, the best one first.

    made: the runs that there are.
    c: the coefficients as these runs left them.
    """
    candidates = [each for d in _with_neighbours(deployments) for each in _candidates(d, c)]
    if not candidates:
        return ()
    weights = sorted({each.deployment.weights for each in candidates} | {each.deployment.weights for each in made})
    jacobians = [
        _jacobian(each.deployment, each.concurrency, each.input_tokens, each.output_tokens, c, weights)
        for each in candidates
    ]
    importance = np.array([1.0 if _is_among(each.deployment, deployments) else NEIGHBOUR for each in candidates])
    variance = np.diag(_prior_variances(len(jacobians[0][0]), len(weights)))
    for own in made:
        run = own.run
        jacobian = _jacobian(own.deployment, run.load, run.input_tokens, run.output_tokens, c, weights)
        variance = _variance_after(variance, jacobian)
    chosen: list[Suggestion] = []
    left = list(range(len(candidates)))

    def doubt_after(index: int) -> tuple[float, int]:
        doubt = _mean_variances(_variance_after(variance, jacobians[index]), jacobians, importance).sum()
        return round(float(doubt), 12), index

    while left and len(chosen) < COUNT:
        best = min(left, key=doubt_after)
        left.remove(best)
        variance = _variance_after(variance, jacobians[best])
        tpot, ttft = (math.exp(TAIL * math.sqrt(each)) for each in _mean_variances(variance, jacobians, importance))
        chosen.append(replace(candidates[best], tpot_range=tpot, ttft_range=ttft))
    return tuple(chosen)


def _is_among(d: Deployment, deployments: Sequence[Deployment]) -> bool:
    """Whether a deployment is one of these, whatever its cache and its version."""
    return any(
        (d.gpu.key, d.weights, d.tensor_parallel_size) == (each.gpu.key, each.weights, each.tensor_parallel_size)
        for each in deployments
    )


def _with_neighbours(deployments: Sequence[Deployment]) -> list[Deployment]:
    """The deployments, and the same on half and twice as many GPUs; each of them once."""
    by_key: dict[tuple[str, str, int, str], Deployment] = {}
    for d in deployments:
        for ranks in (d.tensor_parallel_size, d.tensor_parallel_size // 2, d.tensor_parallel_size * 2):
            if 1 <= ranks <= 8:
                by_key.setdefault((d.gpu.key, d.weights, ranks, d.kv), replace(d, tensor_parallel_size=ranks))
    return [by_key[key] for key in sorted(by_key)]


def _candidates(d: Deployment, c: Coefficients) -> Iterator[Suggestion]:
    """Runs with one request, at the knee and near capacity, for each length that the deployment can hold."""
    if unsupported_weights(d.model, d.quantization, d.gpu):
        return
    for inputs, outputs in LENGTHS:
        fit = memory_fit(
            d.model,
            d.quantization,
            d.gpu,
            tensor_parallel_size=d.tensor_parallel_size,
            max_num_seqs=MOST_IN_FLIGHT,
            max_model_len=inputs + outputs,
            max_num_batched_tokens=d.batched_tokens,
            kv_format=d.kv,
        )
        if not isinstance(fit, MemoryFit) or inputs + outputs > d.model.max_context:
            continue
        most = min(MOST_IN_FLIGHT, int(0.9 * fit.sequences(inputs + outputs)))
        for place, load in _loads(d, inputs, outputs, most, c).items():
            expected = closed_form_figures(d, load, inputs, outputs, c)
            prompts = max(LEAST_PROMPTS, ROUNDS * load)
            yield Suggestion(
                deployment=d,
                concurrency=load,
                input_tokens=inputs,
                output_tokens=outputs,
                place=place,
                prompts=prompts,
                minutes=prompts / load * (expected.ttft_ms + outputs * expected.tpot_ms) / 6e4,
                tpot_range=math.inf,
                ttft_range=math.inf,
            )


def _loads(d: Deployment, inputs: int, outputs: int, most: int, c: Coefficients) -> dict[str, int]:
    """Requests in flight by their place on the load curve. Places that fall together count once."""
    alone = closed_form_figures(d, 1, inputs, outputs, c).tpot_ms
    powers = [2**n for n in range(1, 9) if 2**n < most]
    knee = next((n for n in powers if closed_form_figures(d, n, inputs, outputs, c).tpot_ms >= KNEE * alone), 0)
    loads = {"batch 1": 1}
    if knee:
        loads["knee"] = knee
    if most > max(2, knee):
        loads["near capacity"] = most
    return loads


def _jacobian(
    d: Deployment, load: float, inputs: float, outputs: float, c: Coefficients, weights: Sequence[str]
) -> Floats:
    """J of one run, shape (2, parameters). The rows are ln TPOT and ln TTFT.

    weights: the classes that have factors of their own, as `Deployment.weights` names them.
    """
    expected = closed_form_figures(d, load, inputs, outputs, c)
    columns = []
    for variation in _variations(c):
        other = closed_form_figures(d, load, inputs, outputs, variation)
        columns.append((math.log(other.tpot_ms / expected.tpot_ms), math.log(other.ttft_ms / expected.ttft_ms)))
    by_coefficient = np.array(columns).T / math.log(NUDGE)
    is_own = np.array([float(name == d.weights) for name in weights])
    none = np.zeros(len(weights))
    by_factor = np.array([[*is_own, *none], [*is_own, *is_own]])
    joined: Floats = np.concatenate([by_coefficient, by_factor], axis=1)
    return joined


def _variations(value: T) -> Iterator[T]:
    """The same coefficients with one number a little larger, for one number after the other. Zeros stay zero."""
    if isinstance(value, float):
        if value > 0.0:
            yield value * NUDGE  # type: ignore[misc]
    elif isinstance(value, Mapping):
        for key, each in value.items():
            for other in _variations(each):
                yield {**value, key: other}  # type: ignore[misc]
    elif is_dataclass(value) and not isinstance(value, type):
        record: Any = value
        for field in fields(record):
            if field.name not in ("residuals", "measured_rows"):
                for other in _variations(getattr(record, field.name)):
                    yield replace(record, **{field.name: other})


def _prior_variances(parameters: int, classes: int) -> Floats:
    """Variances of ln θ before any run: of the coefficients, of each class's factor on steps, of its factor on TTFT."""
    widths = [COEFFICIENT] * (parameters - 2 * classes) + [STEP_FACTOR] * classes + [TTFT_FACTOR] * classes
    return np.array(widths) ** 2


def _variance_after(variance: Floats, jacobian: Floats) -> Floats:
    """The variances of ln θ after a run with this J."""
    shared = variance @ jacobian.T
    gain: Floats = shared @ np.linalg.solve(jacobian @ shared + NOISE, shared.T)
    return variance - gain


def _mean_variances(variance: Floats, jacobians: Sequence[Floats], importance: Floats) -> Floats:
    """Mean variances of ln TPOT and of ln TTFT over all candidates, weighed by their importance; shape (2,)."""
    stacked = np.stack(jacobians)
    each = np.einsum("rij,jk,rik->ri", stacked, variance, stacked)
    return np.asarray(np.average(each, axis=0, weights=importance), dtype=np.float64)
