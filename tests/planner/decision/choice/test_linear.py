"""Columns by unique name; rows whose repeated terms are added up."""

from __future__ import annotations

import pytest

from planner.decision.choice.limits import ServedRoute, VcpuQuota
from planner.decision.choice.linear import INFINITY, Linear


def test_columns_know_their_kind_and_bounds() -> None:
    linear = Linear()
    linear.continuous("x", 2.0, 1.0)
    linear.integer("y")
    linear.binary("z", 3.0)
    assert [(c.name, c.cost, c.upper, c.integer) for c in linear.columns] == [
        ("x", 2.0, 1.0, False),
        ("y", 0.0, INFINITY, True),
        ("z", 3.0, 1.0, True),
    ]


def test_a_name_is_used_once() -> None:
    linear = Linear()
    linear.binary("x")
    with pytest.raises(KeyError, match="column x exists"):
        linear.integer("x")


def test_a_row_needs_columns_that_exist() -> None:
    with pytest.raises(KeyError):
        Linear().at_most("r", [("x", 1.0)], 1.0)


def test_rows_add_up_repeated_terms_and_sort_them() -> None:
    linear = Linear()
    for name in "abc":
        linear.continuous(name)
    linear.at_most("less", [("c", 1.0), ("a", 2.0), ("c", 0.5)], 7.0)
    linear.equal("same", iter([("b", 1.0)]), 1.0)
    less, same = linear.rows
    assert (less.name, less.lower, less.upper, less.terms) == ("less", -INFINITY, 7.0, ((0, 2.0), (2, 1.5)))
    assert (same.lower, same.upper, same.terms) == (1.0, 1.0, ((1, 1.0),))


def test_a_row_keeps_the_limit_that_it_stands_for() -> None:
    linear = Linear()
    linear.binary("x")
    linear.at_most("quota", [("x", 1.0)], 1.0, VcpuQuota("G"))
    linear.equal("serve", [("x", 1.0)], 1.0, ServedRoute("chat"))
    linear.at_most("packing", [("x", 1.0)], 1.0)
    assert [row.limit for row in linear.rows] == [VcpuQuota("G"), ServedRoute("chat"), None]
