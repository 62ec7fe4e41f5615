"""vCPU quotas of an account: its own figure, else AWS's for every account, else a gap."""

from __future__ import annotations

from planner.edges.aws_account import DEFAULT_QUOTA, QUOTA
from planner.edges.aws_quotas import QUOTA_CODES, AccountQuota, account_quotas
from tests.planner.edges.imitated_account import stubbed
from twin.aws.machines import quota_code


def test_the_accounts_own_figure_comes_first() -> None:
    account, _ = stubbed(
        (QUOTA, {"Quota": {"Value": 768.0}}),
        (QUOTA, "NoSuchResourceException"),
        (DEFAULT_QUOTA, {"Quota": {"Value": 0.0}}),
    )
    found = account_quotas(account, "us-east-1")
    assert found.rows == (AccountQuota("G", 768, False), AccountQuota("P", 0, True))
    assert found.told == ()


def test_what_nobody_states_is_a_gap_and_no_zero() -> None:
    account, _ = stubbed(*[(QUOTA, "NoSuchResourceException"), (DEFAULT_QUOTA, "NoSuchResourceException")] * 2)
    found = account_quotas(account, "us-east-1")
    assert found.rows == ()
    assert [told.code for told in found.told] == ["REF006", "REF006"]


def test_codes_are_those_of_the_imitated_account() -> None:
    assert quota_code("g6e.xlarge", "ON_DEMAND") == QUOTA_CODES["G"]
    assert quota_code("p5.48xlarge", "ON_DEMAND") == QUOTA_CODES["P"]
