"""Elastic classes against brute force over every size at every level, and what must hold of them for any numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.decision.choice.pairs import least_usd
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import SearchLimits
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.elastic_force import cheapest
from tests.planner.decision.choice.instances import CHAT, EXACT, api, drawn_elastic, flow, only, replica_class
from tests.planner.decision.choice.test_solve import SEEDS, TIE_BREAKS_USD, cost

HOURS = (200.0, 530.0)
"""Hours of a day level and a night level, a month."""
TIMES = 22.0
"""Days a month on which the one follows the other."""


def elastic(
    warm_hours: float, rates: tuple[float, ...] = (4.0, 1.0), may_spill: bool = True, **parts: object
) -> Question:
    """One band on small machines of 0.90 USD an hour that serve 2 requests/s and may be given back."""
    changes = ((0, 1, TIMES), (1, 0, TIMES))
    classes = (replace(replica_class("k", "small", 1, {CHAT: 2.0}), warm_hours=warm_hours),)
    chat = flow("chat", 0, rates, may_spill)
    base = replace(only(), level_hours=HOURS, changes=changes, flows=(chat,), classes=classes)
    return replace(base, **parts)  # type: ignore[arg-type]


def answered(question: Question) -> Answer:
    answer = solve(question, EXACT)
    assert isinstance(answer, Answer), answer
    return answer


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


def test_the_instances_are_worth_solving() -> None:
    """Some have no plan; of the plans some give nodes back, some spot ones, some all of them, and some none."""
    answers = [solve(drawn_elastic(seed), EXACT) for seed in range(120)]
    plans = [a for a in answers if isinstance(a, Answer)]
    assert 30 <= len(plans) <= 110
    kinds = Counter(
        word
        for a in plans
        for word, is_so in {
            "follows": a.nodes_by_level,
            "sleeps": any(0 in sizes for sizes in a.nodes_by_level.values()),
            "spot": a.spot_by_level,
            "stays": a.nodes and not a.nodes_by_level,
        }.items()
        if is_so
    )
    assert min(kinds[word] for word in ("follows", "sleeps", "spot", "stays")) >= 4, kinds


def test_what_is_given_back_and_what_starts_on_paper() -> None:
    """Two machines by day, one by night: 0.90 · (2·200 + 530), and 22 starts of half an hour, 0.90 · 22 · 0.5."""
    answer = answered(elastic(0.5))
    assert answer.nodes_by_level == {"small/k": (2, 1)}
    assert (answer.nodes, answer.replicas) == ({"small/k": 2}, {"k": 2})
    assert answer.usd_per_month == pytest.approx(0.9 * (2 * 200 + 530) + 0.9 * 22 * 0.5)


def test_a_node_that_takes_longer_than_it_would_be_away_stays() -> None:
    """Away for 530 of the hours, in 22 nights of 24.09 hours."""
    for warm_hours, gives_back in ((24.0, True), (24.2, False)):
        answer = answered(elastic(warm_hours))
        assert bool(answer.nodes_by_level) == gives_back
    assert answer.nodes == {"small/k": 2}
    assert answer.usd_per_month == pytest.approx(0.9 * 2 * 730)


def test_a_class_sleeps_where_an_api_takes_all_or_nothing_is_asked() -> None:
    cheap_by_night = elastic(0.1, (4.0, 0.05), apis=(api({CHAT: 0.0003}),))
    answer = answered(cheap_by_night)
    assert answer.nodes_by_level == {"small/k": (2, 0)}
    assert answer.spilled[(CHAT, "api")] == pytest.approx((0.0, 1.0))
    private = answered(elastic(0.1, (4.0, 0.0), may_spill=False))
    assert private.nodes_by_level == {"small/k": (2, 0)}
    awake = answered(elastic(0.1, (4.0, 0.05), may_spill=False))
    assert awake.nodes_by_level == {"small/k": (2, 1)}


def test_an_exclusive_class_has_two_nodes_while_it_is_on() -> None:
    alone = replace(replica_class("k", "small", 1, {CHAT: 2.0}, exclusive=True), warm_hours=0.1)
    answer = answered(elastic(0.1, (4.0, 0.05), may_spill=False, classes=(alone,)))
    assert answer.nodes_by_level == {"small/k": (3, 2)}
    answer = answered(elastic(0.1, (4.0, 0.0), may_spill=False, classes=(alone,)))
    assert answer.nodes_by_level == {"small/k": (3, 0)}


def test_machines_under_a_commitment_stay() -> None:
    """One machine is needed all week: it is cheaper under a commitment, and the other one is not."""
    (k,) = elastic(0.1).classes
    answer = answered(elastic(0.1, classes=(replace(k, commitments=(("c", 0.6),)),)))
    assert answer.committed == {("small", "c"): 1}
    assert answer.nodes_by_level == {"small/k": (2, 1)}
    assert answer.usd_per_month == pytest.approx(0.6 * 730 + 0.9 * 200 + 0.9 * 22 * 0.1)


def test_quotas_hold_for_the_most() -> None:
    assert isinstance(solve(elastic(0.1, may_spill=False, quotas={"G": 4.0}), EXACT), Infeasible)
    assert answered(elastic(0.1, quotas={"G": 8.0})).nodes == {"small/k": 2}


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_leave_to_give_nodes_back_never_makes_a_plan_dearer(seed: int) -> None:
    free = drawn_elastic(seed)
    bound = replace(free, classes=tuple(replace(k, warm_hours=None) for k in free.classes))
    both = replace(free, classes=(*(replace(k, name=f"{k.name}-all-week") for k in bound.classes), *free.classes))
    assert cost(both) <= cost(bound) * (1 + 1e-6) + TIE_BREAKS_USD


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(0.5, 3))
def test_prices_times_a_factor_are_costs_times_it(seed: int, factor: float) -> None:
    question = replace(drawn_elastic(seed), budget_usd=None, api_budget_usd=None)
    classes = tuple(
        replace(
            k,
            usd_per_node_hour=k.usd_per_node_hour * factor,
            usd_per_spot_hour=None if k.usd_per_spot_hour is None else k.usd_per_spot_hour * factor,
            usd_per_existing_node_hour=k.usd_per_existing_node_hour * factor,
            commitments=tuple((key, usd * factor) for key, usd in k.commitments),
        )
        for k in question.classes
    )
    apis = tuple(
        replace(a, usd_per_request={key: usd * factor for key, usd in a.usd_per_request.items()}) for a in question.apis
    )
    dearer = replace(
        question,
        classes=classes,
        apis=apis,
        platform_usd=question.platform_usd * factor,
        existing_usd=question.existing_usd * factor,
    )
    assert cost(dearer) == pytest.approx(cost(question) * factor, rel=1e-6, abs=TIE_BREAKS_USD * max(1, factor))


def test_the_same_question_has_the_same_answer() -> None:
    for seed in (3, 7, 11, 19):
        assert solve(drawn_elastic(seed), EXACT) == solve(drawn_elastic(seed), EXACT)


@pytest.mark.parametrize("seed", range(40))
def test_a_class_costs_at_least_what_is_said_of_it(seed: int) -> None:
    """The search leaves out what must cost more than a plan that is known."""
    question = replace(drawn_elastic(seed), budget_usd=None)
    for k in question.classes:
        usd = cost(replace(question, required=frozenset({k.name})))
        assert least_usd(question, k) <= usd + TIE_BREAKS_USD


@pytest.mark.parametrize("seed", range(30))
def test_a_search_that_stops_early_gives_back_what_it_does_not_need(seed: int) -> None:
    question = drawn_elastic(seed)
    answer = solve(question, SearchLimits(gap=0.3, nodes=1, proof_nodes=0))
    if isinstance(answer, Answer):
        wanted = cheapest(question)
        assert wanted is not None
        assert wanted <= answer.usd_per_month + TIE_BREAKS_USD
        assert answer.usd_per_month * (1 - answer.gap) <= wanted + TIE_BREAKS_USD
        for group, sizes in answer.nodes_by_level.items():
            assert max(sizes) <= answer.nodes[group]
