"""Exact results for queues with Poisson arrivals: blocking, waiting, and the tail of the wait.

    B(c, a)      Erlang B: share of arrivals lost when c servers are busy, offered load a = λ·hold (erlangs)
    C(c, a)      Erlang C: share that waits instead = B / (1 − (a/c)(1 − B))
    P(W > t)     = C · exp(−(c − a)·t/hold)                      M/M/c, first come first served

B comes from the recursion B(n) = a·B(n−1)/(n + a·B(n−1)), which stays within [0, 1] for any c and a; for
real c from the incomplete gamma function. Nothing here knows what a server or a customer is.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincc, gammaln

from planner.words.arrays import Floats


@lru_cache(maxsize=4096)
def erlang_b(servers: int, offered_load: float) -> float:
    """Probability that an arrival finds all `servers` busy and is lost. `offered_load` in erlangs, ≥ 0."""
    _require(servers, offered_load)
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = offered_load * blocking / (n + offered_load * blocking)
    return blocking


def erlang_c(servers: int, offered_load: float) -> float:
    """Probability that an arrival waits; 1 when the load is the servers' number or more."""
    if offered_load >= servers:
        return 1.0
    blocking = erlang_b(servers, offered_load)
    return blocking / (1.0 - (offered_load / servers) * (1.0 - blocking))


def mean_wait(servers: int, offered_load: float, hold: float) -> float:
    """Mean wait in the unit of `hold`, the mean service time; infinite at or over capacity."""
    if offered_load >= servers:
        return math.inf
    return erlang_c(servers, offered_load) * hold / (servers - offered_load)


def wait_percentile(servers: int, offered_load: float, hold: float, share: float) -> float:
    """The wait that `share` of the arrivals (0.95 = p95) do not exceed, in the unit of `hold`; infinite at capacity."""
    if not 0.0 < share < 1.0:
        raise ValueError(f"a percentile lies between 0 and 1, not at {share}")
    waiting = erlang_c(servers, offered_load)
    if offered_load >= servers:
        return math.inf
    if waiting <= 1.0 - share:
        return 0.0
    return math.log(waiting / (1.0 - share)) * hold / (servers - offered_load)


def erlang_c_table(servers: ArrayLike, offered_load: ArrayLike) -> Floats:
    """Erlang C for arrays of real `servers` (≥ 1) and loads, which broadcast; 1 at or over capacity.

    By the continuous form 1/B = a^-c·e^a·Γ(c + 1)·Q(c + 1, a), with Q the regularized upper incomplete gamma
    function: equal to the recursion at integers and smooth between them.
    """
    c = np.asarray(servers, dtype=np.float64)
    a = np.maximum(np.asarray(offered_load, dtype=np.float64), 1e-12)
    log_inverse = a - c * np.log(a) + gammaln(c + 1.0) + np.log(np.maximum(gammaincc(c + 1.0, a), 1e-300))
    blocking = np.exp(-np.maximum(log_inverse, 0.0))
    stable = a < c
    waiting = blocking / np.where(stable, 1.0 - (a / c) * (1.0 - blocking), 1.0)
    result: Floats = np.where(stable, np.minimum(waiting, 1.0), 1.0)
    return result


def _require(servers: int, offered_load: float) -> None:
    if servers < 1 or offered_load < 0.0:
        raise ValueError(f"need at least one server and a load of 0 or more, got {servers} and {offered_load}")
