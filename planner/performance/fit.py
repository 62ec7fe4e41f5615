"""Fitting the coefficients of the step-time model to published measurements.

Bounded least squares on the logarithm of predicted/actual with a soft-L1 loss: each coefficient keeps its physical
range (efficiencies at most 1, times not negative), so a fit cannot explain what its form lacks by running a GPU at
204 % of its peak. Rows of one (model, GPU, metric) weigh together as much as the square root of their number. vLLM is
the reference; other engines get one factor each, so that their rows inform the hardware terms.

Residual quantiles are never of rows that the fit saw: `calibrated` from folds that leave whole (model, GPU) cells
out, vLLM rows only; `analytic` from fits that leave a whole GPU out, all engines. Reading and writing files is the
edge's work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from planner.domain.offerings import Link
from planner.performance.benchmarks import Measurement, Subject
from planner.performance.coefficients import (
    CALIBRATED_FROM_ROWS,
    Coefficients,
    LinkCoefficients,
    Metric,
    Provenance,
    Quantiles,
)
from planner.performance.precision import ComputeType
from planner.performance.predict import Runs, predicted
from planner.performance.step_time import ClockTable, IdealStep, StepClock, ideal_step, step_clock

Floats = NDArray[np.float64]
FOLDS = 8
JUDGED_BY: dict[Metric, tuple[str, ...]] = {
    "step": ("tpot", "throughput"),
    "tpot": ("tpot",),
    "ttft": ("ttft",),
    "throughput": ("throughput",),
}
"""The measured figures behind each metric's residuals: both TPOT and throughput tell how long steps are."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """One coefficient to fit: where the search starts and the range that physics leaves it."""

    name: str
    start: float
    least: float
    most: float


UNKNOWNS: tuple[Unknown, ...] = (
    Unknown("dense_bandwidth", 0.8, 0.3, 1.0),
    Unknown("packed_bandwidth", 0.6, 0.2, 1.0),
    Unknown("expert_bandwidth", 0.6, 0.1, 1.0),
    Unknown("kv_bandwidth", 0.6, 0.1, 1.0),
    Unknown("compute_16bit", 0.6, 0.1, 1.0),
    Unknown("compute_fp8", 0.5, 0.1, 1.0),
    Unknown("compute_fp4", 0.4, 0.05, 1.0),
    Unknown("attention", 0.4, 0.05, 0.8),
    Unknown("overhead_ms", 1.0, 0.0, 5.0),
    Unknown("overhead_per_layer_ms", 0.02, 0.0, 0.2),
    Unknown("overhead_per_moe_layer_ms", 0.02, 0.0, 0.2),
    Unknown("latency_nvlink", 0.01, 0.0, 0.2),
    Unknown("latency_pcie", 0.02, 0.0, 0.2),
    Unknown("bandwidth_nvlink", 0.6, 0.05, 1.0),
    Unknown("bandwidth_pcie", 0.5, 0.05, 1.0),
    Unknown("first_token_overhead_ms", 10.0, 0.0, 100.0),
    Unknown("closed_loop_crowding", 0.05, 0.0, 0.5),
    Unknown("engine_trt_llm", 0.9, 0.5, 2.0),
    Unknown("engine_sglang", 1.0, 0.5, 2.0),
    Unknown("engine_tgi", 1.2, 0.5, 2.0),
)


@dataclass(frozen=True, slots=True)
class Residual:
    """actual/predicted of one row that the fit did not see (throughput inverted, so that > 1 is always slower)."""

    subject: Subject
    slowness: float


@dataclass(frozen=True)
class FitReport:
    """Coefficients with the held-out residuals behind their quantiles."""

    coefficients: Coefficients
    calibrated: tuple[Residual, ...]
    analytic: tuple[Residual, ...]


def fit(subjects: Sequence[Subject], as_of: str, tell: Callable[[str], None] = lambda _: None) -> FitReport:
    """Fit on all rows, and judge by fits that leave cells and GPUs out. `tell` hears of progress, a line a fit.

    Raises ValueError when there are fewer rows than a fit of this many coefficients can bear.
    """
    subjects = [subject for subject in subjects if tells_of_steps(subject.measurement)]
    if len(subjects) < 10 * len(UNKNOWNS):
        raise ValueError(f"{len(subjects)} rows are too few for {len(UNKNOWNS)} coefficients; give 10 rows for each")
    table = _Table(subjects)
    values = table.solve(np.ones(len(subjects), dtype=bool))
    cells = sorted({s.measurement.cell for s in subjects})
    fold = {cell: k % FOLDS for k, cell in enumerate(cells)}
    in_fold = np.array([fold[s.measurement.cell] for s in subjects])
    rows_of = _vllm_rows(subjects)
    rows = [s.measurement for s in subjects]
    known = np.array([row.engine == "vllm" and rows_of[row.gpu] >= CALIBRATED_FROM_ROWS for row in rows])
    calibrated: list[Residual] = []
    for k in range(FOLDS):
        tell(f"without fold {k + 1} of {FOLDS}")
        calibrated += table.residuals(table.solve(in_fold != k), (in_fold == k) & known)
    analytic: list[Residual] = []
    gpus = np.array([s.gpu.key for s in subjects])
    for gpu in sorted(set(gpus)):
        tell(f"without {gpu}")
        analytic += table.residuals(table.solve(gpus != gpu), gpus == gpu)
    residuals: dict[Provenance, dict[Metric, Quantiles]] = {
        "calibrated": quantiles(calibrated),
        "analytic": quantiles(analytic),
    }
    found = _coefficients(values, as_of, residuals, subjects)
    return FitReport(found, tuple(calibrated), tuple(analytic))


def tells_of_steps(row: Measurement) -> bool:
    """Whether a figure says something about step time.

    Runs that queue for cache or batch places tell of their queue, and the TTFT of other engines of their scheduler.
    """
    return row.regime != "kv_or_seq_limited" and (row.metric != "ttft" or row.engine == "vllm")


def quantiles(residuals: Sequence[Residual]) -> dict[Metric, Quantiles]:
    """Quantiles of actual/predicted by metric, each (model, GPU) cell counting the same."""
    found: dict[Metric, Quantiles] = {}
    for metric, measured in JUDGED_BY.items():
        rows = [r for r in residuals if r.subject.measurement.metric in measured]
        if not rows:
            continue
        cells = [r.subject.measurement.cell for r in rows]
        weight = np.array([1.0 / cells.count(cell) for cell in cells])
        order = np.argsort([r.slowness for r in rows])
        reached = np.cumsum(weight[order]) / weight.sum()
        p10, p50, p90 = (
            round(rows[order[min(int(np.searchsorted(reached, q)), len(rows) - 1)]].slowness, 4)
            for q in (0.1, 0.5, 0.9)
        )
        found[metric] = Quantiles(len(rows), p10, p50, p90)
    return found


class _Table:
    """All rows as arrays, and the clocks that a vector of unknowns gives them."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = subjects
        self.runs = Runs.of(subjects)
        steps = [
            ideal_step(
                s.model.architecture,
                s.quantization,
                s.gpu,
                s.measurement.tensor_parallel_size,
                kv_format=s.measurement.kv,
                context_tokens=s.measurement.input_tokens + s.measurement.output_tokens / 2.0,
            )
            for s in subjects
        ]
        self.steps: list[IdealStep] = list(dict.fromkeys(steps))
        place = {step: k for k, step in enumerate(self.steps)}
        self.step_of_row = np.array([place[step] for step in steps])
        self.engines = sorted({s.measurement.engine for s in subjects})
        self.engine_of_row = np.array([self.engines.index(s.measurement.engine) for s in subjects])
        voices: dict[tuple[str, str, str], int] = {}
        for s in subjects:
            voices[s.measurement.voice] = voices.get(s.measurement.voice, 0) + 1
        self.weights = np.array([voices[s.measurement.voice] ** -0.25 for s in subjects])

    def predicted(self, values: Floats) -> Floats:
        """Figures of all rows under a vector of unknowns."""
        c = _coefficients(values, "", {}, ())
        clocks = [step_clock(step, c) for step in self.steps]
        columns = (np.array([getattr(clock, f.name) for clock in clocks]) for f in fields(StepClock))
        table = ClockTable(*(column[self.step_of_row] for column in columns))
        factors = np.array([c.engine_factors[engine] for engine in self.engines])[self.engine_of_row]
        return predicted(self.runs, table, c.first_token_overhead_ms, c.closed_loop_crowding, factors)

    def solve(self, kept: NDArray[np.bool_]) -> Floats:
        """The unknowns that fit the kept rows best."""

        def error(values: Floats) -> Floats:
            distance: Floats = self.weights * np.log(self.predicted(values) / self.runs.values)
            return np.asarray(distance[kept])

        answer: Any = least_squares(
            error,
            [u.start for u in UNKNOWNS],
            bounds=([u.least for u in UNKNOWNS], [u.most for u in UNKNOWNS]),
            x_scale=[u.most - u.least for u in UNKNOWNS],
            loss="soft_l1",
            f_scale=0.1,
            max_nfev=60,
        )
        solved: Floats = np.asarray(answer.x, dtype=np.float64)
        return solved

    def residuals(self, values: Floats, held_out: NDArray[np.bool_]) -> list[Residual]:
        """Slowness of the rows that were held out."""
        ratio = self.runs.values / self.predicted(values)
        slowness = np.where(self.runs.is_throughput, 1.0 / ratio, ratio)
        return [Residual(self.subjects[i], float(slowness[i])) for i in np.flatnonzero(held_out).tolist()]


def _coefficients(
    values: Floats,
    as_of: str,
    residuals: dict[Provenance, dict[Metric, Quantiles]],
    subjects: Sequence[Subject],
) -> Coefficients:
    v = {unknown.name: float(value) for unknown, value in zip(UNKNOWNS, values, strict=True)}
    compute: dict[ComputeType, float] = {
        "16-bit": v["compute_16bit"],
        "fp8": v["compute_fp8"],
        "int8": v["compute_fp8"],
        "fp4": v["compute_fp4"],
    }
    pcie = LinkCoefficients(v["latency_pcie"], v["bandwidth_pcie"])
    nvlink = LinkCoefficients(v["latency_nvlink"], v["bandwidth_nvlink"])
    links: dict[Link, LinkCoefficients] = {
        "nvlink-ampere": nvlink,
        "nvlink-hopper": nvlink,
        "nvlink-blackwell": nvlink,
        "pcie3": pcie,
        "pcie4": pcie,
        "pcie5-p2p": pcie,
    }
    rows = [s.measurement for s in subjects]
    return Coefficients(
        as_of=as_of,
        dense_bandwidth=v["dense_bandwidth"],
        packed_bandwidth=v["packed_bandwidth"],
        expert_bandwidth=v["expert_bandwidth"],
        kv_bandwidth=v["kv_bandwidth"],
        compute=compute,
        attention=v["attention"],
        overhead_ms=v["overhead_ms"],
        overhead_per_layer_ms=v["overhead_per_layer_ms"],
        overhead_per_moe_layer_ms=v["overhead_per_moe_layer_ms"],
        links=links,
        first_token_overhead_ms=v["first_token_overhead_ms"],
        closed_loop_crowding=v["closed_loop_crowding"],
        engine_factors={
            "vllm": 1.0,
            "trt-llm": v["engine_trt_llm"],
            "sglang": v["engine_sglang"],
            "tgi": v["engine_tgi"],
        },
        residuals=residuals,
        measured_rows=_vllm_rows(subjects),
        sources=tuple(sorted({row.source for row in rows})),
    )


def _vllm_rows(subjects: Sequence[Subject]) -> dict[str, int]:
    """Rows measured with vLLM, by GPU; 0 where only other engines were."""
    found = dict.fromkeys(sorted({subject.measurement.gpu for subject in subjects}), 0)
    for subject in subjects:
        found[subject.measurement.gpu] += subject.measurement.engine == "vllm"
    return found
