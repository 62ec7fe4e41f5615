"""docs/questions.md: each question has an environment, and its plan says what the page says that it must."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import pytest

from planner.edges.planning import plan
from planner.edges.workspace import Workspace
from planner.faces.terminal import plan_view
from planner.words.diagnostics import Problems, text_lines
from tests.docs.markdown import ROOT, text_of
from tests.planner.faces.shown import shown

FOLDER = ROOT / "examples" / "questions"
PAGE = text_of("docs/questions.md")


class Asked(NamedTuple):
    """A question: the name of its environment, and what its answer must say."""

    name: str
    must_say: tuple[str, ...]


def questions() -> list[Asked]:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    asked = []
    for section in sections:
        name = re.search(r"\(\.\./examples/questions/([a-z0-9-]+)\.yaml\)", section)
        assert name is not None, section
        asked.append(Asked(name[1], tuple(re.findall(r"^> (.*)$", section, flags=re.MULTILINE))))
    return asked


@lru_cache(maxsize=32)
def answer(name: str) -> str:
    """What the command prints for an environment, on lines that are not folded."""
    try:
        told = shown(*plan_view(plan(Workspace(FOLDER), name).lock), width=600)
    except Problems as refusal:
        told = "\n".join(text_lines(refusal.problems, width=4000))
    return " ".join(told.split())


def test_every_question_has_its_environment_and_none_is_left() -> None:
    assert sorted(asked.name for asked in questions()) == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    assert len(questions()) == 20


@pytest.mark.parametrize("asked", questions(), ids=lambda asked: asked.name)
def test_the_answer_says_what_it_must(asked: Asked) -> None:
    assert len(asked.must_say) >= 2
    told = answer(asked.name)
    assert [phrase for phrase in asked.must_say if " ".join(phrase.split()) not in told] == [], told[:3000]


def test_a_longer_tail_does_not_change_who_serves() -> None:
    """The mean is the same, and only the longest prompts are longer: the bill hardly moves."""
    usd = {
        name: plan(Workspace(FOLDER), name).lock.plan.cost.usd_per_month
        for name in ("help-desk", "help-desk-longer-tail")
    }
    assert abs(usd["help-desk-longer-tail"] / usd["help-desk"] - 1) < 0.02
