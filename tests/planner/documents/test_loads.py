"""Loads that contradict each other, that say nothing or that cannot be: all told in one run, with both lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.environment_file import parse
from planner.documents.loads import load_problems
from planner.domain.traces import TraceSummary
from planner.edges.trace_files import load_trace
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import read

TRACE = "azure-code-2023"  # 2,047.8 tokens in and 27.9 out


def file(traffic: str, slo: str = "{ttft_p95: 1s, tpot_p95: 40ms}") -> str:
    return f"""\
version: 1
platform: {{account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6]}}
horizon: {{start: 2026-12-01}}
routes:
  chat:
    traffic:
{traffic}
    tokens: {{input: {{mean: 1000, p95: 3000}}, output: {{mean: 200, p95: 400}}}}
    slo: {slo}
    data: internal
    quality: {{accept: [gpt-oss-120b], source: own, date: 2026-11-01}}
"""


def trace_of(name: str) -> TraceSummary | None:
    return load_trace(name, Path()) if name == TRACE else None


def told(traffic: str, slo: str = "{ttft_p95: 1s, tpot_p95: 40ms}") -> list[Problem]:
    lines = "\n".join(f"      {line}" for line in traffic.splitlines())
    return list(load_problems(read(file(lines, slo), "a.yaml"), trace_of))


def test_statements_that_agree_within_five_percent_are_no_problem() -> None:
    assert not told("requests: {per_day: 10k, per_month: 300k}")  # 30 days, or 30.4
    assert not told("requests_per_second: {mean: 1}\nrequests: {per_day: 86400}\ntokens: {per_day: 103680000}")
    assert not told("profile: batch-nightly\nrequests_per_second: {mean: 1, peak: 3.14}")
    # 1 s + 199 · 40 ms = 8.96 s
    assert not told("requests_per_second: {mean: 10}\nusers: {concurrent: 390, think_time: 30s}")


def test_a_contradiction_has_both_numbers_in_one_unit_and_both_lines() -> None:
    (found,) = told("profile: flat\nrequests: {per_day: 10k}\ntokens: {per_month: 500M}")
    assert found.code == "ENV005"
    assert found.message == (
        "two loads contradict each other: `tokens.per_month` (500,000,000 tokens a month at 1,200 a request) means "
        "0.159 requests/s over the week, and `requests.per_day` (10,000 requests a day) means 0.116 requests/s over "
        "the week (line 8): 1.37 ×"
    )
    assert found.where is not None
    assert (found.where.line, found.where.source.strip()) == (9, "tokens: {per_month: 500M}")


def test_all_that_disagree_with_the_first_are_told() -> None:
    found = told("requests_per_second: {mean: 1}\nrequests: {per_day: 1, per_month: 2M}\ntokens: {per_day: 1M}")
    assert [problem.where and problem.where.line for problem in found] == [8, 8, 9]
    assert "1/8.64e+04" in found[0].message


def test_a_peak_that_is_not_the_profiles_says_what_the_profile_has() -> None:
    (found,) = told("profile: batch-nightly\nrequests_per_second: {mean: 2, peak: 4}")
    assert "the busiest hour of this profile is 3 × its mean, and here it is 2 ×" in found.hint


def test_a_peak_below_the_mean_is_told_as_such() -> None:
    (found,) = told("requests_per_second:\n  mean: 10\n  peak: 8")
    assert found.message == (
        "the busiest hour has less load (8 requests/s in the busiest hour) than the mean of the week"
        " (10 requests/s, line 8)"
    )
    assert found.where is not None
    assert found.where.line == 9


@pytest.mark.parametrize(
    ("traffic", "words"),
    [
        ("requests: {per_month: 2}", "2 requests a month are 7.61e-07 requests/s on average"),
        ("requests: {per_day: 0}", "0 requests a day are 0 requests/s on average"),
        ("tokens: {per_day: 1000000000M}", "are 9.65e+06 requests/s on average"),
        ("users: {concurrent: 0, think_time: 1s}", "are 0 requests/s on average"),
    ],
)
def test_loads_that_no_service_has_are_refused(traffic: str, words: str) -> None:
    (found,) = told(traffic)
    assert words in found.message
    assert found.hint == "loads from 0.000001 to 1,000,000 requests/s are planned"


def test_people_need_a_promised_response() -> None:
    (found,) = told("users: {concurrent: 5, think_time: 0s}", "{ttft_p95: 1s}")
    assert "the SLO does not say how long they wait" in found.message
    assert "slo.e2e_p95" in found.hint
    assert not told("users: {concurrent: 5, think_time: 0s}", "{e2e_p95: 9s}")
    (found,) = told("users: {concurrent: 5, think_time: 0s}", "{ttft_p95: 0s, tpot_p95: 0ms}")
    assert "are inf requests/s" in found.message


def test_lengths_of_a_trace_say_what_tokens_mean() -> None:
    text = file(f"      trace: {TRACE}\n      requests: {{per_day: 10k}}\n      tokens: {{per_day: 12M}}")
    (lengths,) = [line for line in text.splitlines() if "tokens: {input" in line]
    (found,) = load_problems(read(text.replace(lengths, ""), "a.yaml"), trace_of)
    assert "12,000,000 tokens a day at 2,076 a request" in found.message
    unreadable = text.replace(lengths, "").replace(TRACE, "lost")
    assert not list(load_problems(read(unreadable, "a.yaml"), trace_of))


def test_what_has_the_wrong_form_is_passed_over_and_the_rest_judged() -> None:
    found = told("requests_per_second: {mean: many}\nrequests: {per_day: 10k, per_month: 1M}\ngrowth_per_month: 300%")
    assert len(found) == 1
    assert "requests.per_month" in found[0].message
    assert not told("profile: weekly\nrequests: {per_day: 10k, per_month: 1M}")
    assert not told("timezone: Mars/Olympus\nrequests: {per_day: 10k, per_month: 1M}")
    assert not list(load_problems(read("routes: {chat: 3, code: {traffic: {}}}", "a.yaml"), trace_of))


@pytest.mark.parametrize(
    "nothing", ["      profile: flat", "      requests: {}", "      requests_per_second: {mean: null}"]
)
def test_a_route_that_states_no_load_is_told_what_it_may_state(nothing: str) -> None:
    with pytest.raises(Problems) as raised:
        parse(file(nothing), "a.yaml")
    (found,) = raised.value.problems
    assert (found.code, found.message) == ("ENV005", "route `chat` does not say how many requests come")
    assert found.where is not None
    assert found.where.line == 6
    assert "requests: {per_day: 10k}" in found.hint
