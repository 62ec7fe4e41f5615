"""The arithmetic of docs/why-this-mix.md, recomputed from the lock of the worked prod."""

from __future__ import annotations

from decimal import Decimal

import pytest

from planner.documents.lock import load
from planner.plan.plan import Plan
from planner.plan.traffic import PlannedRoute
from tests.docs.markdown import text_of
from tests.examples import ENVIRONMENTS

TEXT = " ".join(text_of("docs/why-this-mix.md").split())


@pytest.fixture(scope="module")
def plan() -> Plan:
    path = ENVIRONMENTS / "prod.lock.json"
    return load(path.read_text(), str(path)).plan


def route(plan: Plan, name: str) -> PlannedRoute:
    return next(r for r in plan.routes if r.name == name)


def rate(plan: Plan, name: str) -> float:
    """Requests/s of one replica on a route's own mix of bands."""
    pool = next(p for p in plan.pools if any(c.route == name for c in p.capacity))
    rates = {c.band: float(c.requests_per_second) for c in pool.capacity if c.route == name}
    return 1 / sum(float(b.share_of_requests) / rates[i] for i, b in enumerate(route(plan, name).bands))


def api_usd(plan: Plan, name: str) -> float:
    """USD a request at the first API of chat, on a route's own mean lengths."""
    api = next(a for a in plan.apis if a.name == route(plan, "chat").fallback[0])
    bands = route(plan, name).bands
    tokens_in = sum(float(b.share_of_requests * b.mean_input_tokens) for b in bands)
    tokens_out = sum(float(b.share_of_requests * b.mean_output_tokens) for b in bands)
    prices = float(api.usd_per_million_input_tokens), float(api.usd_per_million_output_tokens)
    return (tokens_in * prices[0] + tokens_out * prices[1]) / 1e6


def requests(plan: Plan, name: str) -> float:
    return sum(float(level.hours * level.mean_requests_per_second[name]) * 3600 for level in plan.levels)


def spent(plan: Plan, component: str) -> Decimal:
    return sum((line.usd_per_month for line in plan.cost.lines if line.component == component), Decimal(0))


def test_chat_pays_on_a_machine_and_spills_its_peak(plan: Plan) -> None:
    group = next(g for g in plan.node_groups if g.instance_type == "p5.4xlarge")
    hourly = float(spent(plan, group.name)) / 730
    assert group.max_nodes == 1
    for shown in (
        f"${spent(plan, group.name):,}",
        f"{rate(plan, 'chat'):.2f} requests/s",
        f"${hourly:.4f}/h",
        f"${hourly / 3600 / rate(plan, 'chat'):.6f}",
        f"${api_usd(plan, 'chat'):.6f}",
        f"{hourly / 3600 / rate(plan, 'chat') / api_usd(plan, 'chat'):.0%}".replace("%", " %") + " use",
        f"{requests(plan, 'chat') / 1e6:.2f} M",
        f"{float(route(plan, 'chat').spill_share):.1%}".replace("%", " %"),
        f"costs ${spent(plan, 'chat'):,.0f} a month",
        f"code spends ${spent(plan, 'code'):,.0f} there",
    ):
        assert shown in TEXT, shown
    assert f"${requests(plan, 'chat') * api_usd(plan, 'chat'):,.0f}" in TEXT
    pool = next(p for p in plan.pools if any(c.route == "chat" for c in p.capacity))
    short, medium, long = (float(c.requests_per_second) for c in pool.capacity if c.route == "chat")
    assert f"{short:.2f} short, {medium:.2f} medium or {long:.2f} long prompts" in TEXT
    short, medium, long = (100 * float(b.share_of_requests) for b in route(plan, "chat").bands)
    assert f"{short:.1f} % short, {medium:.1f} % medium and {long:.1f} % long ones" in TEXT


def machine_usd(plan: Plan, instance: str) -> float:
    """USD a month of one node with its disk."""
    group = next(g for g in plan.node_groups if g.instance_type == instance)
    return float(spent(plan, group.name)) / group.max_nodes


def test_a_second_machine_would_cost_more_than_it_could_save(plan: Plan) -> None:
    most = spent(plan, "chat") + spent(plan, "code")
    assert most < machine_usd(plan, "p5.4xlarge")
    assert f"at most their sum, ${most:,.0f}" in TEXT
    assert (
        f"no plan below ${plan.solver.bound_usd_per_month:,.0f}, and this one costs ${plan.cost.usd_per_month:,.0f}"
        in TEXT
    )
    longer = [b for b in route(plan, "code").bands if b.api_share == 1]
    assert f"prompts over {route(plan, 'code').bands[0].max_input_tokens:,} tokens" in TEXT
    api = plan.apis[0]
    usd = sum(
        b.share_of_requests
        * (
            b.mean_input_tokens * api.usd_per_million_input_tokens
            + b.mean_output_tokens * api.usd_per_million_output_tokens
        )
        for b in longer
    )
    assert 0.95 < requests(plan, "code") * float(usd) / 1e6 / float(spent(plan, "code")) <= 1
    spilling = {level for b in route(plan, "chat").bands for level in b.spill_by_level}
    assert round(sum(float(level.hours) for level in plan.levels if level.name in spilling) / (730 * 5 / 7 / 24)) == 9


def test_a_cheaper_machine_would_send_more_to_the_api(plan: Plan) -> None:
    other = next(r for r in plan.runners_up if r.name == "without p5.4xlarge")
    assert other.description == "3 × g7e.2xlarge"
    assert other.usd_per_month is not None
    assert f"saves ${machine_usd(plan, 'p5.4xlarge') - machine_usd(plan, 'g7e.2xlarge'):,.0f}" in TEXT
    assert f"${other.usd_per_month:,.0f} in all" in TEXT


def test_at_a_fifth_both_go_to_the_api(plan: Plan) -> None:
    points = {point.scale: point for point in plan.break_even}
    fifth = points[Decimal("0.2")]
    assert fifth.routes["chat"] == fifth.routes["code"] == "api"
    chat, code = (requests(plan, name) / 5 * api_usd(plan, name) for name in ("chat", "code"))
    machine = machine_usd(plan, "g7e.2xlarge")
    assert f"{requests(plan, 'chat') / 5e6:.2f} M requests" in TEXT
    assert f"${chat:,.0f}" in TEXT
    assert f"about ${code:,.0f}" in TEXT
    assert f"the ${machine:,.0f} of a" in TEXT
    assert chat + code < machine
    third = points[Decimal("0.35")]
    assert third.fleet == points[Decimal("0.5")].fleet == "3 × g7e.2xlarge"
    left = float(third.usd_per_month - spent(plan, "platform")) - 3 * machine
    assert f"the API would cost ${(chat + code) * 0.35 / 0.2:,.0f};" in TEXT
    assert f"leaves ${left:,.0f} of it" in TEXT
    assert machine + left < (chat + code) * 0.35 / 0.2
    assert points[Decimal("1.5")].fleet == "3 × g7e.2xlarge + 1 × p5.4xlarge"


def test_extraction_survives_the_loss_of_a_node(plan: Plan) -> None:
    pool = next(p for p in plan.pools if p.privacy == "restricted")
    peak = max(float(level.planned_requests_per_second["extraction"]) for level in plan.levels)
    busy = peak / rate(plan, "extraction")
    assert pool.replicas.max - 1 >= busy > pool.replicas.max - 2
    for shown in (f"{peak:.2f} requests/s", f"takes {rate(plan, 'extraction'):.2f}", f"{busy:.2f} replicas are busy"):
        assert shown in TEXT, shown
    assert f"${spent(plan, pool.node_group):,}" in TEXT
    api = requests(plan, "extraction") * api_usd(plan, "extraction")
    assert f"${api:,.0f}" in TEXT
    assert f"difference, ${float(spent(plan, pool.node_group)) - api:,.0f} a month" in TEXT
    assert f"the platform's ${spent(plan, 'platform'):,.0f}" in TEXT


def test_what_uncertainty_costs(plan: Plan) -> None:
    fair = next(b for b in plan.baselines if b.name == "no uncertainty margin").usd_per_month
    assert fair is not None
    assert f"would cost ${fair:,.0f}" in TEXT
    premium = plan.cost.usd_per_month - fair
    assert f"**${premium:,.0f}** a month, {100 * premium / plan.cost.usd_per_month:.0f} % of the plan" in TEXT
    assert f"${plan.cost.low_usd_per_month:,.0f} to ${plan.cost.high_usd_per_month:,.0f}" in TEXT
    assert plan.cost.low_usd_per_month == plan.cost.high_usd_per_month
    assert sum(group.max_nodes for group in plan.node_groups) == 3
