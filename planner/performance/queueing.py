"""Erlang C: the share of Poisson arrivals that wait because every server is busy.

    B(c, a)    Erlang B: the share of arrivals that find all c servers busy, under a load of a = λ · hold erlangs
    C(c, a)    Erlang C: the share of arrivals that wait, when they queue instead of leaving

    C = B / (1 − (a/c)(1 − B))

B follows for real c from the continuous form

    1/B = a^−c · e^a · Γ(c + 1) · Q(c + 1, a)        Q: the regularized upper incomplete gamma function

It equals the recursion B(n) = a·B(n − 1)/(n + a·B(n − 1)) at integers, and it is smooth between them. This module does
not know what a server or a customer is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincc, gammaln

from planner.words.arrays import Floats


def erlang_c(servers: ArrayLike, offered_load: ArrayLike) -> Floats:
    """Return the share of the arrivals that wait; 1 where the load reaches the number of servers.

    servers: real numbers, at least 1. offered_load: erlangs. The two broadcast against each other.
    """
    c = np.asarray(servers, dtype=np.float64)
    a = np.maximum(np.asarray(offered_load, dtype=np.float64), 1e-12)
    log_inverse = a - c * np.log(a) + gammaln(c + 1.0) + np.log(np.maximum(gammaincc(c + 1.0, a), 1e-300))
    blocking = np.exp(-np.maximum(log_inverse, 0.0))
    stable = a < c
    waiting = blocking / np.where(stable, 1.0 - (a / c) * (1.0 - blocking), 1.0)
    result: Floats = np.where(stable, np.minimum(waiting, 1.0), 1.0)
    return result
