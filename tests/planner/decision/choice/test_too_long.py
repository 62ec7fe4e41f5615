"""A band that is too long for what serves its route is turned away, and only then. Worked on paper."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from planner.decision.choice.choice import Choice
from planner.decision.choice.dispatch import dispatch
from planner.decision.choice.limits import ApiRate
from planner.decision.choice.question import (
    Answer,
    ApiOption,
    BandKey,
    Infeasible,
    Question,
    ReplicaClass,
    apis_in_order,
)
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.instances import EXACT, api, flow, replica_class

SHORT: BandKey = ("chat", 0)
LONG: BandKey = ("chat", 1)
CHEAP = api({SHORT: 0.0001}, name="cheap")
WIDE = api({SHORT: 0.0002, LONG: 0.002}, name="wide")
"""It reads the long prompts too, at twice the price of the others."""
NARROW_POOL = replica_class("narrow", "small", 1, {SHORT: 5.0})
WIDE_POOL = replace(replica_class("wide", "large", 4, {SHORT: 5.0, LONG: 1.0}), reads=frozenset({SHORT, LONG}))


def question(
    *options: ApiOption | ReplicaClass, elsewhere: bool = True, may: bool = True, long: float = 0.01
) -> Question:
    apis = tuple(o for o in options if isinstance(o, ApiOption))
    flows = (
        flow("chat", 0, (1.0,), bool(apis)),
        replace(
            flow("chat", 1, (long,), any(LONG in a.usd_per_request for a in apis)),
            may_turn_away=may,
            elsewhere=elsewhere,
        ),
    )
    classes = tuple(o for o in options if isinstance(o, ReplicaClass))
    return Question((730.0,), flows, classes, apis, platform_usd=0.0)


def answer(asked: Question) -> Answer:
    found = solve(asked, EXACT)
    assert isinstance(found, Answer)
    return found


def test_what_nobody_reads_is_turned_away_and_costs_nothing() -> None:
    found = answer(question(CHEAP))
    assert found.turned_away == {LONG: (1.0,)}
    assert found.usd_per_month == pytest.approx(0.0001 * 3600 * 730)
    assert Choice(question(CHEAP), found).mode("chat") == "api"
    assert Choice(question(CHEAP), found).api_share("chat") == 1.0


def test_it_goes_elsewhere_where_an_api_reads_it() -> None:
    found = answer(question(CHEAP, WIDE))
    assert found.turned_away == {}
    assert found.spilled == {(SHORT, "cheap"): (1.0,), (LONG, "wide"): (1.0,)}


def test_under_the_rule_to_refuse_it_does_not() -> None:
    found = answer(question(CHEAP, WIDE, elsewhere=False))
    assert found.turned_away == {LONG: (1.0,)}


def test_nothing_is_refused_that_the_server_of_the_route_reads() -> None:
    found = answer(question(WIDE, elsewhere=False))
    assert found.turned_away == {}
    found = answer(question(WIDE_POOL, elsewhere=False))
    assert (found.turned_away, found.replicas) == ({}, {"wide": 1})


def test_no_machine_is_bought_for_the_longest_alone() -> None:
    found = answer(question(NARROW_POOL, WIDE_POOL))
    assert (found.turned_away, found.replicas) == ({LONG: (1.0,)}, {"narrow": 1})


def test_what_must_have_a_place_has_one() -> None:
    found = answer(question(NARROW_POOL, WIDE_POOL, may=False))
    assert (found.turned_away, found.replicas) == ({}, {"wide": 1})


def test_a_pool_that_reads_it_may_still_send_the_rest_away() -> None:
    """The API reads no long prompts, so that only the share of the pool in use is served of them."""
    pool = replace(WIDE_POOL, capacity={SHORT: 0.5, LONG: 0.5}, usd_per_node_hour=0.05)
    found = answer(question(CHEAP, pool))
    admitted = found.served[(SHORT, "wide")][0] if (SHORT, "wide") in found.served else 0.0
    assert found.turned_away[LONG][0] <= 1 - admitted + 1e-6


def test_without_apis_what_only_they_read_may_go() -> None:
    asked = question(WIDE, NARROW_POOL)
    assert answer(asked).turned_away == {}
    assert answer(asked.without_apis()).turned_away == {LONG: (1.0,)}


HALF_CHEAP = replace(CHEAP, requests_per_minute=30.0)
"""Its account takes half of the short prompts at one a second."""


def peak_and_trough(*options: ApiOption | ReplicaClass) -> Question:
    """The question under the rule to refuse, in which a third of the load comes in most of the hours."""
    asked = question(*options, elsewhere=False)
    flows = tuple(
        replace(f, mean=(f.mean[0], f.mean[0] / 3), planned=(f.planned[0], f.planned[0] / 3)) for f in asked.flows
    )
    return replace(asked, level_hours=(200.0, 530.0), flows=flows)


def test_an_api_that_serves_the_route_takes_what_it_reads_at_every_hour() -> None:
    """The wide API serves short prompts at the peak alone; being too long is a property of a prompt and of no hour."""
    asked = peak_and_trough(HALF_CHEAP, WIDE)
    found = answer(asked)
    assert found.turned_away == {}
    assert found.spilled[(LONG, "wide")] == (1.0, 1.0)
    assert found.spilled[(SHORT, "wide")] == pytest.approx((0.5, 0.0))
    assert answer(peak_and_trough(CHEAP, WIDE)).turned_away == {LONG: (1.0, 1.0)}, "without need it does not serve"


def test_a_rate_limit_refuses_no_part_of_a_band_for_its_length() -> None:
    """The account of the wide API holds the short prompts that it is left, and half of the long ones beside them."""
    tight = replace(WIDE, requests_per_minute=30.3)
    found = solve(question(HALF_CHEAP, tight, elsewhere=False), EXACT)
    assert isinstance(found, Infeasible)
    assert [getattr(cause, "limit", None) for cause in found.causes] == [ApiRate("wide", "rpm")]


@pytest.mark.parametrize("seed", range(40))
def test_a_band_that_only_apis_read_is_refused_whole_or_not_at_all(seed: int) -> None:
    draw = random.Random(seed)
    narrow = replace(CHEAP, requests_per_minute=draw.choice([None, 12.0, 30.0, 55.0]))
    wide = replace(WIDE, requests_per_minute=draw.choice([None, 30.3, 45.0]))
    pool = replace(NARROW_POOL, usd_per_node_hour=draw.choice([0.05, 0.9]))
    asked = peak_and_trough(narrow, wide, *([pool] if draw.random() < 0.5 else []))
    found = solve(asked, EXACT)
    if isinstance(found, Infeasible):
        return
    shares = {t: sum(parts[t] for (key, _), parts in found.spilled.items() if key == LONG) for t in (0, 1)}
    assert shares[0] == shares[1]
    assert shares[0] in (0.0, 1.0)
    assert Choice(asked, found).refuses(LONG) == (shares[0] == 0.0)


def test_what_is_refused_at_the_gateway_costs_nothing_under_another_load() -> None:
    asked = question(CHEAP, WIDE, elsewhere=False)
    choice = Choice(asked, answer(asked))
    assert choice.refuses(LONG)
    found = dispatch(choice, asked)
    assert found.api_usd_per_month == pytest.approx(choice.answer.usd_per_month)
    assert found.unplaced == {LONG: (1.0,)}


def test_apis_are_ranked_by_what_all_of_them_take() -> None:
    """An API that also reads the long prompts is not the dearer one for that."""
    same = api({SHORT: 0.00009, LONG: 0.002}, name="same")
    assert [a.name for a in apis_in_order([CHEAP, same], "chat")] == ["same", "cheap"]
