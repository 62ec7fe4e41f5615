"""Contradictions are told beside every other problem of a file, and odd values never crash the reader."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planner.documents.contradictions import contradictions
from planner.documents.environment_file import parse
from planner.documents.references import dangling
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problems
from planner.words.spans import read
from tests.planner.plans import ENVIRONMENT, edited

VALUES = read(ENVIRONMENT, "prod.yaml").value
CATALOG = load_catalog()
ZONE = VALUES["platform"]["zones"][0]
THERE: dict[str, Any] = {
    "vpc": "vpc-0a1b2c3d",
    "subnets": dict.fromkeys(VALUES["platform"]["zones"], "subnet-0a1b2c3d"),
}


def told(changes: dict[str, Any]) -> list[str]:
    return [p.message for p in contradictions(read(json.dumps(edited(VALUES, changes)), "prod.yaml"))]


def test_a_good_file_contradicts_nothing() -> None:
    assert told({}) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"platform/zones": ["a", "b", "a"]}, "zone `a` stands twice"),
        (
            {"platform/network": {"subnets": {ZONE: "subnet-0a1b2c3d"}}},
            "subnets are named and no VPC",
        ),
        (
            {"platform/network": {**THERE, "cidr": "10.64.0.0/16"}},
            "`platform.network.cidr` says how a network is made, and `platform.network.vpc` names one that is there",
        ),
        (
            {"platform/network": THERE, "platform/nat": "single"},
            "`platform.nat` says how a network is made, and `platform.network.vpc` names one that is there",
        ),
        (
            {"platform/network": {"vpc": "vpc-0a1b2c3d"}},
            f"no subnet is named for {', '.join(VALUES['platform']['zones'])}",
        ),
        (
            {"platform/network": {**THERE, "subnets": {**THERE["subnets"], "use1-az9": "subnet-0a1b2c3d"}}},
            "`use1-az9` is not among `platform.zones`",
        ),
        (
            {"platform/ingress": {"gateway_api": {"name": "a", "namespace": "b"}, "ingress_class": {"name": "c"}}},
            "platform.ingress names `gateway_api` and `ingress_class`; there is one way in",
        ),
        (
            {"platform/ingress": {"load_balancer": {"cidrs": ["10.0.0.0/8"], "hosted_zone": "Z1"}}},
            "platform.ingress.load_balancer.hosted_zone needs the name that clients call",
        ),
        (
            {"platform/ingress": {"load_balancer": {"scheme": "internet-facing", "cidrs": ["203.0.113.0/24"]}}},
            "keys of clients would cross the internet in clear text",
        ),
        (
            {
                "platform/ingress": {
                    "hostname": "llm.example.com",
                    "load_balancer": {"scheme": "internet-facing", "cidrs": ["0.0.0.0/0"], "hosted_zone": "Z1"},
                }
            },
            "platform.ingress.load_balancer.cidrs: 0.0.0.0/0 is everyone",
        ),
        (
            {"platform/ingress": {"ingress_class": {"name": "a", "namespace": "b", "tls_secret": "c"}}},
            "a certificate is for a name, and there is none",
        ),
        (
            {"platform/ingress": {"hostname": "llm.example.com"}},
            "platform.ingress has a hostname and no way in that answers to it",
        ),
        ({"routes/chat/tokens": None}, "route `chat` has neither a trace nor token lengths"),
        ({"routes/chat/traffic/profile": [0] * 168}, "route `chat`: every hour of the profile is 0"),
        (
            {"routes/chat/tokens/output": {"mean": 100, "p95": 500}},
            "routes.chat.tokens.output: no lognormal has mean 100 and 95th percentile 500; "
            "p95 must lie between 1 and 3.87 × the mean",
        ),
        ({"routes/chat/slo": {"tpot_p95": "60ms"}}, "route `chat` does not say how long a request may wait"),
        ({"routes/chat/slo": {}}, "route `chat` does not say how long a request may wait"),
        (
            {"routes/chat/slo/e2e_p95": "1s"},
            "route `chat`: `e2e_p95` 1s is below `ttft_p95` 1200ms: the last token cannot come before the first",
        ),
        (
            {"policy": {"price_age": {"ec2": {"warn": "60d", "deny": "30d"}}}},
            "prices of `ec2` are denied before they warn",
        ),
        (
            {"routes/chat/tokens/shared_prefix": "1.2k"},
            "route `chat`: a prefix of 1,200 tokens is not shorter than the mean prompt of 1,155",
        ),
    ],
)
def test_each_contradiction_is_told(changes: dict[str, Any], message: str) -> None:
    assert told(changes) == [message]


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("routes/chat/quality", {"accept": ["gpt-oss-120b"], "source": "own", "date": "DAY"}),
        ("api/providers/openai/latency", {"ttft_p95": "600ms", "measured": "DAY"}),
        ("models", {"gpt-oss-120b": {"reasoning_tokens": 300, "measured": "DAY"}}),
    ],
)
def test_what_was_measured_was_so_before_the_horizon_ends(path: str, fact: dict[str, Any]) -> None:
    def on(day: str) -> list[str]:
        return told({path: json.loads(json.dumps(fact).replace("DAY", day))})

    assert on("2027-11-30") == []
    assert on("soon") == []  # of which the schema tells
    (message,) = on("2027-12-01")
    key = path.replace("/", ".")
    assert message.startswith(key)
    assert message.endswith(": 2027-12-01 is not before the end of the horizon, 2027-12-01")


def test_a_day_in_the_future_is_told_at_its_line() -> None:
    with pytest.raises(Problems) as raised:
        parse(
            ENVIRONMENT.replace(
                "accept: [qwen3-32b], source: own evaluation, date: 2026",
                "accept: [qwen3-32b], source: own evaluation, date: 2062",
            ),
            "prod.yaml",
        )
    (problem,) = raised.value.problems
    assert problem.code == "ENV005"
    assert problem.where is not None
    assert "accept: [qwen3-32b]" in problem.where.source
    assert problem.hint == "write the day on which it was done"


def test_a_trace_stands_in_for_token_lengths() -> None:
    assert told({"routes/chat/tokens": None, "routes/chat/traffic/trace": "azure-conv-2023"}) == []


@pytest.mark.parametrize("slo", [{"e2e_p95": "9s"}, {"ttft_p95": "2s"}, {"ttft_p95": "2s", "e2e_p95": "2s"}])
def test_one_bound_on_the_wait_is_promise_enough(slo: dict[str, str]) -> None:
    assert told({"routes/chat/slo": slo}) == []


def test_a_contradiction_is_told_in_the_same_run_as_a_wrong_unit() -> None:
    text = ENVIRONMENT.replace("tpot_p95: 60ms", "tpot_p95: 60").replace("p95: 451", "p95: 45")
    with pytest.raises(Problems) as raised:
        parse(text, "prod.yaml")
    assert [p.code for p in raised.value.problems] == ["ENV005", "ENV004"]


def paths(value: Any, path: tuple[str, ...] = ()) -> list[str]:
    """Every place of a document, as `edited` names it."""
    found = ["/".join(path)] if path else []
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*found, *(p for step, inner in steps for p in paths(inner, (*path, str(step))))]


ODD: list[Any] = [
    None, True, -1, 0, 1e300, "", "x", "$5", [], [[]], ["x", None, {}], {}, {"x": 1}, {"mean": []}, "20%", "5s",
]  # fmt: skip


@pytest.mark.parametrize(("turn", "path"), list(enumerate(paths(VALUES))))
def test_an_odd_value_at_any_place_is_read_or_refused_and_never_crashes(turn: int, path: str) -> None:
    for odd in (ODD[(5 * turn + step) % len(ODD)] for step in (0, 7)):
        text = json.dumps(edited(VALUES, {path: odd}))
        try:
            parse(text, "prod.yaml")
        except Problems as problems:
            assert all(p.where is not None and p.message for p in problems.problems)  # noqa: PT017
        dangling(read(text, "prod.yaml"), CATALOG, lambda _: None)
