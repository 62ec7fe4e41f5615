"""Plans outside the United States: prices and zones are those of the region, and what is missing is told by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.arithmetic import cluster_bill
from planner.documents.region_file import region_text
from planner.domain.catalog import Catalog
from planner.edges import planning
from planner.edges.catalog_files import load_catalog
from planner.edges.own_catalog import catalog_beside
from planner.edges.workspace import Workspace
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem, Problems

ENVIRONMENT = """\
version: 1
platform: {{account: "123456789012", region: {region}, zones: [{zones}], nat: single}}
horizon: {{start: 2026-12-01, months: 12}}
routes:
  chat:
    task: chat
    traffic: {{profile: flat, requests_per_second: {{mean: 1}}}}
    tokens: {{input: {{mean: 1200, p95: 4000}}, output: {{mean: 200, p95: 450}}}}
    slo: {{ttft_p95: 2s, tpot_p95: 80ms}}
    data: restricted
    quality: {{accept: [{model}], source: a test, date: 2026-12-01}}
{more}
quotas: {{G: 640, P: 1920}}
budget: {{monthly: $90000}}
"""
OWN_REGION = """\
families:
  g5: [afs1-az1, afs1-az2]
  g4dn: [afs1-az1, afs1-az2]
source: aws ec2 describe-instance-type-offerings
as_of: 2026-11-29
...
"""


def workspace(folder: Path, region: str, zones: str, more: str = "", model: str = "qwen3-8b") -> Workspace:
    text = ENVIRONMENT.format(region=region, zones=zones, more=more, model=model)
    (folder / "there.yaml").write_text(text, encoding="utf-8")
    return Workspace(folder)


def planned(folder: Path, region: str, zones: str, more: str = "", model: str = "qwen3-8b") -> Plan:
    return planning.plan(workspace(folder, region, zones, more, model), "there").lock.plan


def refused(folder: Path, region: str, zones: str, more: str = "") -> tuple[Problem, ...]:
    with pytest.raises(Problems) as caught:
        planned(folder, region, zones, more)
    return caught.value.problems


def told(plan: Plan, name: str) -> str:
    return " ".join(verdict.message for verdict in plan.verdicts if verdict.name == name)


@pytest.mark.parametrize(
    ("region", "zones"), [("eu-central-1", "euc1-az1, euc1-az2"), ("ap-northeast-1", "apne1-az1, apne1-az4")]
)
def test_every_price_of_a_plan_is_its_region_s(tmp_path: Path, region: str, zones: str) -> None:
    plan = planned(tmp_path, region, zones)
    assert plan.node_groups
    assert {line.price.split("/")[1] for line in plan.cost.lines} == {region}
    prices = load_catalog().prices
    for line in plan.cost.lines:
        price = prices.price(line.price)
        assert price is not None
        assert (line.unit_price, line.source, line.as_of) == (price.usd, price.source, price.as_of)
        assert price.stands_in is None
    for group in plan.node_groups:
        assert set(group.zones) <= {zone.strip() for zone in zones.split(",")}


def test_what_has_no_price_is_named_and_the_plan_is_made(tmp_path: Path) -> None:
    plan = planned(tmp_path, "eu-south-2", "eus2-az1, eus2-az2")
    assert {line.price.split("/")[1] for line in plan.cost.lines} == {"eu-south-2"}
    assert "NAT gateways, 730 × platform/eu-south-2/nat-gateway" in told(plan, "bill")
    assert "eu-south-2/s3-storage" in told(plan, "bill")
    assert list(cluster_bill(plan)) == []
    silent = plan.model_copy(update={"verdicts": tuple(v for v in plan.verdicts if v.name != "bill")})
    assert {problem.code for problem in cluster_bill(silent)} == {"CHK007"}
    needed = tuple(line for line in plan.cost.lines if not line.price.endswith("eks-control-plane"))
    short = plan.model_copy(update={"cost": plan.cost.model_copy(update={"lines": needed})})
    assert ["eks-control-plane" in problem.message for problem in cluster_bill(short)] == [True]


@pytest.mark.parametrize(
    ("region", "words", "hint"),
    [
        ("af-south-1", "not which of its zones", "catalog/regions/af-south-1.yaml"),
        ("mx-central-1", "neither prices nor zones of its GPU machines", "in which regions plans can be made"),
        ("us-gov-west-1", "AWS GovCloud", "in which regions plans can be made"),
        ("cn-north-1", "AWS China", "in which regions plans can be made"),
        ("eusc-de-east-1", "European Sovereign Cloud", "in which regions plans can be made"),
    ],
)
def test_a_region_of_which_too_little_is_known_is_one_clear_problem(
    tmp_path: Path, region: str, words: str, hint: str
) -> None:
    (problem,) = refused(tmp_path, region, "a-az1, a-az2")
    assert problem.code == "ENV007"
    assert words in problem.message
    assert hint in problem.hint
    assert problem.where is not None


def test_a_team_adds_the_zones_of_a_region(tmp_path: Path) -> None:
    own = tmp_path / "catalog/regions"
    own.mkdir(parents=True)
    (own / "af-south-1.yaml").write_text(OWN_REGION, encoding="utf-8")
    plan = planned(tmp_path, "af-south-1", "afs1-az1, afs1-az2", model="qwen3-1.7b")
    assert {line.price.split("/")[1] for line in plan.cost.lines} == {"af-south-1"}
    assert told(plan, "own catalog") == "region af-south-1 of 2026-11-29, in place of the shipped row"


def test_an_own_region_that_leaves_shipped_zones_as_they_are_stands_over_the_shipped_row(tmp_path: Path) -> None:
    own_region(tmp_path, "us-east-1", "families: {p5e: [use1-az2]}\nsource: me\nas_of: 2026-11-29\n...\n")
    plan = planned(tmp_path, "us-east-1", "use1-az1, use1-az2")
    assert told(plan, "own catalog") == "region us-east-1 of 2026-11-29, over the shipped row"


@pytest.mark.parametrize(
    ("line", "wrong", "code"),
    [
        ("  g5: [afs1-az1, afs1-az2]", "  g55: [afs1-az1]", "CAT006"),
        ("  g5: [afs1-az1, afs1-az2]", "  g5: [afs1-az1, euc1-az1]", "CAT003"),
        ("  g5: [afs1-az1, afs1-az2]", "  g5: [af-south-1a]", "CAT003"),
        ("as_of: 2026-11-29\n", "", "CAT003"),
    ],
)
def test_an_own_region_is_checked_as_a_shipped_one(tmp_path: Path, line: str, wrong: str, code: str) -> None:
    own = tmp_path / "catalog/regions"
    own.mkdir(parents=True)
    assert line in OWN_REGION
    (own / "af-south-1.yaml").write_text(OWN_REGION.replace(line, wrong), encoding="utf-8")
    with pytest.raises(Problems) as caught:
        catalog_beside(tmp_path)
    assert {problem.code for problem in caught.value.problems} == {code}


def own_region(folder: Path, region: str, text: str) -> Catalog:
    """The catalog with the text of an own region over the shipped one."""
    own = folder / "catalog/regions"
    own.mkdir(parents=True, exist_ok=True)
    (own / f"{region}.yaml").write_text(text, encoding="utf-8")
    return catalog_beside(folder)


def test_a_family_that_is_sold_no_more_has_no_zone_and_others_stay(tmp_path: Path) -> None:
    shipped = load_catalog()
    zones = {row.instance_type: row.zones for row in shipped.offered_in("us-west-2") if row.instance.family != "p5e"}
    assert "p5e" in shipped.regions["us-west-2"].families
    text = region_text(zones, shipped.instances, "EC2", "2026-11-30")
    catalog = own_region(tmp_path, "us-west-2", text)
    assert {row.instance_type: row.zones for row in catalog.offered_in("us-west-2")} == zones
    assert catalog.regions["us-west-2"].zones_of("p5e.48xlarge") == ()


@pytest.mark.parametrize("region", sorted(key for key, row in load_catalog().regions.items() if row.types))
def test_an_own_family_wins_over_shipped_types_of_it(tmp_path: Path, region: str) -> None:
    shipped = load_catalog().regions[region]
    (first, *_) = sorted(shipped.types)
    family, zone = first.partition(".")[0], next(iter(shipped.families.values()))[0]
    catalog = own_region(tmp_path, region, f"families: {{{family}: [{zone}]}}\nsource: me\nas_of: 2026-11-29\n...\n")
    assert catalog.regions[region].zones_of(first) == (zone,)
    kept = {name: zones for name, zones in shipped.types.items() if name.partition(".")[0] != family}
    assert catalog.regions[region].types == kept


@pytest.mark.parametrize("rows", ["families: {p5e: [usw2-az1]}", "families: {}\ntypes: {p5e.48xlarge: [usw2-az1]}"])
def test_zones_of_another_region_than_the_shipped_ones_are_refused(tmp_path: Path, rows: str) -> None:
    with pytest.raises(Problems) as caught:
        own_region(tmp_path, "us-east-1", f"{rows}\nsource: me\nas_of: 2026-11-29\n...\n")
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("CAT003", "'usw2-az1' is no zone of us-east-1")
    assert "use1-az" in problem.hint
    assert problem.where is not None
    assert "usw2-az1" in problem.where.source


def test_a_type_without_a_price_is_sold_and_not_bought() -> None:
    catalog = load_catalog()
    (p5e,) = (row for row in catalog.offered_in("us-east-2") if row.instance.family == "p5e")
    assert (p5e.price, p5e.gpu.key, p5e.zones) == (None, "H200", ("use2-az1", "use2-az2", "use2-az3"))
    assert "p5e" not in {row.instance.family for row in catalog.offered_in("us-east-2").available()}
    assert "ec2/us-east-2/p5e.48xlarge/on-demand" in {
        gap.subject for gap in catalog.offered_in("us-east-2").gaps(catalog.prices)
    }


def test_a_part_of_a_card_says_what_is_assumed_of_it(tmp_path: Path) -> None:
    only = "hardware: {only: [g6f]}"
    plan = planned(tmp_path, "eu-central-1", "euc1-az2, euc1-az3", only, model="qwen3-0.6b")
    assert {pool.gpu for pool in plan.pools} <= {"L4-half", "L4-quarter", "L4-eighth"}
    for pool in plan.pools:
        assert pool.engine.tensor_parallel_size == 1
        assert "taken to be 1/" in told(plan, f"GPU {pool.gpu}")


def test_hardware_that_no_plan_uses_is_refused_with_its_reason(tmp_path: Path) -> None:
    more = (
        "hardware: {only: [trn1, V100, RTX-4090, g66], "
        "existing: [{instance_type: p3.2xlarge, count: 1, usd_per_hour: $1}]}"
    )
    messages = [problem.message for problem in refused(tmp_path, "us-east-1", "use1-az4, use1-az6", more)]
    for words in (
        "`trn1` is not planned with: it has AWS Neuron chips",
        "`V100` is not planned with: V100 cards are of compute capability 7.0",
        "no machine that can be rented has a `RTX-4090`",
        "no hardware is called `g66`",
        "`p3.2xlarge` is not planned with: V100",
    ):
        assert [message for message in messages if message.startswith(words)], (words, messages)
