"""The vCPU quotas of an account in a region, by the families that plans count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.domain.offerings import QuotaFamily
from planner.edges.aws_account import DEFAULT_QUOTA, QUOTA, Account, Refused
from planner.words.diagnostics import Problem

QUOTA_CODES: Mapping[QuotaFamily, str] = {"G": "L-DB2E81BA", "P": "L-417A185B"}
"""Codes of Service Quotas for running on-demand vCPUs, by family: `G and VT` and `P`."""


@dataclass(frozen=True)
class AccountQuota:
    """How many vCPUs of a family may run on demand.

    vcpu: how many.
    is_default: whether it is AWS's figure for every account, because this account states none of its own.
    """

    family: QuotaFamily
    vcpu: int
    is_default: bool


@dataclass(frozen=True)
class AccountQuotas:
    """The quotas of a region, and what is not known of them."""

    region: str
    rows: tuple[AccountQuota, ...]
    told: tuple[Problem, ...]


def account_quotas(account: Account, region: str) -> AccountQuotas:
    """Return the vCPU quotas of an account in a region. Raises `Problems`."""
    rows: list[AccountQuota] = []
    told: list[Problem] = []
    for family, code in QUOTA_CODES.items():
        found = _quota(account, region, family, code)
        if isinstance(found, AccountQuota):
            rows.append(found)
        else:
            told.append(found)
    return AccountQuotas(region, tuple(rows), tuple(told))


def _quota(account: Account, region: str, family: QuotaFamily, code: str) -> AccountQuota | Problem:
    why = "the answer is empty"
    for call in (QUOTA, DEFAULT_QUOTA):
        try:
            rows = account.ask(call, region, ServiceCode="ec2", QuotaCode=code)
        except Refused as refused:
            why = refused.code
            continue
        for row in rows:
            if row.get("Value") is not None:
                return AccountQuota(family, int(row["Value"]), call is DEFAULT_QUOTA)
    message = f"Service Quotas states no quota {code} ({family}) in {region}: {why}"
    return Problem("REF006", message, hint="look it up in the console; nothing is assumed", severity="warning")
