"""Independent arrivals whose rate changes by the second."""

from __future__ import annotations

import random

import numpy as np

from planner.words.arrays import Floats, Ints


def poisson_arrivals(rates: Floats, seed: int) -> Ints:
    """Arrivals in microseconds, from the rate of each second, requests/s.

    Gaps of a stream of one request a second are stretched by the rates.
    """
    rng, total = random.Random(seed), float(rates.sum())
    gaps = [rng.expovariate(1.0) for _ in range(int(total + 8 * total**0.5 + 20))]
    places = np.cumsum(gaps)
    seconds = np.interp(places[places < total], np.concatenate(([0.0], np.cumsum(rates))), np.arange(len(rates) + 1.0))
    found: Ints = (seconds * 1e6).astype(np.int64)
    return found
