"""Lock → script: the share of the fleet, its traffic, the pool that dies, and documents that the programs accept."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.document import parse_policy
from planner.documents import staging
from planner.documents.environment_file import environment_of
from planner.documents.rehearsal import RehearsalStage, Script
from planner.documents.staging import RehearsalSettings
from planner.domain.traces import Excerpt
from planner.domain.workload import Mix
from planner.edges.trace_files import shipped_trace
from planner.plan.traffic import DeferredWork, RouteBand, TooLongRequests
from planner.words.spans import read
from tests.infra import locks
from tests.planner import small
from twin.api.offers import Offers
from twin.engine.clock import EngineClock

EXCERPT = Excerpt(0, tuple((index * 500, 400, 100) for index in range(600)))
MIX = Mix(input_tokens=(500.0,), output_tokens=(100.0,), weights=(1.0,))
SOURCES: dict[str, Excerpt | Mix] = {"chat": EXCERPT, "code": EXCERPT, "extraction": MIX}


def script(plan: Any = None, **settings: Any) -> Script:
    return staging.script(
        locks.sealed(plan or locks.plan()), SOURCES, dataclasses.replace(RehearsalSettings(), **settings)
    )


def stage(staged: Script) -> RehearsalStage:
    replicas = {
        pool.name: [f"http://127.0.0.1:{20000 + 100 * index + replica}" for replica in range(pool.replicas)]
        for index, pool in enumerate(staged.pools)
    }
    return RehearsalStage(replicas, "http://127.0.0.1:29999")


def test_all_of_a_fleet_that_fits() -> None:
    """12 requests/s at ten-fold speed are 120 a second on the wall."""
    staged = script(requests_per_second=120.0)
    assert {pool.name: (pool.replicas, pool.planned_replicas) for pool in staged.pools} == {
        "chat-1xl40s": (4, 4),
        "code-2xl40s": (2, 2),
        "extraction-1xl40s": (2, 2),
    }
    assert {promise.share for promise in staged.routes} == {1.0}
    assert sum(arrival.route == "chat" for arrival in staged.arrivals) == 2400  # 8/s for 300 s
    assert sum(arrival.route == "code" for arrival in staged.arrivals) == 600


def test_a_share_of_one_that_does_not() -> None:
    staged = script(requests_per_second=60.0)
    assert [pool.replicas for pool in staged.pools] == [2, 1, 1]
    assert {promise.share for promise in staged.routes} == {0.5}
    assert sum(arrival.route == "chat" for arrival in staged.arrivals) == 1200


def test_traffic_follows_the_replicas_that_can_be_staged() -> None:
    """A third of four replicas is one: a quarter of the traffic, not a third."""
    staged = script(requests_per_second=40.0)
    shares = {promise.name: promise.share for promise in staged.routes}
    assert shares == {"chat": 0.25, "code": 0.5, "extraction": 0.5}


def test_a_stage_that_is_still_too_large_runs_slower() -> None:
    """One replica of each pool carries 4 requests/s in all; 20 a second on the wall are five-fold speed."""
    staged = script(requests_per_second=20.0)
    assert [pool.replicas for pool in staged.pools] == [1, 1, 1]
    assert staged.speed == 5.0
    loaded = parse_policy(json.dumps(staged.policy(stage(staged))).encode())
    assert loaded.policy.routes["chat"].spill_after_ms == 500


def test_the_documents_are_what_the_programs_read() -> None:
    staged = script(requests_per_second=60.0)
    loaded = parse_policy(json.dumps(staged.policy(stage(staged))).encode())
    assert loaded.policy.routes["chat"].spill_after_ms == 250  # a tenth
    assert loaded.policy.routes["extraction"].fallback == ()
    assert len(loaded.policy.pools["chat-1xl40s"].endpoints or ()) == 2
    assert loaded.policy.apis["openai.gpt-6-luna"].base_url == "http://127.0.0.1:29999/openai/v1"
    offers = Offers.model_validate(staged.offers)
    assert offers.providers["openai"].models["gpt-6-luna"].usd_per_mtok.output == Decimal("1.60")
    for pool in staged.pools:
        assert EngineClock.model_validate(pool.clock).pool == pool.name


def test_api_limits_are_thinned_with_the_traffic() -> None:
    plan = locks.replaced(locks.plan(), "apis", "openai/gpt-6-luna", tokens_per_minute=1_000_000)
    staged = script(plan, requests_per_second=60.0)
    policy = staged.policy(stage(staged))
    assert policy["apis"]["openai.gpt-6-luna"]["limits"] == {"rpm": None, "tpm": 500_000}
    assert staged.offers["providers"]["openai"]["models"]["gpt-6-luna"]["limits"] == {"rpm": None, "tpm": 500_000}


def test_the_pool_that_dies_is_one_whose_routes_may_spill() -> None:
    assert script().kill == "chat-1xl40s"
    assert script(kill=None).kill is None
    assert script(kill="extraction-1xl40s").kill == "extraction-1xl40s"
    with pytest.raises(ValueError, match="no pool gpu; known: chat-1xl40s, code-2xl40s, extraction-1xl40s"):
        script(kill="gpu")


def test_planned_dollars_are_those_of_the_level() -> None:
    route = next(route for route in locks.plan().routes if route.name == "chat")
    band = route.bands[0].model_copy(update={"spill_by_level": {"peak": Decimal("0.25")}})
    staged = script(locks.replaced(locks.plan(), "routes", "chat", bands=(band,)))
    # 8/s · 25 % · 3,600 s = 7,200 requests of 500 + 100 tokens at $0.40 and $1.60
    assert staged.api_usd_per_hour == Decimal("7200") * (500 * Decimal("0.40") + 100 * Decimal("1.60")) / 1_000_000
    assert staged.routes[0].spill_share == 0.25
    assert staged.fixed_usd_per_hour == locks.plan().cost.fixed_usd_per_month / 730


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="no load level night; known: peak"):
        script(level="night")
    with pytest.raises(ValueError, match="no trace excerpt or lengths for the route extraction"):
        staging.script(locks.sealed(locks.plan()), {"chat": EXCERPT, "code": EXCERPT}, RehearsalSettings())


def test_a_trace_without_answers_is_replaced_by_declared_lengths() -> None:
    text = small.text().replace("      profile: office-hours\n", "      trace: own\n", 1)
    environment = environment_of(read(text, "x.yaml"))
    trace = shipped_trace("azure-conv-2023")
    assert staging.sources(environment, {"own": trace})["chat"] == trace.excerpt
    silent = dataclasses.replace(trace, unknown=("no-outputs",))
    assert isinstance(staging.sources(environment, {"own": silent})["chat"], Mix)


def test_what_the_plan_refuses_for_its_length_is_not_sent() -> None:
    plan = locks.plan()
    chat = next(route for route in plan.routes if route.name == "chat")
    away = RouteBand(
        max_input_tokens=None,
        share_of_requests=Decimal("0.001"),
        mean_input_tokens=Decimal(500),
        mean_output_tokens=Decimal(100),
        weights={},
        api_share=Decimal(0),
        spill_by_level={},
        refused_by_level={level.name: Decimal(1) for level in plan.levels},
    )
    told = TooLongRequests(over_tokens=399, refused_share=Decimal("0.001"), cut_share=Decimal(0))
    short = chat.model_copy(update={"bands": (*chat.bands[:-1], away), "too_long": told})
    routes = tuple(short if route is chat else route for route in plan.routes)
    sent = {arrival.route for arrival in script(plan.model_copy(update={"routes": routes})).arrivals}
    assert sent == {route.name for route in plan.routes} - {"chat"}, "each of its prompts has 400 tokens"


def test_work_that_may_wait_is_played_without_its_batches() -> None:
    """Half of what chat sends at the peak are batches, which its clients send past the gateway."""
    plan = locks.plan()
    chat = plan.routes[0]
    level = max(plan.levels, key=lambda each: sum(each.planned_requests_per_second.values())).name
    bands = tuple(band.model_copy(update={"spill_by_level": {level: Decimal("0.5")}}) for band in chat.bands)
    work = DeferredWork(
        deadline_hours=Decimal(24), longest_wait_hours=3, batches={"openai/gpt-4o-mini@batch": Decimal("0.5")}
    )
    waiting = chat.model_copy(update={"deferred": work, "bands": bands, "fallback": ()})
    staged = script(plan.model_copy(update={"routes": (waiting, *plan.routes[1:])}), requests_per_second=120.0)
    assert sum(arrival.route == "chat" for arrival in staged.arrivals) == pytest.approx(1200, rel=0.01)
    assert next(promise for promise in staged.routes if promise.name == "chat").spill_share == 0
    assert staged.left_out == ()


def test_a_route_that_is_all_batches_is_left_out_and_named() -> None:
    plan = locks.plan()
    chat = plan.routes[0]
    bands = tuple(band.model_copy(update={"weights": {}, "api_share": Decimal(1)}) for band in chat.bands)
    work = DeferredWork(
        deadline_hours=Decimal(24), longest_wait_hours=0, batches={"openai/gpt-4o-mini@batch": Decimal(1)}
    )
    gone = chat.model_copy(update={"deferred": work, "bands": bands, "fallback": ()})
    staged = script(plan.model_copy(update={"routes": (gone, *plan.routes[1:])}))
    assert staged.left_out == ("chat",)
    assert {arrival.route for arrival in staged.arrivals} == {"code", "extraction"}
    with pytest.raises(ValueError, match="reaches the gateway"):
        script(plan.model_copy(update={"routes": (gone,)}))
