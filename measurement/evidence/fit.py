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

The search moves the closed form, which is fast. For each run there is one factor from the closed form to the step
simulator. It is taken anew after each search, at the place where that search ended. After `TURNS` such turns
the figures that are fitted are those of the simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from measurement.evidence.deployed_runs import DeployedRun
from measurement.evidence.predictions import run_reports
from measurement.evidence.published import PublishedRun
from measurement.evidence.run_clocks import RunClocks
from measurement.evidence.run_figures import RunConditions, closed_form
from planner.performance.coefficients import Coefficients, EngineCoefficients, LinkCoefficients
from planner.performance.precision import ComputeType
from planner.words.arrays import Floats

SOFT = 0.1
"""Error from which on a row counts by the size of its error and no longer by the square of it."""
PRIOR_WEIGHT = 1.0
"""Weight of a coefficient that is one width off its expected value, over that of a row that is `SOFT` off. With 0.3
sources that were left out were predicted worse, and with 2 those that were fitted."""
TTFT_WEIGHT = 0.5
"""Weight of a TTFT over that of a TPOT or a throughput. TTFT also depends on how a benchmark's clients arrive."""
OWN_WEIGHT = 3.0
"""Weight of a team's own row over that of a published row that is alone in its voice."""
TURNS = 2
"""How often the factors from the closed form to the simulator are taken anew."""
CONVERGED = 1e-12
"""Relative change at which a search ends. With derivatives from both sides it is reached in a dozen evaluations, and
processors then differ by 10⁻¹⁰ of a coefficient. That is far below the six digits that are written."""
ROUGHLY = 1e-7
"""Relative change at which a search may end, with derivatives from one side, whose predictions are shown in percents:
they are within 0.2 %."""
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
    FitUnknown("expert_int4_bandwidth", 0.75, 0.2, 0.1, 1.0),
    FitUnknown("kv_bandwidth", 0.7, 0.2, 0.1, 1.0),
    FitUnknown("compute_16bit", 0.65, 0.15, 0.1, 1.0),
    FitUnknown("compute_fp8", 0.6, 0.15, 0.1, 1.0),
    FitUnknown("compute_fp4", 0.45, 0.15, 0.05, 1.0),
    FitUnknown("expert_compute", 0.8, 0.3, 0.05, 1.0),
    FitUnknown("expert_half_width", 200.0, 500.0, 0.0, 3000.0),
    FitUnknown("attention", 0.55, 0.15, 0.05, 0.9),
    FitUnknown("power_exponent", 0.8, 0.5, 0.0, 2.0),
    FitUnknown("overhead_ms", 1.0, 1.0, 0.0, 5.0),
    FitUnknown("overhead_per_layer_ms", 0.04, 0.05, 0.0, 0.2),
    FitUnknown("overhead_per_sequence_ms", 0.01, 0.02, 0.0, 0.1),
    FitUnknown("eager_ms_per_layer", 0.1, 0.1, 0.0, 0.6),
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
    FitUnknown("server_vllm", 0.1, 0.05, 0.0, 0.5),
    FitUnknown("server_trt-llm", 0.05, 0.05, 0.0, 0.5),
    FitUnknown("server_sglang", 0.1, 0.05, 0.0, 0.5),
    FitUnknown("entry_vllm", 15.0, 5.0, 0.0, MOST_ENTRY_MS),
    FitUnknown("entry_trt-llm", 15.0, 5.0, 0.0, MOST_ENTRY_MS),
    FitUnknown("entry_trt-llm<1.0", 15.0, 5.0, 0.0, MOST_ENTRY_MS),
    FitUnknown("entry_sglang", 15.0, 5.0, 0.0, MOST_ENTRY_MS),
    FitUnknown("entry_each_vllm", 0.3, 0.5, 0.0, 5.0),
    FitUnknown("entry_each_trt-llm", 0.3, 0.5, 0.0, 5.0),
    FitUnknown("entry_each_trt-llm<1.0", 0.3, 0.5, 0.0, 5.0),
    FitUnknown("entry_each_sglang", 0.3, 0.5, 0.0, 5.0),
)


def tells_of_steps(run: PublishedRun) -> bool:
    """Whether a figure says something about step time. A run whose requests waited for cache or a place does not: it
    says something about the queue."""
    return run.regime != "kv_or_seq_limited"


class FitTable:
    """Runs of `rows.fit_runs` as arrays, with the figures that a set of coefficients predicts for them."""

    def __init__(self, runs: Sequence[DeployedRun]) -> None:
        self.runs = tuple(runs)
        figures = [each.run.figure.kind for each in runs]
        voices = [each.run.voice for each in runs]
        shares = np.array([voices.count(voice) for voice in voices]) ** -0.5
        self.values = np.array([each.run.value for each in runs], dtype=np.float64)
        self._metrics = np.array(figures)
        self._weights = shares * np.where(self._metrics == "ttft", TTFT_WEIGHT, 1.0)
        self._conditions = RunConditions.of(runs)
        self._clocks = RunClocks(runs)

    def closed_form(self, c: Coefficients) -> Floats:
        """The figure of each run by the formulas, in its own unit."""
        entry_ms = self._clocks.entry_ms(c, self._conditions.clients - 1.0)
        return closed_form(self._conditions, self._clocks.clocks(c), entry_ms).by_metric(self._metrics)

    def simulated(self, c: Coefficients) -> Floats:
        """The figure of each run by the step simulator, as it is predicted."""
        return np.array([each.figure(each.deployed.run.figure) for each in run_reports(self.runs, c)])

    def solve(
        self, kept: NDArray[np.bool_], start: Floats | None = None, turns: int = TURNS, converged: float = CONVERGED
    ) -> Floats:
        """The unknowns that fit the kept runs best.

        kept: which runs are fitted, shape (runs,).
        start: where the search begins; None for the expected values.
        turns: how often the factors to the simulator are taken anew.
        converged: relative change at which a search ends.
        """
        part = self.only(kept)
        values = part._search(np.array([u.expected for u in UNKNOWNS]) if start is None else start, 1.0, converged)
        for _ in range(turns):
            c = coefficients(values)
            values = part._search(values, part.simulated(c) / part.closed_form(c), converged)
        return values

    def _search(self, start: Floats, to_simulator: Floats | float, converged: float) -> Floats:
        expected, width = (np.array([getattr(u, name) for u in UNKNOWNS]) for name in ("expected", "width"))
        least, most = (np.array([getattr(u, name) for u in UNKNOWNS]) for name in ("least", "most"))

        def errors(values: Floats) -> Floats:
            figures = self.closed_form(coefficients(values)) * to_simulator
            off = self._weights * np.log(figures / self.values) / SOFT
            soft = np.sign(off) * np.sqrt(2.0 * (np.sqrt(1.0 + off**2) - 1.0))
            return np.concatenate([soft, PRIOR_WEIGHT * (values - expected) / width])

        inside = np.clip(start, least + 1e-9, most - 1e-9)
        answer: Any = least_squares(
            errors,
            inside,
            jac="3-point" if converged < ROUGHLY else "2-point",
            bounds=(least, most),
            x_scale=width,
            ftol=converged,
            xtol=converged,
            gtol=converged,
            max_nfev=MOST_EVALUATIONS,
        )
        solved: Floats = np.asarray(answer.x, dtype=np.float64)
        return solved

    def only(self, kept: NDArray[np.bool_]) -> FitTable:
        """The table of the runs for which `kept` is true."""
        part = copy(self)
        part.runs = tuple(compress(self.runs, kept))
        part._conditions, part._clocks = self._conditions.only(kept), self._clocks.only(kept)
        part.values, part._metrics, part._weights = self.values[kept], self._metrics[kept], self._weights[kept]
        return part


def refine(published: Sequence[DeployedRun], own: Sequence[DeployedRun], shipped: Coefficients) -> Coefficients:
    """The fit of the published runs and a team's own runs, which weigh `OWN_WEIGHT` each.

    The search begins at the shipped coefficients. The counts of rows and the residuals stay those of the shipped fit.
    """
    table = FitTable([*(each for each in published if tells_of_steps(each.run)), *own])
    table._weights[len(table.runs) - len(own) :] = OWN_WEIGHT
    values = table.solve(np.ones(len(table.runs), dtype=bool), start=vector(shipped))
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
            v.get(f"server_{name}", v["server_vllm"]),
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
        eager_ms_per_layer=v["eager_ms_per_layer"],
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
        flat |= {f"entry_each_{name}": engine.entry_ms_per_request, f"server_{name}": engine.server_ms_per_token}
    return np.array([flat[unknown.name] for unknown in UNKNOWNS])
