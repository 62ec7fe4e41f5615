"""The review of a plan: everything that a pull request, a report or another program tells of a change, as one value.

The faces (terminal, Markdown, HTML, JSON) draw it and compute nothing, and a team's own templates read it, so that its
keys are a published format. Money is USD, and a month has 730 hours. What is not known is None and never zero.
"""

from __future__ import annotations

from typing import Literal

from planner.plan.parts import PlanPart, VerdictState
from planner.words.fields import left_out_at
from planner.words.numbers import Dollars, Exactly, Figure

FORMAT_VERSION = "1.0"

CauseKind = Literal["release", "choice", "environment", "traces", "calibration", "facts", "prices"]
"""What can change a plan: another release of the planner, another choice for the same inputs, or one of its inputs."""
FigureUnit = Literal["USD a month", "USD per 1M tokens", "share", "count", "ms"]
Presence = Literal["same", "changed", "added", "removed", "replaced"]
"""How a part of the plan stands against its base."""


class Place(PlanPart):
    """A place is where something stands in a file. file: its path. line: from 1."""

    file: str
    line: int


class ReviewFigure(PlanPart):
    """A review figure is one number of the plan on both sides.

    name: what it is, in a few words, such as `API usage`.
    base, proposed: in its unit, dollars a month to the cent; None where a side has no such figure.
    """

    name: str
    unit: FigureUnit
    base: Exactly | None
    proposed: Exactly | None


class Risk(PlanPart):
    """A risk is a change that no reviewer may miss, whatever it saves. Faces show all of them, first.

    kind: a fixed word, such as `privacy`, `processor`, `residency`, `licence`, `retirement`, `reserve`, `budget`,
    `slo`, `engine`.
    what: the change and what follows from it, as a sentence.
    where: the key that caused it; None where no line of a file did.
    """

    kind: str
    what: str
    where: Place | None = left_out_at(None)


class Cause(PlanPart):
    """A cause is one reason for which the bill changed.

    name: the key or the row, such as `routes.chat.traffic.requests_per_second.mean`.
    what: the change in a person's words, without dollars.
    old, new: its values as text, as the file or the source writes them; None where it was or is absent.
    usd_per_month: what it changes, USD a month; None where it is counted in the group that stands before it.
    where: the line that states it.
    risk: the kind of the risk that it is too, so that what it saves is not told as a saving; empty for none.
    """

    kind: CauseKind
    name: str
    what: str
    old: str | None
    new: str | None
    usd_per_month: Dollars | None
    where: Place | None = left_out_at(None)
    risk: str = left_out_at("")


class Attribution(PlanPart):
    """An attribution says which cause changed the bill by how much. Its parts add up to the whole change.

    causes: in the order in which they were applied.
    note: how the parts were separated and what their order means, as a sentence; empty where there is one part alone.
    """

    causes: tuple[Cause, ...]
    note: str


class Promise(PlanPart):
    """A promise is one latency of a route on both sides, at the 95th percentile of its worst pool.

    metric: `TTFT`, `TPOT` or `end to end`.
    target_ms, base_target_ms: what is asked, ms; None where nothing is.
    expected_ms, base_expected_ms: what the plan expects, ms; None where it is not computed.
    """

    metric: str
    base_target_ms: Figure | None
    target_ms: Figure | None
    base_expected_ms: Figure | None
    expected_ms: Figure | None


class RouteReview(PlanPart):
    """A route's review has its cost, its promises and what changes for it.

    privacy, base_privacy: class of its data; of the base it is None where the route is not there.
    base_usd_per_month, usd_per_month: its part of the bill; None where it is not on that side.
    base_usd_per_million_tokens, usd_per_million_tokens: that part for a million tokens in and out.
    base_api_share, api_share: share of its requests that hosted APIs answer.
    base_availability, availability: expected share of its requests that is served; None where it is not known.
    asked_availability: share that its environment asks for; None where the route goes away.
    served: how it is served, in a few words, such as `2 × gpt-oss-120b on H100, 33 % spills to google`.
    changes: what changes for it, as sentences.
    """

    name: str
    presence: Presence
    privacy: str
    base_usd_per_month: Dollars | None
    usd_per_month: Dollars | None
    base_usd_per_million_tokens: Figure | None
    usd_per_million_tokens: Figure | None
    base_api_share: Figure | None
    api_share: Figure | None
    served: str
    promises: tuple[Promise, ...]
    changes: tuple[str, ...]
    base_privacy: str | None = None
    base_availability: Figure | None = left_out_at(None)
    availability: Figure | None = left_out_at(None)
    asked_availability: Figure | None = left_out_at(None)


class PoolReview(PlanPart):
    """A pool's review has what it runs on, how many and what limits it.

    base_nodes, nodes: machines of its node group; 0 where it is not on that side.
    base_usd_per_month, usd_per_month: cost lines of its node group; None where it is not on that side.
    token_share: its share of all tokens of the plan; None where it is not computed.
    limited_by: what limits its largest band, in words.
    """

    name: str
    presence: Presence
    model: str
    instance_type: str
    purchase: str
    base_nodes: int
    nodes: int
    base_usd_per_month: Dollars | None
    usd_per_month: Dollars | None
    token_share: Figure | None
    limited_by: str


class Touched(PlanPart):
    """A part that a deployment creates, changes, replaces or deletes.

    part: kind and name, such as `pool gpt-oss-120b-mxfp4-h100-1of1`.
    changes: what changes of it, as sentences, what matters most first.
    values: the same as (key, old, new), for programs.
    order: what is created before what is deleted, and how long the part is away, as a sentence; empty where nothing is.
    """

    part: str
    presence: Presence
    changes: tuple[str, ...]
    values: tuple[tuple[str, str | None, str | None], ...]
    order: str


class LineReview(PlanPart):
    """A cost line on both sides. base_usd_per_month, usd_per_month: 0 where there is no such line."""

    component: str
    name: str
    kind: Literal["fixed", "usage"]
    base_usd_per_month: Dollars
    usd_per_month: Dollars
    base_unit_price: Figure | None
    unit_price: Figure | None
    unit: str
    source: str
    as_of: str


class Check(PlanPart):
    """A check is one judgement on the plan or on its change: a verdict of the plan, or a rule of a team.

    rule: the name of the verdict or of the rule.
    base_state: its state on the base; None where the base has no such check.
    standing: whether the base had the same check in the same state, so that faces may fold it. A warning or a denial
    stands only with the same message.
    may_override: who may override a denial, as the rule says; empty where nobody is named.
    overridden: reason and last day of the override that stands; empty without one.
    """

    rule: str
    state: VerdictState
    message: str
    base_state: VerdictState | None
    standing: bool
    may_override: str = left_out_at("")
    overridden: str = left_out_at("")
    where: Place | None = left_out_at(None)


class PriceRow(PlanPart):
    """A price of the bill with its source and day. age_days: on the day of the review; None for a day in the future."""

    name: str
    unit: str
    unit_price: Figure
    base_unit_price: Figure | None
    source: str
    as_of: str
    age_days: int | None


class Review(PlanPart):
    """A review is the whole answer to `what does this change?`.

    environment: its name.
    base: where the base lock came from, such as `main` or a path; empty where there is no base.
    state: the worst state of all checks that nobody overrode.
    headline: one line for a title, such as `Plan for prod: +$4,310 / month (+18 %) · $28,250 total · SLOs met · 2
    warnings`.
    change_usd_per_month: what the bill changes, USD a month; None where there is no base.
    kept: what least churn kept and what another mix would save, as a sentence; empty where nothing was kept.
    missing_prices: keys that the bill needs and that have no price, so that the sum is a lower bound.
    gone_checks: checks of the base that the plan has no more, each with its former state and message.
    """

    format_version: str
    environment: str
    base: str
    state: VerdictState
    headline: str
    base_usd_per_month: Dollars | None
    usd_per_month: Dollars
    figures: tuple[ReviewFigure, ...]
    risks: tuple[Risk, ...]
    attribution: Attribution
    routes: tuple[RouteReview, ...]
    pools: tuple[PoolReview, ...]
    touched: tuple[Touched, ...]
    lines: tuple[LineReview, ...]
    checks: tuple[Check, ...]
    prices: tuple[PriceRow, ...]
    kept: str
    missing_prices: tuple[str, ...]
    assumptions: tuple[str, ...]
    change_usd_per_month: Dollars | None = None
    gone_checks: tuple[Check, ...] = ()


def changes_something(review: Review) -> bool:
    """Say whether anything differs that a reader of the plan would see; a first plan does."""
    return review.base_usd_per_month is None or bool(
        review.touched
        or review.risks
        or review.attribution.causes
        or any(line.usd_per_month != line.base_usd_per_month for line in review.lines)
    )
