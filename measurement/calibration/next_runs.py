"""Which benchmark runs to make next: those after which the model's predictions are known best.

Of every deployment, and of the same on half and twice as many GPUs where it loads, runs could be made with a short and
a long prompt, alone, at the knee and near capacity. What a run would teach follows from the model itself:

    J     = ∂ ln(TPOT, TTFT) / ∂ ln θ      θ: every coefficient, and one factor each on steps and on TTFT of the model
    P     = prior variances of ln θ; a run with noise R updates it: P ← P − P·Jᵀ·(J·P·Jᵀ + R)⁻¹·J·P
    next  = the run that leaves the least mean variance of ln TPOT and ln TTFT over all that could be run

taken six times, each after the last, beginning from the runs that there are (a greedy I-optimal design). Prior widths
and noise are judgements, stated below; they order the runs and enter no plan.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from measurement.calibration.runs import Deployment, OwnRun, expected_of
from planner.performance.coefficients import Coefficients
from planner.performance.memory import MemoryFit, memory_fit
from planner.performance.precision import Unsupported, quantization_support
from planner.words.arrays import Floats

T = TypeVar("T")

COUNT = 6
LENGTHS = ((128, 128), (1024, 128), (4096, 128))
"""Tokens in and out: short prompts are decoding, long ones prefill."""
KNEE = 1.5
"""Steps relative to a lone sequence's at which batching begins to cost."""
MOST_IN_FLIGHT = 256
COEFFICIENT, STEP_FACTOR, TTFT_FACTOR = 0.25, 0.15, 0.3
"""Prior standard deviations of logarithms."""
NOISE = np.diag([0.04**2, 0.12**2])
"""Variance of ln TPOT and ln TTFT of one run when it is repeated."""
NEIGHBOUR = 0.25
"""What another number of GPUs matters, relative to the deployment that was named."""
NUDGE = 1.02
ROUNDS, LEAST_PROMPTS = 10, 100


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One run to make. tpot_range, ttft_range: the p90 of actual/predicted after it, over all that could be run."""

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
        """Of its prompts: another for every run, so that none finds another's in the prefix cache."""
        text = f"{self.deployment} {self.concurrency} {self.input_tokens} {self.output_tokens}"
        return int(hashlib.sha256(text.encode()).hexdigest()[:5], 16)


def next_runs(
    deployments: Sequence[Deployment], made: Sequence[OwnRun], c: Coefficients, count: int = COUNT
) -> tuple[Suggestion, ...]:
    """The runs to make next, best first. made: what is known already; c: what it has made of the coefficients."""
    could = [each for d in _neighbours(deployments) for each in _candidates(d, c)]
    if not could:
        return ()
    weights = sorted({each.deployment.weights for each in could} | {each.deployment.weights for each in made})
    learn = [_sensitivities(s.deployment, s.concurrency, s.input_tokens, s.output_tokens, c, weights) for s in could]
    variance = np.diag(_prior(len(learn[0][0]), len(weights)))
    asked = {(d.gpu.key, d.weights, d.tensor_parallel_size) for d in deployments}
    own = [(s.deployment.gpu.key, s.deployment.weights, s.deployment.tensor_parallel_size) in asked for s in could]
    matter = np.where(own, 1.0, NEIGHBOUR)
    for each in made:
        run = each.run
        known = _sensitivities(each.deployment, run.load, run.input_tokens, run.output_tokens, c, weights)
        variance = _updated(variance, known)
    chosen: list[Suggestion] = []
    left = list(range(len(could)))
    while left and len(chosen) < count:
        after = {index: _updated(variance, learn[index]) for index in left}
        best = min(left, key=lambda index: (round(float(_spread(after[index], learn, matter).sum()), 12), index))
        variance = after[best]
        left.remove(best)
        tpot, ttft = (math.exp(1.2816 * math.sqrt(each)) for each in _spread(variance, learn, matter))
        chosen.append(replace(could[best], tpot_range=tpot, ttft_range=ttft))
    return tuple(chosen)


def _neighbours(deployments: Sequence[Deployment]) -> list[Deployment]:
    """The deployments, and each on half and twice as many GPUs; each once."""
    found: dict[tuple[str, str, int, str], Deployment] = {}
    for d in deployments:
        for ranks in (d.tensor_parallel_size, d.tensor_parallel_size // 2, d.tensor_parallel_size * 2):
            if 1 <= ranks <= 8:
                found.setdefault((d.gpu.key, d.weights, ranks, d.kv), replace(d, tensor_parallel_size=ranks))
    return [found[key] for key in sorted(found)]


def _candidates(d: Deployment, c: Coefficients) -> Iterator[Suggestion]:
    """Alone, at the knee and near capacity, for each length that it can hold."""
    if isinstance(quantization_support(d.model.key, d.quantization, d.gpu), Unsupported):
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
            told = expected_of(d, load, inputs, outputs, c)
            prompts = max(LEAST_PROMPTS, ROUNDS * load)
            minutes = prompts / load * (told.ttft_ms + outputs * told.tpot_ms) / 6e4
            yield Suggestion(d, load, inputs, outputs, place, prompts, minutes, math.inf, math.inf)


def _loads(d: Deployment, inputs: int, outputs: int, most: int, c: Coefficients) -> dict[str, int]:
    """Requests in flight by what they show; fewer than three places where they fall together."""
    alone = expected_of(d, 1, inputs, outputs, c).tpot_ms
    powers = [2**n for n in range(1, 9) if 2**n < most]
    knee = next((n for n in powers if expected_of(d, n, inputs, outputs, c).tpot_ms >= KNEE * alone), 0)
    found = {"batch 1": 1}
    if knee:
        found["knee"] = knee
    if most > max(2, knee):
        found["near capacity"] = most
    return found


def _sensitivities(
    d: Deployment, load: float, inputs: float, outputs: float, c: Coefficients, weights: Sequence[str]
) -> Floats:
    """J of one run, shape (2, parameters): of ln TPOT and ln TTFT."""
    told = expected_of(d, load, inputs, outputs, c)
    columns = []
    for nudged in _nudged(c):
        other = expected_of(d, load, inputs, outputs, nudged)
        columns.append((math.log(other.tpot_ms / told.tpot_ms), math.log(other.ttft_ms / told.ttft_ms)))
    found = np.array(columns).T / math.log(NUDGE)
    mine = np.array([float(name == d.weights) for name in weights])
    none = np.zeros(len(weights))
    factors = np.array([[*mine, *none], [*mine, *mine]])
    joined: Floats = np.concatenate([found, factors], axis=1)
    return joined


def _nudged(value: T) -> Iterator[T]:
    """The same coefficients with one number after the other a little larger; zeros stay."""
    if isinstance(value, float):
        if value > 0.0:
            yield value * NUDGE  # type: ignore[misc]
    elif isinstance(value, Mapping):
        for key, each in value.items():
            for other in _nudged(each):
                yield {**value, key: other}  # type: ignore[misc]
    elif is_dataclass(value) and not isinstance(value, type):
        shown: Any = value
        for field in fields(shown):
            if field.name not in ("residuals", "measured_rows"):
                for other in _nudged(getattr(shown, field.name)):
                    yield replace(shown, **{field.name: other})


def _prior(parameters: int, classes: int) -> Floats:
    """Prior variances: coefficients, then the factor on steps of each class, then that on TTFT."""
    widths = [COEFFICIENT] * (parameters - 2 * classes) + [STEP_FACTOR] * classes + [TTFT_FACTOR] * classes
    return np.array(widths) ** 2


def _updated(variance: Floats, learned: Floats) -> Floats:
    """The variances after one run."""
    shared = variance @ learned.T
    gained: Floats = shared @ np.linalg.solve(learned @ shared + NOISE, shared.T)
    return variance - gained


def _spread(variance: Floats, targets: Sequence[Floats], matter: Floats) -> Floats:
    """Mean variance of ln TPOT and of ln TTFT over all that could be run, each as much as it matters."""
    stacked = np.stack(targets)
    each = np.einsum("rij,jk,rik->ri", stacked, variance, stacked)
    return np.asarray(np.average(each, axis=0, weights=matter), dtype=np.float64)
