"""The report as one HTML page: it opens without a network, follows the theme, prints, and can be read aloud.

All text of a plan is escaped. The page allows no request; its one script has its digest in the page's policy, and the
page works without it. The same values give the same bytes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from html import unescape
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from planner.documents.hours import HourOfRoute
from planner.documents.lock import Lock
from planner.documents.review import Review
from planner.faces.figures import count_words, money, share
from planner.faces.report import tables
from planner.faces.report.all_charts import Charts
from planner.faces.report.canvas import can_draw
from planner.faces.report.glossary import terms_in
from planner.faces.report.palette import both_themes
from planner.faces.report.svg import Picture
from planner.faces.uncertainty import FIXED, risk_words
from planner.plan.plan import Plan

NO_PICTURES = "The charts are tables here: the library that draws them is not installed where this page was written."
NO_WEEK = (
    "The week's load is not drawn: the lock's levels are not those of the environment as it stands, or the lock is of a"
    " release that did not tell the load."
)


@dataclass(frozen=True)
class Report:
    """A report has the review, the lock that it is of, and the day.

    hours: the week of each route; empty where it is not known.
    """

    review: Review
    lock: Lock
    hours: Mapping[str, tuple[HourOfRoute, ...]]
    today: date


def report_html(report: Report, charts: Charts, parts: Mapping[str, str]) -> str:
    """Return the page. parts: text of each template, of the style sheet and of the script, by file name."""
    style = f":root{{{both_themes()}}}\n{parts['style.css']}"
    script = parts["script.js"]
    environment = Environment(
        loader=DictLoader(dict(parts)), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "money": money,
        "counted": count_words,
        "picture": _picture,
        "marked": _marked,
        "sentence": _sentence,
    }
    values = _values(report, charts) | {
        "style": Markup(style),
        "script": Markup(script),
        "script_hash": f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
    }
    template = environment.get_template("report.html.j2")
    explained = dict(terms_in(_words_of(template.render(values, glossary=()))))
    if not values["is_diff"]:
        explained.pop("base", None)
    return template.render(values, glossary=tuple(explained.items())) + "\n"


def _values(report: Report, charts: Charts) -> dict[str, Any]:
    review, lock = report.review, report.lock
    plan = lock.plan
    is_diff = review.base_usd_per_month is not None
    delta = review.usd_per_month - (review.base_usd_per_month or 0)
    first, rest = tables.checks(review)
    return {
        "review": review,
        "charts": charts,
        "is_diff": is_diff,
        "change_words": tables.change_words(review),
        "change_class": "quiet" if not is_diff or not delta else "more" if delta > 0 else "less",
        "checks_words": _checks_words(review),
        "meta_words": _meta_words(report),
        "sections": tuple(_sections(review, is_diff)),
        "figures": tuple(tables.figures(review)),
        "fixed_bill": f"{FIXED[0].upper()}{FIXED[1:]}." if not plan.cost.usage_usd_per_month else "No range is known.",
        "lines": tables.lines(review),
        "causes": tables.causes(review),
        "routes": tables.routes(review),
        "slo_risks": (_sentence(risk_words(plan)),) if plan.risks else (),
        "reasons": tuple({"name": route.name, "lines": route.reasons} for route in plan.routes if route.reasons),
        "no_week": NO_WEEK,
        "no_pictures": "" if can_draw() else NO_PICTURES,
        "nothing_new": "Nothing warns that did not warn before." if review.state != "pass" else "All checks pass.",
        "pools": tables.pools(review, plan),
        "touched": tables.touched(review),
        "checks_first": first,
        "checks_rest": rest,
        "phases": tables.phases(plan),
        "horizon": _horizon(plan),
        "omitted": tables.omitted(plan),
        "prices": tables.prices(review),
        "assumptions": tuple(_assumptions(report)),
        "made": tuple(_made(lock)),
        "footer": f"{lock.generated_by} wrote the lock; its content is {lock.digests.content}.",
    }


def _sections(review: Review, is_diff: bool) -> Iterator[tuple[str, str]]:
    if review.risks:
        yield "risks", "Risks"
    yield "money", "Money"
    if is_diff:
        yield "why", "Why it changes"
    yield "routes", "Routes"
    yield "machines", "Machines"
    yield "checks", "Checks"
    yield "others", "Other loads, other plans"
    yield "background", "Background"


def _checks_words(review: Review) -> str:
    counted = [
        count_words(number, word)
        for state, word in (("deny", "denial"), ("warn", "warning"))
        if (number := sum(check.state == state and not check.overridden for check in review.checks))
    ]
    return ", ".join(counted) or "all checks pass"


def _meta_words(report: Report) -> str:
    plan, lock = report.lock.plan, report.lock
    nodes = sum(group.max_nodes for group in plan.node_groups)
    gpus = sum(group.max_nodes * group.gpus_per_node for group in plan.node_groups)
    upto = "up to " if any(group.schedule for group in plan.node_groups) else ""
    fleet = (
        f"{upto}{count_words(nodes, 'GPU machine')} with {count_words(gpus, 'GPU')}"
        if nodes
        else "no GPU, hosted APIs alone"
    )
    return (
        f"{fleet} in {plan.platform.region} · prices of {lock.consulted.snapshot} · read on {report.today}"
        " · USD, a month of 730 hours"
    )


def _horizon(plan: Plan) -> str:
    """Return until when the bill holds and what the whole horizon costs; empty where nothing of the plan ends in it."""
    if not plan.phases:
        return ""
    mean = plan.mean_usd_per_month
    over = f"{money(mean)} a month over the horizon" if mean is not None else "a part of the horizon has no plan"
    return f"until {plan.phases[0].end}; {over}"


def _assumptions(report: Report) -> Iterator[str]:
    lock = report.lock
    yield from report.review.assumptions
    for each in lock.plan.cost.ranges:
        yield f"{each.cause}: the bill's range takes {each.assumption}"
    if report.hours:
        yield "the week's hours are those of the environment or of its trace, at the load that is billed, in UTC"
    routes = lock.environment.get("routes", {})
    for name in sorted(routes):
        quality = routes[name].get("quality") or {}
        if quality.get("source"):
            yield f"the models that {name} accepts: {quality['source']}, {quality.get('date', 'no date')}"
    yield "taxes, support, data transfer and people are not in the bill"


def _made(lock: Lock) -> Iterator[str]:
    solver, consulted = lock.plan.solver, lock.consulted
    gap = f", within {share(solver.gap)} of the optimum" if solver.gap else ""
    classes = f", of {solver.classes} classes" if solver.classes else ""
    yield f"the choice is {solver.status}{gap}{classes} over {count_words(solver.levels, 'load level')}"
    own = ", ".join(consulted.calibrations) or "none"
    yield f"performance coefficients of {consulted.calibration}; own calibrations: {own}"
    yield f"traces: {', '.join(consulted.traces) or 'none'}"
    yield f"{len(consulted.facts)} facts and {len(consulted.prices)} prices of the catalog"


def _sentence(text: str) -> str:
    """Return words with a capital at their start and a stop at their end."""
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."


def _picture(picture: Picture, size: str) -> Markup:
    """Return a picture as a part of the page; its own words were escaped when it was drawn."""
    return Markup(picture.inline.replace("<svg ", f'<svg class="{size}" ', 1))


def _marked(text: str) -> Markup:
    """Return a text in which words between backticks are set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _words_of(html: str) -> str:
    """Return the words that a reader of the page sees."""
    body = html[html.index("<main") :]
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>|<script.*?</script>", " ", body, flags=re.S)))
