"""What a comment says of each kind of change, where a forge folds and where it does not, and on the page of a run."""

from __future__ import annotations

import re

import pytest

from planner.cli.continuous import PAGE_BYTES, page_text
from planner.faces.markdown.drawing import draw
from tests.planner.golden import assert_golden
from tests.planner.reviews.kept import GOLDEN, NAMES, file_name, kept

FOLDS = re.compile(r"<details><summary>(.*)</summary>|</details>")


@pytest.mark.parametrize("name", NAMES)
def test_each_change_in_a_comment(name: str) -> None:
    assert_golden(GOLDEN / f"{file_name(name)}.comment.txt", draw(kept(name).page()).text)


@pytest.mark.parametrize("name", NAMES)
def test_a_forge_that_does_not_fold_shows_the_same(name: str) -> None:
    folded = FOLDS.sub(lambda fold: f"**{fold[1]}**" if fold[1] else "", draw(kept(name).page()).text)
    flat = draw(kept(name).page(), folds=False).text
    assert [line for line in folded.splitlines() if line] == [line for line in flat.splitlines() if line]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_a_run_shows_the_comment_whole(name: str) -> None:
    text = draw(kept(name).page()).text
    assert page_text([("small.md", text)], PAGE_BYTES) == f"{text}\n"
