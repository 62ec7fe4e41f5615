"""Names that lead nowhere: each is told at its line, with the nearest name that exists, in one run with wrong units."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.references import BARRED_ZONES, dangling
from planner.edges.catalog_files import load_catalog
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problem, Problems
from planner.words.spans import read
from tests.planner.plans import ENVIRONMENT

CATALOG = load_catalog()
KNOWN_TRACES = ("azure-conv-2023",)


def told(text: str) -> tuple[Problem, ...]:
    return dangling(
        read(text, "prod.yaml"),
        CATALOG,
        lambda t: None if t in KNOWN_TRACES else (f"there is no trace {t!r}", "name one"),
    )


def replaced(old: str, new: str) -> str:
    assert ENVIRONMENT.count(old) == 1
    return ENVIRONMENT.replace(old, new)


def test_a_good_file_has_no_dangling_names() -> None:
    assert told(ENVIRONMENT) == ()
    rules = "data: restricted\n    residency: [us]\n    hardware: {only: [L40S, tp1, fp8], not: [g6e.48xlarge]}"
    assert told(replaced("data: restricted", rules)) == ()
    assert told(replaced("{profile: office-hours,", "{trace: azure-conv-2023, profile: office-hours,")) == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "message", "hint"),
    [
        ("[qwen3-32b]", "[qwen3-23b]", "ENV006", "the catalog has no model 'qwen3-23b'", "did you mean qwen3-32b"),
        ("[qwen3-32b]", "[qwen3-32b@int3]", "ENV006", "qwen3-32b does not come in 'int3'", "qwen3-32b"),
        (
            "openai: {limits",
            "opnai: {limits",
            "ENV006",
            "the catalog has no API provider `opnai`",
            "did you mean openai",
        ),
        (
            "us-east-1",
            "us-east-3",
            "ENV007",
            "the catalog has no region `us-east-3`",
            "did you mean us-east-2 or us-east-1",
        ),
        ("use1-az6", "use1-az3", "ENV007", "EKS cannot use zone `use1-az3`", "choose another zone"),
        ("use1-az6", "us-east-1a", "ENV007", "no GPU machine is sold in zone `us-east-1a` of us-east-1", "named by id"),
        (
            "{profile: office",
            "{trace: azur, profile: office",
            "ENV008",
            "there is no trace 'azur'",
            "name one",
        ),
        ("Europe/Berlin", "Europe/Bonn", "ENV004", "there is no time zone `Europe/Bonn`", "like Europe/Berlin"),
        ("Europe/Berlin", "Europe", "ENV004", "there is no time zone `Europe`", "like Europe/Berlin"),
        (
            "Europe/Berlin",
            "../../etc/passwd",
            "ENV004",
            "there is no time zone `../../etc/passwd`",
            "like Europe/Berlin",
        ),
    ],
)
def test_each_name_is_told_at_its_place(old: str, new: str, code: str, message: str, hint: str) -> None:
    (found,) = told(replaced(old, new))
    assert (found.code, found.message) == (code, message)
    assert hint in found.hint
    assert found.where is not None
    name = new.split("trace: ")[-1].split(",")[0].strip("[]").split(":")[0]
    assert found.where.source[found.where.column - 1 :].startswith(name)


RESTRICTED, QUOTAS = "data: restricted", "quotas: {G: 96}"


@pytest.mark.parametrize(
    ("beside", "key", "code", "message", "hint", "place"),
    [
        (
            RESTRICTED,
            "    residency: [us, europe]",
            "ENV006",
            "the catalog has no place `europe`",
            "mean eu?",
            "europe",
        ),
        (RESTRICTED, "    residency: [Germany]", "ENV006", "the catalog has no place `Germany`", "mean de?", "Germany"),
        (QUOTAS, "licence: {based_in: DE}", "ENV006", "the catalog has no place `DE`", "mean de?", "DE"),
        (
            RESTRICTED,
            "    hardware: {only: [L40S, L40s]}",
            "ENV006",
            "no hardware is called `L40s`",
            "did you mean L40S",
            "L40s",
        ),
        (QUOTAS, "hardware: {not: [fp7]}", "ENV006", "no hardware is called `fp7`", "did you mean fp8", "fp7"),
        (
            QUOTAS,
            "hardware: {only: [L40S, p5]}",
            "ENV005",
            "no machine matches L40S, p5 together",
            "words of different kinds must all match",
            "[L40S, p5]",
        ),
    ],
)
def test_places_and_hardware_are_told_at_their_word(
    beside: str, key: str, code: str, message: str, hint: str, place: str
) -> None:
    (found,) = told(replaced(beside, f"{beside}\n{key}"))
    assert (found.code, found.message) == (code, message)
    assert hint in found.hint
    assert found.where is not None
    assert found.where.source[found.where.column - 1 :].startswith(place)


def test_a_wrong_region_is_told_once_and_not_for_each_zone() -> None:
    assert [p.code for p in told(replaced("us-east-1", "mars-north-1"))] == ["ENV007"]


def test_barred_zones_are_zone_ids() -> None:
    assert all("-az" in zone for zone in BARRED_ZONES)


@pytest.mark.parametrize(
    "text",
    [
        "routes: [a, b]",
        "routes: {chat: 3}",
        "routes: {chat: {quality: {accept: gpt}, traffic: [x]}}",
        "routes: {chat: {quality: {accept: [[a], {b: c}, 3, null]}, traffic: {trace: 3, timezone: [UTC]}}}",
        "platform: [1]\napi: {providers: [openai]}",
        "platform: {region: us-east-1, zones: [[use1-az4], 3, {a: b}]}",
        "platform: {region: 3, zones: use1-az4}",
    ],
)
def test_values_of_the_wrong_form_are_left_to_the_schema(text: str) -> None:
    assert told(text) == ()


def test_wrong_names_and_wrong_units_are_told_in_one_run(tmp_path: Path) -> None:
    text = ENVIRONMENT
    for old, new in (
        ("tpot_p95: 60ms", "tpot_p95: 60"),
        ("[qwen3-32b]", "[qwen3-23b]"),
        ("use1-az6", "use1-az3"),
        ("openai:", "opnai:"),
        ("Europe/Berlin", "Europe/Bonn"),
        ("{requests_per_second: {mean: 0.8}}", "{trace: lost.csv, requests_per_second: {mean: 0.8}}"),
        ("quotas: {G: 96}", "qoutas: {G: 96}"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "prod.yaml").write_text(text)
    with pytest.raises(Problems) as raised:
        Workspace(tmp_path).wanted("prod")
    assert raised.value.exit_code == 2
    codes = sorted(p.code for p in raised.value.problems)
    assert codes == ["ENV003", "ENV004", "ENV004", "ENV006", "ENV006", "ENV007", "ENV008"]
    lines = [p.where.line for p in raised.value.problems if p.where]
    assert lines == sorted(lines)
    assert len(lines) == len(codes)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("qwen3-23b", "did you mean qwen3-32b"),
        ("qwen3-32b@awq", "write `qwen3-32b`: figures hold for all its precisions"),
    ],
)
def test_figures_of_a_model_that_nobody_knows_are_told_at_their_place(name: str, hint: str) -> None:
    (found,) = told(f"{ENVIRONMENT}models: {{{name}: {{tokenizer_ratio: 1.1, measured: 2026-11-01}}}}\n")
    assert (found.code, found.message) == ("ENV006", f"the catalog has no model `{name}`")
    assert hint in found.hint
    assert found.where is not None
    assert found.where.source[found.where.column - 1 :].startswith(name)
    assert told(f"{ENVIRONMENT}models: {{gpt-5.4-mini: {{tokenizer_ratio: 1.1, measured: 2026-11-01}}}}\n") == ()


@pytest.mark.parametrize(
    ("account", "code", "message", "hint", "place"),
    [
        (
            "azure-openai: {}",
            "ENV005",
            "under the account's own names, and `resource` is missing",
            "`resource: NAME`",
            "azure",
        ),
        (
            "azure-openai: {resource: acme}",
            "ENV005",
            "under the account's own names, and `deployments` is missing",
            "`deployments: {MODEL: NAME, MODEL@eu: NAME}`",
            "azure-openai",
        ),
        (
            "azure-openai: {resource: acme, deployments: {gpt-4.1-mimi: mini}}",
            "ENV006",
            "the catalog has no model `gpt-4.1-mimi` at `azure-openai`",
            "did you mean gpt-4.1-mini",
            "gpt-4.1-mimi",
        ),
        (
            "azure-openai: {resource: acme, deployments: {gpt-4.1-mini@uk: mini}}",
            "ENV006",
            "`azure-openai` has no address `uk`",
            "us",
            "gpt-4.1-mini@uk",
        ),
        ("groq: {resource: acme}", "ENV005", "an account at `groq` has no `resource`", "leave it out", "resource"),
        (
            "groq: {deployments: {}}",
            "ENV005",
            "an account at `groq` has no `deployments`",
            "leave it out",
            "deployments",
        ),
    ],
)
def test_the_names_of_an_account_are_required_where_a_provider_has_them(
    account: str, code: str, message: str, hint: str, place: str
) -> None:
    found = told(replaced("openai: {limits", f"{account}\n    openai: {{limits"))
    wanted = [problem for problem in found if message in problem.message]
    (problem,) = wanted
    assert problem.code == code
    assert hint in problem.hint
    assert problem.where is not None
    assert problem.where.source[problem.where.column - 1 :].startswith(place)


@pytest.mark.parametrize("value", ["x", "", "[a]", "3"])
@pytest.mark.parametrize("provider", ["azure-openai", "groq"])
def test_of_what_is_no_account_the_schema_alone_tells(provider: str, value: str) -> None:
    assert told(replaced("openai: {limits", f"{provider}: {value}\n    openai: {{limits")) == ()


def test_an_account_with_its_deployments_and_one_at_a_provider_that_is_not_called_are_known() -> None:
    azure = "azure-openai: {resource: acme, deployments: {gpt-4.1-mini: a, gpt-4.1-mini@eu: b}}"
    accounts = f"{azure}\n    runpod: {{}}\n    xai: {{}}"
    assert told(replaced("openai: {limits", f"{accounts}\n    openai: {{limits")) == ()
