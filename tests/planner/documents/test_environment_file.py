"""Environment files: every problem of a file in one run, each at its line with what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.documents.environment_file import canonical, parse
from planner.domain.environment import PLANNED_LATER, Environment, Horizon
from planner.words.diagnostics import Problem, Problems
from tests.examples import environment_paths
from tests.planner.plans import ENVIRONMENT

BROKEN = """\
version: 2
platform:
  account: 123456789012
  regoin: us-east-1
  zones: [use1-az4]
  network: {cidr: 10.0.0.1/16}
  kubernetes: 1.36
horizon: {start: soon, months: 99}
routes:
  Chat:
    traffic: {profile: office-hour, requests_per_second: {mean: 0}}
    tokens: {input: {mean: 1155, p95: 400}, output: {mean: 211, p95: 451}}
    slo: {ttft_p95: 800, tpot_p95: 60ms, availability: 120%, deadline: 24h}
    data: secret
    quality: {accept: [], source: own, date: 2026-11-01}
  code:
    traffic: {requests_per_second: 3}
    slo: {ttft_p95: {base: 1s}, tpot_p95: 60}
    data: internal
    quality: {accept: gpt-oss-120b, source: own, date: 2026-11-01}
api:
  providers:
    openai: {limits: {tpm: lots, rmp: 5k}}
quotas: {G: -1, X: 4}
budget: {monthly: $60,000}
elastic: {G: true}
overrides:
  - {rule: policy.nodes, reason: launch, by: Jane Doe, until: soon}
"""


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as raised:
        parse(text, "environments/prod.yaml")
    assert raised.value.exit_code == 2
    return raised.value.problems


def told(found: tuple[Problem, ...]) -> list[tuple[str, int, str]]:
    assert all(p.where is not None and p.where.file == "environments/prod.yaml" for p in found)
    return [(p.code, p.where.line if p.where else 0, p.message) for p in found]


def replaced(old: str, new: str, text: str = ENVIRONMENT) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


def test_one_run_tells_every_problem_with_its_line() -> None:
    assert told(problems(BROKEN)) == [
        ("ENV004", 1, "version: `2` is not known here; write 1"),
        ("ENV004", 3, "platform.account: `123456789012` is not text; put it in quotes"),
        ("ENV003", 4, "unknown key `regoin`"),
        ("ENV004", 5, "platform.zones: this has 1 entries and must have at least 2"),
        (
            "ENV004",
            6,
            "platform.network.cidr: `10.0.0.1/16` is not an IPv4 network; write its first address and its length, "
            "like 10.64.0.0/16",
        ),
        ("ENV004", 7, "platform.kubernetes: `1.36` is not text; put it in quotes"),
        ("ENV004", 8, "horizon.start: `soon` is not a date; write 2026-11-01"),
        ("ENV004", 8, "horizon.months: `99` should be less than or equal to 36"),
        ("ENV004", 10, "`Chat` cannot be used as a name here"),
        (
            "ENV004",
            11,
            "routes.Chat.traffic.profile: `office-hour` is not known here; write flat, office-hours, global or "
            "batch-nightly",
        ),
        ("ENV004", 11, "routes.Chat.traffic.requests_per_second.mean: `0` should be greater than or equal to 0.000001"),
        (
            "ENV005",
            12,
            "routes.Chat.tokens.input: no lognormal has mean 1155 and 95th percentile 400; "
            "p95 must lie between 1 and 3.87 × the mean",
        ),
        (
            "ENV004",
            13,
            "routes.Chat.slo.ttft_p95: `800` is not a duration; write a number and a unit, like 800ms, 2s or 24h",
        ),
        (
            "ENV005",
            13,
            "route `Chat` has a deadline and promises `ttft_p95` and `tpot_p95`: its requests either wait for their "
            "turn or are answered at once",
        ),
        ("ENV004", 13, "routes.Chat.slo.availability: `120%` is more than the whole; write at most 100%"),
        ("ENV004", 14, "routes.Chat.data: `secret` is not known here; write public, internal or restricted"),
        ("ENV004", 15, "routes.Chat.quality.accept: this has 0 entries and must have at least 1"),
        ("ENV005", 16, "route `code` has neither a trace nor token lengths"),
        ("ENV004", 17, "routes.code.traffic.requests_per_second: this must be a mapping of keys, not `3`"),
        ("ENV002", 18, "missing key `routes.code.slo.ttft_p95.per_1k_input`"),
        (
            "ENV004",
            18,
            "routes.code.slo.tpot_p95: `60` is not a duration; write a number and a unit, like 800ms, 2s or 24h",
        ),
        ("ENV004", 20, "routes.code.quality.accept: `gpt-oss-120b` is not a list; write [a, b]"),
        (
            "ENV004",
            23,
            "api.providers.openai.limits.tpm: `lots` is not a count; write a whole number, like 4096, 5k or 2M",
        ),
        ("ENV003", 23, "unknown key `rmp`"),
        ("ENV004", 24, "quotas.G: `-1` is not a count: none is below zero; write a whole number, like 4096, 5k or 2M"),
        ("ENV004", 24, "`X` is not known here; write G, P, G-spot or P-spot"),
        ("ENV004", 25, "`000` is the rest of a number that a comma cut"),
        ("ENV004", 28, "overrides.0.until: `soon` is not a date; write 2026-11-01"),
    ]


def test_each_place_points_at_the_key_or_the_value() -> None:
    for problem in problems(BROKEN):
        assert problem.where is not None
        where = problem.where
        marked = where.source[where.column - 1 : where.column - 1 + where.length]
        assert marked
        assert where.source == BROKEN.splitlines()[where.line - 1]
        if problem.code in ("ENV003", "ENV010"):
            assert problem.message.startswith(f"unknown key `{marked}`") or problem.message.startswith(f"`{marked}`:")


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("region: us-east-1", "regoin: us-east-1", "did you mean `region`?"),
        ("tpot_p95: 60ms", "tpot: 60ms", "did you mean `tpot_p95`?"),
        ("data: internal", "data: internal\n    dta: internal", "did you mean `data`?"),
        ("{limits: {tpm: 2M, rpm: 5k}}", "{limits: {tpm: 2M, rmp: 5k}}", "did you mean `rpm`?"),
        ("per_1k_input: 300ms", "per_1k_input: 300ms, per_1k_inputs: 1s", "did you mean `per_1k_input`?"),
        ("{mean: 5}", "{mean: 5, xyz: 1}", "known keys here: mean"),
        ("account:", "acount:", "did you mean `account`?"),
    ],
)
def test_an_unknown_key_names_what_is_known_at_that_place(old: str, new: str, hint: str) -> None:
    unknown = [p for p in problems(replaced(old, new)) if p.code == "ENV003"]
    assert len(unknown) == 1
    assert unknown[0].hint.startswith(hint)


@pytest.mark.parametrize(
    ("old", "new", "key", "meant"),
    [
        (
            "traffic: {profile: office-hours, ",
            "trafic: {profile: office-hours, trace: azure-conv-2023, ",
            "trafic",
            "traffic",
        ),
        ("tokens: {input: {mean: 1155", "token: {input: {mean: 1155", "token", "tokens"),
        ("slo: {ttft_p95: {base", "sloe: {ttft_p95: {base", "sloe", "slo"),
        ("horizon:", "horizn:", "horizn", "horizon"),
        ("routes:", "route:", "route", "routes"),
    ],
)
def test_a_misspelt_key_is_one_problem_and_nothing_that_follows_from_it(
    old: str, new: str, key: str, meant: str
) -> None:
    (found,) = problems(replaced(old, new))
    assert (found.code, found.message, found.hint) == ("ENV003", f"unknown key `{key}`", f"did you mean `{meant}`?")
    assert found.where is not None
    assert found.where.source[found.where.column - 1 :].startswith(f"{key}:")


def test_what_stands_below_a_misspelt_key_is_read_as_it_is_meant() -> None:
    wrong = replaced("slo: {ttft_p95: {base: 1200ms", "sloe: {ttft_p95: {base: 1200")
    assert [(p.code, p.message) for p in problems(wrong)] == [
        ("ENV003", "unknown key `sloe`"),
        (
            "ENV004",
            "routes.chat.slo.ttft_p95.base: `1200` is not a duration; write a number and a unit, like 800ms, 2s or 24h",
        ),
    ]


def test_of_two_misspelt_keys_one_is_the_key_that_is_meant() -> None:
    found = problems(replaced("data: internal", "dat: internal\n    dta: internal"))
    assert [(p.message, p.hint) for p in found] == [
        ("unknown key `dat`", "did you mean `data`?"),
        ("unknown key `dta`", "did you mean `data`?"),
    ]


def test_keys_are_named_as_the_file_writes_them() -> None:
    (found,) = problems(ENVIRONMENT + "hardware: {xyz: [L4]}\n")
    assert found.hint == "known keys here: existing, not, only, prefer"


def test_a_comma_inside_flow_braces_is_explained() -> None:
    (found,) = problems(replaced("{monthly: $20000}", "{monthly: $20,000}"))
    assert found.code == "ENV004"
    assert found.hint == 'inside {…} a comma ends the value; write "$60,000" in quotes, or $60000'
    assert parse(replaced("{monthly: $20000}", '{monthly: "$20,000"}'), "a")[0].budget is not None
    block, _ = parse(replaced("budget: {monthly: $20000}", "budget:\n  monthly: $20,000"), "a")
    assert block.budget is not None
    assert block.budget.monthly == 20000


def _values_at(pattern: str) -> str:
    """The file with a key of `PLANNED_LATER` written where the pattern says."""
    places = {
        "routes.*.traffic": ("{profile: office-hours, ", "{KEY: 1, profile: office-hours, "),
        "routes.*.slo": ("{ttft_p95: {base", "{KEY: 1, ttft_p95: {base"),
        "routes.*.quality": ("{accept: [gpt-oss", "{KEY: 1, accept: [gpt-oss"),
        "routes.*.tokens": ("{input: {mean: 1155", "{KEY: 1, input: {mean: 1155"),
        "routes.*": ("data: internal", "data: internal\n    KEY: 1"),
        "reserve": ("quotas:", "reserve: {KEY: true}\nquotas:"),
        "planning": ("quotas:", "planning: {KEY: 5m}\nquotas:"),
        "purchase": ("quotas:", "purchase: {KEY: []}\nquotas:"),
        "platform": ("region: us-east-1", "region: us-east-1\n  KEY: 1"),
        "": ("quotas:", "KEY: 1\nquotas:"),
    }
    parent, _, key = pattern.rpartition(".")
    old, new = places[parent]
    return replaced(old, new.replace("KEY", key))


@pytest.mark.parametrize("pattern", sorted(PLANNED_LATER))
def test_keys_of_a_later_release_are_refused_with_their_sentence(pattern: str) -> None:
    (found,) = problems(_values_at(pattern))
    key = pattern.rpartition(".")[2]
    assert found.code == "ENV010"
    assert found.message == f"`{key}`: {PLANNED_LATER[pattern]}"
    assert found.hint == f"remove `{key}`"
    assert found.where is not None
    assert found.where.source[found.where.column - 1 :].startswith(key)


def test_a_file_that_is_no_mapping_is_refused() -> None:
    (found,) = problems("- a\n- b\n")
    assert (found.code, found.message) == ("ENV004", "an environment is a mapping of keys")


def test_an_empty_file_misses_its_keys() -> None:
    assert [p.message for p in problems("")] == [
        f"missing key `{k}`" for k in ("horizon", "platform", "routes", "version")
    ]


def test_text_that_is_no_yaml_is_told_before_anything_else() -> None:
    (found,) = problems("version: [1\n")
    assert found.code == "ENV001"


def test_duplicate_keys_are_not_swallowed() -> None:
    (found,) = problems(ENVIRONMENT + "quotas: {G: 1}\n")
    assert (found.code, found.message) == ("ENV002", "duplicate key `quotas`")


def test_an_empty_section_is_told_as_such() -> None:
    (found,) = problems(replaced("quotas: {G: 96}", "quotas:"))
    assert found.message == "quotas: this must be a mapping of keys, not an empty value"


def test_hints_are_what_the_schema_says_of_the_key() -> None:
    (found,) = problems(replaced('"123456789012"', '"12345"'))
    assert found.message == "platform.account: `12345` does not have the form that is wanted here"
    assert found.hint == "AWS account id, 12 digits, quoted"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{mean: 5}", "{mean: .inf}", "should be a finite number"),
        ("{mean: 5}", "{mean: many}", "`many` is not a number"),
        ("months: 12", "months: 1.5", "`1.5` is not a whole number"),
        ("quotas:", "reserve: {node: perhaps}\nquotas:", "`perhaps` is neither true nor false"),
        ("[use1-az4, use1-az6]", "[use1-az4, use1-az4]", "zone `use1-az4` stands twice"),
        ("region: us-east-1", "region: us-east-1\n  network: {cidr: 10.0.0.0/8}", "must be between /16"),
        ("profile: office-hours", "profile: [1, 2, 3]", "this has 3 entries and must have at least 168"),
        ("profile: office-hours", f"profile: [{', '.join(['0'] * 168)}]", "every hour of the profile is 0"),
        ("profile: office-hours", f"profile: [-1, {', '.join(['1'] * 167)}]", "should be greater than or equal to 0"),
    ],
)
def test_a_single_wrong_value_gives_a_single_problem(old: str, new: str, message: str) -> None:
    (found,) = problems(replaced(old, new))
    assert message in found.message


@pytest.mark.parametrize("path", environment_paths(), ids=lambda p: p.stem)
def test_the_worked_environments_parse_and_survive_their_canonical_form(path: Path) -> None:
    environment, _ = parse(path.read_text(), str(path))
    values = canonical(environment)
    assert Environment.model_validate(values) == environment
    assert canonical(Environment.model_validate(values)) == values


def test_the_canonical_form_keeps_the_units_of_the_file() -> None:
    environment, _ = parse(ENVIRONMENT, "prod.yaml")
    values = canonical(environment)
    chat = values["routes"]["chat"]
    assert chat["slo"] == {
        "ttft_p95": {"base": "1200ms", "per_1k_input": "300ms"},
        "tpot_p95": "60ms",
        "availability": "99.9%",
    }
    assert values["budget"] == {"monthly": "$20,000"}
    assert values["api"]["providers"]["openai"]["limits"] == {"tpm": 2_000_000, "rpm": 5000}
    assert values["planning"] == {"margin": "p90", "replan_threshold": "5%"}
    assert values["horizon"]["start"] == "2026-12-01"


def test_two_ways_to_write_the_same_thing_have_one_canonical_form() -> None:
    plain, _ = parse(ENVIRONMENT, "a")
    other = replaced("ttft_p95: 2s", "ttft_p95: {base: 2000ms, per_1k_input: 0ms}").replace("rpm: 5k", "rpm: 5000")
    assert canonical(parse(other, "a")[0]) == canonical(plain)


MS = st.integers(1, 10**8).map(lambda ms: f"{ms}ms")
PERCENT = st.integers(1, 1000).map(lambda n: f"{n / 10:g}%")


@st.composite
def environments(draw: st.DrawFn) -> dict[str, Any]:
    """Any environment that the schema admits."""

    def route() -> dict[str, Any]:
        mean = draw(st.integers(10, 5000))
        lengths = {"mean": mean, "p95": draw(st.integers(2 * mean, 3 * mean))}
        week = st.lists(st.floats(0.5, 9), min_size=1, max_size=3).map(lambda hours: (hours * 168)[:168])
        return {
            "task": draw(st.sampled_from(["chat", "completion"])),
            "traffic": {
                "profile": draw(st.sampled_from(["flat", "global"]) | week),
                "requests_per_second": {"mean": draw(st.floats(0.001, 1000))},
            },
            "tokens": {"input": lengths, "output": lengths},
            "slo": {
                "ttft_p95": draw(MS | st.fixed_dictionaries({"base": MS, "per_1k_input": MS})),
                "tpot_p95": draw(MS),
                "availability": draw(PERCENT),
            },
            "data": draw(st.sampled_from(["public", "internal", "restricted"])),
            "quality": {
                "accept": draw(st.lists(st.text("ab-", min_size=1), min_size=1)),
                "source": "s",
                "date": "2026-11-01",
            },
            "residency": draw(st.lists(st.sampled_from(["us", "eu"]))),
        }

    names = draw(st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True), min_size=1, max_size=3, unique=True))
    limits = {"tpm": draw(st.none() | st.integers(0, 10**9)), "rpm": draw(st.integers(0, 10**6).map(str))}
    return {
        "version": 1,
        "platform": {"account": "123456789012", "region": "us-east-1", "zones": ["use1-az4", "use1-az6"]},
        "horizon": {"start": "2026-12-01", "months": draw(st.integers(1, 36))},
        "routes": {name: route() for name in names},
        "api": {
            "providers": {"openai": {"limits": limits, "latency": {"ttft_p95": draw(MS), "measured": "2026-11-01"}}},
            "monthly_budget": draw(st.none() | st.integers(0, 10**7).map(lambda n: f"${n:,}")),
        },
        "quotas": draw(st.dictionaries(st.sampled_from(["G", "P"]), st.integers(0, 10**5))),
        "reserve": {"node": draw(st.booleans())},
        "budget": {"monthly": f"${draw(st.integers(0, 10**7)) / 100}"},
        "planning": {"replan_threshold": draw(PERCENT)},
    }


@settings(max_examples=40)
@given(environments())
def test_any_environment_survives_its_canonical_form(values: dict[str, Any]) -> None:
    environment = Environment.model_validate(values)
    once = canonical(environment)
    assert Environment.model_validate(once) == environment
    assert canonical(Environment.model_validate(once)) == once


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-12-01", 12, "2027-12-01"),
        ("2026-12-01", 1, "2027-01-01"),
        ("2027-01-31", 1, "2027-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2026-11-15", 36, "2029-11-15"),
    ],
)
def test_a_horizon_ends_after_calendar_months(start: str, months: int, end: str) -> None:
    assert Horizon.model_validate({"start": start, "months": months}).end.isoformat() == end
