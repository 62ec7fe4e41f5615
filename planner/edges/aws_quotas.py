"""The vCPU quotas of an account in a region, by the families that plans count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from planner.domain.offerings import QuotaFamily
from planner.edges.aws_account import DEFAULT_QUOTA, QUOTA, Account, Refused
from planner.words.diagnostics import Problem

QUOTA_CODES: Mapping[QuotaFamily, str] = {"G": "L-DB2E81BA", "P": "L-417A185B"}
"""Codes of Service Quotas for running on-demand vCPUs, by family: `G and VT` and `P`."""
SPOT_QUOTA_CODES: Mapping[str, tuple[str, ...]] = {"G-spot": ("L-3819A6DF",), "P-spot": ("L-7212CCBC", "L-C4BD4855")}
"""The same for spot, by the keys of an environment's quotas. P machines have two: those up to P4, and P5."""


@dataclass(frozen=True)
class AccountQuota:
    """How many vCPUs of a family may run on demand, or as spot.

    family: the key of an environment's quotas, such as `G` or `G-spot`.
    vcpu: how many.
    is_default: whether it is AWS's figure for every account, because this account states none of its own.
    """

    family: str
    vcpu: int
    is_default: bool


@dataclass(frozen=True)
class AccountQuotas:
    """The quotas of a region, and what is not known of them."""

    region: str
    rows: tuple[AccountQuota, ...]
    told: tuple[Problem, ...]


def account_quotas(account: Account, region: str, *, of_spot: bool = False) -> AccountQuotas:
    """Return the vCPU quotas of an account in a region. Raises `Problems`.

    of_spot: whether those of spot are asked for too. A family with several has the least of them.
    """
    rows: list[AccountQuota] = []
    told: list[Problem] = []
    asked: dict[str, tuple[str, ...]] = {family: (code,) for family, code in QUOTA_CODES.items()}
    asked |= SPOT_QUOTA_CODES if of_spot else {}
    for family, codes in asked.items():
        found = [_quota(account, region, family, code) for code in codes]
        gaps = [each for each in found if isinstance(each, Problem)]
        told += gaps
        if not gaps:
            rows.append(min((each for each in found if isinstance(each, AccountQuota)), key=lambda each: each.vcpu))
    return AccountQuotas(region, tuple(rows), tuple(told))


def _quota(account: Account, region: str, family: str, code: str) -> AccountQuota | Problem:
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
