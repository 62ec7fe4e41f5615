"""Where there is no plan, the nearest ones are told: each is a real plan of the environment with one limit less."""

from __future__ import annotations

import re

import pytest

from planner.words.diagnostics import Problem, Problems
from tests.planner import small
from tests.planner.small import planned_text


def refused(*changes: tuple[str, str]) -> Problem:
    """The last problem of the small environment with texts replaced."""
    text = small.text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(Problems) as caught:
        planned_text(text)
    assert caught.value.exit_code == 1
    return caught.value.problems[-1]


def test_a_quota_that_is_too_small_is_told_with_the_plan_without_it() -> None:
    problem = refused(("{G: 192, P: 384}", "{G: 4, P: 0}"))
    told = re.search(r"nearest plans?: \$([\d,]+) a month without this quota \(`quotas\.G`\)", problem.hint)
    assert problem.code == "INF002"
    assert told is not None, problem.hint
    really = planned_text(small.text().replace("{G: 192, P: 384}", "{P: 0}")).lock.plan.cost.usd_per_month
    assert told[1] == f"{really:,.0f}"


def test_targets_that_nothing_meets_are_told_with_the_plan_that_meets_twice_their_time() -> None:
    problem = refused(("{ttft_p95: 3s, tpot_p95: 100ms}", "{ttft_p95: 3s, tpot_p95: 6ms}"))
    assert problem.code == "INF001"
    assert "with targets of 2 × (`routes.extraction.slo`)" in problem.hint


def test_a_licence_that_forbids_the_use_is_told_with_the_plan_for_another_use() -> None:
    old = "      accept: [qwen3-8b]\n      source: own evaluation\n      date: 2026-11-05"
    only = (old, old.replace("[qwen3-8b]", "[qwen2.5-3b-instruct]"))
    problem = refused(only)
    told = re.search(r"\$([\d,]+) a month for use that is non-commercial \(`licence\.use`\)", problem.hint)
    assert told is not None, problem.hint
    research = small.text().replace(*only) + "licence: {use: non-commercial}\n"
    assert told[1] == f"{planned_text(research).lock.plan.cost.usd_per_month:,.0f}"


def test_where_no_single_limit_helps_that_is_said() -> None:
    problem = refused(
        ("{ttft_p95: 3s, tpot_p95: 100ms}", "{ttft_p95: 1ms, tpot_p95: 0.01ms}"),
    )
    assert "no plan exists with any single limit less either" in problem.hint


def test_restricted_data_stays_restricted() -> None:
    """Of an accept list of hosted models alone, no relaxation makes a plan: privacy is no limit that one drops."""
    old = "      accept: [qwen3-8b]\n      source: own evaluation\n      date: 2026-11-05"
    problem = refused((old, old.replace("[qwen3-8b]", "[gpt-5.4-mini]")))
    assert "no plan exists with any single limit less either" in problem.hint
