"""Rows of failures: what they may say, and whose stand in where nobody published any."""

from __future__ import annotations

import pytest

from planner.domain.failures import FailureRow, node_row, unavailable
from planner.edges.catalog_files import load_catalog


def row(key: str = "nodes/X", **columns: float) -> FailureRow:
    return FailureRow(key=key, basis="measured", source="a page", as_of="2026-11-30", **columns)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "columns", "column"),
    [
        ("nodes/X", {}, "uptime"),
        ("nodes/X", {"failures": 1, "over_days": 10, "uptime": 0.9}, "uptime"),
        ("apis/x", {"uptime": 1.0}, "uptime"),
        ("apis/x", {"uptime": 99.9}, "uptime"),
        ("nodes/X", {"failures": 0, "over_days": 10}, "failures"),
        ("nodes/X", {"failures": 1}, "failures"),
        ("aws/zone", {"failures": 1, "over_days": 10}, "lasts_hours"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(key: str, columns: dict[str, float], column: str) -> None:
    found = row(key, **columns).contradiction()
    assert found is not None
    assert found[0] == column


def test_a_row_says_how_often_or_how_long() -> None:
    assert row(failures=6.5, over_days=1000).per_hour == pytest.approx(6.5 / 1000 / 24)
    assert row("apis/x", uptime=0.999).down == pytest.approx(0.001)
    assert row("aws/zone", failures=1, over_days=1000, lasts_hours=12).down == pytest.approx(
        unavailable(1 / 24_000, 12)
    )


def test_where_nobody_counted_the_most_failures_stand_in() -> None:
    rows = {
        each.key: each
        for each in (row("nodes/A", failures=1, over_days=100), row("nodes/B", failures=2, over_days=100))
    }
    assert node_row(rows, "A") is rows["nodes/A"]
    assert node_row(rows, "L4") is rows["nodes/B"]
    assert node_row({}, "L4") is None


def test_the_shipped_rows_are_the_published_figures() -> None:
    rows = load_catalog().failures
    assert rows["nodes/H100"].per_hour * 24 * 1000 == pytest.approx(419 / (54 * 16_384 / 8) * 1000)
    assert rows["apis/bedrock"].basis == rows["apis/azure-openai"].basis == "promised"
    assert rows["apis/bedrock"].uptime == 0.999
    assert all(each.contradiction() is None and each.source and each.as_of for each in rows.values())
    assert not any(each.uptime == 1 for each in rows.values())
