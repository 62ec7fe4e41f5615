"""The share of requests that is served within capacity, against arithmetic by hand and against a simulation of its own.

The simulation draws the state of every machine, zone, region and account, many times, and counts what is served. It
shares no code with the enumeration.
"""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from planner.domain.failures import unavailable
from planner.performance.availability import Account, Flow, NodeKind, Setting, availability, in_zone
from planner.performance.level_availability import availability_by_level

HOURS = (500.0, 230.0)
DRAWS = 100_000


def flow(route: str = "chat", pool: str = "p", own: float = 1.0, api: float = 0.0, chain: tuple[str, ...] = ()) -> Flow:
    """Return a flow whose busy level has twice the requests of the other; a replica carries 1 request/s."""
    rates, planned = (own / 2, own), (own / 2, own)
    to_api = (0.0, api)
    return Flow(route, pool, 1.0, rates, planned, to_api, to_api, 1000.0, chain)


def setting(nodes: int, flows: tuple[Flow, ...], **changes: object) -> Setting:
    """Return equal nodes with one replica each, which are down for 1 % of the time; neither zone nor region fails."""
    kind = NodeKind("g", nodes, {"p": 1}, ("a", "b", "c"), 0.01)
    plain = Setting(HOURS, (kind,) if nodes else (), 0.0, 0.0, {}, flows)
    return replace(plain, **changes)  # type: ignore[arg-type]


def share(plan: Setting, route: str = "chat") -> float:
    answer = availability(plan)[route]
    assert answer.least == pytest.approx(1 - sum(answer.losses.values()), abs=1e-12)
    return answer.least


def test_one_replica_without_an_api_is_there_as_often_as_its_machine() -> None:
    answer = availability(setting(1, (flow(),)))["chat"]
    assert answer.least == answer.most == pytest.approx(0.99, abs=1e-9)
    assert list(answer.losses) == [("node", "g")]


def test_two_of_two_lose_half_of_what_needs_both() -> None:
    """At the busy level one replica serves half; at the other one is enough. Both down lose all of both levels."""
    one, both = 2 * 0.01 * 0.99, 0.01**2
    quiet, busy = HOURS[0] * 1.0, HOURS[1] * 2.0
    lost = both + one * busy * 0.5 / (quiet + busy)
    assert share(setting(2, (flow(own=2.0),))) == pytest.approx(1 - lost, abs=1e-7)


def test_a_reserve_node_hides_the_loss_of_one() -> None:
    without, reserve = share(setting(3, (flow(own=3.0),))), share(setting(4, (flow(own=3.0),)))
    assert reserve > without
    assert 1 - reserve < (1 - without) / 10


def test_an_api_takes_what_does_not_fit_for_the_time_that_it_is_there() -> None:
    spilling = flow(chain=("acme",))
    plan = setting(1, (spilling,), accounts={"acme": Account(0.9)})
    assert share(plan) == pytest.approx(1 - 0.01 * 0.1, abs=1e-9)


def test_an_account_admits_no_more_than_its_limits() -> None:
    """It admits 30 requests a minute of the 60 that are lost at the busy level, all of the 30 at the other."""
    plan = setting(1, (flow(chain=("acme",)),), accounts={"acme": Account(1 - 1e-12, requests_per_minute=30.0)})
    quiet, busy = HOURS[0] * 0.5, HOURS[1] * 1.0
    assert share(plan) == pytest.approx(1 - 0.01 * 0.5 * busy / (quiet + busy), abs=1e-9)
    by_tokens = replace(plan, accounts={"acme": Account(1 - 1e-12, tokens_per_minute=30_000.0)})
    assert share(by_tokens) == pytest.approx(share(plan), abs=1e-9)


def test_what_is_planned_for_an_account_is_no_reserve() -> None:
    taken = flow(api=0.5, chain=("acme",))
    free = setting(1, (flow(chain=("acme",)),), accounts={"acme": Account(1 - 1e-12, requests_per_minute=60.0)})
    full = replace(free, flows=(flow(chain=("acme",)), replace(taken, route="other", pool="", own_mean=(0, 0))))
    assert share(free) == pytest.approx(1, abs=1e-7)
    assert share(full) < share(free) - 0.001


def test_fallbacks_are_independent_across_providers_only() -> None:
    accounts = {"acme": Account(0.99), "other": Account(0.98)}
    alone = Flow("chat", "", 1.0, (0, 0), (0, 0), (1, 1), (1, 1), 10.0, ("acme",))
    plan = setting(0, (alone,), accounts=accounts)
    assert share(plan) == pytest.approx(0.99)
    assert share(replace(plan, flows=(replace(alone, chain=("acme", "acme")),))) == pytest.approx(0.99)
    assert share(replace(plan, flows=(replace(alone, chain=("acme", "other")),))) == pytest.approx(1 - 0.01 * 0.02)


def test_an_account_of_unknown_uptime_is_never_taken_to_be_there() -> None:
    plan = setting(1, (flow(chain=("acme",)),), accounts={"acme": Account(None)})
    answer = availability(plan)["chat"]
    assert answer.least == pytest.approx(0.99, abs=1e-9)
    assert answer.most == pytest.approx(1, abs=1e-9)
    own = availability(setting(1, (flow(),), accounts={"acme": Account(None)}))["chat"]
    assert own.least == own.most


def test_a_zone_takes_its_machines_and_the_region_takes_all() -> None:
    plan = setting(3, (flow(own=3.0),), zone_down=0.001, region_down=0.0001)
    still = replace(plan, kinds=(replace(plan.kinds[0], down=0.0),))
    answer = availability(still)["chat"]
    quiet, busy = HOURS[0] * 1.5, HOURS[1] * 3.0
    third = busy / 3 / (quiet + busy)  # at the other level two of three replicas are enough
    assert answer.losses[("region", "")] == pytest.approx(0.0001)
    assert answer.losses[("zone", "")] == pytest.approx(3 * 0.001 * third, rel=0.01)
    assert set(answer.losses) == {("region", ""), ("zone", ""), ("several", "")}


def test_nodes_are_spread_evenly() -> None:
    assert [in_zone(0, 7, 3, zone) for zone in range(3)] == [3, 2, 2]
    assert [in_zone(7, 4, 3, zone) for zone in range(3)] == [1, 2, 1]
    assert [in_zone(1, 1, 2, zone) for zone in range(2)] == [0, 1]


def test_the_rest_that_is_not_looked_at_is_small() -> None:
    """A fleet of 200 machines: the enumeration ends early and loses hardly anything against the exact binomial."""
    plan = setting(200, (flow(own=199.0),))
    plan = replace(plan, kinds=(replace(plan.kinds[0], down=2e-4),))
    exact = sum(
        math.comb(200, d) * 2e-4**d * (1 - 2e-4) ** (200 - d) * max(0.0, 1 - (200 - d) / 199) for d in range(30)
    )
    busy = HOURS[1] * 199 / (HOURS[0] * 99.5 + HOURS[1] * 199)  # the other level has machines to spare
    assert 1 - share(plan) == pytest.approx(exact * busy, abs=2e-7)
    assert 1 - share(plan) >= exact * busy - 1e-12


def simulated(plan: Setting, seed: int = 7) -> dict[str, float]:
    """Return the share of each route's requests that is served, in `DRAWS` states that are drawn at random."""
    rng = Random(seed)

    def drawn() -> np.ndarray:
        return np.array([rng.random() for _ in range(DRAWS)])

    region = drawn() < plan.region_down
    zones = sorted({zone for kind in plan.kinds for zone in kind.zones})
    zone_lost = {zone: drawn() < plan.zone_down for zone in zones}
    there = {name: drawn() < (a.uptime or 0.0) for name, a in plan.accounts.items()}
    replicas: dict[str, np.ndarray] = {}
    position = {kind.group: 0 for kind in plan.kinds}
    for kind in plan.kinds:
        for _ in range(kind.nodes):  # node after node goes to zone after zone
            zone = sorted(kind.zones)[position[kind.group] % len(kind.zones)]
            position[kind.group] += 1
            up = (drawn() >= kind.down) & ~zone_lost[zone] & ~region
            for pool, count in kind.replicas.items():
                replicas[pool] = replicas.get(pool, np.zeros(DRAWS)) + count * up
    served = dict.fromkeys({f.route for f in plan.flows}, 0.0)
    asked = dict.fromkeys(served, 0.0)
    for t, hours in enumerate(plan.hours):
        fits = {}
        for pool in replicas:
            need = sum(f.own_planned[t] / f.capacity for f in plan.flows if f.pool == pool)
            fits[pool] = np.minimum(1.0, replicas[pool] / need) if need else np.ones(DRAWS)
        over = {name: np.zeros(DRAWS) for name in plan.accounts}
        base = dict.fromkeys(plan.accounts, 0.0)
        for f in plan.flows:
            if f.chain:
                base[f.chain[0]] += 60 * f.api_planned[t]
                if f.pool:
                    over[f.chain[0]] += 60 * f.own_planned[t] * (1 - fits[f.pool])
        for f in plan.flows:
            asked[f.route] += hours * (f.own_mean[t] + f.api_mean[t])
            some = np.zeros(DRAWS, dtype=bool)
            for name in f.chain:
                some |= there[name]
            part = np.zeros(DRAWS)
            if f.chain:
                limit = plan.accounts[f.chain[0]].requests_per_minute
                room = math.inf if limit is None else max(0.0, limit - base[f.chain[0]])
                part = np.minimum(1.0, room / np.maximum(over[f.chain[0]], 1e-12)) * some
            own = fits[f.pool] + (1 - fits[f.pool]) * part if f.pool else np.zeros(DRAWS)
            served[f.route] += hours * float((f.own_mean[t] * own + f.api_mean[t] * some).mean())
    return {route: served[route] / asked[route] for route in served}


FLEETS = {
    "one replica": setting(1, (flow(),)),
    "two of two": setting(2, (flow(own=2.0),)),
    "n with spill": setting(
        5,
        (flow(own=4.6, api=0.8, chain=("acme", "other")),),
        accounts={"acme": Account(0.97, requests_per_minute=150.0), "other": Account(0.9)},
    ),
    "zones": setting(5, (flow(own=4.9),), zone_down=0.01, region_down=0.003),
    "two groups, one of them with two kinds of nodes": replace(
        setting(0, (flow("chat", "p", 5.5), flow("code", "q", 2.0), flow("mail", "q", 1.5, 0.5, ("acme",)))),
        kinds=(
            NodeKind("g", 2, {"p": 2, "q": 1}, ("a", "b"), 0.03),
            NodeKind("g", 1, {"p": 2}, ("a", "b"), 0.03),
            NodeKind("h", 2, {"q": 1}, ("a", "b", "c"), 0.05),
        ),
        zone_down=0.004,
        accounts={"acme": Account(0.98, requests_per_minute=60.0)},
    ),
}


@pytest.mark.parametrize("name", FLEETS)
def test_a_simulation_of_its_own_finds_the_same(name: str) -> None:
    computed, drawn = availability(FLEETS[name]), simulated(FLEETS[name])
    for route, expected in drawn.items():
        # Three standard errors of a share near the one that is drawn, and what two lost zones count for too much.
        several = (3 * FLEETS[name].zone_down) ** 2
        error = 3 * math.sqrt(expected * (1 - expected) / DRAWS) + several
        assert computed[route].least == pytest.approx(expected, abs=error), route


def test_a_machine_is_down_for_its_repairs() -> None:
    """Failures come at random while it is up, and each takes as long: played out, that gives the same share."""
    rng = Random(3)
    up = sum(rng.expovariate(0.02) for _ in range(200_000))
    assert unavailable(0.02, 3.0) == pytest.approx(200_000 * 3.0 / (up + 200_000 * 3.0), rel=0.01)


def test_each_level_is_held_against_its_own_machines() -> None:
    """One machine in the quiet hours and three in the busy ones: each hour loses what its own machines lose."""
    both = setting(3, (flow(own=3.0),))
    quiet_hours, busy_hours = (HOURS[0], 0.0), (0.0, HOURS[1])
    quiet = share(replace(setting(1, (flow(own=3.0),)), hours=quiet_hours))
    busy = share(replace(both, hours=busy_hours))
    requests = HOURS[0] * 1.5, HOURS[1] * 3.0
    wanted = (quiet * requests[0] + busy * requests[1]) / sum(requests)
    found = availability_by_level(both, {"g": (1, 3)})["chat"]
    assert found.least == pytest.approx(wanted, abs=1e-9)
    assert found.least == pytest.approx(1 - sum(found.losses.values()), abs=1e-9)
    assert found.least < share(both)
    assert availability_by_level(both, {"g": (3, 3)})["chat"].least == pytest.approx(share(both), abs=1e-9)
    assert availability_by_level(both, {})["chat"] == availability(both)["chat"]


def test_a_level_without_machines_has_what_its_api_takes() -> None:
    """Asleep in the quiet hours, in which the API takes all: 1 - 0.1 of these."""
    busy = Flow("chat", "p", 1.0, (0.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1.0, 0.0), 1000.0, ("acme",))
    plan = setting(1, (busy,), accounts={"acme": Account(0.9)})
    found = availability_by_level(plan, {"g": (0, 1)})["chat"]
    lost = (HOURS[0] * 0.1 + HOURS[1] * 0.01 * 0.1) / sum(HOURS)
    assert found.least == pytest.approx(1 - lost, abs=1e-9)
