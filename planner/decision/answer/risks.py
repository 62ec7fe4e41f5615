"""The plan's own risk of missing an SLO: how likely it is that steps are too slow for what the pools must carry.

The planned step times include a margin. A pool still carries its busiest level while steps are slower than planned by
some factor s, up to s*, which is found on a grid with the closed form. The error of the performance model is taken as
lognormal through the p10 and the p90 of its residuals:

    m = √(p10·p90)        σ = ln(p90/p10) / (2·1.2816)
    chance = P(actual ÷ predicted > margin · s*) = 1 − Φ((ln(margin · s*) − ln m) / σ)
"""

from __future__ import annotations

import math
from decimal import Decimal
from statistics import NormalDist

from planner.decision.answer.solved import Solved
from planner.decision.candidates.replicas import question_of
from planner.decision.candidates.ruler import Ruler
from planner.decision.candidates.self_hosted import SelfHosted
from planner.performance.closed_form import rate_factors
from planner.plan.review import SloRisk

SLOWNESS = tuple(round(1 + 0.02 * step, 2) for step in range(76))
"""Factors on the planned step time that are tried, 1 to 2.5."""
LEAST_CHANCE = 0.001
"""Chance below which a risk is told as this much: the residuals say nothing of rarer errors."""
_NORMAL = NormalDist()
_Z90 = _NORMAL.inv_cdf(0.9)


def slo_risks(solved: Solved, ruler: Ruler) -> tuple[SloRisk, ...]:
    """Return the risk of each route that has a pool, sorted by route: that of the pool which gives way first."""
    risks = []
    for route in solved.demand.routes:
        pools = solved.pools_of(route.name)
        if pools:
            chance, slower = max(_chance(solved, ruler, pool) for pool in pools)
            risks.append(SloRisk(route=route.name, chance=Decimal(chance), slower=Decimal(slower)))
    return tuple(risks)


def _chance(solved: Solved, ruler: Ruler, pool: SelfHosted) -> tuple[float, float]:
    """Return the chance that a pool is too slow, and the factor on its planned step time from which it is."""
    slowest = _slowest_that_carries(solved, ruler, pool)
    shape = pool.shape
    p10, p90 = ruler.evidence(shape).interval
    sigma = math.log(p90 / p10) / (2 * _Z90)
    middle = math.log(p10 * p90) / 2
    if sigma <= 0:
        return LEAST_CHANCE, slowest
    chance = 1 - _NORMAL.cdf((math.log(ruler.margin(shape) * slowest) - middle) / sigma)
    return max(LEAST_CHANCE, chance), slowest


def _slowest_that_carries(solved: Solved, ruler: Ruler, pool: SelfHosted) -> float:
    """Return the highest factor on the planned step time with which the pool carries its busiest level in its SLO."""
    keys = solved.choice.bands_of(pool.name)
    replicas = solved.fleet.replicas[pool.name]
    by_key = {}
    for key in keys:
        asked = question_of(pool.replica, key, ruler)
        by_key[key] = rate_factors([asked] * len(SLOWNESS), SLOWNESS)
    carried = 1.0
    for place, slowness in enumerate(SLOWNESS):
        factors = {key: by_key[key][place] for key in keys}
        if min(factors.values()) <= 0:
            break
        short = any(
            sum(
                solved.choice.planned(key, pool.name)[t] / (pool.replica_class.capacity[key] * factors[key])
                for key in keys
            )
            > solved.choice.replicas_at(pool.name, t, replicas) * (1 + 1e-6)
            for t in range(solved.choice.levels)
        )
        if short:
            break
        carried = slowness
    return carried
