"""`catalog refresh` and `catalog quotas`: what is written, what is kept, and what a failure leaves behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from planner.cli import refreshing
from planner.documents.price_refresh import prices_of
from planner.edges import api_price_list
from planner.edges.api_price_list import ApiPriceList
from planner.edges.aws_account import CALLS
from planner.edges.catalog_files import load_catalog
from planner.edges.own_catalog import catalog_beside
from planner.edges.own_price_files import own_price_path, read_price_file
from planner.edges.own_region_files import own_region_path
from tests.planner.cli.command import Ended, spillway
from tests.planner.edges.imitated_account import ImitatedAws

pytestmark = pytest.mark.usefixtures("checkout")

FOLDER = Path("environments")
REGION = "us-east-1"
SOLD = {row.instance_type: row.zones for row in load_catalog().offerings.in_region(REGION)}
PRICED = {key.split("/")[2] for key in load_catalog().prices.rows if key.startswith(f"ec2/{REGION}/")}
PRICES = dict.fromkeys(sorted({*SOLD, *PRICED}), "2.5000000000")
FILE = own_price_path(FOLDER, "ec2", REGION)

Imitate = Callable[..., ImitatedAws]


@pytest.fixture
def imitate(monkeypatch: pytest.MonkeyPatch) -> Imitate:
    """Put an imitated account in the place of the machine's own."""

    def stand_in(**world: object) -> ImitatedAws:
        aws = ImitatedAws(**{"prices": PRICES, "zones": SOLD, **world})  # type: ignore[arg-type]
        monkeypatch.setattr(refreshing, "open_account", aws.account)
        return aws

    return stand_in


def refresh(*arguments: str) -> Ended:
    return spillway("catalog", "refresh", "--today", "2026-11-30", *arguments)


def test_prices_of_the_environments_regions_are_written_for_review(imitate: Imitate) -> None:
    imitate(prices={**PRICES, "g6e.xlarge": "1.9000000000"})
    ended = refresh("--only", "ec2")
    assert ended.status == 0
    assert f"wrote {FILE}" in ended.err
    assert "ec2/us-east-1/g6e.xlarge/on-demand" in ended.out
    assert re.search(rf"read {len(PRICES)} prices: \d+ changed, \d+ added, 0 gone", ended.err)
    text = FILE.read_text(encoding="utf-8")
    assert text.startswith(
        "unit: hour\nsources:\n  price-list: {source: 'AWS Price List Query API, get_products', as_of: 2026-11-30}\n"
    )
    assert "  g6e.xlarge:\n    on-demand: {usd: 1.9, source: price-list}\n" in text
    assert text.endswith("...\n")
    assert len(read_price_file(FILE).rows) == len(PRICES)


def test_the_same_again_writes_nothing(imitate: Imitate) -> None:
    imitate()
    refresh("--only", "ec2")
    before = FILE.stat()
    again = refresh("--only", "ec2")
    assert "none is another" in again.out
    assert "wrote" not in again.err
    assert FILE.stat().st_ino == before.st_ino


def test_a_dry_run_shows_and_writes_nothing(imitate: Imitate) -> None:
    imitate()
    ended = refresh("--only", "ec2", "--dry-run")
    assert "changed" in ended.err
    assert not (FOLDER / "catalog").exists()


def test_rows_by_hand_are_kept_and_told(imitate: Imitate) -> None:
    imitate()
    FILE.parent.mkdir(parents=True)
    FILE.write_text(
        "# ours\nunit: hour\nsources:\n  contract: {source: contract 4711, as_of: 2026-11-01}\n"
        "prices:\n  g6e.xlarge:\n    on-demand: {usd: 1.70, source: contract}\n...\n",
        encoding="utf-8",
    )
    ended = refresh("--only", "ec2")
    assert "REF009" in ended.err
    file = read_price_file(FILE)
    assert file.rows[("g6e.xlarge", "on-demand")] == {"usd": "1.70", "source": "contract"}
    assert file.rows[("g6e.2xlarge", "on-demand")] == {"usd": "2.5", "source": "price-list"}
    assert file.head == ("# ours",)


def test_what_cannot_be_used_is_told_and_the_rest_is_written(imitate: Imitate) -> None:
    imitate(prices={**PRICES, "g6e.xlarge": "0.0000000000"})
    ended = refresh("--only", "ec2")
    assert ended.status == 0
    assert "warning[REF005]: g6e.xlarge in us-east-1" in ended.err
    assert len(read_price_file(FILE).rows) == len(PRICES) - 1


@pytest.mark.parametrize(
    ("operation", "error", "code"),
    [
        ("get_products", "AccessDeniedException", "REF003"),
        ("get_products", "ThrottlingException", "REF004"),
        ("get_products", "UnrecognizedClientException", "REF002"),
        ("describe_instance_type_offerings", "UnauthorizedOperation", "REF003"),
        ("describe_instance_type_offerings", "InvalidInput", "REF004"),
    ],
)
def test_a_failure_anywhere_leaves_everything_as_it_was(
    imitate: Imitate, operation: str, error: str, code: str
) -> None:
    imitate()
    refresh("--only", "ec2")
    text = FILE.read_text(encoding="utf-8")
    imitate(prices=dict.fromkeys(PRICES, "9"), failing={operation: error})
    ended = refresh("--region", REGION, "--region", "us-west-2")
    assert ended.status == 2
    assert f"error[{code}]" in ended.err
    assert FILE.read_text(encoding="utf-8") == text
    assert not own_price_path(FOLDER, "api", "openai").exists()


def test_a_report_that_cannot_be_written_leaves_the_prices_as_they_were(imitate: Imitate) -> None:
    imitate()
    ended = refresh("--report", "no/such/folder/rates.json")
    assert ended.status == 2
    assert "IO002" in ended.err
    assert not (FOLDER / "catalog").exists()


def test_every_row_that_is_written_has_its_unit_source_and_day(imitate: Imitate) -> None:
    imitate()
    refresh("--only", "ec2")
    prices = prices_of(read_price_file(FILE), "ec2", REGION)
    assert prices.keys() == {f"ec2/{REGION}/{name}/on-demand" for name in PRICES}
    assert {(price.unit, price.source, price.as_of) for price in prices.values()} == {
        ("hour", "AWS Price List Query API, get_products", "2026-11-30")
    }


def test_an_empty_price_list_leaves_the_file_as_it_was(imitate: Imitate) -> None:
    imitate(prices={})
    ended = refresh("--only", "ec2")
    assert ended.status == 0
    assert "no price of us-east-1 can be used" in ended.err
    assert not FILE.exists()


def test_zones_that_are_others_than_plans_know_become_an_own_region(imitate: Imitate) -> None:
    imitate(zones=dict.fromkeys(SOLD, ("use1-az9",)))
    told = refresh("--only", "ec2", "--format", "json").document["zones"]
    assert len(told) == len(SOLD)
    (line,) = (line for line in told if line.startswith("g6e.xlarge in us-east-1: "))
    assert "EC2 sells it in use1-az9; plans know use1-az" in line
    text = own_region_path(FOLDER, REGION).read_text(encoding="utf-8")
    assert "  g6e: [use1-az9]\n" in text
    assert text.endswith("source: EC2 describe_instance_type_offerings\nas_of: 2026-11-30\n...\n")


def test_a_family_that_is_sold_no_more_is_told_once_and_planned_no_more(imitate: Imitate) -> None:
    (family, *_) = sorted({name.partition(".")[0] for name in SOLD})
    imitate(zones={name: zones for name, zones in SOLD.items() if name.partition(".")[0] != family})
    told = refresh("--only", "ec2", "--format", "json").document["zones"]
    assert {line.partition(".")[0] for line in told} == {family}
    left = catalog_beside(FOLDER).offered_in(REGION)
    assert {row.instance_type for row in left} == {name for name in SOLD if name.partition(".")[0] != family}
    assert refresh("--only", "ec2", "--format", "json").document["zones"] == []


def test_a_region_by_hand_stays(imitate: Imitate) -> None:
    imitate(zones=dict.fromkeys(SOLD, ("use1-az9",)))
    path = own_region_path(FOLDER, REGION)
    path.parent.mkdir(parents=True)
    by_hand = "families:\n  g6e: [use1-az1]\nsource: we looked\nas_of: 2026-11-01\n...\n"
    path.write_text(by_hand, encoding="utf-8")
    ended = refresh("--only", "ec2")
    assert ended.status == 0
    assert "REF009" in ended.err
    assert path.read_text(encoding="utf-8") == by_hand


def test_a_region_is_read_for_an_environment_that_cannot_be_planned_yet(imitate: Imitate) -> None:
    aws = imitate()
    (path,) = FOLDER.glob("*.yaml")
    path.write_text("platform: {region: us-west-2, zones: [nowhere]}\nquotas: {G: 4}\n", encoding="utf-8")
    assert refresh("--only", "ec2").status == 0
    assert {region for service, region, _ in aws.asked if service == "ec2"} == {"us-west-2"}
    assert own_price_path(FOLDER, "ec2", "us-west-2").exists()


def test_discounts_are_taken_off_what_a_refresh_reads_and_make_no_change(imitate: Imitate) -> None:
    shipped = load_catalog().prices.rows
    imitate(prices={name: str(shipped[f"ec2/{REGION}/{name}/on-demand"].usd) for name in PRICED})
    (FOLDER / "catalog").mkdir()
    discounts = "discounts:\n  - {on: ec2, percent: 12, source: EDP 2026, as_of: 2026-10-01}\n...\n"
    (FOLDER / "catalog/discounts.yaml").write_text(discounts, encoding="utf-8")
    assert "none is another" in refresh("--only", "ec2").out
    key = f"ec2/{REGION}/g6e.xlarge/on-demand"
    price = catalog_beside(FOLDER).prices.rows[key]
    assert price.usd == shipped[key].usd * 88 / 100
    assert price.as_of == "2026-11-30"
    assert price.ages
    assert catalog_beside(FOLDER).price_rows[key]["discounts"]


def test_a_region_that_sells_nothing_is_told(imitate: Imitate) -> None:
    imitate(zones={})
    assert "EC2 sells none of the catalog's machines in us-east-1" in refresh("--only", "ec2").err
    assert not own_region_path(FOLDER, REGION).exists()


def test_rates_that_plans_do_not_use_stand_in_the_report_alone(imitate: Imitate) -> None:
    imitate()
    ended = refresh("--report", "rates.json")
    assert ended.status == 0
    assert "plans do not use these rates yet" in ended.err
    document = json.loads(Path("rates.json").read_text(encoding="utf-8"))
    assert document["used_by_plans"] is False
    assert document["as_of"] == "2026-11-30"
    assert document["zones"]["by_region"][REGION]["g6e.xlarge"] == list(SOLD["g6e.xlarge"])


def test_one_json_document_says_everything(imitate: Imitate) -> None:
    imitate(prices={**PRICES, "g6e.xlarge": "0"})
    document = refresh("--only", "ec2", "--format", "json").document
    assert {"file": str(FILE), "prices": len(PRICES) - 1} in document["files"]
    kinds = {change["kind"] for change in document["changes"]}
    assert kinds
    assert kinds <= {"changed", "added"}
    assert [told["code"] for told in document["told"]] == ["REF005"]


def test_hosted_models_need_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_account() -> None:
        raise AssertionError("an account was opened")

    monkeypatch.setattr(refreshing, "open_account", no_account)
    assert refresh("--only", "api").status == 0


def test_a_far_change_of_a_hosted_model_needs_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    from genai_prices import types

    prices = types.ModelPrice(input_mtok=Decimal(3), output_mtok=Decimal("4.5"))
    model = types.ModelInfo(id="m", match=types.ClauseEquals(equals="gpt-5.4-mini"), prices=prices)
    provider = types.Provider(id="openai", name="OpenAI", api_pattern="", models=[model])
    listed = ApiPriceList("1", "2026-11-30", {"openai": provider})
    monkeypatch.setattr(api_price_list, "open_price_list", lambda _: listed)
    path = own_price_path(FOLDER, "api", "openai")
    ended = refresh("--only", "api")
    assert "REF008" in ended.err
    assert list(read_price_file(path).rows) == [("gpt-5.4-mini", "output")]
    refresh("--only", "api", "--accept-changes")
    assert read_price_file(path).rows[("gpt-5.4-mini", "input")]["usd"] == "3"
    assert "REF008" not in refresh("--only", "api").err, "what was accepted is what plans use"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only", "ec3"), "no source 'ec3'"),
        (("--only", "spot"), "stand in a report alone"),
        (("--region", "us-east-9"), "no region 'us-east-9'"),
        (("--today", "now"), "--today"),
    ],
)
def test_words_that_mean_nothing_are_refused(imitate: Imitate, arguments: tuple[str, ...], words: str) -> None:
    aws = imitate()
    ended = refresh(*arguments)
    assert ended.status == 2
    assert "USE003" in ended.err
    assert words in ended.err
    assert aws.asked == []


def test_quotas_are_printed_to_paste_and_compared(imitate: Imitate) -> None:
    imitate(quotas={"L-DB2E81BA": 768.0})
    ended = spillway("catalog", "quotas")
    assert ended.status == 0
    assert "quotas: {G: 768}" in ended.out
    assert "small states G: 192; the account has 768" in ended.out
    assert "warning[REF006]: Service Quotas states no quota L-417A185B (P)" in ended.err
    (document,) = spillway("catalog", "quotas", "--format", "json").document
    assert document["quotas"] == {"G": 768}


def test_quotas_of_spot_are_asked_for_where_spot_is_bought(imitate: Imitate) -> None:
    spot = {"L-3819A6DF": 96.0, "L-7212CCBC": 64.0, "L-C4BD4855": 192.0}
    imitate(quotas={"L-DB2E81BA": 768.0, "L-417A185B": 384.0, **spot})
    assert "quotas: {G: 768, P: 384}\n" in spillway("catalog", "quotas").out
    (path,) = FOLDER.glob("*.yaml")
    path.write_text(path.read_text(encoding="utf-8") + "purchase: {spot: {max_share: 50%}}\n", encoding="utf-8")
    assert "quotas: {G: 768, P: 384, G-spot: 96, P-spot: 64}\n" in spillway("catalog", "quotas").out


def test_the_policy_in_the_documents_allows_every_call_that_is_made_and_no_other(imitate: Imitate) -> None:
    aws = imitate(quotas={})
    refresh("--report", "rates.json")
    spillway("catalog", "quotas")
    made = {(service, operation) for service, _, operation in aws.asked}
    assert made == {(call.service, call.operation) for call in CALLS}
    page = (Path(refreshing.__file__).parents[2] / "docs/catalog.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(\{.*?\})\n```", page, flags=re.DOTALL)
    (statement,) = json.loads(block)["Statement"]
    assert statement["Action"] == sorted(call.permission for call in CALLS)
    assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")
