"""What a route's requests look like: their joint (input × output) lengths, cut into bands, and their bursts.

A gateway knows the input length of a request on arrival, and never its output. So capacities are computed for the mix
of one band. Lengths come from the histogram of a trace or, without one, from what is declared of inputs and of outputs,
independently (`lengths_declared`). How many requests come, and when, is the matter of `demand`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from planner.domain.lengths_declared import Declared, cells, declared, lognormal, longest
from planner.domain.route import Route
from planner.domain.traces import Burst, TraceSummary, bin_of, bin_start
from planner.words.arrays import Floats

_NORMAL = NormalDist()
_Z95 = _NORMAL.inv_cdf(0.95)
MOST_BANDS = 3
"""Most bands into which the requests of a route are cut by their length alone."""
ROOM = 0.99
"""Share of the answers for which a context keeps room behind its longest prompts; the others end where it ends. Shorter
prompts leave more room, so that hardly any answer ends so."""


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

    @property
    def cells(self) -> Iterable[tuple[float, float, float]]:
        """Return (input tokens, output tokens, share) of each cell."""
        return zip(self.input_tokens, self.output_tokens, self.weights, strict=True)

    def mean(self, of: Callable[[Floats, Floats], Floats]) -> float:
        """Return the mean over requests of a function of (input tokens, output tokens), arrays of shape (cells,)."""
        return float(np.dot(np.array(self.weights), of(np.array(self.input_tokens), np.array(self.output_tokens))))

    def share_over(self, tokens: float) -> float:
        """Return the share of the requests with more input tokens, to the width of a bin."""
        return math.fsum(w for length, w in zip(self.input_tokens, self.weights, strict=True) if length >= tokens + 1)

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
    behind_cut: whether it begins where some candidate reads no further, in the midst of a band that lengths alone make.
    """

    name: str
    from_tokens: int
    below_tokens: int | None
    share: float
    mix: Mix
    behind_cut: bool = False

    @property
    def over_tokens(self) -> int:
        """Return the tokens that all its prompts exceed."""
        return max(0, self.from_tokens - 1)


@dataclass(frozen=True)
class Workload:
    """The requests of one route.

    origin: name of the trace, or `declared`.
    mix: lengths of all requests.
    burst: how far their rate departs from its mean.
    bands: the requests by input length.
    longest_input: tokens of the longest prompt that is planned for.
    room: tokens that a context keeps free for the answer to its longest prompts: the 99th percentile.
    """

    origin: str
    mix: Mix
    burst: Burst
    bands: tuple[InputBand, ...]
    longest_input: int
    room: int


def route_workload(
    route: Route, trace: TraceSummary | None, requests_per_second: float, cuts: Sequence[int] = ()
) -> Workload:
    """Return the workload of a route: declared lengths where it has some, with the bursts of its trace; else the trace.

    requests_per_second: mean rate, by which independent arrivals burst where there is no trace.
    cuts: input lengths, which ascend; another band begins behind each of them.
    Raises ValueError when no distribution has the declared lengths.
    """
    lengths = route.lengths
    if lengths is None:
        assert trace is not None  # the environment file was refused otherwise
        return trace_workload(trace, cuts)
    burst = trace.burst if trace else poisson_burst(requests_per_second)
    return lengths_workload(declared(lengths[0]), declared(lengths[1]), burst, cuts)


def trace_workload(trace: TraceSummary, cuts: Sequence[int] = ()) -> Workload:
    """Return the workload of a trace. Its bins stay whole, so that `cuts` hold to the width of a bin."""
    rows = [
        (cell.input_tokens / cell.requests, cell.output_tokens / cell.requests, cell.requests / trace.requests)
        for cell in trace.cells
    ]
    mix = _mix(rows)
    room = min(math.ceil(mix.output_quantile(ROOM)), trace.output_quantiles["max"])
    return _workload(trace.name, mix, trace.burst, trace.input_quantiles["max"], room, cuts)


def declared_workload(
    input_mean: float, input_p95: float, output_mean: float, output_p95: float, burst: Burst
) -> Workload:
    """Return the workload of declared means and 95th percentiles.

    Raises ValueError when no lognormal has that mean and percentile.
    """
    return lengths_workload(lognormal(input_mean, input_p95), lognormal(output_mean, output_p95), burst)


def lengths_workload(inputs: Declared, outputs: Declared, burst: Burst, cuts: Sequence[int] = ()) -> Workload:
    """Return the workload of declared lengths: independent distributions on the bins of a trace.

    Their means are met exactly, and their percentiles to the width of a bin.
    """
    rows = [(s, o, p * q) for s, p in cells(inputs, [cut + 1 for cut in cuts]) for o, q in cells(outputs)]
    room = math.ceil(outputs.quantile(ROOM) - 1e-6)
    return _workload("declared", _mix(rows), burst, longest(inputs), room, cuts)


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


def input_bands(mix: Mix, bounds: Sequence[int], cuts: Sequence[int] = ()) -> tuple[InputBand, ...]:
    """Cut a mix at these input lengths, which ascend: before each of `bounds`, and behind each of `cuts`.

    Bands without requests are left out. A band behind a cut is named by the length that its prompts exceed.
    """
    behind = {cut + 1 for cut in cuts} - set(bounds)
    edges: list[int | None] = [0, *sorted({*bounds, *behind}), None]
    bands = []
    for low, high in pairwise(edges):
        inside = [
            k for k, tokens in enumerate(mix.input_tokens) if tokens >= (low or 0) and (high is None or tokens < high)
        ]
        share = math.fsum(mix.weights[k] for k in inside)
        if share > 0:
            bands.append((low or 0, high, share, _mix(_cell(mix, k) for k in inside)))
    plain = [low for low, *_ in bands if low not in behind]
    names = {1: ("all",), 2: ("short", "long"), 3: ("short", "medium", "long")}.get(len(plain))
    return tuple(InputBand(_band_name(row[0], plain, names), *row, row[0] not in plain) for row in bands)


def _band_name(low: int, plain: Sequence[int], names: Sequence[str] | None) -> str:
    if low not in plain:
        return f"over-{low - 1}"
    place = plain.index(low)
    return names[place] if names else f"band-{place + 1}"


def joined(parts: Iterable[tuple[float, Mix]]) -> Mix:
    """Return the mix of several mixes, each with its share."""
    return _mix((cell[0], cell[1], cell[2] * share) for share, mix in parts for cell in mix.cells)


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


def _workload(origin: str, mix: Mix, burst: Burst, longest_input: int, room: int, cuts: Sequence[int]) -> Workload:
    return Workload(origin, mix, burst, input_bands(mix, band_bounds(mix), cuts), longest_input, room)


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
