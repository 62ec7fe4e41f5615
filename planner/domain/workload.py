"""What a route's requests look like: their joint (input × output) lengths, cut into bands, and their bursts.

A gateway knows the input length of a request on arrival, and never its output. So capacities are computed for the mix
of one band. Lengths come from the histogram of a trace or, without one, from declared means and 95th percentiles, which
two independent lognormals meet. How many requests come, and when, is the matter of `demand`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from planner.domain.route import Route
from planner.domain.traces import Burst, TraceSummary, bin_of, bin_start
from planner.words.arrays import Floats

_NORMAL = NormalDist()
_Z95 = _NORMAL.inv_cdf(0.95)
_TAIL = 1e-4
"""Probability of each end cell of a declared distribution. Their means are exact, so that no tokens are lost."""
MOST_BANDS = 3
"""Most bands into which the requests of a route are cut."""


@dataclass(frozen=True)
class Mix:
    """A joint distribution of lengths, as cells.

    input_tokens, output_tokens: mean tokens of the requests of each cell.
    weights: share of the requests in each cell; the shares sum to 1.
    """

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
        """Return the mean over requests of a function of (input tokens, output tokens), arrays of shape (cells,)."""
        return float(np.dot(np.array(self.weights), of(np.array(self.input_tokens), np.array(self.output_tokens))))

    def input_quantile(self, share: float) -> float:
        """Return the input length that at least `share` of the requests do not exceed, to the width of a bin."""
        return _quantile(self.input_tokens, self.weights, share)

    def output_quantile(self, share: float) -> float:
        """Return the output length that at least `share` of the requests do not exceed, to the width of a bin."""
        return _quantile(self.output_tokens, self.weights, share)


@dataclass(frozen=True)
class InputBand:
    """The requests of a route whose input lies between two lengths.

    name: by which people name it, like `long`.
    from_tokens, below_tokens: the input is at least the first and below the second; None: no limit.
    share: share of the route's requests.
    mix: lengths of these requests alone.
    """

    name: str
    from_tokens: int
    below_tokens: int | None
    share: float
    mix: Mix


@dataclass(frozen=True)
class Workload:
    """The requests of one route.

    origin: name of the trace, or `declared`.
    mix: lengths of all requests.
    burst: how far their rate departs from its mean.
    bands: the requests by input length.
    """

    origin: str
    mix: Mix
    burst: Burst
    bands: tuple[InputBand, ...]


def route_workload(route: Route, trace: TraceSummary | None, requests_per_second: float) -> Workload:
    """Return the workload of a route: declared lengths where it has some, with the bursts of its trace; else the trace.

    requests_per_second: mean rate, by which independent arrivals burst where there is no trace.
    Raises ValueError when no lognormal has the declared mean and percentile.
    """
    tokens = route.tokens
    if tokens is None:
        assert trace is not None  # the environment file was refused otherwise
        return trace_workload(trace)
    burst = trace.burst if trace else poisson_burst(requests_per_second)
    assert tokens.input.mean
    assert tokens.input.p95
    assert tokens.output.mean
    assert tokens.output.p95
    return declared_workload(tokens.input.mean, tokens.input.p95, tokens.output.mean, tokens.output.p95, burst)


def trace_workload(trace: TraceSummary) -> Workload:
    """Return the workload of a trace."""
    rows = [
        (cell.input_tokens / cell.requests, cell.output_tokens / cell.requests, cell.requests / trace.requests)
        for cell in trace.cells
    ]
    return _workload(trace.name, rows, trace.burst)


def declared_workload(
    input_mean: float, input_p95: float, output_mean: float, output_p95: float, burst: Burst
) -> Workload:
    """Return the workload of declared lengths: independent lognormals on the bins of a trace.

    The means are met exactly, and the 95th percentiles to the width of a bin. The cells are integrated and not sampled,
    so that the same lengths give the same workload.
    Raises ValueError when no lognormal has that mean and percentile.
    """
    inputs, outputs = _lognormal_cells(input_mean, input_p95), _lognormal_cells(output_mean, output_p95)
    rows = [(s, o, p * q) for s, p in inputs for o, q in outputs]
    return _workload("declared", rows, burst)


def poisson_burst(requests_per_second: float) -> Burst:
    """Return the bursts of independent arrivals at that rate. They are the least that one can assume.

    A window of w seconds holds λw ± √(λw) requests. The highest of the 60 minutes of an hour lies 2.4 deviations above
    the mean. Real traffic is burstier.
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
    """Cut a mix at these input lengths, which ascend. Bands without requests are left out."""
    edges: list[int | None] = [0, *bounds, None]
    bands = []
    for low, high in pairwise(edges):
        inside = [
            k for k, tokens in enumerate(mix.input_tokens) if tokens >= (low or 0) and (high is None or tokens < high)
        ]
        share = math.fsum(mix.weights[k] for k in inside)
        if share > 0:
            bands.append((low or 0, high, share, _mix(_cell(mix, k) for k in inside)))
    names = {1: ("all",), 2: ("short", "long"), 3: ("short", "medium", "long")}.get(len(bands))
    return tuple(InputBand(names[i] if names else f"band-{i + 1}", *row) for i, row in enumerate(bands))


def band_bounds(mix: Mix) -> tuple[int, ...]:
    """Return the input lengths at which to cut: powers of two, and the points halfway between them.

    Those are taken that come nearest to equal shares of the input *tokens*. Tokens count and not requests, because
    tokens fill a GPU: the few long prompts get a band of their own.
    """
    pairs = sorted(zip(mix.input_tokens, mix.weights, strict=True))
    mass = np.cumsum([tokens * weight for tokens, weight in pairs])
    lengths = [tokens for tokens, _ in pairs]
    first, last = bin_of(max(8, int(lengths[0]))), bin_of(max(8, int(lengths[-1]))) + 2
    candidates = [bin_start(index) for index in range(first, last) if index % 2 == 0]
    below = [float(mass[k - 1] / mass[-1]) if (k := int(np.searchsorted(lengths, c))) else 0.0 for c in candidates]
    chosen = set()
    for part in range(1, MOST_BANDS):
        nearest = min(range(len(candidates)), key=lambda i: (abs(below[i] - part / MOST_BANDS), candidates[i]))
        if 0 < below[nearest] < 1:
            chosen.add(candidates[nearest])
    return tuple(sorted(chosen))


def _workload(origin: str, rows: Iterable[tuple[float, float, float]], burst: Burst) -> Workload:
    mix = _mix(rows)
    return Workload(origin, mix, burst, input_bands(mix, band_bounds(mix)))


def _mix(rows: Iterable[tuple[float, float, float]]) -> Mix:
    """Return the mix of (input, output, weight) cells. They come in any order, and their weights have any sum."""
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
    """Return a lognormal on the bins of a trace: (mean length within the bin, probability) of each.

    With μ and σ of ln X:

        mean              = exp(μ + σ²/2)
        p95               = exp(μ + z σ)                   z = 1.645
        σ                 = z − √(z² − 2 ln(p95/mean))
        E[X; a ≤ X < b]   = mean · (Φ((ln b − μ)/σ − σ) − Φ((ln a − μ)/σ − σ))
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
    """Return the standard normal distribution function, also at ±∞."""
    return 0.5 * math.erfc(-x / math.sqrt(2))
