"""The three worked environments as acceptance tests: what their committed plans must be, whatever the figures are."""

from __future__ import annotations

import datetime
import itertools
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import pytest

from planner.documents.diff import compare
from planner.documents.lock import Lock, load, render, says_the_same
from planner.edges import planning
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.edges.workspace import Workspace
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute
from tests.examples import ENVIRONMENTS, ROOT

WORKED = Workspace(ENVIRONMENTS)
NAMES = ("dev", "staging", "prod")
RAW = ROOT.parent / "shared" / "data" / "traces"
GAP = Decimal("0.01")
"""How far from the optimum a plan may be."""
RATE = re.compile(r"requests_per_second: \{mean: ([0-9.]+)\}")


@lru_cache(maxsize=3)
def committed(name: str) -> Lock:
    """The lock as it is committed."""
    lock = WORKED.existing_lock(name)
    assert lock.name == name
    return lock


@lru_cache(maxsize=3)
def planned(name: str) -> Lock:
    """The plan that these inputs give now, beside the committed lock."""
    return planning.plan(WORKED, name).lock


def replanned(folder: Path, name: str, text: str, prior: Lock | None = None) -> Lock:
    """The lock of another text of an environment."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    if prior is not None:
        (folder / f"{name}.lock.json").write_text(render(prior), encoding="utf-8")
    return planning.plan(Workspace(folder), name).lock


def text_of(name: str) -> str:
    return WORKED.environment_path(name).read_text(encoding="utf-8")


def hybrids(plan: Plan) -> list[PlannedRoute]:
    return [route for route in plan.routes if 0 < route.spill_share < 1]


def alternative(plan: Plan, name: str) -> Decimal | None:
    (found,) = [other.usd_per_month for other in plan.baselines if other.name == name]
    return found


def same_versions(lock: Lock) -> bool:
    """Whether this solver and Python are those that wrote the committed lock: a lock names them."""
    return lock.plan.solver.versions == planned(lock.name).plan.solver.versions


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_lock_may_be_deployed(name: str) -> None:
    # The snapshot's day, not today: a model that retires one day must not fail this.
    day = datetime.date.fromisoformat(committed(name).consulted.snapshot)
    lock, problems = WORKED.judgement(name, day)
    assert lock == load(WORKED.lock_path(name).read_text(encoding="utf-8"), name)
    assert problems == ()


@pytest.mark.parametrize("name", NAMES)
def test_planning_again_gives_the_committed_bytes(name: str) -> None:
    """On any processor; with another solver or Python, all of them but the lines that name these."""
    lock = committed(name)
    assert says_the_same(planned(name), lock)
    assert planned(name).digests == lock.digests
    if same_versions(lock):
        assert render(planned(name)) == WORKED.lock_path(name).read_text(encoding="utf-8")


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    command = [sys.executable, "-m", "planner.cli.main", "plan", str(WORKED.environment_path("prod"))]
    command += ["--dry-run", "--format", "json"]
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = os.environ | {"PYTHONHASHSEED": seed}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert render(Lock.model_validate_json(ended.stdout)) == render(planned("prod"))


@pytest.mark.parametrize("name", NAMES)
def test_the_solver_kept_its_limits(name: str) -> None:
    solver = committed(name).plan.solver
    assert (solver.status, solver.gap) == ("proven optimal", Decimal(0))
    assert solver.classes <= 40
    assert solver.options["mip_max_nodes"]
    assert solver.versions["highs"]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_the_bill_has_its_price_in_the_snapshot(name: str) -> None:
    lock = committed(name)
    prices = load_catalog(lock.consulted.snapshot).prices
    for line in lock.plan.cost.lines:
        price = prices.price(line.price)
        assert price is not None, line.price
        assert (line.unit_price, line.unit) == (price.usd, price.unit)
        assert (line.as_of, line.source) == (price.as_of, price.source)
        assert line.source
        assert line.price in lock.consulted.prices
    assert sum(line.usd_per_month for line in lock.plan.cost.lines) == lock.plan.cost.usd_per_month


@pytest.mark.parametrize("name", NAMES)
def test_every_capacity_says_where_it_comes_from(name: str) -> None:
    for pool in committed(name).plan.pools:
        assert pool.capacity
        for capacity in pool.capacity:
            assert capacity.provenance == load_coefficients().provenance(pool.gpu)
            assert capacity.low <= capacity.requests_per_second <= capacity.high
            assert capacity.binding


@pytest.mark.parametrize("name", NAMES)
def test_every_target_is_kept_where_it_is_predicted(name: str) -> None:
    plan = committed(name).plan
    slos = {route.name: route.slo for route in plan.routes}
    for pool in plan.pools:
        for capacity in pool.capacity:
            target = slos[capacity.route].tpot_p95_ms
            assert target is None or capacity.tpot_p95_ms <= target
        assert pool.peak_utilization <= Decimal("1.001")


@pytest.mark.parametrize("name", NAMES)
def test_restricted_data_has_pools_of_its_own_and_no_api(name: str) -> None:
    plan = committed(name).plan
    groups = {group.name: group for group in plan.node_groups}
    restricted = [route for route in plan.routes if route.privacy == "restricted"]
    for route in restricted:
        assert route.fallback == ()
        assert route.spill_share == 0
        assert all(not band.api_share and not any(band.spill_by_level.values()) for band in route.bands)
    for pool in plan.pools:
        if pool.privacy == "restricted":
            assert groups[pool.node_group].exclusive
            assert groups[pool.node_group].max_nodes >= 2
            assert {pool.name} == {p for place in groups[pool.node_group].placement for p in place.replicas}


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_is_no_dearer_than_its_baselines(name: str) -> None:
    plan = committed(name).plan
    for usd in (alternative(plan, "all API"), alternative(plan, "self-host only")):
        assert usd is None or plan.cost.usd_per_month <= usd * (1 + GAP)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_known_costs_money(name: str) -> None:
    """Plans with pools say what they would cost without a margin, which is never more."""
    plan = committed(name).plan
    assert ("no uncertainty margin" in {other.name for other in plan.baselines}) == bool(plan.pools)
    if plan.pools:
        without = alternative(plan, "no uncertainty margin")
        assert without is not None
        assert without <= plan.cost.usd_per_month * (1 + GAP)


@pytest.mark.parametrize("name", NAMES)
def test_more_load_never_costs_less(name: str) -> None:
    points = committed(name).plan.break_even
    assert len({point.scale for point in points}) == len(points) >= 8
    assert [point.scale for point in points] == sorted(point.scale for point in points)
    for less, more in itertools.pairwise(points):
        assert less.usd_per_month <= more.usd_per_month * (1 + GAP)
    for point in points:
        if point.all_api_usd_per_month is not None:
            assert point.usd_per_month <= point.all_api_usd_per_month * (1 + GAP)


def test_dev_needs_nothing_but_an_api() -> None:
    plan = committed("dev").plan
    assert (plan.pools, plan.node_groups) == ((), ())
    assert all(route.spill_share == 1 and route.fallback for route in plan.routes)
    assert plan.cost.fixed_usd_per_month == 0
    (told,) = [other for other in plan.baselines if other.name == "self-host only"]
    assert told.usd_per_month is None
    assert "the budget would have to be" in told.description


def test_prod_holds_a_restricted_pool_and_a_hybrid_route() -> None:
    plan = committed("prod").plan
    assert any(pool.privacy == "restricted" for pool in plan.pools)
    assert hybrids(plan)
    for route in hybrids(plan):
        assert route.fallback
        assert any(band.weights for band in route.bands)
    assert len(plan.levels) >= 6


def test_prod_cannot_go_to_apis_alone_within_its_budget() -> None:
    (told,) = [other for other in committed("prod").plan.baselines if other.name == "all API"]
    assert told.usd_per_month is None
    assert "API budget" in told.description


def test_at_a_fifth_of_the_load_the_hybrid_routes_of_prod_are_api() -> None:
    plan = committed("prod").plan
    (fifth,) = [point for point in plan.break_even if point.scale == Decimal("0.2")]
    assert {fifth.routes[route.name] for route in hybrids(plan)} == {"api"}
    (whole,) = [point for point in plan.break_even if point.scale == 1]
    assert {whole.routes[route.name] for route in hybrids(plan)} == {"hybrid"}


def test_a_fifth_of_prod_planned_by_itself_agrees(tmp_path: Path) -> None:
    """A point of the break-even is the plan of that load, to the cent."""
    fifth = RATE.sub(lambda match: f"requests_per_second: {{mean: {float(match[1]) / 5:g}}}", text_of("prod"))
    plan = replanned(tmp_path / "fifth", "prod", fifth).plan
    shares = {route.name: route.spill_share for route in plan.routes}
    assert {shares[route.name] for route in hybrids(committed("prod").plan)} == {Decimal(1)}
    (point,) = [point for point in committed("prod").plan.break_even if point.scale == Decimal("0.2")]
    assert plan.cost.usd_per_month == point.usd_per_month


def test_more_chat_scales_only_what_the_diff_says(tmp_path: Path) -> None:
    before = committed("prod")
    text = text_of("prod")
    chat = RATE.search(text, text.index("\n  chat:"))
    assert chat is not None
    more = f"requests_per_second: {{mean: {float(chat[1]) * 1.8:g}}}"
    proposed = replanned(tmp_path / "more", "prod", text[: chat.start()] + more + text[chat.end() :], before)
    diff = compare(before, proposed)
    assert [change.path for change in diff.inputs] == [("routes", "chat", "traffic", "requests_per_second", "mean")]
    assert diff.delta > 0
    resized = _sizes(before.plan) ^ _sizes(proposed.plan)
    said = {part.name for part in diff.parts if part.kind == "pool"}
    assert {name for name, _ in resized} <= said
    for pool in before.plan.pools:
        if pool.privacy == "restricted":
            assert pool.name not in said
    restricted = [group for group in before.plan.node_groups if group.exclusive]
    assert restricted
    assert [group for group in proposed.plan.node_groups if group.exclusive] == restricted


def _sizes(plan: Plan) -> set[tuple[str, int]]:
    return {(pool.name, pool.replicas.max) for pool in plan.pools}


@pytest.mark.skipif(not RAW.is_dir(), reason="the raw traces are not beside this checkout")
def test_the_raw_trace_gives_the_same_plan(tmp_path: Path) -> None:
    text = text_of("prod")
    for name, file in (("conv", "AzureLLMInferenceTrace_conv.csv"), ("code", "AzureLLMInferenceTrace_code.csv")):
        assert f"trace: azure-{name}-2023" in text
        text = text.replace(f"trace: azure-{name}-2023", f"trace: {file}")
        (tmp_path / "raw").mkdir(exist_ok=True)
        shutil.copy(RAW / file, tmp_path / "raw")
    plan = replanned(tmp_path / "raw", "prod", text, committed("prod")).plan
    assert plan.cost == planned("prod").plan.cost
    assert plan == planned("prod").plan
