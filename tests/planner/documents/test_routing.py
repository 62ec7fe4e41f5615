"""Lock → policy document and engine clock, judged by those who read them: the gateway's loader and the twin's clock."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.document import parse_policy
from gateway.policy import Policy
from planner.documents.lock import Lock
from planner.documents.routing import Addresses, api_name, clock, policy, release_name, without_canaries
from planner.edges.catalog_files import load_catalog
from planner.plan.fleet import Replicas
from planner.plan.plan import Plan
from tests.planner.plans import API, CHAT_POOL, PRIVATE, bent, lock, plan
from twin.engine.clock import EngineClock


def read(document: dict[str, Any]) -> Policy:
    """The document as the gateway reads it: every rule of its schema holds."""
    return parse_policy(json.dumps(document).encode()).policy


@pytest.fixture(scope="module")
def sealed() -> Lock:
    return lock()


def test_the_gateway_accepts_the_policy_of_a_lock(sealed: Lock) -> None:
    loaded = read(policy(sealed))
    assert loaded.environment == "prod"
    assert loaded.lock_digest == sealed.digests.content
    assert set(loaded.pools) == {CHAT_POOL, PRIVATE}
    assert set(loaded.routes) == {"chat", "extraction"}


def test_pools_are_found_by_their_service_in_the_cluster(sealed: Lock) -> None:
    pool = read(policy(sealed)).pools[CHAT_POOL]
    assert pool.address == f"{release_name(CHAT_POOL)}.serving.svc.cluster.local:8000"
    assert pool.endpoints is None
    assert (pool.model, pool.max_model_len, pool.max_in_flight) == (CHAT_POOL, 16384, 160)


def test_addresses_override_where_backends_are(sealed: Lock) -> None:
    addresses = Addresses(
        pools={CHAT_POOL: ["http://127.0.0.1:9001", "http://127.0.0.1:9002"]}, apis={API: "http://127.0.0.1:9003/v1"}
    )
    loaded = read(policy(sealed, addresses))
    assert loaded.pools[CHAT_POOL].address is None
    assert loaded.pools[CHAT_POOL].endpoints == ("http://127.0.0.1:9001", "http://127.0.0.1:9002")
    assert loaded.pools[PRIVATE].address is not None
    assert loaded.apis[api_name(API)].base_url == "http://127.0.0.1:9003/v1"


def test_a_restricted_route_has_no_way_out(sealed: Lock) -> None:
    document = policy(sealed)["routes"]["extraction"]
    assert document["privacy"] == "restricted"
    assert document["fallback"] == []
    assert document["overflow"] == "refuse"
    assert [band["api_share"] for band in document["bands"]] == [0]


def test_a_lock_that_would_let_restricted_data_out_is_refused_by_the_gateway() -> None:
    leaky = lock(bent(plan(), {"routes/1/fallback": [API]}))
    with pytest.raises(ValueError, match="restricted"):
        read(policy(leaky))


def test_a_hybrid_route_keeps_its_bands_its_chain_and_its_times(sealed: Lock) -> None:
    route = read(policy(sealed)).routes["chat"]
    assert [band.max_input_tokens for band in route.bands] == [2047, None]
    assert [dict(band.weights) for band in route.bands] == [{CHAT_POOL: 1.0}, {CHAT_POOL: 1.0}]
    assert route.fallback == (api_name(API),)
    assert route.overflow == "api"
    assert (route.spill_after_ms, route.deadline_ms, route.queue_ms) == (2700, 120_000, 0)
    assert route.bytes_per_token == 4


def test_an_input_limit_reaches_the_gateway_and_stands_only_where_it_is() -> None:
    assert "api_max_input_tokens" not in policy(lock())["routes"]["chat"]
    document = policy(lock(bent(plan(), {"routes/0/api_max_input_tokens": {API: 12_288}})))
    loaded = read(document)
    assert loaded.routes["chat"].api_max_input_tokens == {api_name(API): 12_288}
    assert "api_max_input_tokens" not in document["routes"]["extraction"]
    assert document["apis"] == policy(lock())["apis"]


def test_a_route_that_is_all_api_is_accepted() -> None:
    bands = [{**band, "weights": {}, "api_share": "1"} for band in plan().model_dump(mode="json")["routes"][0]["bands"]]
    loaded = read(policy(lock(bent(plan(), {"routes/0/bands": bands}))))
    assert [band.api_share for band in loaded.routes["chat"].bands] == [1, 1]


@pytest.mark.parametrize("speed", [1, 2, 10, 50])
def test_a_replay_at_n_fold_speed_divides_every_duration(sealed: Lock, speed: float) -> None:
    plain, fast = policy(sealed), policy(sealed, speed=speed)
    for name, route in plain["routes"].items():
        for key in ("spill_after_ms", "deadline_ms", "queue_ms"):
            assert fast["routes"][name][key] == round(route[key] / speed)
    assert fast["pools"] == plain["pools"]
    assert fast["apis"] == plain["apis"]
    read(fast)


@pytest.mark.parametrize("speed", [1, 10, 50, 1e6])
def test_a_spill_comes_before_the_deadline_at_any_speed(sealed: Lock, speed: float) -> None:
    """A route that may wait spills a millisecond before its deadline, which rounds to the same at a high speed."""
    close = {"spill_after_ms": 975748, "deadline_ms": 975749}
    routes = tuple(
        route.model_copy(update={"triggers": route.triggers.model_copy(update=close)}) for route in sealed.plan.routes
    )
    made = policy(sealed.model_copy(update={"plan": sealed.plan.model_copy(update={"routes": routes})}), speed=speed)
    for route in made["routes"].values():
        assert route["spill_after_ms"] < route["deadline_ms"]


def test_a_duration_never_becomes_zero_by_speed_but_zero_stays_zero(sealed: Lock) -> None:
    route = policy(sealed, speed=1e6)["routes"]["chat"]
    assert (route["spill_after_ms"], route["queue_ms"]) == (1, 0)


def test_prices_and_limits_of_an_api_reach_the_gateway_exactly(sealed: Lock) -> None:
    api = read(policy(sealed)).apis[api_name(API)]
    assert (str(api.usd_per_mtok.input), api.usd_per_mtok.cached_input, str(api.usd_per_mtok.output)) == (
        "0.75",
        None,
        "4.5",
    )
    assert (api.limits.rpm, api.limits.tpm) == (5000, 2_000_000)
    assert api.renames == {"max_tokens": "max_completion_tokens"}
    assert api.api_key_env == "OPENAI_API_KEY"


def test_every_hosted_model_of_the_catalog_has_a_name_that_the_gateway_accepts() -> None:
    keys = [row.key for row in load_catalog().apis]
    assert len({api_name(key) for key in keys}) == len(keys), "two models would share a name"
    apis = [{**plan().model_dump(mode="json")["apis"][0], "name": key} for key in keys]
    named = lock(bent(plan(), {"apis": apis, "routes/0/fallback": keys}))
    assert len(read(policy(named)).routes["chat"].fallback) == len(keys)


def test_the_policy_is_plain_json(sealed: Lock) -> None:
    document = policy(sealed)
    assert json.loads(json.dumps(document)) == document


def test_the_clock_of_a_pool_is_read_by_the_engine_twin(sealed: Lock) -> None:
    pool = sealed.plan.pools[0]
    document = json.loads(json.dumps(clock(pool)))
    ticking = EngineClock.model_validate(document)
    assert (ticking.pool, ticking.kv_tokens, ticking.max_num_seqs) == (CHAT_POOL, 200_000, 64)
    assert ticking.max_num_queued_reqs == pool.engine.max_num_queued_reqs
    # One sequence of no context: all dense weights and one token's experts, each with its products; the fixed parts.
    products = math.hypot(6.25, 0.03) + math.hypot(4 * 0.03125, 0.02)
    assert ticking.step.step_ms(1, 0) == pytest.approx(products + 2 + 0.01 + 0.5 + 0.001)


def test_a_coefficient_of_a_newer_lock_does_not_reach_the_twin(sealed: Lock) -> None:
    newer = bent(plan(), {"pools/0/clock/speculative_ms": "0.1"})
    assert set(clock(newer.pools[0])["step"]) == set(clock(sealed.plan.pools[0])["step"])
    EngineClock.model_validate(clock(newer.pools[0]))


NEW = "vllm/vllm-openai:v0.34.0"


def with_canary(whole: Plan, replicas: dict[str, int]) -> Lock:
    return lock(bent(whole, {"platform/engine": {"canary": {"image": NEW, "replicas": replicas}}}))


def test_a_pool_with_a_canary_is_two_pools_of_one_model(sealed: Lock) -> None:
    tried = with_canary(plan(), {CHAT_POOL: 1})
    before, after = read(policy(sealed)), read(policy(tried))
    canary = after.pools[f"{CHAT_POOL}-canary"]
    assert after.pools.keys() - before.pools.keys() == {f"{CHAT_POOL}-canary"}
    assert canary.address == f"vllm-{CHAT_POOL}-canary.serving.svc.cluster.local:8000"
    assert canary.model_copy(update={"address": before.pools[CHAT_POOL].address}) == before.pools[CHAT_POOL]
    assert after.pools[CHAT_POOL] == before.pools[CHAT_POOL]
    assert after.routes["extraction"] == before.routes["extraction"]


TAKEN = st.integers(2, 100).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))
"""Replicas of a pool, and how many of them a canary takes over."""


@settings(deadline=None, max_examples=25)
@given(TAKEN, st.sampled_from([CHAT_POOL, PRIVATE]))
def test_each_weight_is_split_by_replicas_and_nothing_of_it_is_lost(counts: tuple[int, int], name: str) -> None:
    replicas, tried = counts
    whole = plan()
    pools = [p.model_copy(update={"replicas": Replicas(min=replicas, max=replicas)}) for p in whole.pools]
    resized = whole.model_copy(update={"pools": tuple(pools)})
    plain = policy(lock(resized))
    split = policy(with_canary(resized, {name: tried}))
    for route, document in split["routes"].items():
        for band, before in zip(document["bands"], plain["routes"][route]["bands"], strict=True):
            weights = dict(band["weights"])
            canary = weights.pop(f"{name}-canary", 0.0)
            if name in before["weights"]:
                assert canary == pytest.approx(before["weights"][name] * tried / replicas, abs=1e-6)
                assert canary > 0
                weights[name] += canary
            assert weights == pytest.approx(before["weights"], abs=1e-12)
            assert band["api_share"] == before["api_share"]
    restricted = read(split).routes["extraction"]
    assert (restricted.privacy, restricted.fallback, restricted.overflow) == ("restricted", (), "refuse")


def test_an_adapter_is_asked_for_at_the_canary_too() -> None:
    adapted = bent(plan(), {"routes/0/adapters": {CHAT_POOL: "acme-support"}})
    models = policy(with_canary(adapted, {CHAT_POOL: 1}))["routes"]["chat"]["models"]
    assert models == {CHAT_POOL: "acme-support", f"{CHAT_POOL}-canary": "acme-support"}


def test_a_rehearsal_plays_the_plan_without_canaries(sealed: Lock) -> None:
    tried = with_canary(plan(), {CHAT_POOL: 1})
    played = policy(without_canaries(tried))
    assert played["pools"] == policy(sealed)["pools"]
    assert played["routes"] == policy(sealed)["routes"]
    assert played["lock_digest"] == tried.digests.content


def deferred(**work: Any) -> Lock:
    """The lock whose chat may wait, beside code that may not."""
    times = {"deadline_hours": "24", "longest_wait_hours": 7, **work}
    return lock(bent(plan(), {"routes/0/deferred": times}))


def test_work_that_may_wait_goes_to_no_api_that_the_plan_does_not_name() -> None:
    """Its share in batches is its clients' own: of what reaches the gateway nothing goes to an API."""
    waiting = deferred(batches={f"{API}@batch": "0.3"}, pools_by_level={"peak": "0.7"})
    alone = waiting.plan.model_copy(
        update={"routes": (waiting.plan.routes[0].model_copy(update={"fallback": ()}), *waiting.plan.routes[1:])}
    )
    document = policy(waiting.model_copy(update={"plan": alone}))["routes"]["chat"]
    assert document["fallback"] == []
    assert document["overflow"] == "refuse"
    assert {band["api_share"] for band in document["bands"] if band["weights"]} == {0.0}
    planned = deferred(apis="0.14", batches={f"{API}@batch": "0.3"})
    document = policy(planned)["routes"]["chat"]
    assert {band["api_share"] for band in document["bands"] if band["weights"]} == {0.2}


def test_work_that_may_wait_leaves_places_beside_others_alone() -> None:
    assert "most_full" not in policy(deferred())["routes"]["chat"]  # no other route uses its pool
    assert all("most_full" not in route for route in policy(lock())["routes"].values())
    chat, extraction = plan().routes
    beside = extraction.model_copy(
        update={"bands": tuple(b.model_copy(update={"weights": chat.bands[0].weights}) for b in extraction.bands)}
    )
    shared = deferred()
    both = shared.plan.model_copy(update={"routes": (shared.plan.routes[0], beside)})
    document = policy(shared.model_copy(update={"plan": both}))
    assert document["routes"]["chat"]["most_full"] == 0.9
    assert "most_full" not in document["routes"]["extraction"]


def test_a_route_that_is_all_batches_is_none_of_the_gateways() -> None:
    waiting = deferred(batches={f"{API}@batch": "1"})
    chat = waiting.plan.routes[0]
    bands = tuple(band.model_copy(update={"weights": {}, "api_share": Decimal(1)}) for band in chat.bands)
    gone = chat.model_copy(update={"fallback": (), "bands": bands})
    changed = waiting.plan.model_copy(update={"routes": (gone, *waiting.plan.routes[1:])})
    loaded = read(policy(waiting.model_copy(update={"plan": changed})))
    assert set(loaded.routes) == {"extraction"}
