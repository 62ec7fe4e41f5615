"""A plan on a terminal: pinned as a whole, and in what it must say of plans that the pinned one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.lock import Lock
from planner.faces.terminal import break_even_view, headline, plan_view, reasons_view
from tests.planner import plans, small
from tests.planner.faces.shown import coloured, shown
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"


def test_the_whole_plan() -> None:
    assert_golden(GOLDEN / "plan.txt", shown(*plan_view(small.planned().lock)))


def test_the_reasons() -> None:
    assert_golden(GOLDEN / "reasons.txt", shown(*reasons_view(small.planned().lock)))


def test_every_figure_of_the_bill_is_shown() -> None:
    plan = small.planned().lock.plan
    text = shown(*plan_view(small.planned().lock), width=160)
    for line in plan.cost.lines:
        assert f"{line.usd_per_month:,}" in text
        assert line.name in text
    assert f"{plan.cost.usd_per_month:,}" in text
    for verdict in plan.verdicts:
        assert verdict.name in text
    for point in plan.break_even:
        assert f"{float(point.scale):g} ×" in text


@pytest.mark.parametrize("width", [60, 100, 160, 240])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    text = shown(*plan_view(small.planned().lock), width=width)
    assert max(len(line) for line in text.splitlines()) <= width


def test_a_headline_of_a_fleet() -> None:
    assert shown(headline(plans.lock())).endswith("3 GPU nodes with 6 GPUs · all checks pass")


@pytest.mark.parametrize(
    ("states", "words", "colour"),
    [
        (("pass", "pass"), "all checks pass", "32"),
        (("warn", "pass"), "1 warning", "33"),
        (("deny", "warn"), "DENIED", "31"),
    ],
)
def test_a_headline_says_how_the_plan_stands(states: tuple[str, str], words: str, colour: str) -> None:
    verdicts = [{"name": f"rule {i}", "state": state, "message": "why"} for i, state in enumerate(states)]
    line = headline(plans.lock(plans.bent(plans.plan(), {"verdicts": verdicts})))
    assert shown(line).endswith(words)
    assert f"\x1b[1;{colour}m{words}" in coloured(line)


def test_a_plan_without_machines() -> None:
    api_only = plans.bent(plans.plan(), {"node_groups": [], "pools": [], "routes": [], "verdicts": []})
    text = shown(*plan_view(plans.lock(api_only)))
    assert "no GPUs, all API · all checks pass" in text
    assert "\nPools" not in text


def test_an_alternative_that_does_not_exist_has_no_price() -> None:
    missing = {"name": "self-host only", "usd_per_month": None, "description": "does not exist: quota"}
    text = shown(*reasons_view(plans.lock(plans.bent(plans.plan(), {"baselines": [missing]}))))
    (row,) = [line for line in text.splitlines() if line.startswith("self-host only")]
    assert row.split() == ["self-host", "only", "none", "does", "not", "exist:", "quota"]


def test_an_override_is_shown_until_it_expires() -> None:
    override = {"pool": "chat", "min": 3, "max": 4, "reason": "launch", "expires": "2026-12-24"}
    text = shown(*plan_view(plans.lock(plans.bent(plans.plan(), {"overrides": [override]}))), width=160)
    assert "override chat  warn   3 to 4 replicas by hand until 2026-12-24: launch" in text


def test_bars_grow_with_the_money() -> None:
    lock: Lock = small.planned().lock
    bars = [line.count("█") for line in shown(break_even_view(lock.plan)).splitlines() if " × " in line and "$" in line]
    assert len(bars) == len(lock.plan.break_even)
    assert bars == sorted(bars)
    assert bars[-1] == 16
