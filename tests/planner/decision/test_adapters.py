"""Adapters end to end: tenants' routes with adapters of one model share a pool, and each asks it for its own.

From the own catalog through the plan, the lock, the gateway's policy and the engine's clock to the arguments of vLLM.
"""

from __future__ import annotations

import json
import tempfile
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from gateway.document import parse_policy
from infra.values import own_places, vllm
from planner.documents.arithmetic import arithmetic
from planner.documents.changes import change_words
from planner.documents.diff import compare
from planner.documents.lock import Lock, is_whole, load, render
from planner.documents.routing import clock, policy
from planner.edges.catalog_files import load_catalog
from planner.edges.planning import Planned, plan
from planner.edges.workspace import Workspace
from planner.performance.adapters import SLOWER, adapter_bytes
from planner.words.diagnostics import Problems
from tests.charts.rendering import container
from tests.charts.rendering import render as rendered
from tests.planner import small
from tests.planner.edges.test_own_adapters import ROW, write
from tests.planner.plans import edited
from twin.engine.clock import EngineClock

pytestmark = pytest.mark.usefixtures("alone")

BASE = "llama-3.1-8b-instruct"
HEAD, TAIL = small.text().partition("routes:\n")[0], small.text()[small.text().index("api:\n") :]


def route(name: str, accept: str, data: str = "internal") -> str:
    """A route of the small environment."""
    return f"""\
  {name}:
    traffic:
      requests_per_second: {{mean: 0.5}}
    tokens:
      input: {{mean: 1155, p95: 4000}}
      output: {{mean: 211, p95: 451}}
    slo: {{ttft_p95: {{base: 1200ms, per_1k_input: 300ms}}, tpot_p95: 60ms}}
    data: {data}
    quality:
      accept: [{accept}]
      source: own evaluation
      date: 2026-11-01

"""


def environment(*routes: str) -> str:
    """An environment of these routes."""
    return HEAD + "routes:\n" + "".join(routes) + TAIL


TENANTS = environment(route("legal", "acme-legal"), route("plain", BASE), route("support", "acme-support"))


def workspace(folder: Path, text: str, lock: Lock | None = None) -> Workspace:
    """A folder with the environment and three adapters, of which no two lie in one place."""
    for name, rank in (("acme-legal", 8), ("acme-support", 16), ("acme-moe", 8)):
        row = ROW.replace("support/v1", f"{name}/v1").replace("rank: 16", f"rank: {rank}")
        write(folder, name, row.replace(BASE, "gpt-oss-20b") if name == "acme-moe" else row)
    return small.workspace(folder, text, lock)


def planned(text: str) -> Planned:
    """The first plan of an environment beside the adapters."""
    with tempfile.TemporaryDirectory() as folder:
        return plan(workspace(Path(folder), text), "small")


@lru_cache(maxsize=1)
def tenants() -> Planned:
    """The plan of two tenants with adapters and of a route to the model itself."""
    return planned(TENANTS)


def test_the_routes_of_all_tenants_and_of_the_model_itself_share_one_pool() -> None:
    (pool,) = tenants().lock.plan.pools
    assert pool.model == BASE
    assert "lora" in pool.name.split("-")
    assert [(each.name, each.rank) for each in pool.adapters] == [("acme-legal", 8), ("acme-support", 16)]
    assert (pool.engine.max_loras, pool.engine.max_lora_rank) == (2, 16)
    asked = {each.name: each.adapters for each in tenants().lock.plan.routes}
    assert asked == {"legal": {pool.name: "acme-legal"}, "plain": {}, "support": {pool.name: "acme-support"}}
    assert {each.route for each in pool.capacity} == {"legal", "plain", "support"}
    assert {each.provenance for each in pool.capacity} == {"analytic"}


def test_the_plan_says_what_its_speed_rests_on_and_which_rows_it_used() -> None:
    lock = tenants().lock
    (told,) = (each for each in lock.plan.verdicts if each.name == "adapters")
    assert told.state == "warn"
    assert "acme-legal (rank 8), acme-support (rank 16)" in told.message
    assert "1.5 times as long (vllm-project/vllm pull request 11267, 2024-12-17)" in told.message
    assert not [each for each in lock.plan.verdicts if each.name == "provenance"]
    (own,) = (each for each in lock.plan.verdicts if each.name == "own catalog")
    assert own.message == "adapter acme-legal of 2026-11-20; adapter acme-support of 2026-11-20"
    assert {"adapter/acme-legal", "adapter/acme-support", f"model/{BASE}"} <= set(lock.consulted.facts)
    assert "adapter/acme-moe" not in lock.consulted.facts


def test_slots_and_slower_steps_are_what_sets_it_apart_from_a_pool_of_the_model_itself() -> None:
    """One GPU, one layout: each step is longer by the factor and the ratio of margins alone."""
    (adapted,) = tenants().lock.plan.pools
    rules = f"\nhardware: {{only: [{adapted.gpu}, {adapted.format}, tp1]}}\n"
    plain = planned(environment(route("plain", BASE)) + rules).lock.plan.pools[0]
    assert (plain.gpu, plain.format, plain.engine.gpus) == (adapted.gpu, adapted.format, adapted.engine.gpus)
    assert plain.adapters == ()
    ratio = float(adapted.clock.dense_read_ms / plain.clock.dense_read_ms)
    assert ratio >= SLOWER * (1 - 1e-4)
    assert float(adapted.clock.overhead_ms / plain.clock.overhead_ms) == pytest.approx(ratio, rel=1e-4)
    slots = adapter_bytes(load_catalog().models[BASE].architecture, 2, 16, 1) / 2**30
    assert float(adapted.weights_gib_per_gpu - plain.weights_gib_per_gpu) == pytest.approx(slots, rel=1e-3)


def test_the_lock_round_trips_adds_up_and_is_stale_when_an_adapter_changes(tmp_path: Path) -> None:
    lock = tenants().lock
    again = load(render(lock), "small.lock.json")
    assert again == lock
    assert is_whole(again)
    assert arithmetic(again.plan, again.answered_environment()) == ()
    beside = workspace(tmp_path, TENANTS, lock)
    assert "LOCK010" not in {problem.code for problem in beside.judgement("small", date(2026, 12, 1))[1]}
    write(tmp_path, "acme-legal", ROW.replace("support/v1", "acme-legal/v2").replace("rank: 16", "rank: 8"))
    assert "LOCK010" in {problem.code for problem in beside.judgement("small", date(2026, 12, 1))[1]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pools/0/engine/max_loras": 1}, "has 2 adapters and 1 slots of rank 16"),
        ({"pools/0/engine/max_lora_rank": 8}, "has 2 adapters and 2 slots of rank 8"),
        ({"pools/0/adapters/0/name": "acme-support"}, "two of its models have one name"),
        ({"routes/0/adapters/POOL": "acme-support"}, "asks for adapter `acme-support`, which it does not accept"),
        ({"routes/0/adapters/POOL": "acme-other"}, "asks pool `POOL` for adapter `acme-other`, which it does not hold"),
        ({"routes/0/adapters": {"elsewhere": "acme-legal"}}, "asks pool `elsewhere` for adapter `acme-legal`"),
        ({"routes/0/adapters": {}}, f"asks pool `POOL` for `{BASE}` without an adapter, which it does not accept"),
    ],
)
def test_a_lock_in_which_a_tenant_would_get_anothers_answers_does_not_add_up(change: dict[str, Any], told: str) -> None:
    lock = tenants().lock
    name = lock.plan.pools[0].name
    values = edited(lock.plan.model_dump(mode="json"), {k.replace("POOL", name): v for k, v in change.items()})
    found = arithmetic(type(lock.plan).model_validate(values), lock.answered_environment())
    assert {problem.code for problem in found} == {"CHK012"}
    assert any(told.replace("POOL", name) in problem.message for problem in found)


def test_a_reviewer_sees_whose_adapter_a_route_asks_for_and_where_its_files_lie() -> None:
    lock = tenants().lock
    name = lock.plan.pools[0].name
    values = edited(
        lock.plan.model_dump(mode="json"),
        {f"routes/0/adapters/{name}": "acme-support", "pools/0/adapters/0/weights": "s3://acme-adapters/other"},
    )
    changed = lock.model_copy(update={"plan": type(lock.plan).model_validate(values)})
    told = {change_words(detail) for part in compare(lock, changed).parts for detail in part.details}
    assert told == {
        f'adapters.{name}: "acme-legal" → "acme-support"',
        'adapters.0.weights: "s3://acme-adapters/acme-legal/v1" → "s3://acme-adapters/other"',
    }


def test_the_gateway_asks_each_pool_by_the_name_of_the_routes_adapter() -> None:
    lock = tenants().lock
    (pool,) = lock.plan.pools
    loaded = parse_policy(json.dumps(policy(lock)).encode()).policy
    asked = {name: each.models.get(pool.name, loaded.pools[pool.name].model) for name, each in loaded.routes.items()}
    assert asked == {"legal": "acme-legal", "plain": pool.name, "support": "acme-support"}
    twin = EngineClock.model_validate(clock(pool))
    assert set(asked.values()) == {twin.model, *twin.adapters}


def test_a_policy_and_a_clock_without_adapters_say_nothing_of_them() -> None:
    lock = small.planned().lock
    assert all("models" not in entry for entry in policy(lock)["routes"].values())
    assert all("adapters" not in clock(pool) for pool in lock.plan.pools)
    assert not {"adapters", "max_loras", "max_lora_rank"} & set(render(lock).replace(":", '"').split('"'))


@pytest.mark.charts
def test_the_chart_starts_the_engine_with_the_adapters_of_the_lock() -> None:
    plan_ = tenants().lock.plan
    (pool,), (group,) = plan_.pools, plan_.node_groups
    values = vllm(pool, group, bucket="models", region="us-east-1", store_cidrs=["3.5.0.0/19"], image=None)
    arguments = container(rendered("vllm", values))["args"]
    place = arguments.index("--lora-modules")
    assert arguments[place + 1 : place + 3] == [f"{n}=/adapters/{n}" for n in ("acme-legal", "acme-support")]
    assert {"--enable-lora", "--max-loras=2", "--max-lora-rank=16", f"--served-model-name={pool.name}"} <= {*arguments}
    places = ("s3://acme-adapters/acme-legal/v1", "s3://acme-adapters/acme-support/v1")
    assert own_places(plan_.pools) == places
    assert tuple(each["source"] for each in values["adapters"]) == places


def test_restricted_tenants_share_private_pools_alone() -> None:
    text = environment(
        route("legal", "acme-legal", "restricted"), route("support", "acme-support"), route("plain", BASE)
    )
    lock = planned(text).lock
    holding = {each.name: {a.name for a in pool.adapters} for pool in lock.plan.pools for each in [pool]}
    private = [pool for pool in lock.plan.pools if pool.privacy == "restricted"]
    assert [holding[pool.name] for pool in private] == [{"acme-legal"}]
    assert private[0].name.endswith("private")
    assert all("acme-legal" not in names for name, names in holding.items() if name != private[0].name)
    assert arithmetic(lock.plan, lock.answered_environment()) == ()


@pytest.mark.parametrize(
    ("accept", "asked", "told"),
    [
        (f"acme-support, {BASE}", "acme-support", []),
        (f"{BASE}, acme-support", None, ["one accepts acme-support too; its requests ask for the model itself"]),
        ("acme-legal, acme-support", "acme-legal", ["one accepts acme-support too; its requests ask for acme-legal"]),
    ],
)
def test_of_a_model_and_its_adapters_the_first_of_the_list_is_asked_for(
    accept: str, asked: str | None, told: list[str]
) -> None:
    lock = planned(environment(route("one", accept), route("other", "acme-legal"))).lock
    (one,) = (each for each in lock.plan.routes if each.name == "one")
    adapted = {pool.name for pool in lock.plan.pools if "lora" in pool.name.split("-")}
    used = {name for band in one.bands for name in band.weights}
    assert used & adapted
    assert {one.adapters.get(name) for name in used & adapted} <= {asked}
    assert all(one.adapters.get(name) is None for name in used - adapted)
    spare = [v.message for v in lock.plan.verdicts if v.name == "adapters" and v.state == "pass"]
    assert [message.partition(", which")[0] for message in spare] == told
    held = {a.name for pool in lock.plan.pools if pool.name in used & adapted for a in pool.adapters}
    assert not held or held == {"acme-legal", "acme-support"}
    assert arithmetic(lock.plan, lock.answered_environment()) == ()


def test_an_adapter_of_a_model_with_experts_falls_by_name() -> None:
    with pytest.raises(Problems) as refused:
        planned(environment(route("one", "acme-moe")))
    (problem,) = refused.value.problems
    assert problem.code == "INF001"
    assert "planned with adapters" in problem.message
