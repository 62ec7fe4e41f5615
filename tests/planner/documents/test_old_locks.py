"""Locks of format 1.0, as release 0.1 wrote them: they load, their digests hold, and they say what 0.1 built."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.documents.arithmetic import arithmetic
from planner.documents.diff import compare
from planner.documents.lock import Lock, content_digest, is_whole, load, render, says_the_same
from planner.documents.old_locks import COLUMNS_SINCE, in_todays_form
from planner.edges.catalog_files import load_catalog
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problems
from tests.examples import ENVIRONMENTS
from tests.planner.documents.leaves import keys_of, leaves, other
from tests.planner.plans import edited

FOLDER = Path(__file__).resolve().parents[2] / "data" / "locks" / "1.0"
NAMES = ("dev", "staging", "prod")


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.lock.json").read_text(encoding="utf-8")


def old(name: str) -> Lock:
    return load(text_of(name), f"{name}.lock.json")


def digest_holds(lock: Lock) -> bool:
    return content_digest(lock.model_dump(mode="json")) == lock.digests.content


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_its_digest_holds(name: str) -> None:
    lock = old(name)
    assert json.loads(text_of(name))["format_version"] == lock.format_version == "1.0"
    assert digest_holds(lock)
    assert arithmetic(lock.plan, lock.answered_environment()) == ()


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_of_any_value_breaks_the_digest(name: str) -> None:
    """Of the solver's report too, which that format's digest covers."""
    values = json.loads(text_of(name))
    checked = refused = 0
    for path, value in leaves(values):
        if path == ("digests", "content"):
            continue
        text = json.dumps(edited(values, {keys_of(path): other(value)}))
        try:
            assert not digest_holds(load(text, "edited.lock.json")), path
            checked += 1
        except Problems:
            refused += 1
    assert checked > 200
    assert refused < checked / 3


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_its_platform_says_what_release_0_1_built(name: str) -> None:
    """Two m6a.large with 30 GB each, one NAT gateway in the first zone, a key, and two groups of logs."""
    plan = old(name).plan
    cluster = plan.platform.cluster
    assert cluster is not None
    assert cluster.model_dump(mode="json") == {
        "system_nodes": {"instance_type": "m6a.large", "nodes": 2, "disk_gb": 30},
        "nat_zones": [plan.platform.zones[0]],
        "keys": [{"name": "secrets", "deletion_days": 30}],
        "log_groups": [
            {"name": "control-plane", "retention_days": 90, "gb_per_month": "12"},
            {"name": "network-flows", "retention_days": 30, "gb_per_month": "8"},
        ],
        "model_bucket": {"weights_gb": "0", "old_version_days": 30},
    }
    assert {group.disk_gb for group in plan.node_groups} == {200}
    assert {api.protocol for api in plan.apis} == {"openai"}
    billed = {line.name: line.quantity for line in plan.cost.lines if line.component == "platform"}
    assert billed["system nodes (2 × m6a.large)"] == cluster.system_nodes.nodes * 730
    assert billed["system node volumes"] == cluster.system_nodes.nodes * cluster.system_nodes.disk_gb
    assert billed["NAT gateways"] == len(cluster.nat_zones) * 730
    assert billed["encryption key"] == len(cluster.keys)
    assert billed["control-plane and flow logs"] == sum(group.gb_per_month for group in cluster.log_groups)
    for group in plan.node_groups:
        (disk,) = [e.quantity for e in plan.cost.lines if e.component == group.name and e.price.endswith("gp3-storage")]
        assert disk == group.max_nodes * group.disk_gb


def test_a_plan_without_machines_had_no_cluster() -> None:
    assert old("dev").plan.pools == ()
    assert old("dev").plan.platform.cluster is None


@pytest.mark.parametrize(("nat", "zones"), [("none", 0), ("single", 1), ("per-zone", 3)])
def test_gateways_stood_where_the_environment_wanted_them(nat: str, zones: int) -> None:
    values = edited(json.loads(text_of("prod")), {"plan/platform/nat": nat})
    cluster = Lock.model_validate(in_todays_form(values)).plan.platform.cluster
    assert cluster is not None
    assert cluster.nat_zones == old("prod").plan.platform.zones[:zones]


def test_locks_of_today_are_left_as_they_are() -> None:
    values = json.loads(Workspace(ENVIRONMENTS).lock_path("prod").read_text(encoding="utf-8"))
    assert values["format_version"] != "1.0"
    assert in_todays_form(values) == values


@pytest.mark.parametrize(
    "broken",
    [
        {"format_version": "1.0"},
        {"format_version": "1.0", "plan": []},
        {"format_version": "1.0", "plan": {"platform": 3, "node_groups": [1], "apis": {"a": 1}}},
        {"format_version": "1.0", "plan": {"platform": {"zones": None}, "pools": [1]}},
    ],
)
def test_a_broken_one_is_told_and_does_not_crash(broken: dict[str, Any]) -> None:
    with pytest.raises(Problems) as caught:
        load(json.dumps(broken), "prod.lock.json")
    assert {problem.code for problem in caught.value.problems} == {"LOCK003"}


@pytest.mark.parametrize("name", NAMES)
def test_the_difference_to_a_lock_of_today_adds_up(name: str) -> None:
    base, proposed = old(name), Workspace(ENVIRONMENTS).existing_lock(name)
    diff = compare(base, proposed)
    assert diff.delta == proposed.plan.cost.usd_per_month - base.plan.cost.usd_per_month
    assert diff.by_inputs + diff.by_prices == diff.delta == sum((line.delta for line in diff.lines), Decimal(0))


def test_the_same_plan_in_both_formats_touches_nothing() -> None:
    """What 1.1 says of the cluster is what 0.1 built, so that going over to it redeploys nothing."""
    base = old("prod")
    assert compare(base, base.model_copy(update={"format_version": "1.1"})).empty


@pytest.mark.parametrize("name", NAMES)
def test_corrected_facts_alone_make_it_stale_beside_its_environment(name: str, tmp_path: Path) -> None:
    """Its environment is the one it was planned for, key by key. But each of these locks rests on a provider of which
    0.1 did not know where it processes requests, and that of prod on a model whose end is known now.
    """
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(old(name).environment))
    (tmp_path / f"{name}.lock.json").write_text(text_of(name))
    lock, problems = Workspace(tmp_path).judgement(name, date.fromisoformat(old(name).consulted.snapshot))
    assert lock.format_version == "1.0"
    ended = name == "prod"
    told = {(problem.code, problem.severity) for problem in problems}
    assert told == {("LOCK020", "warning"), ("LOCK010", "error"), *([("LOCK014", "error")] if ended else [])}
    stale = [problem.message for problem in problems if problem.code == "LOCK010"]
    assert stale == ["stale: catalog facts that the plan rests on have changed"]
    (end,) = [problem.message for problem in problems if problem.code == "LOCK014"] or [""]
    assert ("google/gemini-2.5-flash ends on 2026-12-01, inside the horizon (to 2027-12-01)" in end) == ended


AS_IN_0_1: dict[str, dict[str, Any]] = {
    "api/google/gemini-2.5-flash": {"retires": None},
    "provider/google": {"residency": None},
    "provider/groq": {"residency": None, "trains_on_data": None},
    "provider/openai": {
        "residency": None,
        "hipaa": None,
        "source": "archive.fo/xXsg7 = OpenAI data controls page 2025-11-25; spybara.com copy 2026-04; "
        "address: provider's API reference",
        "as_of": "2026-04",
    },
}
"""What release 0.1 said where the catalog says something else since: residency, terms and ends that were not known."""


@pytest.mark.parametrize("name", NAMES)
def test_every_other_fact_that_it_rests_on_is_as_it_was(name: str) -> None:
    """Columns that rows gained since do not count: with the corrections taken back, the digest is that of 0.1.

    Release 0.1 had the zones of its two regions in the rows of instance types.
    """
    lock, catalog = old(name), load_catalog()
    corrected = {key: {**catalog.rows[key], **values} for key, values in AS_IN_0_1.items()}
    for key in catalog.instances:
        sold = {region: catalog.regions[region].zones_of(key) for region in ("us-east-1", "us-west-2")}
        zones = {region: list(found) for region, found in sold.items() if found}
        corrected[f"instance/{key}"] = {**catalog.rows[f"instance/{key}"], "zones": zones}
    as_it_was = replace(catalog, rows={**catalog.rows, **corrected})
    assert as_it_was.facts_digest(lock.consulted.facts, COLUMNS_SINCE) == lock.digests.facts


@pytest.mark.parametrize("path", ["plan/platform/cluster", "plan/node_groups/0/disk_gb", "plan/apis/0/protocol"])
def test_keys_of_later_formats_are_refused(path: str) -> None:
    text = json.dumps(edited(json.loads(text_of("prod")), {path: "5000"}))
    with pytest.raises(Problems, match="LOCK003"):
        load(text, "prod.lock.json")


def test_what_the_old_format_wrote_beside_it_touches_nothing() -> None:
    """The same plan without keys that 1.1 no longer has: a deployment of it touches nothing."""
    values = json.loads(text_of("prod"))
    for pool in values["plan"]["pools"]:
        del pool["adapters"], pool["replicas"]["schedule"]
    assert compare(old("prod"), load(json.dumps(values), "prod.lock.json")).parts == ()


def of_1_1() -> Lock:
    return load((FOLDER.parent / "1.1" / "prod.lock.json").read_text(encoding="utf-8"), "prod.lock.json")


def test_a_lock_of_format_1_1_loads_and_its_digest_holds() -> None:
    lock = of_1_1()
    assert lock.format_version == "1.1"
    assert is_whole(lock)
    assert arithmetic(lock.plan, lock.answered_environment()) == ()
    assert lock.plan.solver.bound_usd_per_month == lock.plan.cost.usd_per_month


def shortened(lock: Lock) -> Lock:
    """The lock as today's format writes it: nothing of a band that an API takes whole, and no bound."""
    values = lock.model_dump(mode="json")
    del values["plan"]["solver"]["bound_usd_per_month"]
    for route in values["plan"]["routes"]:
        for band in route["bands"]:
            if band["api_share"] == "1":
                assert set(band["spill_by_level"].values()) == {"1"}
                band["spill_by_level"] = {}
    values["format_version"] = "1.2"
    values["digests"]["content"] = content_digest(values)
    return Lock.model_validate(values)


def test_a_lock_of_format_1_1_says_the_same_as_one_of_today_and_today_s_is_shorter() -> None:
    lock = of_1_1()
    short = shortened(lock)
    assert says_the_same(lock, short)
    assert arithmetic(short.plan, short.answered_environment()) == ()
    assert compare(lock, short).empty
    levels = [level.name for level in lock.plan.levels]
    for old_route, route in zip(lock.plan.routes, short.plan.routes, strict=True):
        for old_band, band in zip(old_route.bands, route.bands, strict=True):
            assert [band.spilled(name) for name in levels] == [old_band.spilled(name) for name in levels]
    assert len(render(short).splitlines()) < len(render(lock).splitlines()) - 15


def test_another_share_of_a_band_says_something_else_in_either_format() -> None:
    values = shortened(of_1_1()).model_dump(mode="json")
    (band,) = [band for band in values["plan"]["routes"][0]["bands"] if band["api_share"] == "1"]
    band["spill_by_level"] = {"peak": "0.5"}
    values["digests"]["content"] = content_digest(values)
    assert not says_the_same(of_1_1(), Lock.model_validate(values))


def test_a_lock_of_format_1_0_never_says_the_same_as_a_later_one() -> None:
    base = old("prod")
    values = base.model_dump(mode="json") | {"format_version": "1.1"}
    values["digests"]["content"] = content_digest(values)
    assert not says_the_same(base, Lock.model_validate(values))
