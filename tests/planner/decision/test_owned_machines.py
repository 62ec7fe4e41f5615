"""Machines of one's own: filled first beside bought ones, billed whole by part, assumed where nothing is said."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import pytest

from planner.decision.answer.existing_fleet import UNUSED
from planner.documents.arithmetic import arithmetic
from planner.domain.gaps import Gap
from planner.domain.owning import Energy, Owned, OwnedMachines, owned
from planner.edges.catalog_files import load_catalog
from planner.edges.planning import Planned, plan
from planner.edges.workspace import Workspace
from planner.plan.cost import CostLine
from planner.words.diagnostics import Problem, Problems
from tests.planner import small
from tests.planner.plans import bent

CASE = """\
version: 1
platform:
  account: "123456789012"
  region: us-east-1
  zones: [use1-az2, use1-az4, use1-az6]
horizon: {start: 2026-12-01, months: 12}

routes:
  chat:
    traffic:
      profile: office-hours
      requests_per_second: {mean: 0.2}
    tokens:
      input: {mean: 2500, p95: 8000}
      output: {mean: 300, p95: 900}
    slo: {ttft_p95: {base: 1500ms, per_1k_input: 400ms}, tpot_p95: 80ms}
    data: restricted
    quality: {accept: [llama-3.1-70b-instruct], source: own evaluation, date: 2026-11-01}
purchase:
  owned: [{gpu: A100-80GB, count: 8}]
quotas: {G: 0, P: 96}
budget: {monthly: $60000}
"""
"""Eight GPUs of one's own and a route that needs a second machine, for which the quota has room."""
STATED = (
    "{gpu: T4, count: 1, capital: $8760, years: 4, energy: {kw: 0.5, pue: 1.5, usd_per_kwh: $0.20}, "
    "space: $30, staff: $0, source: books, as_of: 2026-10-05}"
)
CATALOG = load_catalog()


def planned_text(text: str) -> Planned:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "prod.yaml").write_text(text, encoding="utf-8")
        return plan(Workspace(Path(folder)), "prod")


@lru_cache(maxsize=1)
def case() -> Planned:
    return planned_text(CASE)


def refused(text: str) -> list[Problem]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "prod.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(Problems) as told:
            Workspace(Path(folder)).wanted("prod")
    return list(told.value.problems)


def cost_of(entry: OwnedMachines, place: str | None = "us") -> Owned | Gap:
    return owned(0, entry, CATALOG.instances, CATALOG.owning, place, CATALOG.places)


def lines_of(made: Planned, component: str) -> dict[str, CostLine]:
    return {line.name: line for line in made.lock.plan.cost.lines if line.component == component}


def test_they_are_filled_first_and_the_rest_is_bought_within_a_quota_that_they_do_not_use() -> None:
    """Two machines of 96 vCPUs are needed, the quota has room for one, and no disk is billed for the other."""
    (group,) = case().lock.plan.node_groups
    assert (group.instance_type, group.max_nodes, group.owned, group.existing) == ("p4de.24xlarge", 2, 1, 0)
    assert group.ways == "1 owned, 1 on-demand"
    lines = lines_of(case(), group.name)
    assert lines["p4de.24xlarge on-demand"].quantity == 730
    assert lines["root volumes"].quantity == 200
    (route,) = case().lock.plan.routes
    wanted = "1 × p4de.24xlarge are paid for already, used or not, and are filled first; 1 more must be bought"
    assert wanted in route.reasons
    assert arithmetic(case().lock.plan, case().wanted.environment) == ()


def test_each_part_of_their_cost_is_a_line_that_follows_by_hand_from_published_figures() -> None:
    """200,000 ÷ (5 · 8760) an hour; 6.5 kW · 1.54 · 730 h; 6.5 kW at 184.06; 6 % of 200,000 in twelve months."""
    (group,) = case().lock.plan.node_groups
    lines = {name.partition(", ")[2]: line for name, line in lines_of(case(), group.name).items() if "owned" in name}
    told = {name: (line.quantity, line.unit, line.usd_per_month) for name, line in lines.items()}
    assert told == {
        "capital": (730, "hour", Decimal("3333.33")),
        "energy": (Decimal("7307.3"), "kWh", Decimal("1050.06")),
        "space": (1, "month", Decimal("1196.39")),
        "staff": (1, "month", Decimal("1000.00")),
    }
    assert lines["energy"].source.startswith("assumed: EIA")
    assert lines["capital"].as_of == "2020-05-14"


def test_what_is_assumed_is_told_in_one_line_with_its_place_its_sources_and_its_keys() -> None:
    told = [v for v in case().lock.plan.verdicts if v.name == "owned machines" and "of your own are taken" in v.message]
    (verdict,) = told
    assert verdict.state == "warn"
    assert verdict.message.startswith(
        "prod.yaml:20: 8 × A100-80GB of your own are taken to be 1 machine like p4de.24xlarge"
    )
    for key in (
        "capital $200,000 (geektopia",
        "years 5 (",
        "energy.kw 6.5",
        "energy.pue 1.54",
        "$0.1437 (EIA",
        "space",
        "staff",
    ):
        assert key in verdict.message
    assert {key for key in case().lock.consulted.facts if key.startswith("owning/")} == {
        "owning/capital/A100-80GB",
        "owning/electricity/us",
        "owning/power/A100-80GB",
        "owning/rates/pue",
        "owning/rates/staff",
        "owning/rates/years",
        "owning/space/us",
    }


def test_that_they_cannot_join_eks_is_said_with_what_is_not_on_the_bill() -> None:
    (verdict,) = [v for v in case().lock.plan.verdicts if "EKS Hybrid Nodes" in v.message]
    assert verdict.state == "warn"
    assert "70,080 vCPU-hours" in verdict.message


def test_a_bill_or_a_group_that_forgets_them_does_not_add_up() -> None:
    made, environment = case().lock.plan, case().wanted.environment
    index = next(i for i, line in enumerate(made.cost.lines) if line.name.endswith("owned, energy"))
    assert {p.code for p in arithmetic(bent(made, {f"cost/lines/{index}/price": "x"}), environment)} == {"CHK007"}
    assert "CHK007" in {p.code for p in arithmetic(bent(made, {"node_groups/0/owned": 2}), environment)}
    stated = environment.purchase.owned[0].model_copy(update={"space": Decimal(2000)})
    other = environment.model_copy(update={"purchase": environment.purchase.model_copy(update={"owned": (stated,)})})
    assert [p.message for p in arithmetic(made, other)] == [
        "8 × A100-80GB of `purchase.owned[0]`: their space costs $2000.00000000 a month; another price is billed"
    ]


def test_machines_that_carry_nothing_are_billed_whole_and_named() -> None:
    """8,760 ÷ (4 · 8760) · 730 = 182.50; 0.5 kW · 1.5 · 730 h · 0.20 = 109.50; 30; and nothing, as it is stated."""
    made = small.planned_text(f"{small.text()}\npurchase: {{owned: [{STATED}]}}\n")
    lines = lines_of(made, UNUSED)
    assert {name: line.usd_per_month for name, line in lines.items()} == {
        "g4dn.xlarge owned, capital, not used": Decimal("182.50"),
        "g4dn.xlarge owned, energy, not used": Decimal("109.50"),
        "g4dn.xlarge owned, space, not used": Decimal("30.00"),
        "g4dn.xlarge owned, staff, not used": Decimal("0.00"),
    }
    assert {(line.source, line.as_of) for line in lines.values()} == {("books", "2026-10-05")}
    assert made.lock.plan.cost.usd_per_month == small.planned().lock.plan.cost.usd_per_month + 322
    (unused,) = [v.message for v in made.lock.plan.verdicts if v.name == "existing machines"]
    assert unused.startswith("1 × g4dn.xlarge (owned) are paid for and not used: $322 a month")
    assert {v.state for v in made.lock.plan.verdicts if v.name == "owned machines"} == {"pass"}


@pytest.mark.parametrize(
    ("entry", "region", "message", "hint"),
    [
        (
            "gpu: H200, count: 8, energy: {kw: 10}",
            "us-east-1",
            "nobody published `capital`",
            "`capital: $200000` (of all)",
        ),
        ("gpu: H200, count: 8, capital: $300000", "us-east-1", "published `energy.kw`", "`energy: {kw: 6.5}` (of all)"),
        ("gpu: H100, count: 8", "eu-central-1", "`energy.usd_per_kwh` and `space`", "`space: $1200` (a month)"),
    ],
)
def test_what_nobody_published_is_one_error_with_its_line_and_the_key(
    entry: str, region: str, message: str, hint: str
) -> None:
    text = CASE.replace("gpu: A100-80GB, count: 8", entry).replace("us-east-1", region)
    text = text.replace("[use1-az2, use1-az4, use1-az6]", "[euc1-az2, euc1-az3]") if region != "us-east-1" else text
    (problem,) = refused(text)
    assert problem.code == "ENV002"
    assert message in problem.message
    assert hint in problem.hint
    assert problem.where is not None
    assert problem.where.line == 20


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("gpu: A100-80GB, count: 6", "no machine of the catalog has 6 × A100-80GB; others have 8"),
        ("gpu: A100-80GB, count: 8, gpus_per_machine: 4", "no machine of the catalog has 4 × A100-80GB; others have 8"),
        ("gpu: L40S, count: 6, gpus_per_machine: 4", "6 × L40S do not make whole machines of 4"),
        ("gpu: A100-80, count: 8", "no machine of the catalog has a `A100-80`"),
    ],
)
def test_machines_that_are_like_none_of_the_catalog_are_one_error(entry: str, message: str) -> None:
    (problem,) = refused(CASE.replace("gpu: A100-80GB, count: 8", entry))
    assert (problem.code, problem.message) == ("ENV006", message)
    assert problem.hint


def test_the_loss_of_a_zone_is_not_planned_for_with_machines_that_stand_in_none() -> None:
    text = CASE.replace("  region: us-east-1\n", "  region: us-east-1\n  nat: per-zone\n") + "reserve: {zone: true}\n"
    (problem,) = refused(text)
    assert problem.code == "ENV005"
    assert "`purchase.owned` stand in no zone" in problem.message


def test_the_largest_machine_that_divides_the_count_is_taken_and_the_smallest_of_these() -> None:
    found = cost_of(OwnedMachines(gpu="L40S", count=12, capital="$1", energy=Energy(kw=1), space="$1", staff="$1"))
    assert isinstance(found, Owned)
    assert (found.like.gpu_count, found.machines) == (4, 3)
    assert found.like.vcpu == min(i.vcpu for i in CATALOG.instances.values() if (i.gpu, i.gpu_count) == ("L40S", 4))
    assert [each.key for each in found.assumed] == ["years", "energy.pue", "energy.usd_per_kwh"]


def test_a_published_figure_of_eight_is_shared_by_the_count() -> None:
    found = cost_of(OwnedMachines(gpu="A100-80GB", count=16))
    assert isinstance(found, Owned)
    assert {a.key: a.words for a in found.assumed}["capital"] == "$400,000"
    one = cost_of(OwnedMachines(gpu="A100-80GB", count=8))
    assert isinstance(one, Owned)
    assert found.parts == one.parts
    assert found.machines == 2


CLUSTER = """\
version: 1
platform:
  region: us
  cluster:
    context: berlin
    network_policies: enforced
    nodes:
      p4de.24xlarge: {labels: {rack: a}}
    weights: {volume_claim: models}
"""


def test_on_a_cluster_that_is_there_they_are_found_by_their_labels() -> None:
    rest = CASE.partition("horizon:")
    text = CLUSTER + "horizon:" + rest[2].replace("quotas: {G: 0, P: 96}\n", "")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "prod.yaml").write_text(text, encoding="utf-8")
        assert Workspace(Path(folder)).wanted("prod").environment.purchase.owned[0].gpu == "A100-80GB"
    assert [p.message for p in refused(text.replace("p4de.24xlarge: {", "p4d.24xlarge: {"))] == [
        "nobody says how many nodes of `p4d.24xlarge` there are and what they cost",
        "nobody says which nodes of the cluster are like `p4de.24xlarge`",
    ]
