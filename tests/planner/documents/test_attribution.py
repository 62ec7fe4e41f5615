"""Why a bill changed: parts that add up to the cent, each under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.documents.attribution import (
    MOST_SEPARATE,
    Moved,
    Stand,
    attribute,
    by_two_sums,
    is_neutral,
    ordered_changes,
    with_value,
)
from planner.documents.changes import KeyChange, key_changes
from planner.documents.lock import Lock
from planner.documents.review import Attribution, Cause
from planner.domain.prices import Price
from planner.edges.attributing import attributed
from planner.edges.base_side import Base
from planner.plan.plan import Plan
from planner.words.spans import read
from tests.planner import small
from tests.planner.documents.changes_of_plans import CHANGES, made
from tests.planner.plans import API, ENVIRONMENT, lock, plan

DOCUMENT = read(ENVIRONMENT, "environments/prod.yaml")
EVERY = [change.name for change in CHANGES]


def total(attribution: Attribution) -> Decimal:
    return sum((cause.usd_per_month or Decimal(0) for cause in attribution.causes), Decimal(0))


def told(attribution: Attribution) -> list[tuple[str, str, Decimal | None]]:
    return [(cause.kind, cause.name, cause.usd_per_month) for cause in attribution.causes]


@pytest.mark.parametrize("name", EVERY)
def test_the_parts_of_a_real_change_add_up_to_the_cent(name: str) -> None:
    change = made(name)
    attribution = change.attribution()
    assert total(attribution) == change.proposed.plan.cost.usd_per_month - change.base.plan.cost.usd_per_month
    assert not attribution.causes or attribution.causes[0].usd_per_month is not None
    plain = by_two_sums(change.base, change.proposed, change.after.wanted("small").document)
    assert total(plain) == total(attribution)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_blamed_on_an_environment_that_did_not_change(name: str) -> None:
    change = made(name)
    changed = {".".join(map(str, c.path)) for c in key_changes(change.base.environment, change.proposed.environment)}
    blamed = {cause.name for cause in change.attribution().causes if cause.kind == "environment"}
    assert bool(blamed) == bool(changed)
    assert all(any(key == name or key.startswith(f"{name}.") for key in changed) for name in blamed)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("own price", {"prices"}),
        ("own price that moves the mix", {"prices"}),
        ("price vanished", {"prices"}),
        ("price refresh", set()),
        ("own facts", {"facts"}),
        ("trace", {"traces"}),
        ("another trace", {"environment"}),
        ("calibration", {"calibration"}),
        ("another choice", {"choice"}),
        ("traffic", {"environment"}),
    ],
)
def test_each_cause_stands_under_its_own_name(name: str, kinds: set[str]) -> None:
    assert {cause.kind for cause in made(name).attribution().causes} == kinds


def test_a_price_is_told_with_its_old_and_its_new_amount() -> None:
    causes = {cause.name.rpartition("/")[2]: cause for cause in made("own price").attribution().causes}
    assert (causes["input"].old, causes["input"].new) == ("$0.30 / Mtok", "$0.60 / Mtok")
    lines = {line.price: line for line in made("own price").base.plan.cost.lines}
    line = lines["api/openai/gpt-5.4-mini/input"]
    assert (
        causes["input"].usd_per_month
        == (line.quantity * Decimal("0.60")).quantize(Decimal("0.01")) - line.usd_per_month
    )


def test_a_price_that_vanished_is_a_price_and_has_what_it_cost() -> None:
    (cause,) = made("price vanished").attribution().causes
    assert (cause.kind, cause.name, cause.new) == ("prices", "ec2/eu-central-1/g7e.2xlarge/on-demand", None)
    assert cause.usd_per_month is not None
    assert cause.usd_per_month > 0


def test_prices_at_the_old_quantities_and_what_another_mix_saves_are_told_apart() -> None:
    causes = made("own price that moves the mix").attribution().causes
    assert [cause.name for cause in causes][-1] == ""
    assert causes[-1].usd_per_month is not None
    assert causes[-1].usd_per_month < 0 < min(c.usd_per_month for c in causes[:-1] if c.usd_per_month is not None)


def test_keys_that_cannot_be_planned_alone_have_one_figure() -> None:
    """A region without its zones, and zones without their region, are no environment."""
    region, zones = made("region").attribution().causes
    assert (region.name, zones.name) == ("platform.region", "platform.zones")
    assert zones.usd_per_month is None
    assert "counted in the one above it" in made("region").attribution().note


def test_two_branches_have_a_figure_each() -> None:
    attribution = made("two branches").attribution()
    assert [cause.name for cause in attribution.causes] == [
        "routes.chat.traffic.requests_per_second.mean",
        "routes.extraction.traffic.requests_per_second.mean",
    ]
    assert all(cause.usd_per_month is not None for cause in attribution.causes)
    assert "in another order the parts would differ" in attribution.note


def test_words_that_cost_nothing_need_no_plan() -> None:
    change = made("words only")
    document = change.after.wanted("small").document
    attribution = attribute(change.base, change.proposed, document, Moved(), forbidden)
    assert [cause.usd_per_month for cause in attribution.causes] == [0, 0]


def forbidden(stand: Stand) -> Plan | None:
    raise AssertionError(stand)


# What follows has plans that are only bills, so that every way through the chain is walked.

KEYS = (
    "routes/chat/traffic/requests_per_second/mean",
    "routes/chat/slo/tpot_p95",
    "routes/extraction/slo/tpot_p95",
    "routes/extraction/data",
    "budget/monthly",
    "quotas/G",
    "api/monthly_budget",
    "horizon/months",
    "planning/margin",
    "reserve/node",
    "platform/kubernetes",
)
INPUT = f"api/{API}/input"


def with_bill(usd: Decimal) -> Plan:
    cost = plan().cost
    return plan().model_copy(update={"cost": cost.model_copy(update={"usd_per_month": usd})})


def with_environment(values: Mapping[str, Any], usd: Decimal) -> Lock:
    return lock().model_copy(update={"environment": dict(values), "plan": with_bill(usd)})


def price(usd: str) -> Price:
    return Price(INPUT, Decimal(usd), "Mtok", "list price", "2026-11-20")


dollars = st.decimals(min_value=0, max_value=100_000, places=2)


@given(
    st.sets(st.sampled_from(KEYS)),
    st.lists(st.one_of(st.none(), dollars), min_size=20, max_size=20),
    dollars,
    dollars,
    st.sampled_from([(), (KeyChange(("office",), "sha256:a", "sha256:b"),)]),
    st.sampled_from([(), ("model/acme",)]),
    st.sampled_from([(None, None), ("0.75", "1.00"), ("0.75", None), (None, "0.75"), ("0.75", "0.75")]),
)
def test_the_parts_add_up_whatever_can_be_planned(
    keys: set[str],
    bills: list[Decimal | None],
    before: Decimal,
    after: Decimal,
    traces: tuple[KeyChange, ...],
    facts: tuple[str, ...],
    prices: tuple[str | None, str | None],
) -> None:
    values = lock().environment
    for key in sorted(keys):
        values = with_value(values, tuple(key.split("/")), "another")
    base, proposed = with_environment(lock().environment, before), with_environment(values, after)
    old, new = ({INPUT: price(usd)} if usd else {} for usd in prices)
    asked: list[Stand] = []

    def evaluate(stand: Stand) -> Plan | None:
        asked.append(stand)
        usd = bills[len(asked) - 1]
        return None if usd is None else with_bill(usd)

    moved = Moved(traces=traces, facts=facts, old_prices=old, new_prices=new)
    attribution = attribute(base, proposed, DOCUMENT, moved, evaluate)
    if any(bills[index] is not None for index in range(len(asked))):
        assert total(attribution) == after - before
    else:  # the sums of the cost lines, which these bills do not have
        assert total(attribution) == 0
    assert not attribution.causes or attribution.causes[0].usd_per_month is not None
    named = {cause.name for cause in attribution.causes}
    assert {key.replace("/", ".") for key in keys} <= named
    if not keys:
        assert all(cause.kind != "environment" for cause in attribution.causes)
    assert len(asked) <= 1 + MOST_SEPARATE + 3
    if asked and keys - {"platform/kubernetes"}:
        assert any(stand.environment == values for stand in asked)


def test_keys_are_applied_in_the_order_of_the_file_and_stay_applied() -> None:
    values = with_value(lock().environment, ("budget", "monthly"), "$30,000")
    values = with_value(values, ("routes", "chat", "slo", "tpot_p95"), "80ms")
    proposed = with_environment(values, Decimal(9))
    assert [c.path[0] for c in ordered_changes(lock(), proposed, DOCUMENT)] == ["routes", "budget"]
    stands: list[Stand] = []

    def evaluate(stand: Stand) -> Plan:
        stands.append(stand)
        return with_bill(Decimal(len(stands)))

    attribution = attribute(lock(), proposed, DOCUMENT, Moved(), evaluate)
    assert stands[0].environment == lock().environment
    assert stands[1].environment["routes"]["chat"]["slo"]["tpot_p95"] == "80ms"
    assert stands[1].environment["budget"] == lock().environment["budget"]
    assert stands[2].environment == values
    assert [usd for kind, _, usd in told(attribution) if kind == "environment"] == [Decimal(1), Decimal(1)]


def test_more_keys_than_are_planned_one_by_one_go_by_route_and_section() -> None:
    values = lock().environment
    keys = [key for key in KEYS if key != "platform/kubernetes"]
    assert len(keys) > MOST_SEPARATE
    for key in keys:
        values = with_value(values, tuple(key.split("/")), "another")
    asked: list[Stand] = []

    def evaluate(stand: Stand) -> Plan:
        asked.append(stand)
        return with_bill(Decimal(len(asked)))

    attribution = attribute(lock(), with_environment(values, Decimal(99)), DOCUMENT, Moved(), evaluate)
    figures = {cause.name: cause.usd_per_month for cause in attribution.causes}
    assert len(asked) <= 1 + MOST_SEPARATE
    of_chat = ("routes.chat.slo.tpot_p95", "routes.chat.traffic.requests_per_second.mean")
    assert [figures[name] is None for name in sorted(of_chat)].count(True) == 1
    assert {key.replace("/", ".") for key in keys} <= figures.keys()


def test_a_new_release_has_what_it_changes_and_its_followers_are_counted_in_it() -> None:
    release = Cause(
        kind="release", name="release", what="another release decides", old="1", new="2", usd_per_month=None
    )
    facts = release.model_copy(update={"kind": "facts", "name": "facts"})
    proposed = with_environment(lock().environment, Decimal("14000.00"))
    moved = Moved(release=(release, facts))
    attribution = attribute(lock(), proposed, DOCUMENT, moved, lambda _: with_bill(Decimal("14000.00")))
    change = Decimal("14000.00") - lock().plan.cost.usd_per_month
    assert told(attribution) == [("release", "release", change), ("facts", "facts", None)]


def test_where_nothing_can_be_planned_two_sums_are_told_and_why() -> None:
    values = with_value(lock().environment, ("budget", "monthly"), "$30,000")
    attribution = attribute(lock(), with_environment(values, Decimal(1)), DOCUMENT, Moved(), lambda _: None)
    assert "no step between the two plans can be planned now" in attribution.note
    assert [cause.name for cause in attribution.causes][:2] == ["", "budget.monthly"]


def test_a_first_plan_has_one_cause() -> None:
    attribution = attribute(None, lock(), DOCUMENT, Moved(), forbidden)
    assert told(attribution) == [("environment", "", lock().plan.cost.usd_per_month)]


@pytest.mark.parametrize(
    ("path", "neutral"),
    [
        (("platform", "account"), True),
        (("platform", "roles", "admin"), True),
        (("routes", "chat", "quality", "source"), True),
        (("routes", "chat", "quality", "accept"), False),
        (("platform", "zones"), False),
        (("routes", "chat"), False),
        (("platform",), False),
    ],
)
def test_which_keys_cost_nothing(path: tuple[str, ...], neutral: bool) -> None:
    assert is_neutral(path) == neutral


def test_what_is_said_to_cost_nothing_costs_nothing() -> None:
    """All neutral keys at once, planned by the real planner."""
    neutral = (
        small.text()
        .replace('account: "123456789012"', 'account: "210987654321"')
        .replace(
            "zones: [use1-az1, use1-az5]\n  network: {cidr: 10.64.0.0/16}",
            'zones: [use1-az1, use1-az5]\n  kubernetes: "1.35"\n  network: {cidr: 10.80.0.0/16}\n'
            '  endpoint: {public_cidrs: [203.0.113.0/24]}\n  roles: {admin: ["arn:aws:iam::210987654321:role/admin"]}',
        )
    )
    neutral = neutral.replace("source: own evaluation", "source: another one").replace("2026-11-05", "2026-11-20")
    neutral += "policy: {price_age: {ec2: {warn: 900d}}}\n"
    other = small.planned_text(neutral).lock
    changes = key_changes(small.planned().lock.environment, other.environment)
    assert len(changes) >= 8
    assert all(is_neutral(change.path) for change in changes)
    assert other.plan.cost == small.planned().lock.plan.cost


PAIRS = [(one, EVERY[(place * 7 + 5) % len(EVERY)]) for place, one in enumerate(EVERY)]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_parts_of_any_two_real_locks_add_up_and_come_out_the_same_again(one: str, other: str) -> None:
    """The base of one change against the proposal of another: regions, traces, prices and routes all at once."""
    old, new = made(one), made(other)
    document = new.after.wanted("small").document
    told = attributed(new.after, Base("main", old.base, old.before), new.proposed, document)
    assert total(told) == new.proposed.plan.cost.usd_per_month - old.base.plan.cost.usd_per_month
    assert told == attributed(new.after, Base("main", old.base, old.before), new.proposed, document)
    changed = key_changes(old.base.environment, new.proposed.environment)
    assert bool(changed) == any(cause.kind == "environment" for cause in told.causes)
