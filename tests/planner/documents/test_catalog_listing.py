"""What the catalog holds, as rows and as everything that is known of one name."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from planner.documents.catalog_entry import Named, facts, named
from planner.documents.catalog_listing import KINDS, counts, listing, own_price_keys
from planner.domain.catalog import Catalog, OwnRow
from planner.domain.gaps import Gap
from planner.edges.catalog_files import load_catalog

SHIPPED = load_catalog()
KEY = "ec2/us-east-1/g6e.xlarge/on-demand"


def with_own_price(usd: str = "1.5") -> Catalog:
    """The catalog of a team that pays another price for one machine."""
    price = replace(SHIPPED.prices.rows[KEY], usd=Decimal(usd), source="contract", as_of="2026-11-01")
    return replace(SHIPPED, prices=replace(SHIPPED.prices, rows={**SHIPPED.prices.rows, KEY: price}))


def one(catalog: Catalog, name: str) -> Named:
    found = named(catalog, SHIPPED, name)
    assert not isinstance(found, Gap)
    (only,) = found
    return only


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_is_listed_once_by_key_and_none_is_the_teams(kind: str) -> None:
    rows = listing(SHIPPED, SHIPPED, kind)
    keys = [row["key"] for row in rows]
    assert keys == sorted(set(keys))
    assert rows
    assert not any(row["own"] for row in rows)


def test_counts_are_those_of_the_catalog() -> None:
    found = {row["kind"]: row["rows"] for row in counts(SHIPPED, SHIPPED)}
    assert list(found) == list(KINDS)
    assert found["models"] == len(SHIPPED.models)
    assert found["prices"] == len(SHIPPED.prices.rows)
    assert found["regions"] == len(SHIPPED.regions)


def test_own_prices_and_models_are_marked() -> None:
    catalog = replace(with_own_price(), own={"model/qwen3-8b": OwnRow("2026-11-01", True)})
    assert own_price_keys(catalog, SHIPPED) == {KEY}
    assert [row["key"] for row in listing(catalog, SHIPPED, "prices") if row["own"]] == [KEY]
    assert [row["key"] for row in listing(catalog, SHIPPED, "models") if row["own"]] == ["qwen3-8b"]
    assert [row["own"] for row in counts(catalog, SHIPPED) if row["kind"] == "prices"] == [1]


def test_a_match_is_found_in_any_column_whatever_its_capitals() -> None:
    assert {row["gpu"] for row in listing(SHIPPED, SHIPPED, "instances", "l40s")} == {"L40S"}
    assert listing(SHIPPED, SHIPPED, "instances", "no such thing") == []


def test_a_region_has_its_own_price_and_zones_and_without_one_the_cheapest_is_shown() -> None:
    (here,) = listing(with_own_price("9"), SHIPPED, "instances", "g6e.xlarge", "us-east-1")
    assert (here["usd_per_hour"], here["in_region"]) == (9.0, "us-east-1")
    (zones,) = (row.zones for row in SHIPPED.offerings.in_region("us-east-1") if row.instance_type == "g6e.xlarge")
    assert here["zones"] == list(zones)
    (cheapest,) = listing(with_own_price("9"), SHIPPED, "instances", "g6e.xlarge")
    assert cheapest["in_region"] != "us-east-1"
    assert cheapest["usd_per_hour"] < 9
    prices = listing(SHIPPED, SHIPPED, "prices", region="us-west-2")
    assert {row["key"].split("/")[1] for row in prices if not row["key"].startswith("api/")} == {"us-west-2"}


def test_a_missing_price_is_none_and_never_zero() -> None:
    prices = {key: price for key, price in SHIPPED.prices.rows.items() if "/g6e.xlarge/" not in key}
    (row,) = listing(replace(SHIPPED, prices=replace(SHIPPED.prices, rows=prices)), SHIPPED, "instances", "g6e.xlarge")
    assert row["usd_per_hour"] is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("qwen3-8b", "model"),
        ("L40S", "gpu"),
        ("g6e.xlarge", "instance"),
        ("openai/gpt-5.4-mini", "api"),
        ("openai", "provider"),
        ("de", "place"),
        ("us-east-1", "region"),
        (KEY, "price"),
    ],
)
def test_everything_has_facts_with_a_source_and_a_day(name: str, kind: str) -> None:
    found = one(SHIPPED, name)
    assert (found.kind, found.key) == (kind, name)
    assert found.facts
    assert all(fact.source and fact.as_of for fact in found.facts)
    assert [price.key for price in found.prices] == sorted({price.key for price in found.prices})


def test_prices_are_those_of_the_thing_in_every_region() -> None:
    assert {price.key for price in one(SHIPPED, "g6e.xlarge").prices} >= {KEY, KEY.replace("us-east-1", "us-west-2")}
    assert {price.key.split("/")[2].split(".")[0] for price in one(SHIPPED, "L40S").prices} == {"g6e"}
    everywhere = {key for key in SHIPPED.prices.rows if key.endswith("/g6e.xlarge/on-demand")}
    assert {price.key for price in one(SHIPPED, KEY).prices} == everywhere
    assert {price.key.split("/")[2] for price in one(SHIPPED, "openai").prices} >= {"gpt-5.4-mini", "o3"}
    hosted = {api.key for api in SHIPPED.apis if api.hosts == "gpt-oss-120b"}
    assert {"/".join(price.key.split("/")[1:3]) for price in one(SHIPPED, "gpt-oss-120b").prices} == hosted
    assert one(with_own_price(), KEY).own


def test_a_place_names_the_places_that_it_holds() -> None:
    held = {fact.name: fact.value for fact in one(SHIPPED, "eu").facts}["holds"]
    assert {"de", "fr"} <= set(held)
    assert "holds" not in {fact.name for fact in one(SHIPPED, "de").facts}


def test_a_slug_without_weights_names_it_at_each_provider() -> None:
    found = named(SHIPPED, SHIPPED, "claude-haiku-4.5")
    assert not isinstance(found, Gap)
    assert [each.key for each in found] == ["anthropic/claude-haiku-4.5", "bedrock/claude-haiku-4.5"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("l40s", "L40S"), ("qwen3-8", "qwen3-8b"), ("us-east1", "us-east-1"), ("openia", "openai")],
)
def test_an_unknown_name_has_neighbours_of_any_kind(name: str, meant: str) -> None:
    found = named(SHIPPED, SHIPPED, name)
    assert isinstance(found, Gap)
    assert meant in found.hint


def test_an_inner_block_has_its_own_source_or_that_around_it() -> None:
    row = {
        "key": "k",
        "source": "outer",
        "as_of": "2026",
        "a": 1,
        "in": {"b": None, "source": "inner", "as_of": "2025"},
        "list": [{"c": 2}, {"c": 3, "source": "third"}],
        "plain": ["x"],
    }
    assert [(fact.name, fact.value, fact.source, fact.as_of) for fact in facts(row)] == [
        ("a", 1, "outer", "2026"),
        ("in.b", None, "inner", "2025"),
        ("list.1.c", 2, "outer", "2026"),
        ("list.2.c", 3, "third", "2026"),
        ("plain", ["x"], "outer", "2026"),
    ]


def test_a_provider_without_models_says_why_no_plan_uses_it() -> None:
    rows = listing(SHIPPED, SHIPPED, "providers")
    assert {"xai", "cerebras", "zai", "moonshot", "minimax", "dashscope"} <= {row["key"] for row in rows}
    for row in rows:
        assert bool(row["not_planned"]) == bool(row["instead"]) == (row["models"] == 0), row["key"]
