"""The page: nothing of a plan is taken for HTML, nothing is asked of a network, and all of the review stands in it."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from planner.edges.reporting import page_parts
from planner.faces.report.glossary import TERMS, terms_in
from planner.faces.report.page import report_html
from planner.plan.phases import Phase
from tests.planner.faces.report.reports import (
    HOSTILE,
    TODAY,
    charts,
    everything,
    html_of_everything,
    html_of_plan,
    planned,
)

MOST_BYTES = 1_500_000
VOID = {"meta", "link", "br", "input", "img", "hr"}


class Tree(HTMLParser):
    """Counts what a page is made of, and holds its tags to their nesting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


PAGES = ["prod", "staging", "dev", "everything"]


def _page(name: str) -> str:
    return html_of_everything() if name == "everything" else html_of_plan(name)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed_small_and_asks_for_nothing(name: str) -> None:
    page = _page(name)
    tree = Tree(page)
    assert tree.open == []
    assert len(page.encode()) < MOST_BYTES
    tags = [tag for tag, _ in tree.tags]
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & set(tags)
    assert tags.count("script") == 1
    for tag, attributes in tree.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes
        assert tag != "a" or str(attributes["href"]).startswith("#")
        assert "http" not in str(attributes.get("style", ""))


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_links_lead_somewhere(name: str) -> None:
    tags = Tree(_page(name)).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in tags:
        if tag == "a":
            assert str(attributes["href"])[1:] in ids
        for key in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(key) or "").split()) <= set(ids)


@pytest.mark.parametrize("name", PAGES)
def test_headings_are_in_order_and_tables_have_heads(name: str) -> None:
    tags = Tree(_page(name)).tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption") == names.count("thead") > 5
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in tags if tag == "th")
    for tag, attributes in tags:
        if attributes.get("class") == "scroll":
            assert (attributes["tabindex"], attributes["role"], bool(attributes["aria-label"])) == ("0", "region", True)
        if tag == "svg":
            assert attributes["role"] == "img"


def test_words_of_a_plan_are_never_html() -> None:
    page = html_of_everything()
    tree = Tree(page)
    assert "alert(1)" not in re.findall(r"<script>(.*?)</script>", page, flags=re.S)[0]
    shown = " ".join(tree.words)
    assert shown.count("<script>alert(1)</script>") >= 8
    assert "#12ab34 1.23456" in shown


def test_the_policy_of_the_page_names_its_script_and_nothing_else() -> None:
    page = html_of_plan("prod")
    (policy,) = [a["content"] for tag, a in Tree(page).tags if a.get("http-equiv") == "Content-Security-Policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"


def test_the_same_report_gives_the_same_bytes() -> None:
    report = planned("prod")
    assert report_html(report, charts(report), page_parts()) == html_of_plan("prod")


def test_all_that_happened_is_told() -> None:
    told, shown = everything().review, html.unescape(re.sub(r"<[^>]+>", "", html_of_everything()))
    assert "chat may leave" in shown
    assert shown.index("no reviewer may miss") < shown.index("Money", shown.index("no reviewer may miss"))
    assert HOSTILE.replace("`", "") in shown
    assert "The bill is a lower bound: platform/us-east-1/kms-key has no price" in shown
    assert "Overridden: agreed, until May." in shown
    assert "May be overridden by finance." in shown
    assert "counted above" in shown
    assert "environments/prod.yaml:21" in shown
    assert "+$1,000 a month" in shown
    for cause in told.attribution.causes[2:]:
        assert cause.what in shown
    for line in told.lines:
        assert line.name in shown
    for check in told.checks[2:]:
        assert check.message.replace("`", "") in shown


def test_a_plan_without_a_base_has_no_section_on_change() -> None:
    page = html_of_plan("prod")
    assert 'id="why"' not in page
    assert "against the base" not in page
    assert 'id="why"' in html_of_everything()


def test_a_plan_of_which_something_ends_tells_the_whole_horizon() -> None:
    report = planned("dev")
    ends, next_year = date(2027, 1, 14), date(2027, 12, 1)
    phases = tuple(
        Phase(start=start, end=end, ended=ended, routes=(), fleet="", usd_per_month=usd, why_not=why)
        for start, end, ended, usd, why in (
            (TODAY, ends, (), Decimal(64), ""),
            (ends, next_year, ("openai/gpt-5.6-luna",), None, "nothing is accepted"),
        )
    )
    plan = report.lock.plan.model_copy(update={"phases": phases})
    ending = replace(report, lock=report.lock.model_copy(update={"plan": plan}))
    page = report_html(ending, charts(ending), page_parts())
    assert "a month for dev, until 2027-01-14; a part of the horizon has no plan" in page
    assert "2027-01-14 to 2027-12-01" in page
    assert "nothing is accepted" in page


def test_a_week_that_is_not_the_plans_is_said() -> None:
    report = planned("prod")
    other = replace(report, hours={})
    page = report_html(other, charts(other), page_parts())
    assert "The week&#39;s load is not drawn" in page
    assert 'id="week-' not in page


def test_without_the_library_charts_are_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.faces.report.canvas.find_spec", lambda name: None)
    report = planned("prod")
    page = report_html(report, charts(report), page_parts())
    assert "<svg" not in page
    assert "The charts are tables here" in page
    assert page.count("<details open>") == len(charts(report).all())
    assert "Cost at other loads" in page


def test_a_plan_of_many_routes_and_pools_stays_small_and_names_what_is_not_drawn() -> None:
    report = planned("prod")
    plan = report.lock.plan
    names = [f"route-{place:02}" for place in range(24)]
    routes = tuple(plan.routes[0].model_copy(update={"name": name}) for name in names)
    rates = dict.fromkeys(names, plan.levels[0].planned_requests_per_second["chat"])
    levels = tuple(
        level.model_copy(
            update={"planned_requests_per_second": {**level.planned_requests_per_second, **rates}},
        )
        for level in plan.levels
    )
    pools = tuple(plan.pools[1].model_copy(update={"name": f"pool-{place:02}"}) for place in range(12))
    told = report.review.model_copy(
        update={"routes": tuple(report.review.routes[0].model_copy(update={"name": name}) for name in names)}
    )
    many = plan.model_copy(update={"routes": (*plan.routes, *routes), "levels": levels, "pools": (*plan.pools, *pools)})
    large = replace(
        report,
        review=told,
        lock=report.lock.model_copy(update={"plan": many}),
        hours={**report.hours, **dict.fromkeys(names, report.hours["chat"])},
    )
    page = report_html(large, charts(large), page_parts())
    assert len(page.encode()) < MOST_BYTES
    assert len(charts(large).weeks) == 8
    assert "Not drawn, as they cost least:" in page
    for name in charts(large).not_drawn:
        assert name in page


def test_the_glossary_explains_what_the_page_says() -> None:
    page = html_of_plan("prod")
    terms = re.findall(r"<dt>([^<]+)</dt><dd>(?=[A-Z])", page[page.index('class="glossary"') :])
    assert {"TPOT", "pool", "route", "SLO", "spill"} <= set(terms)
    assert dict(terms_in("a pool spills")) == {"pool": TERMS["pool"], "spill": TERMS["spill"]}
    assert list(terms_in("nothing of it")) == []
