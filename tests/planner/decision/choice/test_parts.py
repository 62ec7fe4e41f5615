"""Parts of a question are solved apart, and the answer is that of the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.decision.choice import solve as module
from planner.decision.choice.parts import parts
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import EXACT, PAPER, api, drawn, flow, replica_class, with_weights


def whole(question: Question) -> Answer | Infeasible:
    """The answer of one program for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "parts", lambda question, payer=None: (question,))
        return solve(question, EXACT)


def usd(answer: Answer | Infeasible) -> float:
    return answer.usd_per_month if isinstance(answer, Answer) else float("inf")


def test_routes_that_share_no_machine_are_parts() -> None:
    vault, chat = parts(PAPER)
    assert ({f.route for f in vault.flows}, {f.route for f in chat.flows}) == ({"vault"}, {"chat"})
    assert (vault.platform_usd, chat.platform_usd) == (0.0, 0.0)
    assert (vault.quotas, chat.budget_usd) == (PAPER.quotas, PAPER.budget_usd)


def test_one_part_pays_for_a_checkpoint() -> None:
    costly = with_weights(PAPER, {"m1": 7.0})
    assert [{k.weights_usd_per_month for k in part.classes} for part in parts(costly)] == [{7.0}, {0.0}]
    assert [{k.weights_usd_per_month for k in part.classes} for part in parts(costly, {"m1": 1})] == [{0.0}, {7.0}]


def test_where_nothing_must_be_hosted_there_is_one_part() -> None:
    """The platform would be paid by none of them."""
    free = replace(PAPER, flows=tuple(replace(f, may_spill=True) for f in PAPER.flows))
    apis = tuple(
        replace(
            a, usd_per_request={f.key: 1.0 for f in free.flows}, tokens_per_request={f.key: 1.0 for f in free.flows}
        )
        for a in free.apis
    )
    assert len(parts(replace(free, apis=apis))) == 1


def test_a_band_that_may_be_turned_away_needs_no_platform() -> None:
    """Two routes on machines of their own, each with a tail that no API reads: the API alone is cheaper."""
    flows = []
    for route in ("chat", "code"):
        flows += [flow(route, 0, (1.0,)), replace(flow(route, 1, (0.001,), may_spill=False), may_turn_away=True)]
    machines = {"chat": "small", "code": "medium"}
    classes = tuple(
        replica_class(f"{route}-own", machine, 1, {(route, 0): 2.0, (route, 1): 2.0})
        for route, machine in machines.items()
    )
    month = 730 * 3600
    hosted = api({("chat", 0): 800 / month, ("code", 0): 800 / month})
    asked = Question((730.0,), tuple(flows), classes, (hosted,), 500.0)
    assert len(parts(asked)) == 1
    answer = solve(asked, EXACT)
    assert isinstance(answer, Answer)
    assert answer.usd_per_month == pytest.approx(usd(whole(asked)), abs=0.01)


@pytest.mark.parametrize("seed", range(60))
def test_the_parts_together_are_the_whole(seed: int) -> None:
    question = drawn(seed)
    assert usd(solve(question, EXACT)) == pytest.approx(usd(whole(question)), abs=0.01)


@pytest.mark.parametrize("seed", range(60))
def test_likely_classes_change_no_cost(seed: int) -> None:
    question = drawn(seed)
    some = frozenset(k.name for k in question.classes[::2])
    assert usd(solve(question, EXACT, some)) == pytest.approx(usd(solve(question, EXACT)), abs=0.01)


def test_a_limit_that_binds_the_parts_together_is_kept() -> None:
    """Each part alone would fit the budget."""
    free = solve(PAPER, EXACT)
    assert isinstance(free, Answer)
    tight = replace(PAPER, budget_usd=free.usd_per_month - 1.0)
    assert usd(solve(tight, EXACT)) == pytest.approx(usd(whole(tight)), abs=0.01)
    assert usd(solve(tight, EXACT)) == float("inf") or usd(solve(tight, EXACT)) <= free.usd_per_month - 1.0
