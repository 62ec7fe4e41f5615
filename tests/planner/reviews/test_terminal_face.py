"""What a terminal says of each kind of change, on a terminal of 100 columns."""

from __future__ import annotations

import pytest

from planner.faces.difference import review_view
from tests.planner.faces.shown import shown
from tests.planner.golden import assert_golden
from tests.planner.reviews.kept import GOLDEN, NAMES, file_name, kept


@pytest.mark.parametrize("name", NAMES)
def test_each_change_on_a_terminal(name: str) -> None:
    text = shown(*review_view(kept(name).review()), width=100)
    assert_golden(GOLDEN / f"{file_name(name)}.terminal.txt", text)
