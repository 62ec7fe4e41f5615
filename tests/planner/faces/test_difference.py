"""A review on a terminal: pinned for a one-line change, risks first and never cut, on every width."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.review import Check, Place, Review, Risk
from planner.documents.reviewing import review
from planner.edges.attributing import attributed
from planner.edges.base_side import Base
from planner.faces.difference import review_view
from planner.words.spans import read
from tests.planner import small
from tests.planner.documents.changes_of_plans import CHANGES, TODAY, made
from tests.planner.faces.shown import assert_folds, coloured, shown
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"


def one_line_change() -> Review:
    """The small environment with three times the chat, as its file has it."""
    change, document = made("traffic"), read(small.changed(), "environments/small.yaml")
    causes = attributed(change.after, Base("main", change.base, change.before), change.proposed, document)
    return review(change.base, change.proposed, "main", document, TODAY, causes, (), change.after.catalog())


@pytest.mark.parametrize("width", [80, 160])
def test_a_one_line_change(width: int) -> None:
    assert_golden(GOLDEN / f"diff-{width}.txt", shown(*review_view(one_line_change()), width=width))


@pytest.mark.parametrize("name", ["traffic", "privacy loosened", "region", "price vanished", "model dropped"])
def test_on_every_terminal_lines_fit_and_names_are_whole(name: str) -> None:
    told = made(name).review()
    causes = tuple(cause.model_copy(update={"where": None}) for cause in told.attribution.causes)
    risks = tuple(risk.model_copy(update={"where": None}) for risk in told.risks)
    attribution = told.attribution.model_copy(update={"causes": causes})
    told = told.model_copy(update={"attribution": attribution, "risks": risks})  # places have the names of folders
    assert_folds(lambda: review_view(told))


def test_the_line_of_the_change_is_named() -> None:
    number = small.changed().splitlines().index(f"      {small.CHANGE[1]}") + 1
    text = shown(*review_view(one_line_change()), width=160)
    assert f"chat gets 1 → 3 requests/s on average   environments/small.yaml:{number}" in text


def test_nothing_changed() -> None:
    lock = small.planned().lock
    same = review(lock, lock, "main", read(small.text(), "small.yaml"), TODAY)
    assert shown(*review_view(same)) == same.headline


def test_rules_that_deny_an_unchanged_plan_are_told_with_their_overrides() -> None:
    lock = small.planned().lock
    rules = (
        Check(rule="security.providers", state="deny", message="not allowed", base_state="deny", standing=True),
        Check(
            rule="finance.gpus",
            state="deny",
            message="9: more than 8",
            base_state="deny",
            standing=True,
            overridden="launch (Jane Doe, until 2027-01-31)",
        ),
    )
    same = review(lock, lock, "main", read(small.text(), "small.yaml"), TODAY, rules=rules)
    text = shown(*review_view(same), width=160)
    assert "not allowed" in text
    assert "9: more than 8; overridden: launch (Jane Doe, until 2027-01-31)" in text


def test_a_first_plan() -> None:
    document = read(small.text(), "environments/small.yaml")
    catalog = made("traffic").after.catalog()
    text = shown(*review_view(review(None, small.planned().lock, "main", document, TODAY, catalog=catalog)))
    assert "first plan" in text
    assert "openai is a new processor of prompts" in " ".join(text.split())
    assert "+" not in text.splitlines()[0]  # there is nothing to be a change of


def test_more_is_red_less_is_green_and_less_by_a_risk_is_yellow() -> None:
    assert "\x1b[1;31m+$" in coloured(*review_view(made("traffic").review()))
    assert "\x1b[1;32m−$" in coloured(*review_view(made("another choice").review()))
    loosened = coloured(*review_view(made("privacy loosened").review()))
    assert "\x1b[1;33m−$" in loosened
    assert "\x1b[1;32m" not in loosened


@pytest.mark.parametrize("name", [change.name for change in CHANGES])
def test_risks_stand_first_and_are_never_cut(name: str) -> None:
    told = made(name).review()
    text = " ".join(shown(*review_view(told), width=400).split())
    for risk in told.risks:
        assert risk.what in text
        assert text.index(risk.what) < text.index("Why it changed")


def test_two_hundred_risks_are_two_hundred_lines() -> None:
    many = tuple(
        Risk(kind="slo", what=f"route-{n} promises a longer time", where=Place(file="a.yaml", line=n))
        for n in range(200)
    )
    text = shown(*review_view(made("traffic").review().model_copy(update={"risks": many})), width=120)
    assert all(f"route-{n} promises a longer time   a.yaml:{n}" in text for n in range(200))


def test_every_sentence_of_a_touched_part_is_shown() -> None:
    told = made("model dropped").review()
    text = " ".join(shown(*review_view(told), width=400).split())
    for part in told.touched:
        for sentence in (*part.changes, part.order):
            assert " ".join(sentence.split()) in text


def test_what_least_churn_kept_is_told() -> None:
    text = " ".join(shown(*review_view(made("least churn").review()), width=200).split())
    assert "least churn: kept the locked pools; " in text
    assert "would save $" in text
