"""The changes that are kept are those that the planner makes: two of them are planned and attributed again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest

from planner.decision.answer.alternatives import Alternatives
from planner.documents.lock import is_whole, says_the_same
from planner.edges.planning import plan
from tests.planner import small
from tests.planner.documents.changes_of_plans import made
from tests.planner.reviews.kept import GOLDEN, LOCKS, NAMES, attributed_anew, environment_of, kept

MOST_BYTES = 600_000
ANEW = "if that is meant, run these tests with UPDATE_LOCKS=1 UPDATE_GOLDEN=1"


@pytest.mark.parametrize("name", ["price vanished", "two branches"])
def test_the_planner_makes_what_is_kept(name: str) -> None:
    change, again = kept(name), made(name)
    assert says_the_same(change.base, again.base), ANEW
    assert says_the_same(change.proposed, again.proposed), ANEW
    assert change.attribution == attributed_anew(name), ANEW


def test_the_first_of_two_causes_is_what_it_changes_alone() -> None:
    both = kept("two branches")
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("planner.decision.optimize.alternatives", lambda *_: Alternatives((), (), ())),
    ):
        alone = plan(small.workspace(Path(folder), environment_of("traffic"), both.base), "small").lock
    first, second = (cause.usd_per_month for cause in both.attribution.causes)
    assert first == alone.plan.cost.usd_per_month - both.base.plan.cost.usd_per_month
    assert second == both.proposed.plan.cost.usd_per_month - alone.plan.cost.usd_per_month


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_that_is_kept_is_whole_and_answers_its_environment(name: str) -> None:
    change = kept(name)
    assert is_whole(change.base)
    assert is_whole(change.proposed)
    with tempfile.TemporaryDirectory() as folder:
        wanted = small.workspace(Path(folder), change.environment).wanted("small")
    assert change.proposed.answered_environment() == wanted.environment


def test_what_is_pinned_stays_small() -> None:
    files = [path for folder in (GOLDEN, LOCKS) for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
