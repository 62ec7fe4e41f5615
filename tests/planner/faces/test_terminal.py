"""A plan on a terminal: pinned as a whole, and in what it must say of plans that the pinned one is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from planner.documents.lock import Lock, load
from planner.faces.terminal import break_even_view, headline, plan_view, reasons_view
from tests.examples import ENVIRONMENTS
from tests.planner import plans, small
from tests.planner.faces.shown import assert_folds, coloured, shown
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("width", [80, 160])
def test_the_whole_plan(width: int) -> None:
    assert_golden(GOLDEN / f"plan-{width}.txt", shown(*plan_view(small.planned().lock), width=width))


@pytest.mark.parametrize("width", [80, 160])
def test_the_reasons(width: int) -> None:
    assert_golden(GOLDEN / f"reasons-{width}.txt", shown(*reasons_view(small.planned().lock), width=width))


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


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_on_every_terminal_lines_fit_and_names_are_whole(name: str) -> None:
    path = ENVIRONMENTS / f"{name}.lock.json"
    lock = load(path.read_text(encoding="utf-8"), str(path))
    assert_folds(lambda: plan_view(lock))
    assert_folds(lambda: reasons_view(lock))


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_shows_every_figure_of_the_plan_or_names_what_is_left_out(width: int) -> None:
    lock = small.planned().lock
    wide, narrow = (shown(*plan_view(lock), width=each) for each in (160, width))
    missing = set(wide.split()) - set(narrow.replace(":", "").split()) - set(narrow.split())
    unnamed = {word for word in missing if not word.strip("█")}  # the bars repeat a figure
    if "left out: unit price, price as of" in narrow:
        unnamed |= {word for word in missing if re.fullmatch(r"\$[0-9.]+|20[0-9-]+|price|as|of|unit", word)}
    assert missing == unnamed


def test_a_mean_over_phases_says_that_growth_is_not_in_it() -> None:
    load: dict[str, Any] = {
        "stated": None,
        "mean_requests_per_second": "5",
        "busiest_hour_requests_per_second": "9",
        "capacity_factor": "1.08",
        "usage_factor": "1.04",
        "plan_again_by": "2027-03-01",
        "notes": [],
    }
    bent = {"phases": PHASES, "mean_usd_per_month": "925.20", "routes/0/load": load}
    text = shown(*plan_view(plans.lock(plans.bent(plans.plan(), bent))), width=200)
    mean = "$925 a month, each at the load before 2027-03-01: later growth and seasons are not in it; all below"
    assert mean in text


def test_a_bill_without_usage_says_why_it_has_no_range() -> None:
    fixed = [line for line in plans.plan().cost.model_dump(mode="json")["lines"] if line["kind"] == "fixed"]
    cost = {"cost/lines": fixed, "cost/usage_usd_per_month": "0", "cost/ranges": []}
    reason = "the bill has no range: all of it is machines and their platform at list prices"
    assert reason in shown(*plan_view(plans.lock(plans.bent(plans.plan(), cost))), width=200)
    assert reason not in shown(*plan_view(plans.lock()), width=200)


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


def test_the_bill_of_a_cluster_says_that_its_logs_are_assumed() -> None:
    words = "logs written and kept are assumed for a small cluster, whatever the load"
    assert words in shown(*plan_view(plans.lock()), width=160)
    without = plans.bent(plans.plan(), {"platform/cluster": None})
    assert words not in shown(*plan_view(plans.lock(without)), width=160)


def test_an_alternative_that_does_not_exist_has_no_price() -> None:
    missing = {"name": "self-host only", "usd_per_month": None, "description": "does not exist: quota"}
    text = shown(*reasons_view(plans.lock(plans.bent(plans.plan(), {"baselines": [missing]}))))
    (row,) = [line for line in text.splitlines() if line.startswith("self-host only")]
    assert row.split() == ["self-host", "only", "none", "does", "not", "exist:", "quota"]


@pytest.mark.parametrize(
    ("status", "gap", "words"),
    [
        ("proven optimal", "0", "proven optimal, of 24 classes over 2 load levels"),
        ("best found", "0.02", "best found, at most 2% above the optimum, of 24 classes over 2 load levels"),
    ],
)
def test_the_last_line_says_how_sure_the_plan_is(status: str, gap: str, words: str) -> None:
    solved = plans.bent(plans.plan(), {"solver/status": status, "solver/gap": gap})
    assert words in shown(*plan_view(plans.lock(solved)), width=160)


def test_a_plan_that_weighed_no_class_counts_none() -> None:
    solved = plans.bent(plans.plan(), {"solver/status": "proven optimal", "solver/gap": "0", "solver/classes": 0})
    text = shown(*plan_view(plans.lock(solved)), width=160)
    assert "\nproven optimal over 2 load levels · " in text
    assert "0 classes" not in text


def test_bars_grow_with_the_money() -> None:
    lock: Lock = small.planned().lock
    bars = [line.count("█") for line in shown(break_even_view(lock.plan)).splitlines() if " × " in line and "$" in line]
    assert len(bars) == len(lock.plan.break_even)
    assert bars == sorted(bars)
    assert bars[-1] == 16


def test_a_load_without_a_plan_stands_in_the_break_even_with_its_reason() -> None:
    without = {
        "no_plan_at": [{"scale": "0.05", "why_not": "small"}, {"scale": "2", "why_not": "the budget is too small"}]
    }
    view = break_even_view(plans.bent(plans.plan(), without))
    first, own, last = shown(view, width=200).splitlines()[2:5]
    assert re.fullmatch(r"0.05 × +no plan +small", first.strip())
    assert own.strip().startswith("1 ×")
    assert re.fullmatch(r"2 × +no plan +the budget is too small", last.strip())
    assert_folds(lambda: [view])


def test_every_api_that_may_see_a_route_is_named() -> None:
    plan = plans.bent(plans.plan(), {"routes/0/fallback": [plans.API, "google/gemini-2.5-flash"]})
    text = shown(*plan_view(plans.lock(plan)), width=80)
    assert f"then {plans.API}" in text
    assert "then google/gemini-2.5-flash" in text


PHASES = [
    {
        "start": "2026-12-01",
        "end": "2027-01-14",
        "ended": [],
        "routes": [{"name": "chat", "mode": "api", "served_by": ["openai/gpt-4o-mini"]}],
        "fleet": "no machines",
        "usd_per_month": "5.93",
        "why_not": "",
    },
    {
        "start": "2027-01-14",
        "end": "2027-12-01",
        "ended": ["openai/gpt-4o-mini"],
        "routes": [{"name": "chat", "mode": "self-host", "served_by": ["llama-3.1-8b-instruct"]}],
        "fleet": "1 × g6.xlarge",
        "usd_per_month": "1051.20",
        "why_not": "",
    },
]


def test_what_follows_the_end_of_a_model_is_shown_with_its_days_and_its_price() -> None:
    plan = plans.bent(plans.plan(), {"phases": PHASES, "mean_usd_per_month": "925.20"})
    assert "until 2027-01-14" in shown(headline(plans.lock(plan)))
    text = shown(*plan_view(plans.lock(plan)), width=160)
    assert re.search(r"2026-12-01 +2027-01-14 +\$5\.93 +no machines +chat: openai/gpt-4o-mini", text)
    assert re.search(r"2027-01-14 +2027-12-01 +openai/gpt-4o-mini +\$1,051 +1 × g6\.xlarge +chat: llama-3\.1-8b", text)
    assert "mean over the horizon, weighted by days: $925 a month; all below is the first phase" in text
    assert_folds(lambda: plan_view(plans.lock(plan)))


def test_a_phase_that_nothing_can_serve_says_why() -> None:
    gone: dict[str, Any] = {"usd_per_month": None, "routes": [], "fleet": "", "why_not": "nothing can serve chat"}
    plan = plans.bent(plans.plan(), {"phases": [PHASES[0], {**PHASES[1], **gone}]})
    text = shown(*plan_view(plans.lock(plan)), width=160)
    assert re.search(r"openai/gpt-4o-mini +no plan +nothing can serve chat", text)
    assert "weighted by days: none" in text


def test_a_load_is_told_with_what_was_assumed_and_what_comes_later() -> None:
    load = {
        "stated": "500 people at once",
        "mean_requests_per_second": "0.009",
        "busiest_hour_requests_per_second": "0.02",
        "capacity_factor": "1.2",
        "usage_factor": "1.1",
        "plan_again_by": "2027-03-01",
        "notes": ["each waits for the answer", "plan again by 2027-03-01"],
    }
    told = plans.lock(plans.bent(plans.plan(), {"routes/0/load": load}))
    for view in (plan_view, reasons_view):
        text = shown(*view(told), width=240)
        line = "chat: 500 people at once = 778 requests a day over the week, 1,730 requests a day in its busiest hour"
        assert line in text
        peak = "planned peak with bursts 864,000 requests a day: its pools serve 691,000 requests a day, APIs 173,000"
        assert peak in text
        assert "    · each waits for the answer\n    · plan again by 2027-03-01\n" in text
    assert "\nload\n" not in shown(*plan_view(plans.lock()), width=160)


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ({"routes/0/bands/0/spill_by_level": {}}, "planned peak with bursts 10 requests/s: its pools serve all of it"),
        ({}, "planned peak with bursts 10 requests/s: its pools serve 8 requests/s, APIs 2 requests/s"),
        (
            {"routes/0/bands/0/spill_by_level": {"peak": "0.0001"}},
            "its pools serve 10 requests/s, APIs less than 0.01 requests/s",
        ),
        (
            {"routes/0/bands/1/refused_by_level": {"peak": "0.5"}},
            "its pools serve 7 requests/s, APIs 2 requests/s, 1 requests/s are refused as too long",
        ),
    ],
)
def test_a_peak_says_who_takes_it(bands: dict[str, Any], words: str) -> None:
    load: dict[str, Any] = {
        "stated": None,
        "mean_requests_per_second": "5",
        "busiest_hour_requests_per_second": "9",
        "capacity_factor": "1",
        "usage_factor": "1",
        "plan_again_by": None,
        "notes": [],
    }
    told = plans.lock(plans.bent(plans.plan(), {"routes/0/load": load, **bands}))
    assert words in shown(*plan_view(told), width=240)


def test_a_load_without_pools_has_no_room_of_its_own() -> None:
    load: dict[str, Any] = {
        "stated": None,
        "mean_requests_per_second": "5",
        "busiest_hour_requests_per_second": "1234.5",
        "capacity_factor": "1",
        "usage_factor": "1",
        "plan_again_by": None,
        "notes": [],
    }
    without = {"routes/0/load": load, "routes/0/bands/0/weights": {}, "routes/0/bands/1/weights": {}}
    text = shown(*plan_view(plans.lock(plans.bent(plans.plan(), without))), width=160)
    assert "  · chat: 5 requests/s over the week, 1,234 requests/s in its busiest hour\n" in text
