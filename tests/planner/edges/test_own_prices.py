"""The team's own prices, discounts, providers and machines: what is read, and each thing that is refused."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pytest

from gateway.features import FEATURES
from planner.domain.apis import REQUEST_FEATURES
from planner.domain.discounts import DiscountedPrice, OwnPrice
from planner.domain.price_lists import PRICE_LIST
from planner.domain.prices import file_of
from planner.edges.catalog_files import load_catalog, package_folder, snapshots
from planner.edges.own_catalog import catalog_beside
from planner.edges.own_prices import HOME, not_yet
from planner.words.diagnostics import Problem, Problems
from tests.planner.test_where_to_add import GPU, INSTANCES

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "catalog.md"
G6E = "ec2/us-east-1/g6e.xlarge/on-demand"
P5 = "ec2/us-east-1/p5.48xlarge/on-demand"
NAT = "platform/us-east-1/nat-gateway"
EC2 = """\
unit: hour
sources:
  contract: {source: contract 4711, as_of: 2026-11-01}
prices:
  g6e.xlarge:
    on-demand: {usd: 1.70, source: contract}
...
"""
DISCOUNTS = """\
discounts:
  - {on: ec2, percent: 12, source: EDP 2026, as_of: 2026-10-01}
  - {on: ec2/p5, percent: 30, source: EDP 2026, as_of: 2026-10-01}
...
"""
MODELS_ALONE = """\
sources:
  page: {source: price page, as_of: 2026-11-20}
models:
  qwen3-8b:
    wire_model: qwen/qwen3-8b
    hosts: qwen3-8b
    context_tokens: 32_768
    max_output_tokens: null
    long_context_above: null
    features: []
    reasoning: true
    retires: null
    status: listed
    source: page
...
"""
API = """\
unit: Mtok
sources:
  page: {source: price page, as_of: 2026-11-20}
prices:
  qwen3-8b:
    input: {usd: 0.05, source: page}
    output: {usd: 0.1, source: page}
...
"""


ENDPOINT = """\
endpoints:
  eu:
    base_url: https://eu.acme.example/v1
    api_key_variable: ACME_EU_KEY
    residency: []
    price_factor: 1.0
    source: a page
    as_of: 2026-11-20
"""


def worked_files() -> dict[str, str]:
    """The files of docs/catalog.md, by the path that stands in their first line."""
    blocks = re.findall(r"```yaml\n# (catalog/\S+)\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(dict(blocks)) == len(blocks) >= 5
    return dict(blocks)


def write(folder: Path, files: dict[str, str]) -> Path:
    """Put files into the own catalog; a path may begin with its folder's name."""
    for path, text in files.items():
        file = folder / "catalog" / path.removeprefix("catalog/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def refused(folder: Path, files: dict[str, str]) -> list[Problem]:
    """All problems of an own catalog. Each says where it is, and none stands twice."""
    with pytest.raises(Problems) as raised:
        catalog_beside(write(folder, files))
    problems = list(raised.value.problems)
    assert len(set(problems)) == len(problems)
    return problems


def test_the_worked_files_of_the_document_are_read(tmp_path: Path) -> None:
    shipped, catalog = load_catalog(), catalog_beside(write(tmp_path, worked_files())).priced_on(date(2026, 12, 1))
    prices = catalog.prices
    own = prices.price(G6E)
    assert isinstance(own, OwnPrice)
    said = "own catalog: contract 4711 with AWS; list price $1.861"
    assert (own.usd, own.source, own.as_of) == (Decimal("1.70"), said, "2026-11-01")
    machine = next(row for row in catalog.offered_in("us-east-1") if row.instance_type == "p5e.48xlarge")
    assert machine.price is not None
    assert machine.zones == ("use1-az2",)
    assert catalog.regions["us-east-1"].zones_of("g6e.xlarge") == shipped.regions["us-east-1"].zones_of("g6e.xlarge")
    assert machine.price.usd == Decimal("41.20")
    for key, share in {P5: "0.7", G6E.replace("g6e", "g5"): "0.88", "api/openai/gpt-5.4-mini/input": "0.95"}.items():
        net, listed = prices.price(key), shipped.prices.price(key)
        assert isinstance(net, DiscountedPrice)
        assert listed is not None
        assert net.usd == listed.usd * Decimal(share)
        assert net.listed == listed
    assert prices.price(NAT) == shipped.prices.price(NAT)
    acme = catalog.providers["acme"]
    assert (acme.base_url, acme.api_key_variable) == ("https://api.acme.example/v1", "ACME_API_KEY")
    assert "acme/qwen3-8b" in {row.key for row in catalog.apis}
    assert {key for key in catalog.own if key.startswith("discount/")} == {
        "discount/ec2",
        "discount/ec2/p5",
        "discount/ec2/p5 of 2027-04-01",
        "discount/api/openai",
    }


def test_own_prices_and_discounts_hold_over_every_snapshot(tmp_path: Path) -> None:
    write(tmp_path, {"prices/ec2/us-east-1.yaml": EC2, "discounts.yaml": DISCOUNTS})
    for day in snapshots(package_folder()):
        catalog, listed = catalog_beside(tmp_path, day), load_catalog(day).prices.price(P5)
        own, net = catalog.prices.price(G6E), catalog.prices.price(P5)
        assert catalog.prices.name == day
        assert own is not None
        assert net is not None
        assert listed is not None
        assert (own.usd, net.usd) == (Decimal("1.70"), listed.usd * Decimal("0.7"))


def test_digests_of_prices_follow_discounts_and_own_prices_and_digests_of_facts_do_not(tmp_path: Path) -> None:
    keys, facts = (G6E, P5, NAT), ("instance/g6e.xlarge", "model/qwen3-8b")
    seen = {load_catalog().prices_digest(keys)}
    for files in (
        {"discounts.yaml": DISCOUNTS},
        {"discounts.yaml": DISCOUNTS.replace("percent: 30", "percent: 31")},
        {"discounts.yaml": DISCOUNTS.replace("EDP 2026, as_of: 2026-10-01}\n...", "annex, as_of: 2026-10-01}\n...")},
        {"discounts.yaml": DISCOUNTS.replace("p5, percent: 30", "p5, until: 2027-01-01, percent: 30")},
        {"prices/ec2/us-east-1.yaml": EC2},
        {"prices/ec2/us-east-1.yaml": EC2.replace("1.70", "1.71")},
    ):
        catalog = catalog_beside(write(tmp_path, files))
        assert catalog.facts_digest(facts) == load_catalog().facts_digest(facts)
        seen.add(catalog.prices_digest(keys))
    assert len(seen) == 7


def test_an_ended_discount_is_not_taken_off(tmp_path: Path) -> None:
    ending = DISCOUNTS.replace("p5, percent: 30", "p5, until: 2027-03-31, percent: 30")
    catalog, listed = catalog_beside(write(tmp_path, {"discounts.yaml": ending})), load_catalog().prices.price(P5)
    assert listed is not None
    for day, share in {date(2027, 3, 31): "0.7", date(2027, 4, 1): "0.88"}.items():
        for later in (catalog.priced_on(day), catalog.on(day)):
            price = later.prices.price(P5)
            assert price is not None
            assert price.usd == listed.usd * Decimal(share)


def test_a_discount_may_follow_another_on_the_same_thing(tmp_path: Path) -> None:
    lines = [line for line in DISCOUNTS.splitlines() if "on: ec2," in line]
    first, then = lines[0].replace("percent", "until: 2027-02-28, percent"), lines[0].replace("2026-10-01", "2027-03")
    then = then.replace("12", "15")
    text = "\n".join(("discounts:", then, first, "...\n"))
    catalog, listed = catalog_beside(write(tmp_path, {"discounts.yaml": text})), load_catalog().prices.price(G6E)
    assert listed is not None
    for day, share in {"2026-12-01": "0.88", "2027-02-28": "0.88", "2027-03-01": "0.85"}.items():
        price = catalog.priced_on(date.fromisoformat(day)).prices.price(G6E)
        assert price is not None
        assert price.usd == listed.usd * Decimal(share)
    alone = catalog_beside(write(tmp_path, {"discounts.yaml": "\n".join(("discounts:", first, "...\n"))}))
    assert catalog.prices_digest([G6E]) != alone.prices_digest([G6E])


def test_an_own_price_that_a_refresh_read_has_no_end(tmp_path: Path) -> None:
    text = EC2.replace("contract 4711", f"'{PRICE_LIST}'").replace("1.70", "1.70, until: 2027-03-31")
    (problem,) = refused(tmp_path, {"prices/ec2/us-east-1.yaml": text})
    assert (problem.code, problem.where and problem.where.line) == ("CAT003", 6)


def test_a_shipped_provider_gets_a_model_more(tmp_path: Path) -> None:
    files = {"providers/groq.yaml": MODELS_ALONE, "prices/api/groq.yaml": API}
    shipped, catalog = load_catalog(), catalog_beside(write(tmp_path, files))
    assert catalog.providers == shipped.providers
    assert {row.key for row in catalog.apis} - {row.key for row in shipped.apis} == {"groq/qwen3-8b"}
    assert "provider/groq" not in catalog.own


def test_own_hardware_is_sold_at_its_own_price(tmp_path: Path) -> None:
    prices = EC2.replace("g6e.xlarge", "g9z.2xlarge")
    sold = "families: {g9z: [use1-az4]}\ntypes: {}\nsource: our account\nas_of: 2026-11-01\n...\n"
    files = {
        "gpus/Z9.yaml": GPU,
        "instances/g9z.yaml": INSTANCES,
        "regions/us-east-1.yaml": sold,
        "prices/ec2/us-east-1.yaml": prices,
    }
    catalog = catalog_beside(write(tmp_path, files))
    (machine,) = [row for row in catalog.offerings if row.instance_type == "g9z.2xlarge"]
    assert machine.gpu.key == "Z9"
    assert machine.price is not None
    assert machine.price.usd == Decimal("1.70")


ON = "{on: ec2, percent: 12, source: EDP 2026, as_of: 2026-10-01}"


@pytest.mark.parametrize(
    ("file", "old", "new", "code", "marked"),
    [
        ("ec2", "usd: 1.70", "usd: 0", "CAT005", "usd: 0"),
        ("ec2", "usd: 1.70", "usd: -1.70", "CAT005", "usd: -1.70"),
        ("ec2", "usd: 1.70", "eur: 1.70", "CAT009", "eur: 1.70"),
        ("ec2", "usd: 1.70", "usd: 1.7 EUR", "CAT009", "usd: 1.7 EUR"),
        ("ec2", "usd: 1.70", "usd: $1.70", "CAT009", "usd: $1.70"),
        ("ec2", "usd: 1.70", "usd: much", "CAT003", "usd: much"),
        ("ec2", "unit: hour", "unit: month", "CAT009", "unit: month"),
        ("ec2", "unit: hour\n", "", "CAT003", "usd: 1.70"),
        ("ec2", "g6e.xlarge", "g6e.xlrge", "CAT006", "on-demand"),
        ("ec2", "on-demand", "on-demnd", "CAT006", "on-demnd"),
        ("ec2", "on-demand", "reserved", "CAT006", "reserved"),
        ("ec2", "g6e.xlarge:\n    on-demand:", "g6e.xlarge:", "CAT006", "g6e.xlarge"),
        ("ec2", "g6e.xlarge", "p5.48xlarge", "CAT008", "usd: 1.70"),
        ("ec2", "as_of: 2026-11-01", "as_of: soon", "CAT003", "usd: 1.70"),
        ("ec2", ", as_of: 2026-11-01", "", "CAT003", "contract: {"),
        ("ec2", "source: contract}", "source: other}", "CAT006", "source: other"),
        ("ec2", ", source: contract}", "}", "CAT003", "usd: 1.70"),
        ("ec2", "sources:", "tables:", "CAT003", "tables"),
        ("ec2", "...\n", "", "CAT002", ""),
        ("discounts", "percent: 12", "percent: 0", "CAT010", "percent: 0"),
        ("discounts", "percent: 12", "percent: 100", "CAT010", "percent: 100"),
        ("discounts", "percent: 12", "percent: -5", "CAT010", "percent: -5"),
        ("discounts", "percent: 12", "percent: 12%", "CAT003", "percent: 12%"),
        ("discounts", "on: ec2/p5", "on: ec2", "CAT004", "on: ec2"),
        ("discounts", "on: ec2/p5", "on: ec2/p55", "CAT006", "on: ec2/p55"),
        ("discounts", "on: ec2/p5", "on: api/opnai", "CAT006", "on: api/opnai"),
        ("discounts", "on: ec2/p5", "on: platform/nat", "CAT006", "on: platform/nat"),
        ("discounts", "on: ec2/p5, ", "", "CAT003", "percent: 30"),
        ("discounts", "source: EDP 2026, as_of: 2026-10-01}\n...", "as_of: 2026-10-01}\n...", "CAT003", "ec2/p5"),
        ("discounts", ", as_of: 2026-10-01}\n...", "}\n...", "CAT003", "ec2/p5"),
        ("discounts", "as_of: 2026-10-01}\n...", "as_of: 1.10.2026}\n...", "CAT003", "as_of: 1.10.2026"),
        ("discounts", "percent: 30", "percent: 30, until: 2026-09-30", "CAT008", "until"),
        ("discounts", "percent: 30", "percent: 30, until: spring", "CAT003", "until: spring"),
        ("discounts", "percent: 30", "percent: 30, till: 2027-01-01", "CAT003", "till"),
        ("discounts", "discounts:", "rebates:", "CAT003", "rebates"),
        ("discounts", "...\n", "", "CAT002", ""),
        ("discounts", "on: ec2/p5, percent: 30", "on: ec2, until: 2027-01-01, percent: 30", "CAT004", "percent: 30"),
        ("ec2", "usd: 1.70", "usd: 1.70, until: 2025-05-30", "CAT008", "until: 2025-05-30"),
        ("ec2", "usd: 1.70", "usd: 1.70, until: spring", "CAT003", "until: spring"),
        ("ec2", "usd: 1.70", "usd: 1.70, till: 2027-01-01", "CAT003", "till"),
    ],
)
def test_each_problem_has_a_code_and_its_line(
    tmp_path: Path, file: str, old: str, new: str, code: str, marked: str
) -> None:
    path, text = {
        "ec2": ("prices/ec2/us-east-1.yaml", EC2.replace("2026-11-01", "2025-05-31") if code == "CAT008" else EC2),
        "discounts": ("discounts.yaml", DISCOUNTS),
    }[file]
    assert old in text
    problems = refused(tmp_path, {path: text.replace(old, new)})
    places = [problem.where for problem in problems if problem.code == code]
    assert all(where is not None and where.file == str(tmp_path / "catalog" / path) for where in places)
    assert any(where is not None and marked in where.source for where in places)


@pytest.mark.parametrize(
    ("path", "text", "code", "told"),
    [
        ("prices/ec2/us-eest-1.yaml", EC2, "CAT006", "us-east-1"),
        ("prices/api/groq.yaml", API, "CAT006", "groq/qwen3-8b"),
        (
            "prices/api/openai.yaml",
            API.replace("qwen3-8b", "gpt-5.4-mni"),
            "CAT006",
            "mean openai/gpt-5.4-mini",
        ),
        ("prices/platform/us-east-1.yaml", API.replace("qwen3-8b", "kms"), "CAT006", "kms/input"),
        ("providers/grok.yaml", MODELS_ALONE, "CAT006", "did you mean groq"),
        ("providers/groq.yaml", MODELS_ALONE, "CAT006", "no input price"),
        ("providers/groq.yaml", MODELS_ALONE.replace("hosts: qwen3-8b", "hosts: qwen3-8c"), "CAT006", "qwen3-8c"),
        ("instances/g9z.yaml", INSTANCES, "CAT006", "there is no GPU 'Z9'"),
        ("prices/2026-11-21/ec2/us-east-1.yaml", EC2, "CAT007", "api/, ec2/, platform/"),
        ("prices/us-east-1.yaml", EC2, "CAT007", "api/, ec2/, platform/"),
        ("discount.yaml", DISCOUNTS, "CAT007", "discounts.yaml"),
        ("models", "", "CAT007", "models/"),
        ("prices/ec2/us-east-1.yml", EC2, "CAT002", "no catalog file"),
        ("gpus/Z 9.yaml", GPU, "CAT003", "cannot be a name"),
    ],
)
def test_what_leads_nowhere_or_nobody_reads_is_told(tmp_path: Path, path: str, text: str, code: str, told: str) -> None:
    problems = refused(tmp_path, {path: text})
    assert any(problem.code == code and told in f"{problem.message} {problem.hint}" for problem in problems), problems


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("https://api.acme.example/v1", "http://api.acme.example/v1", "base_url"),
        ("https://api.acme.example/v1", "https://key@api.acme.example/v1", "base_url"),
        ("https://api.acme.example/v1", "https://api.acme.example/v1?key=1", "base_url"),
        ("ACME_API_KEY", "acme key", "api_key_variable"),
        ("residency: [us]", "residency: [usa]", "residency"),
        ("residency: [us]", "residency: []", "residency"),
        ("residency: [us]", f"residency: [us]\n{ENDPOINT}", "residency: []"),
        ("tools: [tools]", "tools: [toolz]", "tools"),
    ],
)
def test_what_the_gateway_would_refuse_of_a_provider_is_refused_here(
    tmp_path: Path, old: str, new: str, marked: str
) -> None:
    files = worked_files()
    (path,) = [path for path in files if "providers" in path]
    (problem,) = refused(tmp_path, files | {path: files[path].replace(old, new)})
    assert problem.where is not None
    assert marked in problem.where.source


def test_features_of_requests_are_those_of_the_gateway() -> None:
    assert FEATURES.keys() == REQUEST_FEATURES


def test_a_discount_on_own_prices_alone_takes_nothing_off_and_is_told(tmp_path: Path) -> None:
    acme = {path: text for path, text in worked_files().items() if "acme" in path}
    (problem,) = refused(tmp_path, acme | {"discounts.yaml": DISCOUNTS.replace("ec2/p5", "api/acme")})
    assert (problem.code, problem.where and problem.where.line) == ("CAT010", 3)


NEWER = ("api/azure-openai", "api/bedrock/claude-haiku-5.5", "api/bedrock/claude-haiku-4.5@eu", "api", "ec2/p6-b300")


@pytest.mark.parametrize("day", snapshots(package_folder()))
@pytest.mark.parametrize("on", NEWER)
def test_a_lock_on_an_older_snapshot_stays_when_a_team_agrees_on_what_came_later(
    tmp_path: Path, day: str, on: str
) -> None:
    catalog = catalog_beside(write(tmp_path, {"discounts.yaml": DISCOUNTS.replace("ec2/p5", on)}), day)
    assert on in {discount.on for discount in catalog.discounts}


@pytest.mark.parametrize("day", snapshots(package_folder()))
def test_what_is_refused_does_not_depend_on_the_snapshot(tmp_path: Path, day: str) -> None:
    """A model that is newer than the first snapshot has own prices for some parts there, and for none of its others."""
    model = "claude-haiku-5.5"
    listed = load_catalog().price_rows
    parts = [key.rpartition("/")[2] for key in listed if key.startswith(f"api/bedrock/{model}/")]
    assert len(parts) > 2
    discount = {"discounts.yaml": DISCOUNTS.replace("ec2/p5", f"api/bedrock/{model}")}
    api = API.replace("qwen3-8b", model)
    write(tmp_path, discount | {"prices/api/bedrock.yaml": api})
    assert catalog_beside(tmp_path, day).discounts
    lines = "".join(f"    {part}: {{usd: 1, source: page}}\n" for part in parts)
    whole = api.partition("    input")[0] + lines
    for name in load_catalog().providers["bedrock"].priced_apart(model):
        there = [key.rpartition("/")[2] for key in listed if key.startswith(f"api/bedrock/{model}@{name}/")]
        whole += f"  {model}@{name}:\n" + "".join(f"    {part}: {{usd: 1, source: page}}\n" for part in there)
    write(tmp_path, {"prices/api/bedrock.yaml": whole + "...\n"})
    with pytest.raises(Problems) as raised:
        catalog_beside(tmp_path, day)
    assert [problem.code for problem in raised.value.problems] == ["CAT010"]


@pytest.mark.parametrize(
    ("provider", "name", "told"),
    [
        ("bedrock", "claude-haiku-4.5@eu", ""),
        ("bedrock", "claude-haiku-4.5@ue", "claude-haiku-4.5@eu"),
        ("openai", "gpt-5.4-mini@eu", "address with prices of its own"),
        ("openai", "gpt-5.4-mini@nonsense", "address with prices of its own"),
        ("openai", "gpt-5.4-mni@eu", "hosted model"),
    ],
)
def test_a_price_at_an_address_is_of_one_that_has_prices_of_its_own(
    tmp_path: Path, provider: str, name: str, told: str
) -> None:
    files = {f"prices/api/{provider}.yaml": API.replace("qwen3-8b", name)}
    if not told:
        assert f"price/api/{provider}/{name}/input" in catalog_beside(write(tmp_path, files)).own
        return
    problems = refused(tmp_path, files)
    assert {problem.code for problem in problems} == {"CAT006"}
    assert all(told in f"{problem.message} {problem.hint}" for problem in problems), problems


def test_nobody_restates_a_shipped_provider(tmp_path: Path) -> None:
    shipped = package_folder().joinpath("providers", "deepseek.yaml").read_text(encoding="utf-8")
    assert "trains_on_data: true" in shipped
    text = shipped.replace("trains_on_data: true", "trains_on_data: false")
    (problem,) = refused(tmp_path, {"providers/deepseek.yaml": text})
    assert (problem.code, "deepseek is a shipped provider" in problem.message) == ("CAT003", True)
    assert problem.where is not None


def test_all_problems_come_in_one_run(tmp_path: Path) -> None:
    files = {
        "prices/ec2/us-east-1.yaml": EC2.replace("1.70", "0"),
        "discounts.yaml": DISCOUNTS.replace("percent: 12", "percent: 0").replace("ec2/p5", "ec2/p55"),
        "providers/grok.yaml": MODELS_ALONE,
        "notes.txt": "",
    }
    found = {(problem.code, Path(problem.where.file).name) for problem in refused(tmp_path, files) if problem.where}
    assert found >= {
        ("CAT005", "us-east-1.yaml"),
        ("CAT010", "discounts.yaml"),
        ("CAT006", "discounts.yaml"),
        ("CAT006", "grok.yaml"),
        ("CAT007", "notes.txt"),
    }


E, D, ACME = "prices/ec2/us-east-1.yaml", "discounts.yaml", "prices/api/acme.yaml"
ITS, MINE = "providers/acme.yaml", "models/mine.yaml"
FAULTS = {
    "no price": (E, "usd: 1.70", "usd: 0"),
    "another currency": (E, "usd: 1.70", "eur: 1.70"),
    "no such machine": (E, "g6e.xlarge", "g6e.xlrge"),
    "no such source of a price": (E, "source: contract}\n  p5e", "source: other}\n  p5e"),
    "no date": (E, "as_of: 2026-11-01", "as_of: soon"),
    "an unknown column of a price": (E, "usd: 1.70", "usd: 1.70, till: x"),
    "no unit": (E, "unit: hour", "unitt: hour"),
    "no YAML": (E, "unit: hour", "\tunit: hour"),
    "no discount": (D, "percent: 12", "percent: 0"),
    "no such thing": (D, "on: ec2/p5, percent: 30", "on: ec2/p55, percent: 30"),
    "an end before the beginning": (D, "until: 2027-03-31", "until: 2026-03-31"),
    "an unknown column of a discount": (D, "percent: 5,", "percent: 5, foo: 1,"),
    "no address": (ITS, "https://api.acme.example/v1", "http://x"),
    "no such place": (ITS, "residency: [us]", "residency: [usa]"),
    "a missing column": (ITS, "hipaa: null\n", ""),
    "no such model": (ITS, "hosts: qwen3-8b", "hosts: qwen3-8c"),
    "no such source of a hosted model": (ITS, "    source: offer", "    source: offerr"),
    "no such state": (ITS, "status: listed", "status: gone"),
    "no such part": (ACME, "input:", "inputt:"),
    "a negative price": (ACME, "usd: 0.12", "usd: -1"),
    "no such base": (MINE, "base: qwen3-8b", "base: qwen3-8x"),
    "no date of a model": (MINE, "as_of: 2026-11-01", "as_of: never"),
    "an unknown column of a model": (MINE, "source: ours", "source: ours\nfoo: 3"),
}
HIDES = {
    ("no YAML", E),  # a file that cannot be read
    ("no such state", ACME),  # a hosted model whose row makes no value has no prices that could be missing
    ("no such state", "no such model"),
    ("another currency", E),  # a price that is none
    ("no price", "no such machine"),  # the message names the other key
    ("no such machine", "another currency"),
    ("no such thing", "an end before the beginning"),
    ("no such part", ACME),
    ("no such place", "a missing column"),
}


def told_of(folder: Path, faults: tuple[str, ...]) -> set[tuple[str, str]]:
    """Code and message of every problem of the worked files with some faults."""
    mine = "base: qwen3-8b\nhf_id: acme/mine\nsource: ours\nas_of: 2026-11-01\n...\n"
    files = {path.removeprefix("catalog/"): text for path, text in worked_files().items()} | {MINE: mine}
    for fault in faults:
        path, old, new = FAULTS[fault]
        assert old in files[path]
        files[path] = files[path].replace(old, new, 1)
    return {(problem.code, problem.message) for problem in refused(folder, files)}


def test_problems_of_several_files_come_in_one_run(tmp_path: Path) -> None:
    """Of two faults, each is told as it is told alone, unless one hides what the other is about."""
    alone = {fault: told_of(tmp_path, (fault,)) for fault in FAULTS}
    assert all(alone.values())
    for first, second in combinations(FAULTS, 2):
        (path, old, _), (there, other, _) = FAULTS[first], FAULTS[second]
        same_words = path == there and (old in other or other in old)
        if not same_words and not {(first, there), (second, path), (first, second), (second, first)} & HIDES:
            both = told_of(tmp_path, (first, second))
            assert alone[first] | alone[second] <= both, (first, second)


def test_prices_of_a_day_after_the_start_are_told_with_their_line_and_discounts_may_begin_later(tmp_path: Path) -> None:
    catalog = catalog_beside(write(tmp_path, {"prices/ec2/us-east-1.yaml": EC2, "discounts.yaml": DISCOUNTS}))
    assert list(not_yet(catalog, date(2026, 11, 1))) == []
    (problem,) = not_yet(catalog, date(2026, 10, 31))
    assert problem.where is not None
    assert (problem.code, problem.where.line) == ("CAT008", 6)
    assert len(list(not_yet(catalog, date(2026, 1, 1)))) == 1


@pytest.mark.parametrize(("source", "early"), [(PRICE_LIST, 0), ("contract 4711", 1)])
def test_list_prices_that_a_refresh_wrote_may_be_of_a_day_after_the_start(
    tmp_path: Path, source: str, early: int
) -> None:
    text = EC2.replace("source: contract 4711", f'source: "{source}"')
    catalog = catalog_beside(write(tmp_path, {"prices/ec2/us-east-1.yaml": text}))
    assert len(list(not_yet(catalog, date(2026, 1, 1)))) == early


@pytest.mark.parametrize("family", ["p4d", "p4de", "p5", "p5e", "p5en"])
def test_a_price_of_before_the_last_cut_is_refused_of_every_family_that_was_cut(tmp_path: Path, family: str) -> None:
    name = next(key for key, row in load_catalog().instances.items() if row.family == family)
    text = EC2.replace("g6e.xlarge", name).replace("2026-11-01", "2025-05-31")
    (problem,) = refused(tmp_path, {"prices/ec2/us-east-1.yaml": text})
    assert problem.code == "CAT008"


def test_what_is_priced_anywhere_is_priced_in_the_region_that_names_are_held_against() -> None:
    for kind in ("ec2", "platform"):
        keys = [key.split("/") for key in load_catalog().price_rows if file_of(key).startswith(f"{kind}/")]
        assert {key[2] for key in keys} == {key[2] for key in keys if key[1] == HOME}


@pytest.mark.parametrize(
    "files",
    [
        {"prices/ec2/us-east-1.yaml": EC2},
        {"discounts.yaml": "discounts:\n  - {on: ec2/g6, percent: 95, source: EDP 2026, as_of: 2026-10-01}\n...\n"},
    ],
    ids=["a price of what was not weighed", "a discount on what was not weighed"],
)
def test_an_own_price_ages_every_lock_whatever_it_weighed(tmp_path: Path, files: dict[str, str]) -> None:
    weighed = ["api/openai/gpt-5.4-mini/input"]
    before, after = load_catalog(), catalog_beside(write(tmp_path, files))
    assert before.prices_digest(weighed) != after.prices_digest(weighed)
    assert before.facts_digest(["provider/openai"]) == after.facts_digest(["provider/openai"])


@pytest.mark.parametrize(
    ("files", "own", "agreed"),
    [
        ({}, False, False),
        ({"prices/ec2/us-east-1.yaml": EC2.replace("contract 4711", f"'{PRICE_LIST}'")}, True, False),
        ({"prices/ec2/us-east-1.yaml": EC2}, True, True),
        ({"discounts.yaml": DISCOUNTS}, True, True),
    ],
    ids=["none", "refreshed", "agreed", "discounts"],
)
def test_refreshed_list_prices_are_the_teams_own_and_are_not_agreed(
    tmp_path: Path, files: dict[str, str], own: bool, agreed: bool
) -> None:
    catalog = catalog_beside(write(tmp_path, files))
    assert (catalog.has_own_prices, catalog.has_agreed_prices(date(2026, 12, 1))) == (own, agreed)
