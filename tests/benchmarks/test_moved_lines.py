"""Lines of a lock that move: how they are counted, and that one changed number leaves what it does not touch alone."""

from __future__ import annotations

import re

import pytest

from benchmarks.moved_lines import CHANGES, ENVIRONMENTS, PRICES, Change, count_moved, lines_moved, parts_of
from planner.documents.lock import render
from tests.planner import small


def test_a_line_counts_once_whether_it_is_changed_added_or_removed() -> None:
    base = '{\n  "name": "a",\n  "plan": {\n    "cost": 1,\n    "pools": [\n      1,\n      2\n    ]\n  }\n}'
    assert lines_moved(base, base) == []
    assert count_moved(base, base.replace('"cost": 1', '"cost": 2')) == {"plan.cost": 1}
    assert count_moved(base, base.replace("      1,\n", "")) == {"plan.pools": 1}
    assert count_moved(base.replace("      1,\n", ""), base.replace('"a"', '"b"')) == {"plan.pools": 1, "name": 1}
    assert parts_of(base)[:4] == ["", "name", "plan", "plan.cost"]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_each_change_is_of_one_number(change: Change) -> None:
    text = PRICES if change.file else (ENVIRONMENTS / "prod.yaml").read_text(encoding="utf-8")
    changed = re.sub(change.pattern, change.new, text, count=1)
    differing = [pair for pair in zip(text.splitlines(), changed.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(differing) == 1


def test_a_route_that_triples_moves_nothing_of_the_other_route_and_of_the_platform() -> None:
    base, proposed = render(small.planned().lock), render(small.replanned().lock)
    counts = count_moved(base, proposed)
    assert counts["environment"] == 1
    assert counts["plan.platform"] == counts["consulted"] == counts["name"] == 0
    assert counts.total() < len(base.splitlines()) / 3
    moved = [line for a, b, c, d in lines_moved(base, proposed) for line in base.splitlines()[a:b]]
    names = [line.strip() for line in moved if line.strip().startswith('"name"')]
    routes = [f'"name": "{route.name}",' for route in small.planned().lock.plan.routes]
    assert not set(names) & set(routes), "routes are compared with themselves"
