"""Rules of a team through the real engine: the base of a change is what is deployed, and destroy is never barred."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from planner.edges.catalog_files import load_catalog
from planner.money.cost import line
from planner.plan.plan import Plan
from tests.engine import Engine, stage
from tests.infra import locks
from tests.infra.checkout import checkout

pytestmark = pytest.mark.engine

NONE_BUT_API = {"weights": {}, "api_share": Decimal(1), "spill_by_level": {"peak": Decimal(1)}}


def api_only(million_tokens: int) -> Plan:
    """A plan that hosts nothing, so that the engine has nothing to make."""
    plan = locks.plan()
    (chat,) = (route for route in plan.routes if route.name == "chat")
    bands = tuple(band.model_copy(update=NONE_BUT_API) for band in chat.bands)
    price = load_catalog().prices.price("api/openai/gpt-6-luna/input")
    assert price is not None
    usage = line("openai/gpt-6-luna input tokens", "chat", "usage", million_tokens, price)
    usd = {name: usage.usd_per_month for name in type(plan.cost).model_fields if "usd" in name}
    cost = plan.cost.model_copy(update={**usd, "fixed_usd_per_month": Decimal("0.00"), "lines": (usage,), "ranges": ()})
    return plan.model_copy(
        update={
            "platform": plan.platform.model_copy(update={"cluster": None}),
            "pools": (),
            "node_groups": (),
            "routes": (chat.model_copy(update={"bands": bands, "fallback": ("openai/gpt-6-luna",)}),),
            "cost": cost,
        }
    )


def test_a_change_is_held_against_what_is_deployed(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    pulumi = Engine(stage(tmp_path / "stage"), root / "sub", "prod")
    environments = root / "environments"

    def plan(million_tokens: int) -> None:
        locks.write(environments, api_only(million_tokens), environment=locks.environment_text(routes=("chat",)))

    plan(1000)
    (environments / "policies").mkdir()
    (environments / "policies" / "finance.yaml").write_text("version: 1\nrules:\n  cost_change_share: {deny: 50%}\n")
    first = pulumi.up()
    assert first.status == 0, first.output
    assert any("not judged: there is no base to compare with" in told for told in first.diagnostics), first.output
    usd = pulumi.outputs()["usd_per_month"]

    plan(1400)
    grown = pulumi.up()
    assert grown.status == 0, grown.output
    assert "not judged" not in grown.output
    assert Decimal(pulumi.outputs()["usd_per_month"]) == Decimal(usd) * Decimal("1.4")

    plan(2200)
    for refused in (pulumi.preview(), pulumi.up()):
        assert refused.status != 0
        assert "POL011" in refused.output
        assert "+57.1% of the base: more than 50%" in refused.output
    gone = pulumi.destroy()
    assert gone.status == 0, gone.output
