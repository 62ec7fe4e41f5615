"""A question that admits no more than a former one is answered from it, and with the same plan as a search finds."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import pytest

from planner.decision.choice import again
from planner.decision.choice.again import admits_no_more, solve_again
from planner.decision.choice.choice import Choice
from planner.decision.choice.question import Answer, Infeasible, Question
from planner.decision.choice.search import SearchLimits
from planner.decision.choice.solve import solve
from planner.decision.choice.team_limits import accounts_may_bind
from tests.planner.decision.choice.instances import EXACT, drawn


@pytest.fixture(scope="module")
def solved() -> list[tuple[Question, Answer]]:
    return solvable(12)


def lowered(question: Question, names: frozenset[str], factor: float) -> Question:
    """The question in which the named classes serve so many times as much."""
    classes = tuple(
        replace(k, capacity={band: rate * factor for band, rate in k.capacity.items()}) if k.name in names else k
        for k in question.classes
    )
    return replace(question, classes=classes)


def solvable(count: int) -> list[tuple[Question, Answer]]:
    """The first questions whose answer buys something, and that no account binds, with the answer."""
    answered = ((drawn(seed), solve(drawn(seed), EXACT)) for seed in range(10 * count))
    free = ((asked, found) for asked, found in answered if not accounts_may_bind(asked))
    bought = ((asked, found) for asked, found in free if isinstance(found, Answer) and found.replicas)
    return list(islice(bought, count))


@pytest.mark.parametrize("seed", [*range(24), 910])
def test_the_answer_is_the_one_of_a_search(seed: int) -> None:
    question = drawn(seed)
    answer = solve(question, EXACT)
    if isinstance(answer, Infeasible):
        return
    former = Choice(question, answer)
    draw = random.Random(seed)
    for factor in (1.0, 0.97, 0.8, 0.5):
        names = frozenset(k.name for k in question.classes if draw.random() < 0.5)
        asked = lowered(question, names, factor)
        found, searched = solve_again(asked, EXACT, former), solve(asked, EXACT)
        if isinstance(searched, Infeasible):
            assert found == searched
        else:
            assert isinstance(found, Answer)
            assert found.usd_per_month == pytest.approx(searched.usd_per_month)
            assert found.proven == searched.proven


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_searched_where_only_others_serve_less(
    seed: int, solved: list[tuple[Question, Answer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    question, answer = solved[seed]
    former = Choice(question, answer)
    others = frozenset(k.name for k in question.classes) - former.answer.replicas.keys()
    asked: list[int] = []

    def counted(question: Question, limits: SearchLimits, likely: frozenset[str] = frozenset()) -> Answer | Infeasible:
        asked.append(len(question.classes))
        return solve(question, limits, likely)

    monkeypatch.setattr(again, "solve", counted)
    found = solve_again(lowered(question, others, 0.9), EXACT, former)
    assert isinstance(found, Answer)
    assert found.usd_per_month == pytest.approx(former.answer.usd_per_month)
    assert asked == [len(former.answer.replicas)]


@pytest.mark.parametrize("seed", range(4))
def test_what_serves_more_or_costs_less_is_another_question(seed: int, solved: list[tuple[Question, Answer]]) -> None:
    question, _ = solved[seed]
    first = question.classes[0]
    assert admits_no_more(question.with_classes(frozenset({first.name})), question)
    assert not admits_no_more(question, question.with_classes(frozenset()))
    assert not admits_no_more(lowered(question, frozenset({first.name}), 1.01), question)
    cheaper = replace(first, usd_per_node_hour=first.usd_per_node_hour / 2)
    assert not admits_no_more(replace(question, classes=(cheaper, *question.classes[1:])), question)
    assert not admits_no_more(replace(question, platform_usd=question.platform_usd + 1), question)
