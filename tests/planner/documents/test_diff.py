"""Two locks compared: the parts of a change sum to it exactly; inputs and prices are told apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.documents.changes import KeyChange, change_words
from planner.documents.diff import Diff, PartChange, compare, touched_parts
from planner.documents.lock import Lock
from planner.domain.prices import Price
from planner.money.cost import bill, line
from planner.plan.cost import CostLine
from planner.plan.plan import Plan
from tests.planner.plans import API, CHAT_GROUP, CHAT_POOL, ENVIRONMENT, PRIVATE, bent, cost_lines, lock, plan

BASE = lock()


def priced(lines: tuple[CostLine, ...] | list[CostLine], whole: Plan | None = None) -> Lock:
    """The base lock with another bill."""
    return BASE.model_copy(update={"plan": (whole or plan()).model_copy(update={"cost": bill(lines)})})


def changed(name: str, quantity: str | None = None, usd: str | None = None) -> tuple[CostLine, ...]:
    """The bill with one line's quantity or unit price changed, where its name contains `name`."""
    found = []
    for old in cost_lines():
        if name in old.name:
            price = Price(old.price, Decimal(usd or old.unit_price), old.unit, old.source, old.as_of)
            found.append(line(old.name, old.component, old.kind, Decimal(quantity or old.quantity), price))
        else:
            found.append(old)
    assert tuple(found) != cost_lines()
    return tuple(found)


def told(part: PartChange) -> tuple[str, ...]:
    """What was added or removed, or which figures changed."""
    return (*part.summary, *map(change_words, part.details))


def adds_up(diff: Diff) -> bool:
    lines = sum((entry.delta for entry in diff.lines), Decimal(0))
    by_component = sum((new - old for _, old, new in diff.by_component()), Decimal(0))
    return diff.delta == diff.by_inputs + diff.by_prices == lines == by_component


def test_the_same_lock_has_an_empty_diff() -> None:
    diff = compare(BASE, lock())
    assert diff.empty
    assert touched_parts(diff) == ()
    assert diff.delta == 0
    assert (diff.first, diff.parts, diff.inputs) == (False, (), ())
    assert diff.base_usd == diff.proposed_usd == Decimal("13136.87")


def test_a_new_quantity_is_the_work_of_the_inputs() -> None:
    diff = compare(BASE, priced(changed("input tokens", quantity="2304")))
    assert (diff.by_inputs, diff.by_prices) == (Decimal("864.00"), Decimal(0))
    assert adds_up(diff)


def test_a_new_price_is_the_work_of_prices() -> None:
    diff = compare(BASE, priced(changed("input tokens", usd="1.00")))
    assert (diff.by_inputs, diff.by_prices) == (Decimal(0), Decimal("288.00"))
    assert adds_up(diff)


def test_both_at_once_are_split_at_the_new_quantity_and_the_old_price() -> None:
    diff = compare(BASE, priced(changed("input tokens", quantity="2304", usd="1.00")))
    (entry,) = [e for e in diff.lines if e.delta]
    assert (entry.base, entry.proposed) == (Decimal("864.00"), Decimal("2304.00"))
    assert entry.by_quantity == Decimal("864.00")  # (2304 − 1152) × 0.75
    assert entry.by_price == Decimal("576.00")  # 2304 × (1.00 − 0.75)
    assert adds_up(diff)


def test_a_line_keeps_its_identity_when_its_name_carries_the_count() -> None:
    price = Price("ec2/us-east-1/g6e.2xlarge/on-demand", Decimal("2.24208"), "hour", "list price", "2026-11-20")
    lines = [e for e in cost_lines() if e.component != PRIVATE]
    diff = compare(BASE, priced([*lines, line("3 × g6e.2xlarge", PRIVATE, "fixed", 2190, price)]))
    (entry,) = [e for e in diff.lines if e.component == PRIVATE and e.name != "root volumes"]
    assert (entry.name, entry.base, entry.proposed) == ("3 × g6e.2xlarge", Decimal("3273.44"), Decimal("4910.16"))
    assert adds_up(diff)


def test_lines_come_and_go() -> None:
    gone = priced([e for e in cost_lines() if e.kind != "usage"])
    diff = compare(BASE, gone)
    assert (diff.by_inputs, diff.by_prices) == (Decimal("-1900.80"), Decimal(0))
    back = compare(gone, BASE)
    assert (back.by_inputs, back.by_prices) == (Decimal("1900.80"), Decimal(0))
    assert adds_up(diff)
    assert adds_up(back)


def test_a_price_that_the_base_knows_prices_a_new_line_too() -> None:
    """A route that starts to use an API whose price also changed: the change of price is the price's work."""
    price = Price("api/openai/gpt-5.4-mini/input", Decimal("1.00"), "Mtok", "list price", "2026-12-01")
    diff = compare(BASE, priced([*changed("input tokens", usd="1.00"), line("tokens", "code", "usage", 100, price)]))
    (entry,) = [e for e in diff.lines if e.component == "code"]
    assert (entry.by_quantity, entry.by_price) == (Decimal("75.00"), Decimal("25.00"))
    assert adds_up(diff)


def test_the_first_plan_is_all_new() -> None:
    diff = compare(None, BASE)
    assert diff.first
    assert (diff.base_usd, diff.delta) == (Decimal(0), Decimal("13136.87"))
    assert diff.inputs == ()
    assert diff.snapshots == ("", BASE.consulted.snapshot)
    assert {part.change for part in diff.parts} == {"added"}
    assert adds_up(diff)
    assert not diff.empty


def test_components_are_sorted_by_the_size_of_their_change() -> None:
    diff = compare(BASE, priced(changed("EKS", usd="0.20")))
    assert diff.by_component()[0] == ("platform", Decimal("255.00"), Decimal("328.00"))
    assert [name for name, _, _ in diff.by_component()[1:]] == sorted([CHAT_GROUP, PRIVATE, "chat"])


def test_parts_that_are_added_removed_and_changed_are_named_with_what_changed() -> None:
    values = plan().model_dump(mode="json")
    code = {**values["routes"][0], "name": "code", "fallback": []}
    proposed = bent(
        plan(),
        {
            "pools": values["pools"][:1],
            "pools/0/engine/max_num_seqs": 128,
            "pools/0/replicas": {"min": 4, "max": 4},
            "node_groups/0/min_nodes": 2,
            "node_groups/0/max_nodes": 2,
            "node_groups/0/placement/0/nodes": 2,
            "routes": [*values["routes"], code],
            "routes/0/bands/0/api_share": "0.1",
            "routes/0/triggers/spill_after_ms": 900,
        },
    )
    diff = compare(BASE, lock(proposed))
    assert [(p.kind, p.name, p.change, told(p)) for p in diff.parts] == [
        ("node group", CHAT_GROUP, "changed", ("nodes: 1 → 2",)),
        ("pool", CHAT_POOL, "changed", ("replicas: 2 → 4", "engine.max_num_seqs: 64 → 128")),
        ("pool", PRIVATE, "removed", ("2 × qwen3-32b (fp8) on L40S",)),
        (
            "route",
            "chat",
            "changed",
            ('band 1.planned API share: "0" → "0.1"', "triggers.spill_after_ms: 2700 → 900"),
        ),
        ("route", "code", "added", ()),
    ]
    assert touched_parts(diff) == (
        f"node group {CHAT_GROUP}",
        f"pool {CHAT_POOL}",
        f"pool {PRIVATE}",
        "route chat",
        "route code",
    )


def test_a_range_of_nodes_is_told_as_one() -> None:
    diff = compare(BASE, lock(bent(plan(), {"node_groups/0/max_nodes": 3, "node_groups/0/placement/0/nodes": 3})))
    assert [told(part) for part in diff.parts] == [('nodes: 1 → "1 to 3"',)]


def test_expected_figures_touch_nothing_that_is_deployed() -> None:
    proposed = bent(
        plan(),
        {
            "pools/0/capacity/0/requests_per_second": "7",
            "pools/0/peak_utilization": "0.7",
            "routes/0/usd_per_month": "1.00",
            "routes/0/bands/0/spill_by_level/peak": "0.1",
            "routes/0/reasons": ["another"],
            "platform/cluster/model_bucket/weights_gb": "120",
            "platform/cluster/log_groups/0/gb_per_month": "15",
        },
    )
    assert touched_parts(compare(BASE, lock(proposed))) == ()


def test_an_input_limit_of_an_api_is_told() -> None:
    diff = compare(BASE, lock(bent(plan(), {"routes/0/api_max_input_tokens": {API: 12_288}})))
    (part,) = diff.parts
    assert (part.kind, part.name, [change.path[0] for change in part.details]) == (
        "route",
        "chat",
        ["api_max_input_tokens"],
    )
    assert "12288" in told(part)[0]


@pytest.mark.parametrize(
    ("path", "value", "change"),
    [
        ("system_nodes/instance_type", "c7i.2xlarge", '"m6a.large" → "c7i.2xlarge"'),
        ("system_nodes/nodes", 3, "2 → 3"),
        ("nat_zones", ["use1-az4", "use1-az6"], '["use1-az4"] → ["use1-az4", "use1-az6"]'),
        ("log_groups/1/retention_days", 365, "30 → 365"),
        ("keys/0/deletion_days", 7, "30 → 7"),
        ("model_bucket/old_version_days", 60, "30 → 60"),
    ],
)
def test_every_part_of_the_cluster_that_is_built_is_touched_when_it_changes(path: str, value: Any, change: str) -> None:
    diff = compare(BASE, lock(bent(plan(), {f"platform/cluster/{path}": value})))
    key = f"cluster.{path.replace('/', '.')}"
    assert [(p.kind, p.name, told(p)) for p in diff.parts] == [("platform", "us-east-1", (f"{key}: {change}",))]


def test_a_plan_that_needs_no_cluster_any_more_takes_it_away() -> None:
    diff = compare(BASE, lock(bent(plan(), {"platform/cluster": None})))
    (part,) = diff.parts
    assert (part.kind, part.change, [change.path for change in part.details]) == ("platform", "changed", [("cluster",)])


def test_a_plan_that_only_explains_itself_differently_touches_nothing() -> None:
    proposed = bent(plan(), {"solver/gap": "0.002", "verdicts/0/message": "other words", "break_even": []})
    assert compare(BASE, lock(proposed)).empty


def test_inputs_are_the_keys_of_the_environment_that_changed() -> None:
    diff = compare(BASE, lock(environment=ENVIRONMENT.replace("{mean: 5}", "{mean: 8}").replace("G: 96", "G: 128")))
    assert diff.inputs == (
        KeyChange(("quotas", "G"), 96, 128),
        KeyChange(("routes", "chat", "traffic", "requests_per_second", "mean"), 5.0, 8.0),
    )
    assert not diff.empty
    traced = BASE.model_copy(update={"consulted": BASE.consulted.model_copy(update={"traces": {"t": "sha256:1"}})})
    assert compare(BASE, traced).inputs == (KeyChange(("traces", "t"), None, "sha256:1"),)


KEYS = ["ec2/a", "ec2/b", "api/x/input", "api/x/output"]


@st.composite
def bills(draw: st.DrawFn) -> list[CostLine]:
    """Any bill: one price a key, several lines a component, lines that share a name or a price."""
    usd = {key: draw(st.decimals("0.0001", 50, places=6)) for key in KEYS}
    rows = st.tuples(
        st.sampled_from(["1 × a", "2 × a", "tokens"]),
        st.sampled_from(["chat", "code", CHAT_POOL]),
        st.sampled_from(["fixed", "usage"]),
        st.decimals(0, 10**6, places=2),
        st.sampled_from(KEYS),
    )
    return [
        line(name, component, kind, quantity, Price(key, usd[key], "unit", API, "2026-11-20"))  # type: ignore[arg-type]
        for name, component, kind, quantity, key in draw(st.lists(rows, max_size=8))
    ]


@given(bills(), bills())
def test_the_parts_of_any_change_sum_to_it_with_nothing_left_over(
    before: list[CostLine], after: list[CostLine]
) -> None:
    diff = compare(priced(before), priced(after))
    assert adds_up(diff)
    assert sum((e.base for e in diff.lines), Decimal(0)) == diff.base_usd
    assert sum((e.proposed for e in diff.lines), Decimal(0)) == diff.proposed_usd


@given(bills())
def test_the_first_bill_is_all_input(after: list[CostLine]) -> None:
    diff = compare(None, priced(after))
    assert diff.by_prices == 0
    assert diff.by_inputs == diff.delta == diff.proposed_usd


@given(bills(), st.data())
def test_where_quantities_stay_only_prices_speak(before: list[CostLine], data: st.DataObject) -> None:
    usd: dict[str, Any] = {key: data.draw(st.decimals("0.0001", 50, places=6)) for key in KEYS}
    after = [
        line(e.name, e.component, e.kind, e.quantity, Price(e.price, usd[e.price], e.unit, e.source, e.as_of))
        for e in before
    ]
    diff = compare(priced(before), priced(after))
    assert diff.by_inputs == 0
    assert diff.by_prices == diff.delta
