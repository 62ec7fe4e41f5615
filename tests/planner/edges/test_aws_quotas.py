"""vCPU quotas of an account: its own figure, else AWS's for every account, else a gap."""

from __future__ import annotations

from planner.edges.aws_account import DEFAULT_QUOTA, QUOTA
from planner.edges.aws_quotas import QUOTA_CODES, SPOT_QUOTA_CODES, AccountQuota, account_quotas
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
    assert (quota_code("g6e.xlarge", "SPOT"),) == SPOT_QUOTA_CODES["G-spot"]
    assert {quota_code(kind, "SPOT") for kind in ("p4d.24xlarge", "p5.48xlarge")} == set(SPOT_QUOTA_CODES["P-spot"])


def test_spot_has_quotas_of_its_own_and_the_least_of_a_family_counts() -> None:
    values = (768.0, 384.0, 96.0, 192.0, 64.0)
    account, _ = stubbed(*((QUOTA, {"Quota": {"Value": value}}) for value in values))
    found = account_quotas(account, "us-east-1", of_spot=True)
    assert {row.family: row.vcpu for row in found.rows} == {"G": 768, "P": 384, "G-spot": 96, "P-spot": 64}


def test_a_family_of_which_one_spot_quota_is_unknown_is_a_gap() -> None:
    stated = [(QUOTA, {"Quota": {"Value": 96.0}})] * 4
    account, _ = stubbed(*stated, (QUOTA, "NoSuchResourceException"), (DEFAULT_QUOTA, "NoSuchResourceException"))
    found = account_quotas(account, "us-east-1", of_spot=True)
    assert [row.family for row in found.rows] == ["G", "P", "G-spot"]
    assert [told.code for told in found.told] == ["REF006"]
