"""Risks: every loosening is told, none is told of a tightening, and none is cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from planner.documents.attribution import with_value
from planner.documents.lock import Lock
from planner.documents.review import Risk, RouteReview
from planner.documents.review_figures import Side
from planner.documents.risks import KINDS, lost_latencies, risks
from planner.edges.catalog_files import load_catalog
from planner.words.spans import read
from tests.planner.documents.changes_of_plans import CHANGES, made
from tests.planner.plans import API, CHAT_POOL, ENVIRONMENT, bent, lock, plan

DOCUMENT = read(ENVIRONMENT, "environments/prod.yaml")
STRICT: Mapping[str, Any] = {
    "routes/chat/residency": ["us"],
    "routes/chat/terms": {"no_training": True, "zero_retention": True, "retention": "30d"},
    "routes/chat/slo/e2e_p95": "20s",
    "licence": {"use": "commercial"},
}
"""What the hand-made environment has beside its own rules, so that it can be loosened."""


def strict() -> Lock:
    return _with(lock(), STRICT)


def _with(base: Lock, keys: Mapping[str, Any]) -> Lock:
    values = base.environment
    for path, value in keys.items():
        values = with_value(values, tuple(path.split("/")), value)
    return base.model_copy(update={"environment": values})


def found(old: Lock | None, new: Lock) -> tuple[Risk, ...]:
    return risks(Side(old) if old else None, Side(new), load_catalog(), DOCUMENT)


LOOSER = [
    ("routes/extraction/data", "internal", "privacy", "extraction is no longer restricted but internal"),
    ("routes/chat/data", "public", "privacy", "chat is no longer internal but public"),
    ("routes/chat/residency", [], "residency", "chat had to be processed in us, and now in any place"),
    ("routes/chat/residency", ["us", "eu"], "residency", "chat had to be processed in us, and now in us, eu"),
    ("routes/chat/terms/no_training", False, "terms", "providers may now train on the prompts of chat"),
    ("routes/chat/terms/zero_retention", False, "terms", "providers may now keep the prompts of chat"),
    ("routes/chat/terms/retention", "60d", "terms", "providers may keep the prompts of chat for 60d, before for 30d"),
    (
        "routes/chat/terms/retention",
        None,
        "terms",
        "providers may keep the prompts of chat for any time, before for 30d",
    ),
    ("reserve/node", False, "reserve", "nothing is kept in reserve any more"),
    ("budget/monthly", "$90,000", "budget", "the budget is raised from $20,000 to $90,000 a month"),
    ("budget", None, "budget", "the budget of $20,000 a month is removed"),
    ("api/monthly_budget", "$6,000", "budget", "the budget of APIs is raised from $5,000 to $6,000 a month"),
    ("routes/chat/slo/tpot_p95", "80ms", "slo", "chat promises a longer time per output token: 60ms → 80ms"),
    ("routes/chat/slo/tpot_p95", None, "slo", "chat promises no time per output token any more"),
    ("routes/chat/slo/ttft_p95/base", "2s", "slo", "chat promises a longer time to the first token: 1200ms → 2s"),
    ("routes/chat/slo/ttft_p95/per_1k_input", "900ms", "slo", "for each 1,000 tokens of prompt: 300ms → 900ms"),
    ("routes/chat/slo/e2e_p95", "30s", "slo", "chat promises a longer time of a whole answer: 20s → 30s"),
    ("routes/chat/slo/availability", "99%", "slo", "chat asks for less availability: 99.9% → 99%"),
    ("routes/chat/quality/accept", ["gpt-oss-120b", "gpt-5.4-mini", "gpt-5.4"], "quality", "answered by gpt-5.4"),
    ("routes/chat/too_long", {"rule": "refuse", "most": "2%"}, "slo", "prompts of chat that are too long"),
    ("routes/extraction", None, "route", "route extraction is removed"),
    ("planning/margin", "p50", "margin", "without the margin"),
    ("planning/demand_uncertainty", "5%", "margin", "the load is said to be surer"),
    ("licence/use", "non-commercial", "licence", "commercial → non-commercial"),
    ("platform/region", "eu-central-1", "residency", "to eu-central-1 (Germany)"),
]


@pytest.mark.parametrize(("path", "value", "kind", "words"), LOOSER)
def test_every_loosening_is_a_risk_and_its_return_is_none(path: str, value: Any, kind: str, words: str) -> None:
    looser = _with(strict(), {path: value})
    (risk,) = found(strict(), looser)
    assert (risk.kind, words in risk.what) == (kind, True), risk.what
    back = {each.kind for each in found(looser, strict())}
    assert back <= ({kind} if path in ("platform/region", "licence/use", "routes/chat/too_long") else set())


def test_all_at_once_are_all_told_and_the_gravest_first() -> None:
    """Nobody's risk is cut: as many sentences as there are loosenings, in the order of their kinds."""
    once = {path: (path, value, kind, words) for path, value, kind, words in LOOSER if value is not None}
    del once["routes/extraction/data"]
    once["routes/extraction"] = ("routes/extraction", None, "route", "")
    everything = found(strict(), _with(strict(), {path: value for path, (_, value, _, _) in once.items()}))
    assert len(everything) >= len(once)
    ranks = [KINDS.index(risk.kind) for risk in everything]
    assert ranks == sorted(ranks)
    assert {risk.kind for risk in everything} >= {kind for _, _, kind, _ in once.values()}


def test_the_line_of_a_risk_is_named() -> None:
    (risk,) = found(strict(), _with(strict(), {"routes/extraction/data": "internal"}))
    number = next(n for n, line in enumerate(ENVIRONMENT.splitlines(), 1) if "data: restricted" in line)
    assert risk.where is not None
    assert (risk.where.file, risk.where.line) == ("environments/prod.yaml", number)


def test_a_first_plan_tells_its_processors() -> None:
    risk, *licences = found(None, lock())
    assert risk.kind == "processor"
    assert {each.kind for each in licences} <= {"licence"}
    assert risk.what.startswith(
        "openai is a new processor of prompts: it gets requests of chat; it processes in any place"
    )
    assert "it does not train on requests" in risk.what
    assert "up to 30 days" in risk.what


def test_a_new_route_at_a_known_provider_and_a_new_address_are_told() -> None:
    more = lock(bent(plan(), {"routes/1/fallback": [API]}))
    (risk,) = found(lock(), more)
    assert risk.what.startswith("openai receives more: it gets requests of extraction")
    (risk,) = found(lock(), lock(bent(plan(), {"apis/0/base_url": "https://elsewhere.example/v1"})))
    assert "https://api.openai.com/v1 → https://elsewhere.example/v1" in risk.what


def test_another_place_at_a_known_provider_is_told() -> None:
    """The provider, the route and the model stay; only the address is another one, which processes elsewhere."""
    catalog = load_catalog()
    within = next(
        f"{API}@{key}" for key, at in catalog.providers["openai"].endpoints.items() if at.residency == ("eu",)
    )
    europe = lock(bent(plan(), {"apis/0/name": within, "routes/0/fallback": [within]}))
    (risk,) = found(europe, lock())
    assert risk.kind == "residency"
    assert risk.what.startswith("openai may process chat in any place")
    assert risk.what.endswith("before in eu")
    assert found(lock(), europe) == ()


def test_an_environment_that_cannot_be_read_hides_no_risk() -> None:
    other = lock().model_copy(update={"environment": {"version": 9}})
    internal = lock(bent(plan(), {"routes/1/privacy": "internal"}))
    for old, new, which in ((other, lock(), "base"), (lock(), other, "plan")):
        (risk,) = found(old, new)
        assert (risk.kind, f"the environment of the {which}" in risk.what) == ("privacy", True)
    assert "extraction is no longer restricted but internal" in {risk.what for risk in found(other, internal)}


def test_what_nobody_knows_of_a_processor_is_said_to_be_unknown() -> None:
    other = {**plan().model_dump(mode="json")["apis"][0], "name": "nobody/model", "provider": "nobody"}
    (risk,) = found(lock(), lock(bent(plan(), {"apis": [other], "routes/0/fallback": ["nobody/model"]})))
    assert "the catalog does not know where it processes, whether it trains on requests" in risk.what
    google = {**other, "name": "google/gemini-3.5-flash-lite", "provider": "google"}
    (risk,) = found(lock(), lock(bent(plan(), {"apis": [google], "routes/0/fallback": [google["name"]]})))
    assert "the longest time is unknown" in risk.what


def test_who_rules_the_cluster_is_told() -> None:
    opened = bent(
        plan(), {"platform/public_cidrs": ["203.0.113.0/24"], "platform/admin_roles": ["arn:aws:iam::1:role/a"]}
    )
    assert [risk.what for risk in found(lock(), lock(opened))] == [
        "the Kubernetes API can be reached from 203.0.113.0/24",
        "arn:aws:iam::1:role/a may administer the cluster",
    ]
    assert found(lock(opened), lock()) == ()


BALANCER = {"scheme": "internal", "cidrs": ["10.0.0.0/8"], "public_addresses": 0, "capacity_units": "1"}
OPENED = {**BALANCER, "scheme": "internet-facing", "cidrs": ["10.0.0.0/8", "203.0.113.0/24"], "hosted_zone": "Z1"}


def test_who_may_call_the_gateway_is_told() -> None:
    inside = bent(plan(), {"platform/cluster/load_balancer": BALANCER})
    outside = bent(plan(), {"platform/cluster/load_balancer": OPENED})
    assert [risk.what for risk in found(lock(), lock(inside))] == [
        "the gateway can be called from 10.0.0.0/8",
        "keys and prompts reach the load balancer in clear text",
    ]
    assert [risk.what for risk in found(lock(inside), lock(outside))] == [
        "the gateway can be called from the internet",
        "the gateway can be called from 203.0.113.0/24",
    ]
    shared = bent(plan(), {"platform/ingress": {"gateway_api": {"name": "shared", "namespace": "edge"}}})
    assert [risk.what for risk in found(lock(), lock(shared))] == [
        "the gateway can be called by shared of namespace edge"
    ]
    assert found(lock(outside), lock()) == found(lock(shared), lock()) == ()


OLD_IMAGE, NEW_IMAGE = "vllm/vllm-openai:v0.33.0", "vllm/vllm-openai:v0.34.0"


def engine(image: str | None, canary: str | None) -> Lock:
    tried = {"canary": {"image": canary, "replicas": {CHAT_POOL: 1}}} if canary else {}
    named = {"image": image} if image else {}
    return lock(bent(plan(), {"platform/engine": {**named, **tried}})) if named or tried else lock()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ((None, None), (None, NEW_IMAGE), [f"{NEW_IMAGE} on 1 of 2 {CHAT_POOL}"]),
        ((OLD_IMAGE, NEW_IMAGE), (NEW_IMAGE, None), [f"{OLD_IMAGE} → {NEW_IMAGE}, which was tried as a canary"]),
        ((None, None), (NEW_IMAGE, None), [f"that of the charts → {NEW_IMAGE}, which was no canary before"]),
        ((OLD_IMAGE, NEW_IMAGE), (OLD_IMAGE, None), []),
        ((OLD_IMAGE, NEW_IMAGE), (OLD_IMAGE, NEW_IMAGE), []),
    ],
)
def test_another_image_of_the_engine_is_told(
    old: tuple[str | None, str | None], new: tuple[str | None, str | None], told: list[str]
) -> None:
    risks_found = found(engine(*old), engine(*new))
    assert [risk.kind for risk in risks_found] == ["engine"] * len(told)
    for risk, words in zip(risks_found, told, strict=True):
        assert words in risk.what


def test_refused_prompts_and_a_lost_api_are_told() -> None:
    refused = {"over_tokens": 4000, "refused_share": "0.012", "cut_share": "0"}
    (risk,) = found(lock(), lock(bent(plan(), {"routes/0/too_long": refused})))
    assert risk.what == "1.20% of the requests of chat are refused because they are too long, before 0.00%"
    (risk,) = found(lock(), lock(bent(plan(), {"routes/0/fallback": []})))
    assert risk.what.startswith("no API helps chat any more")


def test_limits_of_a_licence_are_told_when_its_model_comes() -> None:
    llama = lock(bent(plan(), {"pools/0/model": "llama-3.3-70b-instruct"}))
    (risk,) = found(lock(), llama)
    assert risk.kind == "licence"
    assert "Llama 3.3 Community License" in risk.what
    assert "700,000,000 monthly users" in risk.what
    assert found(llama, llama) == ()


def test_an_end_inside_the_horizon_is_told_once_it_lies_there() -> None:
    catalog = load_catalog()
    start = lock().answered_environment().horizon.start
    row = next(row for row in catalog.apis if row.retires is not None and row.retires > start)
    assert row.retires is not None
    api = {**plan().model_dump(mode="json")["apis"][0], "name": row.key, "provider": row.provider}
    changed = bent(plan(), {"apis": [api], "routes/0/fallback": [row.key]})
    soon, late = (_with(lock(changed), {"horizon": {"start": str(start), "months": m}}) for m in (36, 1))
    if row.ends_within(start, soon.answered_environment().horizon.end):
        assert "retirement" in {risk.kind for risk in found(late, soon)}
        assert f"{row.key} ends on {row.retires}" in next(r.what for r in found(late, soon) if r.kind == "retirement")
    assert "retirement" not in {risk.kind for risk in found(soon, soon)}


EXPECTED: Mapping[str, set[str]] = {
    "new route": {"processor"},
    "privacy loosened": {"privacy", "processor", "quality"},
    "new processor": {"processor", "quality"},
    "looser slo": {"slo"},
    "region": {"residency"},
    "budget": {"budget"},
    "reserve deleted": {"reserve"},
    "residency": {"residency"},
    "route removed": {"route"},
    "model dropped": {"reserve", "route"},
}


@pytest.mark.parametrize("name", [change.name for change in CHANGES])
def test_real_changes_have_the_risks_that_they_have(name: str) -> None:
    change = made(name)
    document = change.after.wanted("small").document
    new, old = Side(change.proposed), Side(change.base)
    assert {risk.kind for risk in risks(old, new, change.after.catalog(), document)} == EXPECTED.get(name, set())
    assert risks(new, new, change.after.catalog(), document) == ()


def test_a_promise_that_nobody_can_judge_any_more_is_a_risk() -> None:
    """A pool kept the time per token; what serves the route now was never measured."""

    def route(expected: str | None, target: str | None = "60") -> RouteReview:
        promise = {
            "metric": "TPOT",
            "base_target_ms": "60",
            "target_ms": target,
            "base_expected_ms": "59",
            "expected_ms": expected,
        }
        values = dict.fromkeys(RouteReview.model_fields)
        texts = {"name": "chat", "presence": "changed", "privacy": "internal", "served": "an API"}
        return RouteReview.model_validate({**values, **texts, "promises": [promise], "changes": []})

    (risk,) = lost_latencies([route(None)])
    assert risk.kind == "slo"
    assert risk.what == "nobody has measured how fast chat is served now: its promise (TPOT of 60ms) may not be kept"
    assert list(lost_latencies([route("58"), route(None, target=None)])) == []
