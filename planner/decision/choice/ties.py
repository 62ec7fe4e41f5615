"""Ties: of APIs that cost a band the same, the one that the gateway asks first takes what its limits admit.

To the program such APIs are one, so that the solver may fill any of them, and a bill would name another API than the
one that is asked. The shares of each level are moved after the solve. What is moved costs the same elsewhere, and each
move is as large as the rows of the program allow. Where δ moves, a row changes by d·δ, with
d = coefficient of the earlier − coefficient of the later:

    δ ≤ (upper − Σ coefficient·value) / d          each row with d > 0
    δ ≤ (lower − Σ coefficient·value) / d          each row with d < 0
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from planner.decision.choice.columns import s
from planner.decision.choice.linear import INFINITY, Linear, Row
from planner.decision.choice.question import ApiOption, Flow, Question, apis_in_order
from planner.words.arrays import Floats

EQUAL = 1e-9
"""Relative difference below which two prices are one: sums of the same terms differ by less."""
NOTHING = 1e-9
"""Difference of coefficients, or share, that is none."""


def in_order(question: Question, linear: Linear, values: Floats) -> Floats:
    """Return the values of the columns with the shares of equal APIs moved to those that are asked first."""
    moved = values.copy()
    rows: dict[int, list[Row]] = {}
    for row in linear.rows:
        for column, _ in row.terms:
            rows.setdefault(column, []).append(row)
    for f, earlier, later in _ties(question):
        for t in range(len(question.level_hours)):
            to, origin = (linear.index[s(f, api, t)] for api in (earlier, later))
            if moved[origin] <= NOTHING:
                continue
            concerned = {id(row): row for column in (to, origin) for row in rows[column]}
            share = min([float(moved[origin]), *(_room(row, to, origin, moved) for row in concerned.values())])
            if share > NOTHING:
                moved[to] += share
                moved[origin] -= share
    return moved


def _ties(question: Question) -> Iterator[tuple[Flow, ApiOption, ApiOption]]:
    """Return the bands with each two APIs that cost them the same, the one that is asked first before the other."""
    ordered = {route: apis_in_order(question.apis, route) for route in sorted({f.route for f in question.flows})}
    for f in question.flows:
        usable = [a for a in ordered[f.route] if f.may_spill and f.key in a.usd_per_request]
        for earlier, later in combinations(usable, 2):
            if math.isclose(earlier.usd_per_request[f.key], later.usd_per_request[f.key], rel_tol=EQUAL):
                yield f, earlier, later


def _room(row: Row, to: int, origin: int, values: Floats) -> float:
    """Return how much a row lets one column take from another."""
    terms = dict(row.terms)
    more = terms.get(to, 0.0) - terms.get(origin, 0.0)
    if abs(more) <= NOTHING * max(abs(terms.get(to, 0.0)), abs(terms.get(origin, 0.0)), 1.0):
        return INFINITY
    level = sum(coefficient * float(values[column]) for column, coefficient in row.terms)
    return max(0.0, (row.upper - level) / more if more > 0 else (row.lower - level) / more)
