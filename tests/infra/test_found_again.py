"""Every type that any variant registers has a way back after a kill, or a reason why it needs none."""

from __future__ import annotations

from infra.billing import BILLED, FREE
from infra.found_again import AGAIN, BY_QUESTION, BY_TAGS
from tests.infra.conftest import Run
from tests.infra.variants import everything

PLACED = BY_TAGS | BY_QUESTION.keys() | AGAIN.keys()
BOTH_WAYS = {"aws:budgets/budget:Budget", "aws:route53/record:Record"}
"""A budget is asked for where the list by tags has none; of records, one kind may be put over itself."""


def test_every_registered_type_is_placed(run: Run) -> None:
    registered = {r.type for r in run(everything()).resources if r.type.startswith("aws:")}
    assert registered == PLACED
    assert registered == BILLED.keys() | FREE.keys()


def test_no_type_is_placed_twice() -> None:
    twice = (BY_TAGS & BY_QUESTION.keys()) | (BY_TAGS & AGAIN.keys()) | (BY_QUESTION.keys() & AGAIN.keys())
    assert twice == BOTH_WAYS


def test_what_can_be_tagged_is_found_by_it(run: Run) -> None:
    tagged = {r.type for r in run(everything()).resources if "tags" in r.inputs}
    assert tagged <= BY_TAGS | BY_QUESTION.keys()
