"""Every figure of the comment is computed again from the two locks, and one that cannot be is a failure.

A cause of several has its figure from a plan between the locks: here the parts add up to the change of the two bills,
and `test_kept.py` plans between them. Words of the catalog on how long a provider keeps prompts are no figures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import pytest

from planner.faces.markdown.drawing import draw
from tests.planner.documents.changes_of_plans import TODAY
from tests.planner.reviews.again import ZERO, Again, dollars_of
from tests.planner.reviews.comments import Comment, plain, read_comment, says, says_both
from tests.planner.reviews.kept import (
    ATTRIBUTIONS,
    NAMES,
    base_file,
    environment_of,
    kept,
    proposed_file,
    values_of,
)

NUMBER = r"[+−]?\$?\d[\d,]*(?:\.\d+)?"
WORDS = r"(?:[^\s,]|,(?=\S))+(?:, (?:[^\s,]|,(?=\S))+)*"
PAIR = re.compile(rf"(?<!\S)({WORDS}) → ({WORDS})")
KEEPS = re.compile(r"it keeps requests: .*?(?= \(environments/|$)")
CHECKED = re.compile(r"(?<![\w.:/-])\$?(\d[\d,]*(?:\.\d+)?)(?= %| ms| s\b| points| ×|\)| \||$| →| /)", re.MULTILINE)
"""Figures that the second test makes wrong, one after the other."""
PLACE = re.compile(r" \(?environments/small\.yaml:(\d+)\)?")
VERDICT = re.compile(r"(?:(?:[⚠⛔✅]\ufe0f?) (?:warn|deny|pass) |no longer checked, \w+ on the base: )?([\w ]+?): (.*)")


class Sides:
    """Both locks of a change, and what may stand in a sentence about them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.old, self.new = Again(values_of(base_file(name))), Again(values_of(proposed_file(name)))
        self.delta = self.new.usd() - self.old.usd()
        self.was, self.now = dict(leaves(self.old.values)), dict(leaves(self.new.values))
        self.leaves = {*self.was.values(), *self.now.values()}
        words = {each for each in self.leaves if isinstance(each, str) and re.search(r"\d", each)}
        names = {*self.old.routes, *self.old.pools, *self.old.groups, *self.new.pools, *self.new.groups}
        figures = re.compile(rf"{NUMBER}(ms|s|%)?")
        self.names = sorted({w for w in words | names if not figures.fullmatch(w)}, key=lambda w: (-len(w), w))

    @cached_property
    def lone(self) -> set[Decimal]:
        """What may stand in a sentence by itself: ends of bands, seconds in which pools load, budgets."""
        found = set()
        for side in (self.old, self.new):
            bands = [band for route in side.routes.values() for band in route["bands"]]
            ends = [Decimal(band["max_input_tokens"]) for band in bands if band["max_input_tokens"] is not None]
            found |= {*ends, *(end + 1 for end in ends)}
            found |= {Decimal(pool["load_seconds"]) for pool in side.pools.values()}
            found.add(dollars_of(side.environment["budget"]["monthly"]) or ZERO)
        return found

    def _machines(self, number: int, what: str) -> bool:
        """Say whether a side has so many machines of a type, or replicas of a model."""
        return any(
            (number, what.rstrip(".,;"))
            in {(g["max_nodes"], g["instance_type"]) for g in side.groups.values()}
            | {(p["replicas"]["max"], p["model"]) for p in side.pools.values()}
            for side in (self.old, self.new)
        )

    def explains(self, text: str) -> str:
        """Take out of a sentence what the locks say; the figures that are left are nobody's."""
        text = PLACE.sub("", KEEPS.sub("", text))
        for was, until in PAIR.findall(text):
            now = until.rstrip(";.")
            if self._moved(was, now):
                text = text.replace(f"{was} → {now}", "", 1)
        text = re.sub(r"(\d+) × (\S+)", lambda m: "" if self._machines(int(m[1]), m[2]) else m[0], text)
        for name in self.names:
            text = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w])", "", text)
        numbers = self.lone

        def known(match: re.Match[str]) -> str:
            return "" if any(says(match[0].strip(), value) for value in numbers) else match[0]

        return re.sub(rf"(?<![\w.]){NUMBER}(?: ms| s\b)?", lambda m: _times(m[0], known(m), numbers), text)

    def _moved(self, was: str, now: str) -> bool:
        return any(reads(was, self.was.get(path)) and reads(now, self.now.get(path)) for path in {*self.was, *self.now})


def _times(shown: str, rest: str, numbers: set[Decimal]) -> str:
    """A time in seconds stands in a lock as seconds or as milliseconds."""
    return "" if rest and shown.endswith(" s") and any(says(shown[:-2], value) for value in numbers) else rest


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each plain value of a lock by its path; parts of a list by their names. A list of words is one value too."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, str(key)))
    elif isinstance(value, list):
        if all(isinstance(each, str) for each in value):
            yield path, ", ".join(value)
        for place, each in enumerate(value):
            name = each.get("name", str(place)) if isinstance(each, dict) else str(place)
            yield from leaves(each, (*path, name))
    else:
        yield path, value


def is_number(value: Any) -> bool:
    return not isinstance(value, bool) and re.fullmatch(r"\$?\d[\d,]*(\.\d+)?", str(value)) is not None


def reads(shown: str, value: Any) -> bool:
    """Say whether a word of a sentence is a value of a lock."""
    return shown == str(value) or (is_number(value) and says(shown, dollars_of(str(value))))


@lru_cache(maxsize=len(NAMES))
def sides(name: str) -> Sides:
    return Sides(name)


@lru_cache(maxsize=len(NAMES))
def comment(name: str) -> str:
    return draw(kept(name).page()).text


def check(name: str, text: str) -> None:
    """Compute the figures of a comment again."""
    both, told = sides(name), read_comment(text)
    check_headline(both, told.headline)
    for title, rows in told.tables.items():
        kind, _, count = title.partition(" (")
        assert count in ("", f"{len(rows)})"), title
        TABLES[kind](both, rows)
    for title, items in told.lists.items():
        check_list(both, title, items)
    check_sentences(both, told)


def check_headline(both: Sides, headline: str) -> None:
    counts = {state: sum(v["state"] == state for v in both.new.plan["verdicts"]) for state in ("warn", "deny")}
    mark, _, rest = headline.partition(" Plan for small: ")
    assert mark
    for part in rest.split(" · "):
        if match := re.fullmatch(rf"({NUMBER}) / month(?: \((.*)\))?", part):
            assert says(match[1], both.delta), part
            assert says(match[2], both.delta / both.old.usd()) if match[2] else not both.delta, part
        elif match := re.fullmatch(rf"(?:≥ )?({NUMBER})(?: total| \((\d+) prices? missing\))", part):
            assert says(match[1], both.new.usd()), part
            assert not match[2] or int(match[2]) == len(missing(both)), part
        elif match := re.fullmatch(r"(\d+) (warning|denial)s?", part):
            assert int(match[1]) == counts["warn" if match[2] == "warning" else "deny"], part
        elif part == "unchanged":
            assert not both.delta
        else:
            assert re.fullmatch(r"SLOs met|risks?: [a-z, ]+", part), part


def missing(both: Sides) -> list[str]:
    """Keys of the cluster's prices that the bill of another region has and this bill lacks."""
    region, usual = both.new.plan["platform"]["region"], values_of(base_file("traffic"))["plan"]["cost"]["lines"]
    wanted = {
        line["price"] for line in usual if line["price"].startswith("platform/") and line["component"] == "platform"
    }
    billed = {line["price"] for line in both.new.lines}
    return sorted({key.replace("us-east-1", region) for key in wanted} - billed)


def check_figures(both: Sides, rows: list[list[str]]) -> None:
    was, now = both.old.figures(), both.new.figures()
    assert [row[0] for row in rows] == list(now)
    for name, base, proposed, change in rows:
        old, new = was[name], now[name]
        assert says(base, old), (name, base, old)
        assert says(proposed, new), (name, proposed, new)
        assert old is not None
        assert new is not None
        match = re.fullmatch(r"([^(]+?)(?: \((.*)\))?", change)
        assert match, change
        assert says(match[1], settled(new) - settled(old)), (name, change, new - old)
        if match[2]:
            ratio = (new - old) / old
            assert says(match[2], ratio) or says(match[2], abs(ratio)), (name, change, ratio)


def settled(value: Decimal) -> Decimal:
    """A figure with the digits that a lock keeps."""
    return value if value == value.quantize(Decimal("0.01")) else Decimal(f"{value:.6g}")


def check_causes(both: Sides, rows: list[list[str]]) -> None:
    kept_causes = json.loads(ATTRIBUTIONS.read_text(encoding="utf-8"))[both.name]["causes"]
    lines = environment_of(both.name).splitlines()
    amounts = [Decimal(each["usd_per_month"]) for each in kept_causes if each["usd_per_month"] is not None]
    assert sum(amounts, ZERO) == both.delta
    assert len(rows) == len(kept_causes) + 1
    assert says(rows[-1][2], both.delta), rows[-1]
    for (what, where, usd), each in zip(rows, kept_causes, strict=False):
        assert says(usd, Decimal(each["usd_per_month"])) if usd else each["usd_per_month"] is None, (what, usd)
        assert not re.search(r"\d|→", both.explains(what)), (what, both.explains(what))
        if where:
            line = lines[int(where.rpartition(":")[2]) - 1]
            assert any(re.search(rf"\b{re.escape(key)}\b", line) for key in each["name"].split(".")[1:]), (where, line)


def check_routes(both: Sides, rows: list[list[str]]) -> None:
    assert sorted({*both.old.routes, *both.new.routes}) == [row[0].partition(",")[0] for row in rows]
    for each in (both.old, both.new):
        parts = sum(map(each.route_usd, each.routes), each.usd(component="platform"))
        assert abs(parts - each.usd()) <= Decimal("0.01") * len(each.routes)
    for name_cell, _, served, usd, per_million, api, latency in rows:
        name = name_cell.partition(",")[0]
        of = [side if name in side.routes else None for side in (both.old, both.new)]
        bill = [side.route_usd(name) if side else None for side in of]
        rates = [side.route_usd(name) / side.tokens(name) * 1_000_000 if side else None for side in of]
        shares = [side.api_share(name) if side else None for side in of]
        assert says_both(usd, *bill), (name, usd, bill)
        assert says_both(per_million, *rates), (name, per_million, rates)
        assert says_both(api, *shares), (name, api, shares)
        side = of[1] or of[0]
        assert side is not None
        pools, apis = side.served(name)
        assert served.startswith(" + ".join(pools)), served
        rest = served.removeprefix(" + ".join(pools))
        if match := re.fullmatch(r", (.*) spills to (.*)", rest):
            assert says(match[1], side.api_share(name)), served
            assert match[2] == " then ".join(apis)
        else:
            assert rest in ("", f", and {' then '.join(apis)} when they are full or down"), served
        check_latencies(latency, of[0].latencies(name) if of[0] else {}, side.latencies(name))


def check_latencies(cell: str, was: dict[str, Any], now: dict[str, Any]) -> None:
    assert [part.partition(" ")[0] for part in cell.split(" · ")] == list(now), cell
    for part in cell.split(" · "):
        metric, _, rest = part.partition(" ")
        old, new = was.get(metric), now[metric]
        whole = rest.split(" → ")
        if len(whole) == 2 and all(" of " in each for each in whole):
            for shown, (target, expected) in zip(whole, (old, new), strict=True):
                time, _, limit = shown.partition(" of ")
                assert says(time, expected), (part, expected)
                assert says(limit, target), (part, target)
        else:
            time, _, limit = rest.partition(" of ")
            assert " → " not in limit, f"{part}: which time belongs to which target?"
            assert says_both(time, old[1] if old else None, new[1]), (part, new)
            assert says_both(limit, old[0] if old else None, new[0]), (part, new)


def check_pools(both: Sides, rows: list[list[str]]) -> None:
    assert sorted({*both.old.pools, *both.new.pools}) == [row[0].partition(",")[0] for row in rows]
    for name_cell, model, machines, usd, share, _ in rows:
        name = name_cell.partition(",")[0]
        side = both.new if name in both.new.pools else both.old
        pool = side.pools[name]
        nodes, _, machine = machines.partition(" × ")
        assert says_both(nodes, both.old.nodes(name), both.new.nodes(name)), machines
        group = side.groups[pool["node_group"]]
        assert (model, machine) == (pool["model"], f"{group['instance_type']}, {group['capacity_type']}")
        before, after = both.old.pool_usd(name), both.new.pool_usd(name)
        assert says_both(usd, before, after), (usd, before, after)
        assert says(share, side.token_share(name)), (share, side.token_share(name))


def check_prices(both: Sides, rows: list[list[str]]) -> None:
    was = {line["price"]: line for line in both.old.lines}
    now = {line["price"]: line for line in both.new.lines}
    assert [row[0] for row in rows] == sorted(now)
    for key, usd, unit, source, as_of, age in rows:
        line = now[key]
        assert (unit, source, as_of) == (line["unit"], line["source"], line["as_of"])
        assert says_both(usd, Decimal(was[key]["unit_price"]) if key in was else None, Decimal(line["unit_price"])), usd
        day = first_day(as_of)
        assert age in (f"{(TODAY - day).days} days", f"{(TODAY - day).days} day"), (key, age)


def first_day(as_of: str) -> date:
    """The first day of a day, a month, half a year or a year."""
    months = as_of.replace("H1", "01").replace("H2", "07")
    return date.fromisoformat(f"{months}-01-01"[:10] if len(months) < 7 else f"{months}-01"[:10])


TABLES = {
    "A month": check_figures,
    "Why it changed": check_causes,
    "Routes": check_routes,
    "Pools": check_pools,
    "Prices": check_prices,
}


def check_list(both: Sides, title: str, items: list[str]) -> None:
    """Check a list by what it is of. A count in its title is that of its items."""
    if match := re.fullmatch(r"Cost lines that change \((\d+) of (\d+)\)", title):
        check_lines(both, items, int(match[1]), int(match[2]))
        return
    if match := re.search(r"(\d+) (?:warnings? stand|checks? passed)|touches \((\d+)\)", title):
        assert int(match[1] or match[2]) == len(items), title
    if title == "Checks" or "stand" in title or "passed" in title:
        for item in items:
            check_verdict(both, item)
        return
    assert title in ("Risks", "Routes") or title.startswith("What a deployment touches"), title
    for item in items:
        if match := re.search(r"([\d.]+%) of the requests of (\w+) are refused .* before ([\d.]+%)", item):
            for shown, side in ((match[1], both.new), (match[3], both.old)):
                assert says(shown, side.refused_share(match[2])), item
                item = item.replace(shown, "", 1)
        assert not re.search(r"\d|→", both.explains(item)), (item, both.explains(item))


def check_lines(both: Sides, items: list[str], changed: int, total: int) -> None:
    amounts: list[dict[tuple[str, str], Decimal]] = [{}, {}]
    for side, found in zip((both.old, both.new), amounts, strict=True):
        for line in side.lines:
            found[line["component"], line["price"]] = Decimal(line["usd_per_month"])
        assert len(found) == len(side.lines)
    was, now = amounts
    moved = {key for key in {*was, *now} if was.get(key, ZERO) != now.get(key, ZERO)}
    assert (changed, total) == (len(moved), len({*was, *now}))
    names = {
        (sign, line["component"], line["name"]): Decimal(line["usd_per_month"])
        for sign, side in (("-", both.old), ("+", both.new))
        for line in side.lines
        if (line["component"], line["price"]) in moved and Decimal(line["usd_per_month"])
    }
    assert len(names) == len(items)
    for item in items:
        component, name, usd = item[2:].split(" · ")
        assert says(usd, names[item[0], component, name]), item


def check_verdict(both: Sides, item: str) -> None:
    """A verdict stands in a lock; what it says of dollars is computed again."""
    match = VERDICT.fullmatch(item)
    assert match, item
    rule, message = match[1], match[2]
    side = both.old if item.startswith("no longer checked") else both.new
    assert message in [plain(v["message"]) for v in side.plan["verdicts"] if v["name"] == rule], item
    for usd in re.findall(r"\$[\d,.]+\d", message):
        if rule in ("budget", "budget API"):
            kind = {"kind": "usage"} if rule == "budget API" else {}
            limit = side.environment["api"].get("monthly_budget") if kind else side.environment["budget"]["monthly"]
            assert says(usd, side.usd(**kind)) or says(usd, dollars_of(limit)), item
        else:
            assert rule == "gap tokens", item
            assert says(usd, hundred_more(side)), (item, hundred_more(side))


def hundred_more(side: Again) -> Decimal:
    """What 100 more tokens of each answer of an API cost a month."""
    usd = ZERO
    for name, route in side.routes.items():
        if route["fallback"] and side.sent(name):
            key = f"api/{route['fallback'][0]}/output"
            (price,) = {Decimal(line["unit_price"]) for line in side.lines if line["price"] == key}
            usd += side.sent(name) * 100 * price / 1_000_000
    return usd


def check_sentences(both: Sides, told: Comment) -> None:
    for sentence in (each for some in told.sentences.values() for each in some):
        if match := re.fullmatch(r"The sum is a lower bound: (\d+) prices? missing \((.*)\)\.", sentence):
            assert int(match[1]) == len(missing(both))
            assert match[2].split(", ") == missing(both)
        elif match := re.fullmatch(r"kept the locked pools; (.*) would save (.*) a month, below (.*)", sentence):
            found = both.new.plan["kept"]
            assert says(match[2], Decimal(found["saving_usd_per_month"])), sentence
            assert says(f"{match[3].removesuffix('%')} %", Decimal(found["threshold"])), sentence
            assert both.new.environment["planning"]["replan_threshold"] in (match[3], found["threshold"], 0.6)
            assert Decimal(found["saving_usd_per_month"]) < Decimal(found["threshold"]) * both.new.usd()
        else:
            assert not re.search(r"\d", sentence), sentence


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_a_comment_is_computed_again(name: str) -> None:
    check(name, comment(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_figure_of_a_comment_may_be_another_one(name: str) -> None:
    text = comment(name)
    for place in CHECKED.finditer(text):
        last = place.end() - 1
        other = f"{text[:last]}{(int(text[last]) + 5) % 10}{text[last + 1 :]}"
        if text[: place.start()].rpartition("\n")[2].startswith(("- `", "Lock")):
            continue
        with pytest.raises((AssertionError, KeyError, ValueError)):
            check(name, other)
