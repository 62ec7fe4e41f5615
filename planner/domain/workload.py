"""What a route's requests look like: their joint (input × output) lengths, cut into input-length bands, and bursts.

A gateway knows a request's input length on arrival and never its output, so capacities are computed for the conditional
mix of a band. Lengths come from a trace's histogram or, without one, from declared means and 95th percentiles through
two independent lognormals. How many requests come, and when, is `demand`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from planner.domain.traces import Burst, TraceSummary, bin_of, bin_start

Floats = npt.NDArray[np.float64]

_NORMAL = NormalDist()
_Z95 = _NORMAL.inv_cdf(0.95)
_TAIL = 1e-4
"""Probability left to each end cell of a declared distribution; their means are exact, so no tokens are lost."""


@dataclass(frozen=True)
class Mix:
    """A joint distribution of lengths: cells of mean input tokens, mean output tokens and weight; weights sum to 1."""

    input_tokens: tuple[float, ...]
    output_tokens: tuple[float, ...]
    weights: tuple[float, ...]

    @property
    def mean_input(self) -> float:
        """Mean input tokens of a request."""
        return self.mean(lambda inputs, _: inputs)

    @property
    def mean_output(self) -> float:
        """Mean output tokens of a request."""
        return self.mean(lambda _, outputs: outputs)

    def mean(self, of: Callable[[Floats, Floats], Floats]) -> float:
        """Mean over requests of a function of (input tokens, output tokens), both arrays of shape (cells,)."""
        inputs, outputs, weights = self.arrays()
        return float(np.dot(weights, of(inputs, outputs)))

    def arrays(self) -> tuple[Floats, Floats, Floats]:
        """(input tokens, output tokens, weights), each of shape (cells,)."""
        return np.array(self.input_tokens), np.array(self.output_tokens), np.array(self.weights)

    def input_quantile(self, share: float) -> float:
        """Input length that at least `share` of the requests do not exceed, to the width of a bin."""
        return _quantile(self.input_tokens, self.weights, share)

    def output_quantile(self, share: float) -> float:
        """Output length that at least `share` of the requests do not exceed, to the width of a bin."""
        return _quantile(self.output_tokens, self.weights, share)


@dataclass(frozen=True)
class InputBand:
    """Requests whose input is at least `from_tokens` and below `below_tokens` (None: no limit).

    share: of the route's requests. mix: their lengths, weights summing to 1 within the band.
    """

    name: str
    from_tokens: int
    below_tokens: int | None
    share: float
    mix: Mix


@dataclass(frozen=True)
class Workload:
    """The requests of one route. origin: the trace's name, or `declared`."""

    origin: str
    mix: Mix
    burst: Burst
    bands: tuple[InputBand, ...]


def trace_workload(trace: TraceSummary, most_bands: int = 3) -> Workload:
    """The workload of a trace, cut into at most `most_bands` bands."""
    rows = [
        (cell.input_tokens / cell.requests, cell.output_tokens / cell.requests, cell.requests / trace.requests)
        for cell in trace.cells
    ]
    return _workload(trace.name, rows, trace.burst, most_bands)


def declared_workload(
    input_mean: float, input_p95: float, output_mean: float, output_p95: float, burst: Burst, most_bands: int = 3
) -> Workload:
    """The workload of declared lengths: independent lognormals with that mean and 95th percentile, on a trace's bins.

    Means are met exactly, percentiles to the width of a bin. Deterministic: a quadrature, not a sample.
    Errors: ValueError when no lognormal has that mean and percentile.
    """
    inputs, outputs = _lognormal_cells(input_mean, input_p95), _lognormal_cells(output_mean, output_p95)
    rows = [(s, o, p * q) for s, p in inputs for o, q in outputs]
    return _workload("declared", rows, burst, most_bands)


def poisson_burst(requests_per_second: float) -> Burst:
    """Bursts of independent arrivals at that rate: the least that can be assumed, and less than real traffic shows.

    A window of w seconds holds λw ± √(λw) requests; the highest of an hour's 60 minutes lies 2.4 deviations out.
    """
    rate = requests_per_second
    return Burst(
        mean_rps=rate,
        peak_60s=1 + _NORMAL.inv_cdf(1 - 1 / 120) / math.sqrt(60 * rate),
        p95_300s=1 + _Z95 / math.sqrt(300 * rate),
        peak_10s_rps=rate + _NORMAL.inv_cdf(1 - 1 / 720) * math.sqrt(rate / 10),
        interarrival_cv=1.0,
        measured=False,
    )


def input_bands(mix: Mix, bounds: Sequence[int]) -> tuple[InputBand, ...]:
    """Cut a mix at these input lengths (ascending); bands that nobody falls into are left out."""
    edges: list[int | None] = [0, *bounds, None]
    found = []
    for low, high in pairwise(edges):
        inside = [
            k for k, tokens in enumerate(mix.input_tokens) if tokens >= (low or 0) and (high is None or tokens < high)
        ]
        share = math.fsum(mix.weights[k] for k in inside)
        if share > 0:
            found.append((low or 0, high, share, _mix(_cell(mix, k) for k in inside)))
    names = {1: ("all",), 2: ("short", "long"), 3: ("short", "medium", "long")}.get(len(found))
    return tuple(InputBand(names[i] if names else f"band-{i + 1}", *row) for i, row in enumerate(found))


def band_bounds(mix: Mix, most_bands: int) -> tuple[int, ...]:
    """Where to cut: powers of two and their halfway points nearest to equal shares of the input *tokens*.

    Equal tokens, not equal requests, because tokens fill a GPU: the few long prompts get a band of their own.
    """
    pairs = sorted(zip(mix.input_tokens, mix.weights, strict=True))
    mass = np.cumsum([tokens * weight for tokens, weight in pairs])
    lengths = [tokens for tokens, _ in pairs]
    first, last = bin_of(max(8, int(lengths[0]))), bin_of(max(8, int(lengths[-1]))) + 2
    candidates = [bin_start(index) for index in range(first, last) if index % 2 == 0]
    below = [float(mass[k - 1] / mass[-1]) if (k := int(np.searchsorted(lengths, c))) else 0.0 for c in candidates]
    chosen = set()
    for part in range(1, most_bands):
        nearest = min(range(len(candidates)), key=lambda i: (abs(below[i] - part / most_bands), candidates[i]))
        if 0 < below[nearest] < 1:
            chosen.add(candidates[nearest])
    return tuple(sorted(chosen))


def _workload(origin: str, rows: Iterable[tuple[float, float, float]], burst: Burst, most_bands: int) -> Workload:
    mix = _mix(rows)
    return Workload(origin, mix, burst, input_bands(mix, band_bounds(mix, most_bands)))


def _mix(rows: Iterable[tuple[float, float, float]]) -> Mix:
    """Cells (input, output, weight) in any order → a mix with weights summing to 1."""
    ordered = sorted(rows)
    total = math.fsum(weight for *_, weight in ordered)
    return Mix(
        tuple(row[0] for row in ordered), tuple(row[1] for row in ordered), tuple(row[2] / total for row in ordered)
    )


def _cell(mix: Mix, index: int) -> tuple[float, float, float]:
    return mix.input_tokens[index], mix.output_tokens[index], mix.weights[index]


def _quantile(lengths: Sequence[float], weights: Sequence[float], share: float) -> float:
    seen = 0.0
    ordered = sorted(zip(lengths, weights, strict=True))
    for tokens, weight in ordered:
        seen += weight
        if seen >= share - 1e-12:
            return tokens
    return ordered[-1][0]


def _lognormal_cells(mean: float, p95: float) -> list[tuple[float, float]]:
    """A lognormal on a trace's bins: (mean length within the bin, probability).

    With μ, σ of ln X: mean = exp(μ + σ²/2), p95 = exp(μ + z σ), so σ = z − √(z² − 2 ln(p95/mean)), z = 1.645.
    Within a bin E[X; a ≤ X < b] = mean · (Φ((ln b − μ)/σ − σ) − Φ((ln a − μ)/σ − σ)).
    """
    ratio = p95 / mean
    if ratio < 1 or ratio > math.exp(_Z95**2 / 2):
        limit = math.exp(_Z95**2 / 2)
        wanted = f"p95 must lie between 1 and {limit:.2f} × the mean"
        raise ValueError(f"no lognormal has mean {mean:g} and 95th percentile {p95:g}; {wanted}")
    sigma = max(_Z95 - math.sqrt(max(0.0, _Z95**2 - 2 * math.log(ratio))), 1e-9)
    mu = math.log(mean) - sigma**2 / 2
    low, high = (math.exp(mu + sigma * _NORMAL.inv_cdf(p)) for p in (_TAIL, 1 - _TAIL))
    first, last = bin_of(max(2, math.ceil(low))), bin_of(max(2, math.ceil(high)))
    edges = [0.0, *(float(bin_start(index)) for index in range(first, last + 1)), math.inf]
    z = [(math.log(edge) - mu) / sigma if 0 < edge < math.inf else math.copysign(math.inf, edge - 1) for edge in edges]
    weights = np.diff([_cdf(x) for x in z])
    tokens = mean * np.diff([_cdf(x - sigma) for x in z])
    return [(float(t / w), float(w)) for t, w in zip(tokens, weights, strict=True) if w > 1e-12]


def _cdf(x: float) -> float:
    """Standard normal distribution function, at ±∞ too."""
    return 0.5 * math.erfc(-x / math.sqrt(2))
