"""The coefficients of the step-time model, fitted to published measurements.

The fit is a search by bounded least squares. Over all unknowns u and all rows r it makes this sum least:

    Σ soft(w(r)·ln(predicted(r)/actual(r))/SOFT)² + Σ (PRIOR_WEIGHT·(u − expected(u))/width(u))²

    soft(x)² = 2·(√(1 + x²) − 1)        which is x² for small x and 2·|x| for large x

Each coefficient keeps its physical range: efficiencies are at most 1 and times are not negative. So a fit cannot hide
what the model lacks by running a GPU at 204 % of its peak. Each coefficient also has a value that physics leads one to
expect, and a width about it. So rows decide where there are rows, and a coefficient that no row speaks of stays at its
expected value. Rows of one (source, model, GPU, metric) weigh together as much as the square root of their number. vLLM
is the reference; other engines, and old releases of an engine, have factors of their own, so that their rows inform the
terms of the hardware.

The search moves the closed form, which is fast. For each closed-loop run there is one factor from the closed form to
the step simulator. It is taken anew after each search, at the place where that search ended. After `TURNS` such turns
the figures that are fitted are those of the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from measurement.evidence.benchmarks import Measurement, Subject
from measurement.evidence.run_figures import Figures, RunConditions, closed_form, simulated_figures
from planner.performance.coefficients import Coefficients, EngineCoefficients, LinkCoefficients
from planner.performance.precision import ComputeType
from planner.performance.roofline import IdealTable, ideal_step
from planner.performance.step_time import ClockTable
from planner.words.arrays import Floats

SOFT = 0.1
"""Error from which on a row counts by the size of its error and no longer by the square of it."""
PRIOR_WEIGHT = 0.3
"""Weight of a coefficient that is one width off its expected value, over that of a row that is `SOFT` off."""
TTFT_WEIGHT = 0.5
"""Weight of a TTFT over that of a TPOT or a throughput. TTFT also depends on how a benchmark's clients arrive."""
OWN_WEIGHT = 3.0
"""Weight of a team's own row over that of a published row that is alone in its voice."""
TURNS = 2
"""How often the factors from the closed form to the simulator are taken anew."""
CONVERGED = 1e-12
"""Relative change at which a search ends. With derivatives from both sides it is reached in a dozen evaluations, and
processors then differ by 10⁻¹⁰ of a coefficient. That is far below the six digits that are written."""
MOST_EVALUATIONS = 100
"""Evaluations after which a search ends in any case."""
ENGINE_KEYS = ("vllm", "vllm<0.6", "vllm<0.6 offline", "trt-llm", "trt-llm<1.0", "sglang", "tgi")


@dataclass(frozen=True, slots=True)
class FitUnknown:
    """One coefficient that is fitted, in the coefficient's own unit.

    expected: the value that physics leads one to expect.
    width: how far off that value the coefficient may well be.
    least, most: the ends of its physical range.
    """

    name: str
    expected: float
    width: float
    least: float
    most: float


MOST_ENTRY_MS = 25.0
"""Most that a request waits in an idle server before its first step. Whole times to the first token of short prompts
were 19 to 32 ms with vLLM and SGLang; without a bound, rows that queued elsewhere made it 40 to 117 ms."""

UNKNOWNS: tuple[FitUnknown, ...] = (
    FitUnknown("dense_bandwidth", 0.85, 0.2, 0.3, 1.0),
    FitUnknown("dense_packed_bandwidth", 0.8, 0.2, 0.2, 1.0),
    FitUnknown("expert_bandwidth", 0.8, 0.2, 0.1, 1.0),
    FitUnknown("expert_fp4_bandwidth", 0.75, 0.2, 0.1, 1.0),
    FitUnknown("expert_int4_bandwidth", 0.5, 0.2, 0.1, 1.0),
    FitUnknown("kv_bandwidth", 0.7, 0.2, 0.1, 1.0),
    FitUnknown("compute_16bit", 0.65, 0.15, 0.1, 1.0),
    FitUnknown("compute_fp8", 0.6, 0.15, 0.1, 1.0),
    FitUnknown("compute_fp4", 0.45, 0.15, 0.05, 1.0),
    FitUnknown("expert_compute", 0.8, 0.3, 0.05, 1.0),
    FitUnknown("expert_half_width", 200.0, 500.0, 0.0, 3000.0),
    FitUnknown("attention", 0.4, 0.2, 0.05, 0.8),
    FitUnknown("power_exponent", 0.8, 0.5, 0.0, 2.0),
    FitUnknown("overhead_ms", 1.0, 1.0, 0.0, 5.0),
    FitUnknown("overhead_per_layer_ms", 0.04, 0.05, 0.0, 0.2),
    FitUnknown("overhead_per_sequence_ms", 0.01, 0.02, 0.0, 0.1),
    FitUnknown("latency_nvlink", 0.012, 0.02, 0.0, 0.2),
    FitUnknown("latency_pcie", 0.02, 0.03, 0.0, 0.3),
    FitUnknown("bandwidth_nvlink", 0.45, 0.2, 0.05, 1.0),
    FitUnknown("bandwidth_pcie", 0.4, 0.2, 0.05, 1.0),
    FitUnknown("socket_crossing", 0.5, 0.2, 0.1, 1.0),
    FitUnknown("step_vllm<0.6", 1.5, 1.0, 1.0, 4.0),
    FitUnknown("step_vllm<0.6 offline", 1.5, 1.0, 1.0, 4.0),
    FitUnknown("step_trt-llm", 1.0, 0.2, 0.5, 2.0),
    FitUnknown("step_trt-llm<1.0", 1.0, 0.2, 0.5, 2.0),
    FitUnknown("step_sglang", 1.0, 0.2, 0.5, 2.0),
    FitUnknown("step_tgi", 1.0, 0.2, 0.5, 2.0),
    FitUnknown("entry_vllm", 15.0, 5.0, 0.0, MOST_ENTRY_MS),
    FitUnknown("entry_trt-llm", 15.0, 5.0, 0.0, MOST_ENTRY_MS),
    FitUnknown("entry_trt-llm<1.0", 15.0, 5.0, 0.0, MOST_ENTRY_MS),
    FitUnknown("entry_sglang", 15.0, 5.0, 0.0, MOST_ENTRY_MS),
    FitUnknown("entry_each_vllm", 0.3, 0.5, 0.0, 5.0),
    FitUnknown("entry_each_trt-llm", 0.3, 0.5, 0.0, 5.0),
    FitUnknown("entry_each_trt-llm<1.0", 0.3, 0.5, 0.0, 5.0),
    FitUnknown("entry_each_sglang", 0.3, 0.5, 0.0, 5.0),
)


def tells_of_steps(row: Measurement) -> bool:
    """Whether a figure says something about step time. A run whose requests waited for cache or a place does not: it
    says something about the queue."""
    return row.regime != "kv_or_seq_limited"


class FitTable:
    """All rows as arrays, with the figures that a set of coefficients predicts for them."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = tuple(subjects)
        rows = [s.measurement for s in subjects]
        self.runs = RunConditions.of(subjects)
        self.values = np.array([row.value for row in rows])
        self.metrics = np.array([row.metric for row in rows])
        self.ideals = IdealTable(
            [
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
        )
        self._engines, self._engine_of_row = np.unique([row.engine_key for row in rows], return_inverse=True)
        voices = [row.voice for row in rows]
        shares = np.array([voices.count(voice) for voice in voices]) ** -0.5
        self._weights = shares * np.where(self.metrics == "ttft", TTFT_WEIGHT, 1.0)

    def clocks(self, c: Coefficients) -> ClockTable:
        """The step clock of each row's engine."""
        table = self.ideals.clocks(c)
        factor = self._of_engine([c.engines[e].step_factor for e in self._engines])
        return table.slower_by(factor)

    def reported_figures(self, c: Coefficients, figures: Figures) -> Floats:
        """The one figure that each row reports, in the row's own unit.

        figures: all figures of all rows, without the time before the first step.
        """
        n = self.runs.in_flight
        entry = self._of_engine([c.engines[e].entry_ms for e in self._engines])
        each = self._of_engine([c.engines[e].entry_ms_per_request for e in self._engines])
        return figures.by_metric(self.metrics, entry + each * (n - 1.0))

    def closed_form(self, c: Coefficients) -> Figures:
        """The figures of all rows by the formulas, without the time before the first step."""
        return closed_form(self.runs, self.clocks(c))

    def simulated_figures(self, c: Coefficients) -> Figures:
        """The figures of all rows by the step simulator, without the time before the first step."""
        return simulated_figures(self.runs, self.clocks(c))

    def solve(self, kept: NDArray[np.bool_], start: Floats | None = None, turns: int = TURNS) -> Floats:
        """The unknowns that fit the kept rows best.

        kept: which rows are fitted, shape (rows,).
        start: where the search begins; None for the expected values.
        turns: how often the factors to the simulator are taken anew.
        """
        values = self._search(kept, np.array([u.expected for u in UNKNOWNS]) if start is None else start, None)
        for _ in range(turns):
            c = coefficients(values)
            to_simulator = self.simulated_figures(c).over(self.closed_form(c))
            values = self._search(kept, values, to_simulator)
        return values

    def _search(self, kept: NDArray[np.bool_], start: Floats, to_simulator: Figures | None) -> Floats:
        expected, width = (np.array([getattr(u, name) for u in UNKNOWNS]) for name in ("expected", "width"))
        least, most = (np.array([getattr(u, name) for u in UNKNOWNS]) for name in ("least", "most"))
        part = self._only(kept)

        def errors(values: Floats) -> Floats:
            c = coefficients(values)
            figures = part.closed_form(c)
            figures = figures.times(to_simulator.only(kept)) if to_simulator else figures
            off = part._weights * np.log(part.reported_figures(c, figures) / part.values) / SOFT
            soft = np.sign(off) * np.sqrt(2.0 * (np.sqrt(1.0 + off**2) - 1.0))
            return np.concatenate([soft, PRIOR_WEIGHT * (values - expected) / width])

        inside = np.clip(start, least + 1e-9, most - 1e-9)
        answer: Any = least_squares(
            errors,
            inside,
            jac="3-point",
            bounds=(least, most),
            x_scale=width,
            ftol=CONVERGED,
            xtol=CONVERGED,
            gtol=CONVERGED,
            max_nfev=MOST_EVALUATIONS,
        )
        solved: Floats = np.asarray(answer.x, dtype=np.float64)
        return solved

    def _only(self, kept: NDArray[np.bool_]) -> FitTable:
        part = copy(self)
        part.runs, part.ideals = self.runs.only(kept), self.ideals.only(kept)
        part.values, part.metrics = self.values[kept], self.metrics[kept]
        part._weights, part._engine_of_row = self._weights[kept], self._engine_of_row[kept]
        return part

    def _of_engine(self, numbers: Sequence[float]) -> Floats:
        by_row: Floats = np.array(numbers)[self._engine_of_row]
        return by_row


def refine(published: Sequence[Subject], own: Sequence[Subject], shipped: Coefficients) -> Coefficients:
    """The fit of the published rows and a team's own rows, which weigh `OWN_WEIGHT` each.

    The search begins at the shipped coefficients. The counts of rows and the residuals stay those of the shipped fit.
    """
    table = FitTable([*(s for s in published if tells_of_steps(s.measurement)), *own])
    table._weights[len(table.subjects) - len(own) :] = OWN_WEIGHT
    values = table.solve(np.ones(len(table.subjects), dtype=bool), start=vector(shipped))
    kept = ("as_of", "residuals", "measured_rows", "sources")
    return replace(coefficients(values), **{name: getattr(shipped, name) for name in kept})


def coefficients(values: Floats) -> Coefficients:
    """The coefficients that a vector of unknowns stands for, still without residuals and counts of rows."""
    v = {unknown.name: float(value) for unknown, value in zip(UNKNOWNS, values, strict=True)}
    compute: dict[ComputeType, float] = {
        "16-bit": v["compute_16bit"],
        "fp8": v["compute_fp8"],
        "int8": v["compute_fp8"],
        "fp4": v["compute_fp4"],
    }
    engines = {
        name: EngineCoefficients(
            v.get(f"step_{name}", 1.0),
            v.get(f"entry_{name}", v["entry_vllm"]),
            v.get(f"entry_each_{name}", v["entry_each_vllm"]),
        )
        for name in ENGINE_KEYS
    }
    return Coefficients(
        as_of="",
        dense_bandwidth=v["dense_bandwidth"],
        dense_packed_bandwidth=v["dense_packed_bandwidth"],
        expert_bandwidth=v["expert_bandwidth"],
        expert_fp4_bandwidth=v["expert_fp4_bandwidth"],
        expert_int4_bandwidth=v["expert_int4_bandwidth"],
        kv_bandwidth=v["kv_bandwidth"],
        compute=compute,
        expert_compute=v["expert_compute"],
        expert_half_width=v["expert_half_width"],
        attention=v["attention"],
        power_exponent=v["power_exponent"],
        overhead_ms=v["overhead_ms"],
        overhead_per_layer_ms=v["overhead_per_layer_ms"],
        overhead_per_sequence_ms=v["overhead_per_sequence_ms"],
        links={
            "nvlink": LinkCoefficients(v["latency_nvlink"], v["bandwidth_nvlink"]),
            "pcie": LinkCoefficients(v["latency_pcie"], v["bandwidth_pcie"]),
        },
        socket_crossing=v["socket_crossing"],
        engines=engines,
        residuals={},
        measured_rows={},
        sources=(),
    )


def vector(c: Coefficients) -> Floats:
    """The vector of unknowns that stands for these coefficients. It is the inverse of `coefficients`."""
    flat = {name: getattr(c, name) for name in Coefficients.__slots__ if isinstance(getattr(c, name), float)}
    flat |= {"compute_16bit": c.compute["16-bit"], "compute_fp8": c.compute["fp8"], "compute_fp4": c.compute["fp4"]}
    for kind, link in c.links.items():
        flat |= {f"latency_{kind}": link.latency_ms, f"bandwidth_{kind}": link.bandwidth}
    for name, engine in c.engines.items():
        flat |= {f"step_{name}": engine.step_factor, f"entry_{name}": engine.entry_ms}
        flat[f"entry_each_{name}"] = engine.entry_ms_per_request
    return np.array([flat[unknown.name] for unknown in UNKNOWNS])
