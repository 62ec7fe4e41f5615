"""Reports for tests: a worked plan, its change against another lock, and a review in which everything happens."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache

from planner.documents.hours import hours_of_routes
from planner.documents.lock import Lock
from planner.documents.review import (
    Attribution,
    Cause,
    Check,
    Place,
    Promise,
    Review,
    Risk,
)
from planner.documents.reviewing import review
from planner.edges.reporting import billed_weeks, page_parts
from planner.edges.workspace import Workspace
from planner.faces.report.all_charts import Charts, charts_of
from planner.faces.report.page import Report, report_html
from tests.examples import ENVIRONMENTS

TODAY = date(2026, 12, 1)
HOSTILE = "<script>alert(1)</script> \"'`x`&amp; #12ab34 1.23456"
"""Words that no page may take for its own, and no picture may change."""


def lock_of(name: str) -> Lock:
    """The lock of a worked environment."""
    return Workspace(ENVIRONMENTS).existing_lock(name)


@lru_cache(maxsize=4)
def planned(name: str) -> Report:
    """The report of a worked plan without a base."""
    workspace = Workspace(ENVIRONMENTS)
    lock, wanted = workspace.existing_lock(name), workspace.wanted(name)
    told = review(None, lock, "", wanted.document, TODAY)
    return Report(told, lock, hours_of_routes(lock.plan, billed_weeks(lock, wanted)), TODAY)


@lru_cache(maxsize=1)
def everything() -> Report:
    """A change of the worked prod with every part of a review; dollars of its causes add up, its words are hostile."""
    plain = planned("prod")
    told = plain.review
    base = told.usd_per_month - Decimal("1000")
    causes = (
        _cause(
            "environment", f"chat asks for more {HOSTILE}", "1500.00", Place(file="environments/prod.yaml", line=21)
        ),
        _cause("environment", "the same, in another key", None, None),
        _cause("choice", "another mix for the same inputs", "-700.00", None),
        _cause("prices", "prices of 2026-11-29", "200.00", None),
        _cause("facts", "facts of the catalog", "0.00", None),
    )
    promises = (
        Promise(metric="TTFT", base_target_ms=1000, target_ms=1200, base_expected_ms=900, expected_ms=1300),
        Promise(metric="TPOT", base_target_ms=60, target_ms=60, base_expected_ms=None, expected_ms=30),
        Promise(metric="end to end", base_target_ms=None, target_ms=9000, base_expected_ms=None, expected_ms=None),
    )
    routes = tuple(
        route.model_copy(update={"promises": promises, "changes": (f"privacy {HOSTILE}",), "presence": "changed"})
        for route in told.routes
    )
    checks = (
        Check(
            rule="budget",
            state="deny",
            message=f"over {HOSTILE}",
            base_state="pass",
            standing=False,
            may_override="finance",
        ),
        Check(
            rule="privacy",
            state="deny",
            message="an API",
            base_state=None,
            standing=False,
            overridden="agreed, until May",
        ),
        *(check.model_copy(update={"standing": True, "base_state": check.state}) for check in told.checks),
    )
    changed = told.model_copy(
        update={
            "base": "main",
            "state": "deny",
            "base_usd_per_month": base,
            "risks": (Risk(kind="privacy", what=f"chat may leave {HOSTILE}", where=Place(file="prod.yaml", line=3)),),
            "attribution": Attribution(causes=causes, note="one after the other"),
            "routes": routes,
            "checks": checks,
            "kept": "kept the locked pools",
            "missing_prices": ("platform/us-east-1/kms-key",),
            "assumptions": (HOSTILE,),
        }
    )
    plan = plain.lock.plan
    first, *others = plan.routes
    hostile = first.model_copy(update={"reasons": (HOSTILE,)})
    lock = plain.lock.model_copy(update={"plan": plan.model_copy(update={"routes": (hostile, *others)})})
    return Report(changed, lock, plain.hours, TODAY)


def _cause(kind: str, what: str, usd: str | None, where: Place | None) -> Cause:
    values = {"kind": kind, "name": what, "what": what, "old": "4", "new": None, "usd_per_month": usd, "where": where}
    return Cause.model_validate(values)


def charts(report: Report) -> Charts:
    """All charts of a report."""
    return charts_of(report.review, report.lock.plan, report.hours)


@lru_cache(maxsize=4)
def html_of_plan(name: str) -> str:
    """The page of a worked plan."""
    report = planned(name)
    return report_html(report, charts(report), page_parts())


@lru_cache(maxsize=1)
def html_of_everything() -> str:
    """The page of the change in which everything happens."""
    return report_html(everything(), charts(everything()), page_parts())


def changed_review(report: Report, **values: object) -> Review:
    """The review with other values."""
    return report.review.model_copy(update=values)
