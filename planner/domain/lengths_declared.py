"""Lengths as a team declares them: a mean and a 95th percentile, with a longest length if there is one, or a histogram.

A mean and a percentile are met by a lognormal. Where the longest length is stated, what would be longer has that length
exactly, and the mean and the percentile hold for the lengths after that. Where it is not stated, the tail is invented:
it goes on for ever, and `longest` says from where on nothing is planned for.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import NormalDist

from planner.domain.route import DeclaredLengths
from planner.domain.traces import bin_of, bin_start

NOTHING = 1e-4
"""Share of a route's requests that counts as none, where lengths are invented."""
SHARES_OFF = 1e-3
"""How far the shares of a histogram may be from their sum of 1: people round them."""
_NORMAL = NormalDist()
_Z95 = _NORMAL.inv_cdf(0.95)
_STEPS = tuple(0.02 * k for k in range(1, 401))
"""Spreads (σ) among which the first is looked for that meets the mean below a longest length."""
_HALVINGS = 60


@dataclass(frozen=True)
class CappedLognormal:
    """A lognormal whose longer lengths are cut to a longest one.

        X = min(exp(μ + σ·Z), longest)        Z: standard normal

    longest: the longest length, tokens; infinite where none is stated.
    """

    mu: float
    sigma: float
    longest: float = math.inf

    def share_below(self, tokens: float) -> float:
        """Return the share of the lengths that are less than `tokens`."""
        return 1.0 if tokens > self.longest else _cdf(self._z(tokens))

    def mass_below(self, tokens: float) -> float:
        """Return the mean over all requests of their tokens, where lengths of `tokens` and more count as 0.

        E[X; X < a] = exp(μ + σ²/2) · Φ((ln a − μ)/σ − σ)
        """
        mean = math.exp(self.mu + self.sigma**2 / 2)
        if tokens <= self.longest:
            return mean * _cdf(self._z(tokens) - self.sigma)
        z = self._z(self.longest)
        at_longest = self.longest * _cdf(-z) if self.longest < math.inf else 0.0
        return mean * _cdf(z - self.sigma) + at_longest

    def quantile(self, share: float) -> float:
        """Return the length that this share of the requests does not exceed."""
        return min(math.exp(self.mu + self.sigma * _NORMAL.inv_cdf(share)), self.longest)

    def _z(self, tokens: float) -> float:
        if tokens <= 0:
            return -math.inf
        return math.inf if tokens == math.inf else (math.log(tokens) - self.mu) / self.sigma


@dataclass(frozen=True)
class LengthHistogram:
    """A histogram of lengths: within a bin, every whole number of tokens is equally frequent.

    tops: longest length of each bin, which ascend.
    shares: share of the requests in each bin; they sum to 1.
    """

    tops: tuple[int, ...]
    shares: tuple[float, ...]

    @property
    def longest(self) -> float:
        """Return the longest length, tokens."""
        return self.tops[-1]

    def share_below(self, tokens: float) -> float:
        """Return the share of the lengths that are less than `tokens`."""
        return math.fsum(share * part for share, part, _ in self._bins_below(tokens))

    def mass_below(self, tokens: float) -> float:
        """Return the mean over all requests of their tokens, where lengths of `tokens` and more count as 0."""
        return math.fsum(share * part * mean for share, part, mean in self._bins_below(tokens))

    def quantile(self, share: float) -> float:
        """Return the length that this share of the requests does not exceed."""
        index = min(bisect_left([*accumulate(self.shares)], share - 1e-12), len(self.tops) - 1)
        low, below = (self.tops[index - 1], math.fsum(self.shares[:index])) if index else (0, 0.0)
        part = (share - below) / self.shares[index] if self.shares[index] else 1.0
        return low + min(1.0, part) * (self.tops[index] - low)

    def _bins_below(self, tokens: float) -> Iterable[tuple[float, float, float]]:
        """Return of each bin its share, which part of it is shorter than `tokens`, and the mean of that part."""
        for (low, top), share in zip(pairwise((0, *self.tops)), self.shares, strict=True):
            last = min(float(top), tokens - 1)
            if last > low:
                yield share, (last - low) / (top - low), (low + 1 + last) / 2


Declared = CappedLognormal | LengthHistogram


def declared(lengths: DeclaredLengths) -> Declared:
    """Return the distribution of one side. Raises ValueError when none has what is stated."""
    if lengths.histogram:
        return histogram(lengths.histogram)
    assert lengths.mean  # the environment file was refused otherwise
    assert lengths.p95
    return lognormal(lengths.mean, lengths.p95, lengths.max)


def lognormal(mean: float, p95: float, longest: int | None = None) -> CappedLognormal:
    """Return the lognormal with this mean and 95th percentile, tokens, after what is longer than `longest` is cut.

    Without a longest length:

        mean = exp(μ + σ²/2)
        p95  = exp(μ + z σ)                   z = 1.645
        σ    = z − √(z² − 2 ln(p95/mean))

    With one, the percentile stays as it is and the mean is less, so that σ is found by halving. Of two spreads with the
    same mean the narrower is taken, here as there. σ and μ keep ten digits, so that every processor has the same.
    Raises ValueError when there is none.
    """
    if longest is not None and max(mean, p95) > longest:
        what = "mean" if mean > p95 else "95th percentile"
        raise ValueError(f"the {what} {max(mean, p95):g} is above the longest length, {longest}")
    ratio = p95 / mean
    limit = math.exp(_Z95**2 / 2)
    if longest is None and 1 <= ratio <= limit:
        sigma = max(_Z95 - math.sqrt(max(0.0, _Z95**2 - 2 * math.log(ratio))), 1e-9)
        return CappedLognormal(math.log(mean) - sigma**2 / 2, sigma)
    if longest is None or ratio < 1:
        wanted = f"p95 must lie between 1 and {limit:.2f} × the mean"
        raise ValueError(f"no lognormal has mean {mean:g} and 95th percentile {p95:g}; {wanted}")

    def capped(sigma: float) -> CappedLognormal:
        return CappedLognormal(math.log(p95) - _Z95 * sigma, sigma, longest)

    def too_high(sigma: float) -> bool:
        return capped(sigma).mass_below(math.inf) > mean

    if not too_high(1e-9):
        return capped(1e-9)
    above = next((sigma for sigma in _STEPS if not too_high(sigma)), None)
    if above is None:
        least = min(capped(sigma).mass_below(math.inf) for sigma in _STEPS)
        wanted = f"a mean of {math.ceil(least)} or more"
        raise ValueError(
            f"no lognormal that ends at {longest} has mean {mean:g} and 95th percentile {p95:g}; {wanted} would do"
        )
    below = max(1e-9, above - _STEPS[0])
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        below, above = (middle, above) if too_high(middle) else (below, middle)
    return capped(float(f"{above:.10g}"))


def histogram(shares: Mapping[int, float]) -> LengthHistogram:
    """Return the histogram of (longest tokens of a bin → share). Raises ValueError when the shares do not sum to 1."""
    total = math.fsum(shares.values())
    if abs(total - 1) > SHARES_OFF:
        raise ValueError(f"the shares sum to {total * 100:.6g} %, not 100 %")
    tops = tuple(sorted(shares))
    return LengthHistogram(tops, tuple(shares[top] / total for top in tops))


def longest(lengths: Declared) -> int:
    """Return the longest length that is planned for: the stated one, or the 99.99th percentile of an invented tail."""
    end = lengths.longest if lengths.longest < math.inf else lengths.quantile(1 - NOTHING)
    return math.ceil(end - 1e-6)


def cells(lengths: Declared, cuts: Sequence[int] = ()) -> list[tuple[float, float]]:
    """Return a distribution on the bins of a trace: (mean length within the bin, probability) of each.

    A bin is also cut before each length of `cuts`. The cells are integrated and not sampled, so that no tokens are lost
    and the same lengths give the same cells.
    """
    low, high = (lengths.quantile(p) for p in (NOTHING, 1 - NOTHING))
    first, last = bin_of(max(2, math.ceil(low))), bin_of(max(2, math.ceil(high)))
    inner = {float(bin_start(index)) for index in range(first, last + 1)} | {float(cut) for cut in cuts if cut > 0}
    if lengths.longest < math.inf:
        inner = {edge for edge in inner if edge < lengths.longest} | {float(lengths.longest)}
    edges = [0.0, *sorted(inner), math.inf]
    below = [(lengths.share_below(edge), lengths.mass_below(edge)) for edge in edges]
    rows = [
        (low, high, after[0] - before[0], after[1] - before[1])
        for (low, high), (before, after) in zip(pairwise(edges), pairwise(below), strict=True)
    ]
    # A mean stays within its bin, which the last digits of a difference do not know.
    return [
        (min(max(mass / share, low), math.nextafter(high, 0.0), lengths.longest), share)
        for low, high, share, mass in rows
        if share > 1e-12
    ]


def _cdf(x: float) -> float:
    """Return the standard normal distribution function, also at ±∞."""
    return 0.5 * math.erfc(-x / math.sqrt(2))
