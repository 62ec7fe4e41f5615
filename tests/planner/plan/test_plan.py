"""The plan as a frozen value: what a newer minor version adds is kept, what is wrong is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from pydantic import ValidationError

from planner.plan.phases import Phase, mean_usd_per_month
from planner.plan.plan import Plan
from planner.plan.traffic import RouteBand
from tests.planner.plans import bent, edited, plan


def test_a_plan_reads_back_what_it_wrote() -> None:
    whole = plan()
    assert Plan.model_validate_json(whole.model_dump_json()) == whole


def test_a_plan_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        plan().pools[0].name = "other"  # type: ignore[misc]


def test_an_unknown_key_is_kept_and_not_read() -> None:
    newer = bent(plan(), {"pools/0/spot_share": "0.5", "pools/0/engine/speculative": {"tokens": 3}})
    assert newer.model_dump(mode="json")["pools"][0]["engine"]["speculative"] == {"tokens": 3}
    assert newer.pools[0].replicas == plan().pools[0].replicas


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pools/0/replicas/min", "many"),
        ("node_groups/0/capacity_type", "borrowed"),
        ("routes/0/privacy", "secret"),
        ("cost/usd_per_month", "a lot"),
        ("levels/0/planned_requests_per_second/chat", "NaN"),
        ("platform/cluster/keys/0/name", "spare"),
        ("platform/cluster/system_nodes/nodes", "several"),
    ],
)
def test_a_wrong_value_is_refused(path: str, value: str) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate(edited(plan().model_dump(mode="json"), {path: value}))


def test_a_mean_over_phases_is_weighted_by_days_and_misses_no_phase() -> None:
    """30 days at $1 and 60 at $4 are $3 on average; a phase without a plan has no mean."""
    first = Phase(
        start=date(2027, 1, 1), end=date(2027, 1, 31), ended=(), routes=(), fleet="", usd_per_month=1, why_not=""
    )
    second = first.model_copy(update={"start": first.end, "end": date(2027, 4, 1), "usd_per_month": Decimal(4)})
    assert (first.days, second.days) == (30, 60)
    assert mean_usd_per_month((first, second)) == Decimal("3.00")
    assert mean_usd_per_month((first, second.model_copy(update={"usd_per_month": None}))) is None
    assert mean_usd_per_month(()) is None


@pytest.mark.parametrize(
    ("weights", "api_share", "spilled", "refused", "expected"),
    [
        ({}, "1", {}, {}, {"peak": "1", "trough": "1"}),
        ({}, "1", {"peak": "1", "trough": "1"}, {}, {"peak": "1", "trough": "1"}),
        ({}, "1", {}, {"peak": "0.25"}, {"peak": "0.75", "trough": "1"}),
        ({"pool": "1"}, "0", {"peak": "0.4"}, {}, {"peak": "0.4", "trough": "0"}),
        ({"pool": "1"}, "0", {}, {}, {"peak": "0", "trough": "0"}),
        ({}, "0", {}, {"peak": "1", "trough": "1"}, {"peak": "0", "trough": "0"}),
    ],
    ids=["whole", "whole, as 1.1 writes it", "whole but for what is refused", "at the gate", "own pools", "refused"],
)
def test_what_a_band_sends_to_apis_at_each_level(
    weights: dict[str, str], api_share: str, spilled: dict[str, str], refused: dict[str, str], expected: dict[str, str]
) -> None:
    band = RouteBand.model_validate(
        {
            "max_input_tokens": None,
            "share_of_requests": "1",
            "mean_input_tokens": "100",
            "mean_output_tokens": "10",
            "weights": weights,
            "api_share": api_share,
            "spill_by_level": spilled,
            "refused_by_level": refused,
        }
    )
    assert {level: band.spilled(level) for level in expected} == {k: Decimal(v) for k, v in expected.items()}
