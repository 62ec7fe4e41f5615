"""Work that may wait: its least pace against every window of the week, and the week that is played hour by hour."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from planner.decision.choice.deferred import period, settled, week_of_work
from planner.decision.choice.question import Answer, Deferral, Flow, Infeasible, Question
from planner.decision.choice.solve import solve
from tests.planner.decision.choice.brute_force import broken_rules
from tests.planner.decision.choice.instances import EXACT, api, flow, replica_class

HOURS = 168
NIGHT = tuple(3.0 if hour % 24 in {22, 23, 0, 1, 2, 3, 4, 5} else 0.0 for hour in range(HOURS))
WORK = ("work", 0)


def waiting(mean: float, levels: int, busiest: float) -> Flow:
    return Flow("work", 0, (mean,) * levels, (mean * busiest,) * levels, True, waits=True, paced=mean)


def question(
    arrivals: tuple[float, ...],
    hours: int,
    levels: tuple[int, ...] = (0,) * HOURS,
    mean: float = 1.0,
    serves: float = 1e-4,
) -> Question:
    """One route that may wait, on replicas that each serve so little that their number tells the pace."""
    count = max(levels) + 1
    class_ = replica_class("k", "small", 1, {WORK: serves})
    return Question(
        level_hours=tuple(730.0 * levels.count(t) / HOURS for t in range(count)),
        flows=(waiting(mean, count, max(arrivals)),),
        classes=(class_,),
        apis=(),
        platform_usd=0.0,
        survives_a_node=False,
        deferrals={"work": Deferral(arrivals, hours)},
        hours=levels,
    )


def drawn_week(seed: int) -> tuple[float, ...]:
    draw = random.Random(seed)
    loads = [draw.choice([0.0, 0.2, 1.0, 5.0]) * draw.random() for _ in range(HOURS)]
    mean = sum(loads) / HOURS
    return tuple(load / mean for load in loads)


def least_pace(arrivals: tuple[float, ...], hours: int) -> float:
    """The pace that every window asks for: what comes in it, and is due in it, is done in it; the week is a circle."""
    sums = [0.0]
    for each in arrivals * 3:
        sums.append(sums[-1] + each)
    least = sum(arrivals) / HOURS
    for first in range(HOURS):
        for length in range(hours + 1, 2 * HOURS):
            due = sums[first + length - hours] - sums[first]
            least = max(least, due / length)
    return least


def solved(asked: Question) -> Answer:
    found = solve(asked, EXACT)
    assert isinstance(found, Answer), found
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("hours", [1, 7, 23, 167])
def test_the_pace_is_the_least_that_every_window_admits(seed: int, hours: int) -> None:
    arrivals = drawn_week(seed)
    found = solved(question(arrivals, hours))
    assert found.replicas["k"] * 1e-4 == pytest.approx(least_pace(arrivals, hours), abs=3e-4)


@pytest.mark.parametrize("hours", [1, 7, 23])
def test_a_lower_pace_is_late_when_it_is_played(hours: int) -> None:
    asked = question(NIGHT, hours)
    least = least_pace(NIGHT, hours)
    assert week_of_work(asked, "work", 1.0, (least * 1.001,)).longest_hours == min(hours, 16)
    if hours < 16:
        with pytest.raises(ValueError, match=f"may for {hours}"):
            week_of_work(asked, "work", 1.0, (least * 0.98,))


def test_nights_of_a_day_need_a_day_of_rows() -> None:
    assert period(question(NIGHT, 23), Deferral(NIGHT, 23)) == 24
    assert period(question((1.0,) * HOURS, 5), Deferral((1.0,) * HOURS, 5)) == 1
    assert period(question(drawn_week(1), 5), Deferral(drawn_week(1), 5)) == HOURS


def test_a_longer_deadline_never_costs_more() -> None:
    for seed in range(4):
        usd = [solved(question(drawn_week(seed), hours, serves=0.05)).usd_per_month for hours in (1, 3, 7, 23, 71, 167)]
        assert usd == sorted(usd, reverse=True)
        assert usd[0] > usd[-1]


def beside_chat(hours: int, mean: float = 4.0) -> Question:
    """A route by day, and work that comes by night and may wait, on one class; level 0 is the day."""
    levels = tuple(1 if hour % 24 in range(8) else 0 for hour in range(HOURS))
    arrivals = tuple(2.0 if hour % 24 in range(8, 20) else 0.0 for hour in range(HOURS))  # comes when chat is busy
    k = replica_class("k", "small", 1, {("chat", 0): 2.0, WORK: 2.0})
    asked = question(arrivals, hours, levels, mean)
    chat = flow("chat", 0, (9.0, 1.0), may_spill=False)
    return replace(asked, flows=(chat, *asked.flows), classes=(k,))


def test_valleys_are_used_that_are_paid_anyway() -> None:
    long = beside_chat(23)
    chat_alone = solved(replace(long, flows=long.flows[:1], deferrals={}, hours=()))
    work_alone = solved(replace(long, flows=long.flows[1:]))
    both, at_once = solved(long), solved(beside_chat(1))
    assert both.usd_per_month < chat_alone.usd_per_month + work_alone.usd_per_month
    assert both.usd_per_month < at_once.usd_per_month
    fixed, answer, weeks = settled(long, both)
    assert broken_rules(fixed, answer) == []
    # The work is done at a higher pace by night, when chat leaves room, than by day.
    assert weeks["work"].pace[1] > weeks["work"].pace[0]
    assert 1 < weeks["work"].longest_hours <= 23


@pytest.mark.parametrize("hours", [1, 7, 23])
def test_all_work_is_done_and_none_twice(hours: int) -> None:
    asked = beside_chat(hours)
    fixed, answer, _ = settled(asked, solved(asked))
    work = next(f for f in fixed.flows if f.route == "work")
    month = sum(rate * share for rate, share in zip(work.mean, fixed.level_hours, strict=True)) / 730
    assert month == pytest.approx(4.0, rel=1e-5)
    assert answer.served[(WORK, "k")] == (1.0, 1.0)
    busy = [sum(f.planned[t] * answer.served[(f.key, "k")][t] / 2.0 for f in fixed.flows) for t in range(2)]
    assert max(busy) <= answer.replicas["k"] * (1 + 1e-5)


def test_batches_take_the_rest_and_have_no_limits_of_minutes() -> None:
    """An API that is cheap takes all, whatever its account admits a minute: batches have an account of their own."""
    cheap = replace(api({WORK: 1e-7}, name="host/m@batch"), provider="host/m@batch")
    asked = replace(beside_chat(23), flows=beside_chat(23).flows[1:], apis=(cheap,))
    found = solved(asked)
    fixed, answer, _ = settled(asked, found)
    assert answer.spilled[(WORK, "host/m@batch")] == (1.0, 1.0)
    assert WORK not in {key for key, _ in answer.served}
    assert fixed.flows[0].mean == pytest.approx((4.0 * 1.5, 0.0))  # as it comes
    assert answer.usd_per_month == pytest.approx(4.0 * 3600 * 730 * 1e-7)


def test_an_api_is_paid_for_what_no_valley_holds() -> None:
    """The idle hours of chat do not do for all of it, and an API that is cheaper than a machine takes the rest."""
    asked = replace(beside_chat(23, mean=6.0), apis=(api({WORK: 0.0003}),))
    found = solved(asked)
    fixed, answer, weeks = settled(asked, found)
    shares = answer.spilled.get((WORK, "api"), (0.0, 0.0))
    to_api = sum(
        f.mean[t] * shares[t] * fixed.level_hours[t] for f in fixed.flows if f.route == "work" for t in range(2)
    )
    assert 0 < to_api / (6.0 * 730) < 1
    assert weeks["work"].longest_hours <= 23
    assert answer.usd_per_month == found.usd_per_month < solved(beside_chat(23, mean=6.0)).usd_per_month


def test_what_nothing_serves_is_named() -> None:
    asked = replace(question(NIGHT, 7), classes=(), apis=(api({("other", 0): 0.1}),))
    found = solve(asked, EXACT)
    assert isinstance(found, Infeasible)
    assert [cause.limit.about for cause in found.causes] == [("routes", "work")]  # type: ignore[union-attr]
