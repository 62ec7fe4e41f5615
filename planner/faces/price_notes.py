"""The title and the text of a pull request that brings newer prices, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from planner.documents.changes import change_words
from planner.documents.diff import PartChange
from planner.documents.price_file import plain_usd
from planner.documents.replan import Replan
from planner.domain.price_changes import PriceChange
from planner.faces.figures import count_words, money, signed_money
from planner.faces.markdown.escaping import code, escaped

MOST_NAMES = 4
"""Environments that a title names."""
MOST_PRICES = 40
"""Prices that moved and are shown; a plan pays a dozen."""
MOST_DETAILS = 3
"""Changed figures of a part that are shown."""
LONGEST = 60_000
"""Characters of the text; GitHub takes 65,536."""
MONTH = len("2026-11")


def notes_title(replans: Sequence[Replan]) -> str:
    """Return one line, like `prices 2026-07 → 2026-11: prod −$316 / month, dev unchanged`."""
    ordered = sorted(replans, key=lambda each: (each.unchanged, -abs(each.diff.delta), each.proposed.name))
    told = [f"{each.proposed.name} {_change(each)}" for each in ordered[:MOST_NAMES]]
    if rest := len(ordered) - MOST_NAMES:
        told += [f"{rest} more"] if rest > 0 else []
    return f"prices {_span(replans)}: {', '.join(told)}"


def notes_text(replans: Sequence[Replan]) -> str:
    """Return what changed, as Markdown: the bills, the prices that moved, the parts of each plan.

    What is longer than a pull request takes is cut at a line, and says so.
    """
    text = "\n".join((*_bills(replans), *_prices(replans), *_plans(replans)))
    if len(text) <= LONGEST:
        return text
    kept = text[:LONGEST].rpartition("\n")[0]
    return f"{kept}\n\nThe rest is too long for a pull request; `spillway diff` shows it.\n"


def _change(replan: Replan) -> str:
    if replan.diff.first:
        return f"new, {money(replan.diff.proposed_usd)} / month"
    return "unchanged" if replan.unchanged else f"{signed_money(replan.diff.delta)} / month"


def _span(replans: Sequence[Replan]) -> str:
    """Return the snapshots between which the plans move, by their months where these differ."""
    old = min((each.base.consulted.snapshot for each in replans if each.base), default="")
    new = max(each.proposed.consulted.snapshot for each in replans)
    if old in ("", new):
        return f"of {new}"
    if old[:MONTH] != new[:MONTH]:
        old, new = old[:MONTH], new[:MONTH]
    return f"{old} → {new}"


def _bills(replans: Sequence[Replan]) -> Iterator[str]:
    yield "| environment | before, a month | after, a month | change | by prices | by other machines or providers |"
    yield "|---|--:|--:|--:|--:|--:|"
    for each in replans:
        diff = each.diff
        before = "–" if diff.first else money(diff.base_usd)
        sums = (signed_money(usd) for usd in (diff.delta, diff.by_prices, diff.by_inputs))
        yield f"| {diff.name} | {before} | {money(diff.proposed_usd)} | {' | '.join(sums)} |"
    yield ""


def _prices(replans: Sequence[Replan]) -> Iterator[str]:
    """Yield the prices that moved, those that a plan pays first."""
    moved = {change.key: change for each in replans for change in each.moved}
    yield "## Prices that moved"
    yield ""
    if not moved:
        yield "None of those that these plans were weighed by."
        yield ""
        return
    paid_by = {key: [each.proposed.name for each in replans if key in each.paid] for key in moved}
    places = {key: place for place, key in enumerate(moved)}
    ordered = sorted(moved, key=lambda key: (not paid_by[key], places[key]))
    yield "| price | unit | before | after | change | paid by |"
    yield "|---|---|--:|--:|--:|---|"
    for key in ordered[:MOST_PRICES]:
        yield _price(moved[key], paid_by[key])
    if (rest := len(ordered) - MOST_PRICES) > 0:
        yield ""
        yield f"And {count_words(rest, 'price')} more."
    yield ""


def _price(change: PriceChange, paid_by: Sequence[str]) -> str:
    assert change.before is not None
    assert change.after is not None
    unit = change.after.unit
    share = "other unit" if change.share is None else f"{float(change.share):+.1%}".replace("-", "−").replace("%", " %")
    amounts = f"${plain_usd(change.before.usd)} | ${plain_usd(change.after.usd)}"
    return f"| {code(change.key)} | {escaped(unit)} | {amounts} | {share} | {', '.join(paid_by) or 'nobody'} |"


def _plans(replans: Sequence[Replan]) -> Iterator[str]:
    yield "## Plans that changed"
    yield ""
    changed = [each for each in replans if each.diff.parts]
    if not changed:
        yield "None: the same machines and the same providers."
    for each in changed:
        yield f"**{each.proposed.name}**"
        yield ""
        yield from (f"- {_part(part)}" for part in each.diff.parts)
        yield ""
    same = [each.proposed.name for each in replans if not each.diff.parts]
    if changed and same:
        yield f"The same machines and providers: {', '.join(same)}."
    yield ""


def _part(part: PartChange) -> str:
    shown = [*part.summary, *(change_words(change) for change in part.details[:MOST_DETAILS])]
    if (rest := len(part.details) - MOST_DETAILS) > 0:
        shown.append(f"and {rest} more")
    return f"{part.kind} {code(part.name)} {part.change}" + (f": {'; '.join(map(escaped, shown))}" if shown else "")
