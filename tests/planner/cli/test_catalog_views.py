"""`catalog list`, `show`, `age` and `diff`: what they answer, and how they end."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from planner.cli import catalog_views
from planner.documents.catalog_listing import KINDS
from planner.domain.catalog import Catalog
from planner.edges.catalog_files import load_catalog, package_folder, snapshots
from tests.planner.cli.command import Ended, spillway

NEWEST = snapshots(package_folder())[-1]
KEY = "ec2/us-east-1/g6e.xlarge/on-demand"


def catalog(*arguments: str, **variables: str) -> Ended:
    """Run a verb of the catalog."""
    return spillway("catalog", *arguments, **variables)


@pytest.fixture
def own_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """A team that pays another price for one machine."""
    shipped = load_catalog()
    price = replace(shipped.prices.rows[KEY], usd=shipped.prices.rows[KEY].usd * 2, source="contract")
    rows = {**shipped.prices.rows, KEY: price}
    own = replace(shipped, prices=replace(shipped.prices, rows=rows))

    def beside(folder: Path, snapshot: str | None = None) -> Catalog:
        del folder, snapshot
        return own

    monkeypatch.setattr(catalog_views, "catalog_beside", beside)


def test_without_a_kind_each_is_counted_and_the_snapshot_named() -> None:
    ended = catalog("list")
    assert ended.status == 0
    assert all(kind in ended.out for kind in KINDS)
    assert f"snapshot of {NEWEST}" in ended.out
    document = catalog("list", "--format", "json").document
    assert {row["kind"]: row["rows"] for row in document["kinds"]}["models"] == len(load_catalog().models)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", ["80", "160"])
def test_each_kind_is_listed_within_the_width(kind: str, width: str) -> None:
    ended = catalog("list", kind, "--match", "a", COLUMNS=width)
    assert ended.status == 0
    assert len(ended.out.splitlines()) > 2
    document = catalog("list", kind, "--match", "a", "--format", "json").document
    assert all(row["key"] in ended.out for row in document["rows"][:5])
    if kind != "prices":
        assert max(map(len, ended.out.splitlines())) <= int(width)


def test_a_machine_is_listed_with_its_gpus_and_its_price() -> None:
    price = load_catalog().prices.rows[KEY]
    ended = catalog("list", "instances", "--region", "us-east-1", "--match", "g6e.xlarge")
    (line,) = (line for line in ended.out.splitlines() if line.startswith("g6e.xlarge"))
    assert "1 × L40S" in line
    assert f"${float(price.usd):.4g}" in line


@pytest.mark.usefixtures("own_price")
def test_an_own_price_is_marked_where_it_is_listed_shown_and_compared() -> None:
    assert [line.split()[-1] for line in catalog("list", "prices", "--match", KEY).out.splitlines()[2:]] == ["own"]
    shown = catalog("show", KEY, COLUMNS="160").out
    assert [line.split()[-1] for line in shown.splitlines() if line.startswith(KEY)] == ["own"]
    assert "] contract" in shown
    ended = catalog("diff", NEWEST, "own")
    assert "+100.0 %" in ended.out
    (change,) = catalog("diff", NEWEST, "own", "--format", "json").document["changes"]
    assert (change["key"], change["kind"], change["percent"]) == (KEY, "changed", 100.0)
    here = catalog("diff", NEWEST, "own", "--region", "us-east-1")
    assert "in us-east-1" in here.out
    assert "+100.0 %" in here.out
    assert catalog("diff", NEWEST, "own", "--region", "eu-west-1", "--format", "json").document["changes"] == []


@pytest.mark.parametrize(("until", "percent"), [("2026-10-31", 0), ("2099-12-31", 10)], ids=["ended", "holds"])
def test_prices_are_net_of_discounts_that_hold_today(tmp_path: Path, until: str, percent: int) -> None:
    discounts = f"discounts:\n  - {{on: ec2, percent: 10, source: EDP, as_of: 2026-01-01, until: {until}}}\n...\n"
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "discounts.yaml").write_text(discounts, encoding="utf-8")
    here = ("--environments", str(tmp_path), "--format", "json")
    usd = float(load_catalog().prices.rows[KEY].usd) * (100 - percent) / 100
    (listed,) = catalog("list", "prices", "--match", KEY, *here).document["rows"]
    assert (listed["usd"], listed["own"]) == (pytest.approx(usd), percent > 0)
    (shown,) = catalog("show", KEY, *here).document
    assert [price["usd"] for price in shown["prices"] if price["key"] == KEY] == [pytest.approx(usd)]
    changes = {change["key"]: change["percent"] for change in catalog("diff", NEWEST, "own", *here).document["changes"]}
    assert changes.get(KEY, 0) == -percent
    assert bool(changes) == (percent > 0)


def test_the_same_snapshot_differs_in_nothing() -> None:
    assert "none is another" in catalog("diff", NEWEST, NEWEST).out
    assert catalog("diff", NEWEST, NEWEST, "--format", "json").document["changes"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (("list", "gpu"), "USE003", "gpus"),
        (("list", "gpus", "--region", "us-east1"), "USE003", "us-east-1"),
        (("show", "g6e.xlrge"), "USE004", "g6e.xlarge"),
        (("age", "--region", "eu"), "USE003", "known:"),
        (("age", "--today", "soon"), "USE003", "--today 2026-11-30"),
        (("diff", "2026-11-22", "own"), "CAT001", "2026-11-21"),
    ],
)
def test_what_is_not_known_has_neighbours(arguments: tuple[str, ...], code: str, hint: str) -> None:
    ended = catalog(*arguments)
    assert ended.status == 2
    assert f"error[{code}]" in ended.err
    assert hint in ended.err
    assert catalog(*arguments, "--format", "json").codes == [code]


def test_what_is_known_of_a_name_stands_with_sources_and_prices() -> None:
    ended = catalog("show", "gpt-oss-120b", COLUMNS="80")
    assert ended.status == 0
    assert "model gpt-oss-120b" in ended.out
    assert "[1] " in ended.out
    assert "api/groq/gpt-oss-120b/input" in ended.out
    (found,) = catalog("show", "gpt-oss-120b", "--format", "json").document
    assert all(fact["source"] and fact["as_of"] for fact in found["facts"])


def test_a_hosted_model_is_shown_with_its_prices_at_every_address() -> None:
    rows = load_catalog().prices.rows
    wanted = {key for key in rows if key.startswith(("api/bedrock/claude-haiku-4.5/", "api/bedrock/claude-haiku-4.5@"))}
    assert len({key.rpartition("/")[0] for key in wanted}) > 1
    (found,) = catalog("show", "bedrock/claude-haiku-4.5", "--format", "json").document
    assert {price["key"] for price in found["prices"]} == wanted
    (provider,) = catalog("show", "bedrock", "--format", "json").document
    assert {price["key"] for price in provider["prices"]} == {key for key in rows if key.startswith("api/bedrock/")}


def test_ages_are_told_against_limits_with_the_command_that_helps() -> None:
    old = (int(NEWEST[:4]) + 2, NEWEST[4:])
    ended = catalog("age", "--region", "us-east-1", "--today", f"{old[0]}{old[1]}")
    assert ended.status == 0
    assert "spillway catalog refresh --only ec2 --region us-east-1" in ended.out
    assert "us-west-2" not in ended.out
    document = catalog("age", "--today", NEWEST, "--format", "json").document
    assert sum(row["rows"] for row in document["prices"]) == len(load_catalog().prices.rows)


def test_a_gate_on_the_age_is_passed_or_not() -> None:
    oldest = max(row["oldest"] for row in catalog("age", "--today", NEWEST, "--format", "json").document["prices"])
    assert catalog("age", "--today", NEWEST, "--fail-over", str(oldest)).status == 0
    ended = catalog("age", "--today", NEWEST, "--fail-over", str(oldest - 1))
    assert ended.status == 1
    assert "CAT020" in ended.err
    assert re.search(r"1 price is older|\d prices are older", ended.err)
    assert "1 prices" not in ended.err
    as_json = catalog("age", "--today", NEWEST, "--fail-over", str(oldest - 1), "--format", "json")
    assert as_json.status == 1
    assert as_json.document["day"] == NEWEST


def test_amounts_keep_their_digits() -> None:
    document = catalog("list", "prices", "--match", KEY, "--format", "json").document
    assert Decimal(str(document["rows"][0]["usd"])) == load_catalog().prices.rows[KEY].usd


def test_a_comparison_in_a_region_has_its_prices_and_those_of_hosted_models() -> None:
    days = snapshots(package_folder())
    whole = catalog("diff", days[0], days[-1], "--format", "json").document["changes"]
    here = catalog("diff", days[0], days[-1], "--region", "eu-central-1", "--format", "json").document["changes"]
    of_it = [row for row in whole if row["key"].split("/")[0] == "api" or row["key"].split("/")[1] == "eu-central-1"]
    assert here == of_it
    assert 0 < len(here) < len(whole)
    wrong = catalog("diff", days[0], days[-1], "--region", "eu-central-9")
    assert wrong.status == 2
    assert "eu-central-1" in wrong.err


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt-oss-20b", "vLLM 0.10.1 (class GptOssForCausalLM); plans run"),
        ("llama-3.1-8b-instruct", "vLLM 0.5.3.post1 (rope scaling of type llama3); plans run"),
        ("falcon-180b-chat", "from which release of vLLM on falcon-180b-chat is served is not known"),
    ],
)
def test_a_model_says_from_which_release_of_the_engine_on_it_is_served(model: str, told: str) -> None:
    assert told in " ".join(catalog("show", model, COLUMNS="200").out.split())
