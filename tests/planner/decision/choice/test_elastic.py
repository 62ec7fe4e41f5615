"""Elastic classes against brute force over every size at every level, and what must hold of them for any numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import SearchLimits
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.elastic_force import cheapest
from tests.planner.decision.choice.instances import CHAT, EXACT, api, drawn_elastic, only, replica_class
from tests.planner.decision.choice.test_solve import SEEDS, TIE_BREAKS_USD, cost

DAYS, TIMES = (200.0, 530.0), 22.0


@pytest.mark.parametrize("seed", range(120))
def test_brute_force_agrees_over_sizes_that_change(seed: int) -> None:
    question = drawn_elastic(seed)
    answer, wanted = solve(question, EXACT), cheapest(question)
    if isinstance(answer, Infeasible):
        assert wanted is None, f"a plan of ${wanted} exists; the solver says {answer.causes}"
    else:
        assert wanted is not None, "the solver found a plan where none exists"
        assert answer.usd_per_month == pytest.approx(wanted, rel=1e-6, abs=TIE_BREAKS_USD)
        assert (answer.proven, answer.gap) == (True, 0.0)
