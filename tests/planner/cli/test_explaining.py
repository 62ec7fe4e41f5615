"""`explain`: reasons, the cost over load, a candidate that is not in the plan, the meaning of a code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from planner.documents.codes import CODES
from planner.documents.schemas import answer_schema
from planner.edges import planning
from planner.edges.workspace import Workspace
from tests.planner import small
from tests.planner.cli.command import spillway
from tests.planner.faces.shown import assert_fits
from tests.planner.golden import assert_golden

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def _plans_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "plan", lambda workspace, name, stage: small.planned())


def test_the_reasons_of_a_plan(checkout: Workspace) -> None:
    ended = spillway("explain", "small")
    assert (ended.status, ended.err) == (0, "")
    text = " ".join(ended.out.split())
    for route in small.planned().lock.plan.routes:
        assert f"why {route.name}" in text
        for reason in route.reasons:
            assert reason in text
    assert "Break-even over load" in text
    assert "self-host only" in text
    assert "Cost a month" not in text  # the bill is `show`'s


def test_the_break_even_alone(checkout: Workspace) -> None:
    ended = spillway("explain", "small", "--break-even")
    assert ended.out.startswith("Break-even over load")
    scales = re.findall(r"^ *([0-9.]+) × +\$", ended.out, flags=re.MULTILINE)
    assert [float(scale) for scale in scales] == [float(p.scale) for p in small.planned().lock.plan.break_even]
    assert "why" not in ended.out


def test_why_not_a_machine(checkout: Workspace) -> None:
    ended = spillway("explain", "small", "--why-not", "T4 bf16")
    assert (ended.status, ended.err) == (0, "")
    assert "qwen3-8b (bf16)" in ended.out
    rows = ended.out.splitlines()[2:]
    assert rows
    assert "T4" in ended.out


@pytest.mark.parametrize("width", ["80", "160"])
def test_why_not_on_a_narrow_and_a_wide_terminal(width: str, checkout: Workspace) -> None:
    text = spillway("explain", "small", "--why-not", "L40S qwen3-8b", COLUMNS=width).out
    assert_golden(GOLDEN / f"why-not-{width}.txt", text)
    assert_fits(text, int(width))


def test_why_not_names_one_of_those_that_share_a_reason_unless_all_are_asked_for(checkout: Workspace) -> None:
    words = ("explain", "small", "--why-not", "L40S qwen3-8b")
    few, every = spillway(*words, COLUMNS="160").out, spillway(*words, "--all", COLUMNS="160").out
    dear = "costs far more than a first, rough plan of $"
    (line,) = [line for line in few.splitlines() if dear in line]
    count = every.count(dear)
    assert count > 20
    assert f" in g6e.12xlarge and {count - 1} others all " in " ".join(line.split())
    assert "--all names each" in few
    assert "--all" not in every
    assert " others " not in every


def test_the_cheapest_machine_is_that_of_the_first_day_of_the_horizon(checkout: Workspace) -> None:
    def named(until: str = "") -> str:
        if until:
            discount = f"{{on: ec2/g6e.48xlarge, percent: 99, source: offer, as_of: 2026-01-01, until: {until}}}"
            (checkout.folder / "catalog").mkdir(exist_ok=True)
            text = f"discounts:\n  - {discount}\n...\n"
            (checkout.folder / "catalog" / "discounts.yaml").write_text(text, encoding="utf-8")
        return spillway("explain", "small", "--why-not", "L40S qwen3-8b", COLUMNS="160").out

    listed = named()
    assert named("2026-11-30") == listed
    assert named("2026-12-01").count("g6e.48xlarge") > listed.count("g6e.48xlarge")


@pytest.mark.parametrize("subject", ["small", "ENV003"])
def test_all_without_why_not_is_refused(subject: str, checkout: Workspace) -> None:
    ended = spillway("explain", subject, "--all", COLUMNS="160")
    assert (ended.status, ended.out) == (2, "")
    assert "Invalid value for --all: it is for --why-not; write the words of a candidate there" in ended.err


def test_why_not_what_is_in_the_plan(checkout: Workspace) -> None:
    pool = small.planned().lock.plan.pools[0]
    ended = spillway("explain", "small", "--why-not", f"{pool.model} {pool.gpu}")
    assert "is in the plan" in ended.out


def test_why_not_what_nobody_knows(checkout: Workspace) -> None:
    ended = spillway("explain", "small", "--why-not", "MI300X")
    assert (ended.status, ended.out) == (2, "")
    assert "error[USE002]: no candidate is named 'MI300X'" in ended.err
    assert "words are models, precisions, GPUs, instance types or providers" in ended.err
    assert "openai/gpt-5.4-mini" in spillway("explain", "small", "--why-not", "openai").out


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(code: str) -> None:
    ended = spillway("explain", code)
    assert (ended.status, " ".join(ended.out.split())) == (0, " ".join(f"{code}: {CODES[code]}".split()))


def test_a_code_that_is_none() -> None:
    ended = spillway("explain", "ENV999")
    assert (ended.status, ended.out) == (2, "")
    assert "error[USE001]: there is no code ENV999" in ended.err
    assert "ENV003" in ended.err


def test_every_code_that_is_said_can_be_explained() -> None:
    said = set()
    for folder in ("planner", "infra"):
        for path in (ROOT / folder).rglob("*.py"):
            said |= set(re.findall(r'"((?:ENV|TRC|INF|LOCK|CHK|CAT|PERF|IO|GIT|USE|REH|DEP)\d{3})"', path.read_text()))
    assert said - set(CODES) == set()


def valid(name: str, document: Any) -> bool:
    return not list(Draft202012Validator(answer_schema(name)).iter_errors(document))


def test_the_reasons_as_json_are_those_of_the_lock(checkout: Workspace) -> None:
    ended = spillway("explain", "small", "--format", "json")
    assert (ended.status, ended.err) == (0, "")
    plan = small.planned().lock.plan
    assert valid("explanation", ended.document)
    assert ended.document["environment"] == "small"
    assert {route["name"]: tuple(route["reasons"]) for route in ended.document["routes"]} == {
        route.name: route.reasons for route in plan.routes
    }
    assert len(ended.document["break_even"]) == len(plan.break_even)
    assert [other["name"] for other in ended.document["baselines"]] == [other.name for other in plan.baselines]
    assert spillway("explain", "small", "--break-even", "--format", "json").document == ended.document
    assert not valid("explanation", {**ended.document, "usd_per_month": 12.5})


def test_why_not_as_json_says_what_the_table_says(checkout: Workspace) -> None:
    words = ("explain", "small", "--why-not", "L40S qwen3-8b")
    few = spillway(*words, "--format", "json").document
    every = spillway(*words, "--all", "--format", "json").document
    assert valid("why-not", few)
    assert (few["environment"], few["words"]) == ("small", "L40S qwen3-8b")
    text = " ".join(spillway(*words, COLUMNS="200").out.split())
    for each in few["candidates"]:
        assert each["candidate"] in text
        assert (each["reason"] or "is in the plan") in text
        assert each["in_plan"] is (each["reason"] == "")
    assert sum(1 + each["others"] for each in few["candidates"]) == len(every["candidates"])


def test_a_code_and_a_refusal_as_json(checkout: Workspace) -> None:
    assert spillway("explain", "LOCK010", "--format", "json").document == {
        "code": "LOCK010",
        "meaning": CODES["LOCK010"],
    }
    assert spillway("explain", "LOCK999", "--format", "json").codes == ["USE001"]
    assert spillway("explain", "nothing", "--format", "json").status == 2


def test_values_are_printed_as_tables_and_as_one_document(checkout: Workspace) -> None:
    ended = spillway("explain", "small", "--values", "--format", "json")
    assert (ended.status, ended.err) == (0, "")
    told = ended.document
    assert valid("values", told)
    assert not valid("values", {**told, "usd_per_month": 12.5})
    assert told["usd_per_month"] == told["locked_usd_per_month"] == str(small.planned().lock.plan.cost.usd_per_month)
    assert [limit["limit"] for limit in told["limits"]]
    wide = spillway("explain", "small", "--values", COLUMNS="160").out
    for part in ("One step of each limit", "What is uncertain, the widest first", "What promises cost"):
        assert part in wide
    words = " ".join(wide.split())
    for each in (*(m for limit in told["limits"] for m in limit["moved"]), *(p["without"] for p in told["premiums"])):
        assert each["change"] in words
    for sentence in told["left_out"]:
        assert sentence in words
    assert_golden(GOLDEN / "values-160.txt", wide)
    narrow = spillway("explain", "small", "--values", COLUMNS="80").out
    assert_golden(GOLDEN / "values-80.txt", narrow)
    assert_fits(narrow, 80)


def test_values_say_that_the_locked_plan_costs_something_else(checkout: Workspace) -> None:
    path = checkout.environment_path("small")
    path.write_text(small.changed(), encoding="utf-8")
    ended = spillway("explain", "small", "--values", COLUMNS="400")
    locked = small.planned().lock.plan.cost.usd_per_month
    assert f"The locked plan costs ${locked:,.0f}: it is stale, or keeps its pools" in ended.out


@pytest.mark.parametrize("other", [("--break-even",), ("--why-not", "L4")])
def test_values_are_a_question_of_their_own(other: tuple[str, ...], checkout: Workspace) -> None:
    ended = spillway("explain", "small", "--values", *other, COLUMNS="160")
    assert (ended.status, ended.out) == (2, "")
    assert f"it is another question than {other[0]}; ask them one by one" in ended.err


def test_values_of_an_environment_without_a_plan_name_the_nearest(unplanned: Workspace) -> None:
    path = unplanned.environment_path("small")
    text = path.read_text(encoding="utf-8")
    assert "budget:" in text
    path.write_text(re.sub(r"^budget:.*$", "budget: {monthly: $10}", text, flags=re.MULTILINE), encoding="utf-8")
    ended = spillway("explain", "small", "--values", COLUMNS="400")
    assert (ended.status, ended.out) == (1, "")
    assert "error[INF002]" in ended.err
    assert "nearest plan" in ended.err
    assert "small.yaml:" in ended.err
