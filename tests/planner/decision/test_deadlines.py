"""Routes with a deadline: night valleys, the price of batches, and what a longer deadline saves."""

from __future__ import annotations

import pytest

import planner.decision.optimize as optimizer
from planner.decision.answer.alternatives import Alternatives
from planner.decision.answer.routes import routes
from planner.decision.answer.spend import cost_of
from planner.decision.candidates.known import Known
from planner.decision.decide import Decision, Refusal, decide
from planner.decision.inputs import Inputs
from planner.documents.environment_file import parse
from planner.plan.traffic import PlannedRoute
from planner.words.diagnostics import Problems
from tests.planner.decision.cases import CATALOG, COEFFICIENTS

KNOWN = Known()
HEAD = """version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az2, use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 12}
quotas: {G: 768, P: 768}
"""
OVERNIGHT = (
    HEAD
    + """routes:
  contracts:
    traffic: {profile: batch-nightly, requests_per_second: {mean: 3.8}}
    tokens: {input: {mean: 1024, p95: 2000}, output: {mean: 256, p95: 500}}
    slo: {deadline: DEADLINE}
    data: internal
    quality: {accept: [llama-3.1-70b-instruct, gpt-4o-mini], source: own evaluation, date: 2026-11-01}
purchase: {spot: {max_share: 100%}}
api: {providers: {openai: {limits: {tpm: 30M, rpm: 30k}}, bedrock: {}}}
"""
)


def route(
    slo: str,
    name: str = "work",
    profile: str = "batch-nightly",
    rate: float = 20,
    accept: str = "qwen3-8b",
    data: str = "internal",
) -> str:
    return f"""  {name}:
    traffic: {{profile: {profile}, requests_per_second: {{mean: {rate}}}}}
    tokens: {{input: {{mean: 1024, p95: 2000}}, output: {{mean: 256, p95: 500}}}}
    slo: {{{slo}}}
    data: {data}
    quality: {{accept: [{accept}], source: a test, date: 2026-11-01}}
"""


CHAT = route("ttft_p95: 1s, tpot_p95: 60ms", "chat", "office-hours", 25)


def decided(*routes: str, more: str = "") -> Decision:
    text = HEAD + "routes:\n" + "".join(routes) + more
    found = decide(Inputs(parse(text, "case.yaml")[0], CATALOG, COEFFICIENTS, {}), KNOWN)
    assert isinstance(found, Decision), found
    return found


def overnight(deadline: str) -> Decision:
    text = OVERNIGHT.replace("DEADLINE", deadline)
    found = decide(Inputs(parse(text, "overnight.yaml")[0], CATALOG, COEFFICIENTS, {}), KNOWN)
    assert not isinstance(found, Refusal)
    return found


def usd(decision: Decision) -> float:
    return decision.choice.answer.usd_per_month


def test_a_day_is_enough_for_the_price_of_batches() -> None:
    """10M requests at half of gpt-4o-mini's price; a shorter deadline pays the plain price or hosts it."""
    day = overnight("24h")
    names = {name for _, name in day.choice.answer.spilled}
    requests = 3.8 * 3600 * 730
    assert names == {"openai/gpt-4o-mini@batch"}
    assert usd(day) == pytest.approx(requests * (1024 * 0.075 + 256 * 0.30) / 1e6, rel=0.001)
    shorter = overnight("23h")
    assert not any("@batch" in name for _, name in shorter.choice.answer.spilled)
    assert usd(day) < usd(shorter)


def test_a_longer_deadline_never_costs_more() -> None:
    costs = [usd(decided(route(f"deadline: {deadline}"))) for deadline in ("2h", "8h", "24h", "7d")]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > 2 * costs[2]


@pytest.mark.parametrize("deadline", ["2h", "24h"])
def test_valleys_are_used(deadline: str) -> None:
    """Nights of machines that chat needs by day hold all of the work, though nobody may reserve for it."""
    alone, chat = decided(route(f"deadline: {deadline}")), decided(CHAT)
    both = decided(CHAT, route(f"deadline: {deadline}"))
    assert usd(both) == pytest.approx(usd(chat), abs=0.01)
    assert usd(alone) > 4000
    names = {name for key, name in both.choice.answer.served if key[0] == "work"}
    assert names == set(both.choice.answer.replicas)
    # Beside others the work is as quick as they are, and fills nine tenths of a replica at most.
    replica = next(c for c in both.market.classes if c.name in names).replica
    assert replica.capacities[("work", 0)].tpot_ms_p95 <= 60
    own = next(c for c in alone.market.classes if c.name in alone.choice.answer.replicas).replica
    assert own.capacities[("work", 0)].requests_per_second > replica.capacities[("work", 0)].requests_per_second


def test_the_lock_counts_each_level_once() -> None:
    both = decided(CHAT, route("deadline: 24h"))
    levels = both.market.demand.levels
    mean = sum(level.rates["work"] * float(level.hours) for level in levels) / 730
    assert mean == pytest.approx(20, rel=1e-4)
    chat = sum(level.rates["chat"] * float(level.hours) for level in levels) / 730
    assert chat == pytest.approx(25, rel=1e-4)
    pool = both.solved.pools[0].name
    assert both.choice.load(pool) <= both.choice.answer.replicas[pool] * (1 + 1e-5)


def test_restricted_work_reaches_no_api() -> None:
    found = decided(
        route("deadline: 7d", data="restricted", accept="qwen3-8b, gpt-4o-mini"),
        more="api: {providers: {openai: {}}}\n",
    )
    assert found.choice.answer.spilled == {}
    assert not any(api.serves("work") for api in found.market.apis)
    assert all(k.exclusive for k in found.choice.classes.values())


def test_work_that_may_wait_is_left_out_before_chat_is_sent_away() -> None:
    """It stands on spot alone where a team lets it: nothing must stand in when AWS takes the machines back."""
    spot = "purchase: {spot: {max_share: 100%}}\n"
    plain, cheap = decided(route("deadline: 24h")), decided(route("deadline: 24h"), more=spot)
    assert sum(cheap.choice.answer.spot.values()) == sum(cheap.choice.answer.nodes.values())
    assert usd(cheap) < usd(plain)


@pytest.mark.parametrize(
    ("slo", "words", "line"),
    [
        ("deadline: 24h, ttft_p95: 1s", "has a deadline and promises `ttft_p95`", 9),
        ("deadline: 24h, tpot_p95: 1s, e2e_p95: 9s", "promises `tpot_p95` and `e2e_p95`", 9),
        ("deadline: 90min", "leaves no hour", 9),
        ("deadline: 8d", "longer than the week", 9),
    ],
)
def test_a_deadline_that_says_too_much_is_told_once(slo: str, words: str, line: int) -> None:
    with pytest.raises(Problems) as refused:
        parse(HEAD + "routes:\n" + route(slo), "case.yaml")
    (problem,) = refused.value.problems
    assert words in problem.message
    assert problem.code == "ENV005"
    assert problem.hint
    assert problem.where is not None
    assert problem.where.line == line


def test_people_who_wait_have_no_deadline() -> None:
    text = route("deadline: 24h").replace("requests_per_second: {mean: 20}", "users: {concurrent: 50, think_time: 5s}")
    with pytest.raises(Problems, match="users who wait"):
        parse(HEAD + "routes:\n" + text, "case.yaml")


def planned(decision: Decision) -> PlannedRoute:

    return next(each for each in routes(decision.solved, cost_of(decision.solved)) if each.deferred)


def test_a_plan_says_who_does_the_work_and_when() -> None:
    night = planned(decided(CHAT, route("deadline: 24h")))
    assert night.deferred is not None
    assert sum(night.deferred.pools_by_level.values()) == pytest.approx(1, abs=1e-3)
    assert night.deferred.longest_wait_hours <= 23
    assert night.fallback == ()
    assert "beside chat" in night.reasons[0]
    batches = planned(overnight("24h"))
    assert batches.deferred is not None
    assert batches.deferred.batches == {"openai/gpt-4o-mini@batch": 1}
    assert batches.fallback == ()
    assert not batches.reaches_gateway
    assert any("clients send these to the provider's own API" in reason for reason in batches.reasons)
    assert any("bedrock/llama-3.1-70b-instruct is planned at its plain price" in reason for reason in batches.reasons)


def test_the_end_of_a_model_ends_its_batches_too() -> None:
    """gpt-4o-mini ends inside the horizon: the plan says what follows, and that prompts go to its provider."""
    text = OVERNIGHT.replace("DEADLINE", "24h")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "alternatives", lambda *_: Alternatives((), (), ()))
        plan = optimizer.optimize(Inputs(parse(text, "overnight.yaml")[0], CATALOG, COEFFICIENTS, {})).plan
    assert "openai/gpt-4o-mini" in {name for phase in plan.phases for name in phase.ended}
    assert plan.apis == ()
    (route,) = plan.routes
    assert route.hosted == ("openai/gpt-4o-mini@batch",)
    assert route.availability is not None
    assert route.availability.not_known == ("how often batches of openai end in time",)


def test_a_reasoning_model_in_batches_is_told_at_the_price_of_batches() -> None:
    """Its reasoning tokens are not known, and are priced as its batches are."""
    text = OVERNIGHT.replace("DEADLINE", "24h").replace("llama-3.1-70b-instruct, gpt-4o-mini", "gpt-5.6-luna")
    made = optimizer.optimize(Inputs(parse(text, "case.yaml")[0], CATALOG, COEFFICIENTS, {}), kept={}).plan
    assert made.routes[0].deferred is not None
    assert made.routes[0].deferred.in_batches == 1
    (told,) = [verdict.message for verdict in made.verdicts if verdict.name == "gap tokens"]
    assert "gpt-5.6-luna" in told
