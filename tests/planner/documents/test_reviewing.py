"""Every figure of a review, computed again from the two locks' JSON by other code."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from planner.documents.lock import Lock
from planner.documents.review import Review, changes_something
from planner.documents.reviewing import review
from planner.edges.catalog_files import load_catalog
from planner.words.spans import read
from tests.planner.documents.changes_of_plans import CHANGES, TODAY, made
from tests.planner.plans import ENVIRONMENT, bent, lock, plan

EVERY = [change.name for change in CHANGES]
DOCUMENT = read(ENVIRONMENT, "environments/prod.yaml")


def reviewed(base: Lock | None, proposed: Lock) -> Review:
    return review(base, proposed, "main", DOCUMENT, TODAY, catalog=load_catalog())


class Again:
    """One lock's figures, from its JSON."""

    def __init__(self, of: Lock) -> None:
        self.values: dict[str, Any] = of.model_dump(mode="json")
        self.plan = self.values["plan"]
        self.lines = self.plan["cost"]["lines"]
        self.routes = {route["name"]: route for route in self.plan["routes"]}
        self.pools = {pool["name"]: pool for pool in self.plan["pools"]}
        self.groups = {group["name"]: group for group in self.plan["node_groups"]}
        self.own: dict[str, Decimal] = dict.fromkeys(self.pools, Decimal(0))
        self.api = self.requests = self.sent = Decimal(0)
        for level in self.plan["levels"]:
            for name, rate in level["mean_requests_per_second"].items():
                if name in self.routes:
                    self._count(self.routes[name], level["name"], Decimal(level["hours"]) * 3600 * Decimal(rate))

    def _count(self, route: dict[str, Any], level: str, requests: Decimal) -> None:
        self.requests += requests
        self.sent += requests * Decimal(route["spill_share"])
        for band in route["bands"]:
            length = Decimal(band["mean_input_tokens"]) + Decimal(band["mean_output_tokens"])
            tokens = requests * Decimal(band["share_of_requests"]) * length
            refused = Decimal(band.get("refused_by_level", {}).get(level, "0"))
            always = band["api_share"] == "1" and not band["weights"] and not band["spill_by_level"]
            spilled = 1 - refused if always else Decimal(band["spill_by_level"].get(level, "0"))
            self.api += tokens * spilled
            for pool, weight in band["weights"].items():
                self.own[pool] += tokens * (1 - spilled - refused) * Decimal(weight)

    def usd(self, **having: str) -> Decimal:
        return sum(
            (Decimal(x["usd_per_month"]) for x in self.lines if all(x[k] == v for k, v in having.items())), Decimal(0)
        )

    @property
    def tokens(self) -> Decimal:
        return sum(self.own.values(), self.api)

    def budget(self, *path: str) -> Decimal | None:
        value: Any = self.values["environment"]
        for step in path:
            value = (value or {}).get(step)
        return None if value is None else Decimal(value.replace("$", "").replace(",", ""))

    def figures(self) -> dict[str, Decimal | None]:
        cost, budget, api_budget = (
            self.plan["cost"],
            self.budget("budget", "monthly"),
            self.budget("api", "monthly_budget"),
        )
        return {
            "expected": self.usd(),
            "fixed": self.usd(kind="fixed"),
            "usage": self.usd(kind="usage"),
            "platform": self.usd(component="platform"),
            "low": Decimal(cost["low_usd_per_month"]),
            "high": Decimal(cost["high_usd_per_month"]),
            "per 1M tokens": self.usd() / self.tokens * 1_000_000,
            "API share": self.sent / self.requests,
            "budget used": self.usd() / budget if budget else None,
            "API budget used": self.usd(kind="usage") / api_budget if api_budget else None,
            "GPU nodes": Decimal(sum(group["max_nodes"] for group in self.groups.values())),
            "replicas": Decimal(sum(pool["replicas"]["max"] for pool in self.pools.values())),
        }


def near(value: Decimal | None, other: Decimal | None) -> bool:
    return value is other if value is None or other is None else float(value) == pytest.approx(float(other), rel=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_every_figure_of_a_real_review(name: str) -> None:
    change = made(name)
    told, old, new = change.review(), Again(change.base), Again(change.proposed)
    before, after = old.figures(), new.figures()
    assert {each.name for each in told.figures} == {n for n in after if before[n] is not None or after[n] is not None}
    for each in told.figures:
        assert near(each.base, before[each.name]), each
        assert near(each.proposed, after[each.name]), each
    assert told.change_usd_per_month == new.usd() - old.usd()
    assert (told.base_usd_per_month, told.usd_per_month) == (old.usd(), new.usd())
    assert sum(line.usd_per_month for line in told.lines) == new.usd()
    assert sum(line.base_usd_per_month for line in told.lines) == old.usd()
    parts = [cause.usd_per_month for cause in told.attribution.causes if cause.usd_per_month is not None]
    assert sum(parts, Decimal(0)) == new.usd() - old.usd()


@pytest.mark.parametrize("name", EVERY)
def test_routes_and_pools_of_both_sides_of_a_real_review(name: str) -> None:
    change = made(name)
    told, old, new = change.review(), Again(change.base), Again(change.proposed)
    assert {route.name for route in told.routes} == {*old.routes, *new.routes}
    for route in told.routes:
        before, after = old.routes.get(route.name), new.routes.get(route.name)
        assert route.usd_per_month == (Decimal(after["usd_per_month"]) if after else None)
        assert route.base_usd_per_month == (Decimal(before["usd_per_month"]) if before else None)
        assert route.api_share == (Decimal(after["spill_share"]) if after else None)
        assert route.base_api_share == (Decimal(before["spill_share"]) if before else None)
        for promise in route.promises:
            assert promise.expected_ms is None or promise.target_ms is None or promise.expected_ms <= promise.target_ms
    assert {pool.name for pool in told.pools} == {*old.pools, *new.pools}
    for pool in told.pools:
        side = new if pool.name in new.pools else old
        assert pool.token_share is not None
        assert near(pool.token_share, side.own[pool.name] / side.tokens)
        nodes = side.groups[side.pools[pool.name]["node_group"]]["max_nodes"]
        assert (pool.nodes if side is new else pool.base_nodes) == nodes
    shares = sum((pool.token_share or Decimal(0) for pool in told.pools if pool.name in new.pools), Decimal(0))
    assert near(shares + new.api / new.tokens, Decimal(1))


@pytest.mark.parametrize("name", EVERY)
def test_every_check_of_both_sides_is_told(name: str) -> None:
    change = made(name)
    told = change.review()
    assert [(c.rule, c.state, c.message) for c in told.checks] == [
        (v.name, v.state, v.message) for v in change.proposed.plan.verdicts
    ]
    kept, old = {check.rule for check in told.checks}, {v.name for v in change.base.plan.verdicts}
    assert {check.rule for check in told.gone_checks} == old - kept
    assert {check.rule for check in told.checks if check.base_state is None} == kept - old
    order = ("pass", "warn", "deny")
    assert told.state == order[max(order.index(check.state) for check in told.checks)]


def test_what_saves_by_a_looser_class_is_named_a_risk() -> None:
    told = made("privacy loosened").review()
    assert told.change_usd_per_month is not None
    assert told.change_usd_per_month < 0
    assert next(risk.kind for risk in told.risks) == "privacy"
    assert "risks: privacy" in told.headline
    savers = [cause for cause in told.attribution.causes if cause.usd_per_month is not None and cause.usd_per_month < 0]
    assert all(cause.risk for cause in savers)
    assert next(c for c in told.attribution.causes if c.name == "routes.extraction.data").risk == "privacy"


def test_prompts_that_move_to_an_api_are_told_in_words() -> None:
    (chat,) = [route for route in made("tighter slo").review().routes if route.name == "chat"]
    assert any("tokens now go to the API (openai/gpt-5.4-mini)" in sentence for sentence in chat.changes)


def test_a_new_route_has_its_cost_and_no_base() -> None:
    (reports,) = [route for route in made("new route").review().routes if route.name == "reports"]
    assert (reports.presence, reports.base_usd_per_month, reports.base_api_share) == ("added", None, None)
    assert reports.usd_per_month is not None
    assert reports.usd_per_month > 0


def test_what_least_churn_kept_comes_from_the_lock() -> None:
    told = made("least churn")
    assert told.proposed.plan.kept is not None
    assert told.review().kept == told.proposed.plan.kept.words
    assert "would save $" in told.review().kept
    assert made("traffic").review().kept == ""


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("traffic", "+$1,409 / month (+49 %) · $4,261 total · SLOs met · 2 warnings"),
        ("price refresh", "unchanged · "),
        ("region", "≥ $3,528 (1 price missing)"),
        ("budget", "$0 / month · "),
    ],
)
def test_headlines(name: str, part: str) -> None:
    assert part in made(name).review().headline
    assert made(name).review().headline.startswith("Plan for small: ")


def test_a_first_plan_is_all_new_and_has_no_change() -> None:
    told = reviewed(None, lock())
    assert (told.base, told.base_usd_per_month, told.change_usd_per_month) == ("", None, None)
    assert told.headline.startswith("Plan for prod: $13,137 total")
    assert {route.presence for route in told.routes} == {"added"}
    assert {check.base_state for check in told.checks} == {None}
    assert changes_something(told)


def test_the_same_lock_changes_nothing() -> None:
    told = reviewed(lock(), lock())
    assert not changes_something(told)
    assert "unchanged" in told.headline
    assert (told.risks, told.touched, told.attribution.causes) == ((), (), ())
    assert all(check.standing for check in told.checks)


@pytest.mark.parametrize(
    ("before", "after", "base_state", "standing"),
    [
        (("warn", "a is old"), ("warn", "a is old"), "warn", True),
        (("warn", "a is old"), ("warn", "a and b are old"), "warn", False),
        (("pass", "1 day old"), ("pass", "2 days old"), "pass", True),
        (("pass", "1 day old"), ("deny", "99 days old"), "pass", False),
    ],
)
def test_a_warning_stands_only_with_its_message(
    before: tuple[str, str], after: tuple[str, str], base_state: str, standing: bool
) -> None:
    old, new = (
        lock(bent(plan(), {"verdicts": [{"name": "prices", "state": state, "message": message}]}))
        for state, message in (before, after)
    )
    (check,) = reviewed(old, new).checks
    assert (check.base_state, check.standing) == (base_state, standing)


def test_two_verdicts_of_one_name_are_matched_by_what_they_say() -> None:
    verdicts = [{"name": "retirement", "state": state, "message": state} for state in ("pass", "warn")]
    both = lock(bent(plan(), {"verdicts": verdicts}))
    assert [(c.state, c.base_state, c.standing) for c in reviewed(both, both).checks] == [
        ("pass", "pass", True),
        ("warn", "warn", True),
    ]


def test_a_target_that_grows_with_the_prompt_is_that_of_its_band() -> None:
    """1,200 ms + 300 ms × 2 thousand tokens: the band of short prompts is nearer to its target."""
    capacity = plan().model_dump(mode="json")["pools"][0]["capacity"]
    changes = {
        "pools/0/capacity": [
            {**capacity[0], "ttft_p95_ms": "1700", "p95_input_tokens": "2000"},
            {**capacity[1], "ttft_p95_ms": "1750", "p95_input_tokens": "8000"},
        ]
    }
    (chat,) = [route for route in reviewed(None, lock(bent(plan(), changes))).routes if route.name == "chat"]
    ttft = next(promise for promise in chat.promises if promise.metric == "TTFT")
    assert (ttft.expected_ms, ttft.target_ms) == (Decimal(1700), Decimal(1800))


def test_a_missed_promise_is_not_called_met() -> None:
    capacity = plan().model_dump(mode="json")["pools"][0]["capacity"]
    slow = [{**each, "tpot_p95_ms": "99", "p95_input_tokens": "10"} for each in capacity]
    assert "SLOs missed" in reviewed(None, lock(bent(plan(), {"pools/0/capacity": slow}))).headline
    assert "SLOs met where known" in reviewed(None, lock()).headline  # nobody knows the 95th-percentile prompts
