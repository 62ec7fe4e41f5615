"""Reviews to draw: of a grown fleet, of a first plan, of nothing; and one in which every text is a given one."""

from __future__ import annotations

import datetime
from decimal import Decimal

from planner.documents.lock import Lock
from planner.documents.review import (
    Attribution,
    Cause,
    Check,
    Place,
    PriceRow,
    Promise,
    Review,
    Risk,
    RouteReview,
)
from planner.documents.reviewing import review
from planner.faces.markdown.drawing import ReviewPage
from planner.plan.review import Alternative
from planner.words.diagnostics import Problem
from planner.words.spans import read
from tests.planner.plans import ENVIRONMENT, bent, lock, plan

TODAY = datetime.date(2026, 12, 1)
COMMAND = "spillway diff prod --base main --format markdown"
DOCUMENT = read(ENVIRONMENT, "environments/prod.yaml")


def _page(made: Review, proposed: Lock, problems: tuple[Problem, ...] = ()) -> ReviewPage:
    return ReviewPage(made, problems, proposed.plan.runners_up, COMMAND)


def quiet() -> ReviewPage:
    """Nothing changed."""
    return _page(review(lock(), lock(), "main", DOCUMENT, TODAY), lock())


def first() -> ReviewPage:
    """There is no base."""
    return _page(review(None, lock(), "main", DOCUMENT, TODAY), lock())


def grown() -> ReviewPage:
    """More replicas and nodes, with a risk, causes, sentences of a route, checks of each kind and a stale lock."""
    changes = {"pools/0/replicas/max": 3, "pools/0/replicas/min": 3, "node_groups/0/max_nodes": 3}
    proposed = lock(bent(plan(), changes))
    made = review(lock(), proposed, "main", DOCUMENT, TODAY)
    where = Place(file="environments/prod.yaml", line=8)
    return _page(
        made.model_copy(
            update={
                "headline": "Plan for prod: +$4,310 / month (+18 %) · $28,250 total · SLOs met · 2 warnings",
                "state": "deny",
                "usd_per_month": made.usd_per_month + 4310,
                "risks": (
                    Risk(kind="privacy", what="chat is no longer restricted: its prompts may leave", where=where),
                    Risk(kind="retirement", what="openai/gpt-5.4-mini ends on 2027-01-31"),
                ),
                "attribution": Attribution(
                    causes=(
                        cause("the environment", "3000.00"),
                        cause("chat.requests_per_second 12 → 18", None, where),
                        cause("prices", "1310.00").model_copy(
                            update={"kind": "prices", "old": "2026-07-20", "new": "2026-11-20"}
                        ),
                    ),
                    note="Each part is what it changes after those above it.",
                ),
                "routes": (route(), *made.routes[1:]),
                "checks": (
                    check("budget", "deny", "$28,250 of $25,000 a month", may_override="the head of finance"),
                    check("spot", "warn", "40 % of the fleet is spot"),
                    check("price age", "deny", "812 days", overridden="until prices arrive, to 2026-12-31"),
                    check("gap model", "warn", "no revision is pinned", base_state="warn", standing=True),
                    check("privacy", "pass", "no API exists for extraction"),
                ),
                "lines": (
                    made.lines[0].model_copy(update={"usd_per_month": made.lines[0].usd_per_month + 4310}),
                    *made.lines[1:],
                ),
                "kept": "The pools of the lock were kept; another mix would save $12 a month.",
                "missing_prices": ("platform/eu-west-1/nat-gateway",),
                "assumptions": ("A day has 24 hours.",),
            }
        ),
        proposed,
        (Problem("LOCK010", "the environment changed since the lock was planned", hint="run `spillway plan prod`"),),
    )


def cause(what: str, usd: str | None, where: Place | None = None) -> Cause:
    """One cause of the environment."""
    amount = None if usd is None else Decimal(usd)
    return Cause(kind="environment", name="key", what=what, old="1", new="2", usd_per_month=amount, where=where)


def check(rule: str, state: str, message: str, **more: object) -> Check:
    """One check, new on this side unless it is said to stand."""
    return Check.model_validate(
        {"rule": rule, "state": state, "message": message, "base_state": None, "standing": False, **more}
    )


def route(name: str = "chat", served: str = "3 × gpt-oss-120b on L40S", change: str = "4 % more spills") -> RouteReview:
    """A route that costs more and is too late."""
    late = Promise(
        metric="TTFT",
        base_target_ms=Decimal(1500),
        target_ms=Decimal(1500),
        base_expected_ms=Decimal(1190),
        expected_ms=Decimal(1600),
    )
    return RouteReview(
        name=name,
        presence="changed",
        privacy="internal",
        base_usd_per_month=Decimal("5000.00"),
        usd_per_month=Decimal("9310.00"),
        base_usd_per_million_tokens=Decimal("0.4"),
        usd_per_million_tokens=None,
        base_api_share=Decimal("0.02"),
        api_share=Decimal("0.06"),
        served=served,
        promises=(late,),
        changes=(change,),
    )


def written_with(text: str, rows: int = 1) -> ReviewPage:
    """The grown review with this text wherever an environment, a catalog or a team may put one, in that many rows."""
    page = grown()
    where = Place(file=text, line=1)
    price = PriceRow(
        name=text,
        unit=text,
        unit_price=Decimal(2),
        base_unit_price=Decimal(1),
        source=text,
        as_of=text,
        age_days=None,
    )
    made = page.review.model_copy(
        update={
            "headline": f"Plan for prod: {text}",
            "risks": tuple(Risk(kind=text, what=f"{text} {n}", where=where) for n in range(rows)),
            "attribution": Attribution(causes=tuple(cause(text, "1.00", where) for _ in range(rows)), note=text),
            "routes": tuple(route(text, text, text) for _ in range(rows)),
            "pools": tuple(
                pool.model_copy(update={"name": text, "model": text, "limited_by": text, "instance_type": text})
                for pool in page.review.pools
            )
            * rows,
            "touched": tuple(
                part.model_copy(update={"part": text, "changes": (text, text), "order": text})
                for part in page.review.touched
            )
            * rows,
            "lines": tuple(
                line.model_copy(update={"name": text, "component": text, "usd_per_month": Decimal(9)})
                for line in page.review.lines
            )
            * rows,
            "checks": tuple(check(text, state, text) for state in ("deny", "warn", "pass") for _ in range(rows)),
            "prices": (price,) * rows,
            "kept": text,
            "missing_prices": (text,) * rows,
            "assumptions": (text,) * rows,
        }
    )
    others = (Alternative(name=text, usd_per_month=None, description=text),) * rows
    return ReviewPage(made, (Problem("LOCK010", text, hint=text),), others, COMMAND)
