"""A diff on a terminal and as JSON: pinned for a one-line change, and its parts sum exactly."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from planner.documents.diff import Diff, compare
from planner.faces.difference import diff_json, diff_view
from planner.words.spans import Document, read
from tests.planner import plans, small
from tests.planner.faces.shown import assert_folds, coloured, shown
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"


def _document(text: str) -> Document:
    return read(text, "environments/small.yaml")


def _changed() -> Diff:
    return compare(small.planned().lock, small.replanned().lock)


@pytest.mark.parametrize("width", [80, 160])
def test_a_one_line_change(width: int) -> None:
    text = shown(*diff_view(_changed(), _document(small.changed())), width=width)
    assert_golden(GOLDEN / f"diff-{width}.txt", text)


def test_on_every_terminal_lines_fit_and_names_are_whole() -> None:
    assert_folds(lambda: diff_view(_changed(), _document(small.changed())))
    assert_folds(lambda: diff_view(compare(None, small.planned().lock), _document(small.text())))


def test_the_line_of_the_change_is_named() -> None:
    number = small.changed().splitlines().index(f"      {small.CHANGE[1]}") + 1
    text = shown(*diff_view(_changed(), _document(small.changed())), width=160)
    assert f"routes.chat.traffic.requests_per_second.mean: 1.0 → 3.0   environments/small.yaml:{number}" in text


def test_the_line_of_an_entry_of_a_list_is_named() -> None:
    other = small.text().replace("accept: [qwen3-8b, gpt-5.4-mini]", "accept: [qwen3-8b, gpt-5.4]")
    base = small.planned().lock
    environment = {**base.environment, "routes": {**base.environment["routes"]}}
    chat = environment["routes"]["chat"]
    environment["routes"]["chat"] = {**chat, "quality": {**chat["quality"], "accept": ["qwen3-8b", "gpt-5.4"]}}
    diff = compare(base, base.model_copy(update={"environment": environment}))
    number = next(n for n, line in enumerate(other.splitlines(), 1) if "gpt-5.4]" in line)
    text = shown(*diff_view(diff, _document(other)), width=160)
    assert f'routes.chat.quality.accept.1: "gpt-5.4-mini" → "gpt-5.4"   environments/small.yaml:{number}' in text


def test_nothing_changed() -> None:
    lock = small.planned().lock
    text = shown(*diff_view(compare(lock, lock), _document(small.text())))
    assert text == f"Plan for small: unchanged · ${lock.plan.cost.usd_per_month:,.0f} total"


def test_a_first_plan() -> None:
    text = shown(*diff_view(compare(None, small.planned().lock), _document(small.text())))
    assert "first plan" in text
    assert "%" not in text.splitlines()[0]  # there is nothing to be a share of


def test_more_is_red_and_less_is_green() -> None:
    up, down = _changed(), compare(small.replanned().lock, small.planned().lock)
    assert up.delta == -down.delta > 0
    assert "\x1b[1;31m+$" in coloured(*diff_view(up, _document(small.changed())))
    assert "\x1b[1;32m−$" in coloured(*diff_view(down, _document(small.text())))


def test_json_parts_sum_to_the_change_exactly() -> None:
    cheaper = plans.edited(plans.plan().model_dump(mode="json"), {})
    values = diff_json(compare(plans.lock(), plans.lock(plans.plan().model_validate(cheaper))))
    assert Decimal(values["change_usd_per_month"]) == 0
    values = diff_json(_changed())
    parts = [Decimal(values["by_inputs_usd_per_month"]), Decimal(values["by_prices_usd_per_month"])]
    assert sum(parts) == Decimal(values["change_usd_per_month"]) == _changed().delta
    for line in values["lines"]:
        change = Decimal(line["usd_per_month"]) - Decimal(line["base_usd_per_month"])
        assert Decimal(line["by_inputs_usd_per_month"]) + Decimal(line["by_prices_usd_per_month"]) == change
    assert values["inputs"] == ["routes.chat.traffic.requests_per_second.mean: 1.0 → 3.0"]
    assert values["touched"] == sorted(values["touched"])


def test_who_may_see_data_is_never_cut() -> None:
    """A route changes in six figures; its privacy and its APIs are told among the first, in text and in JSON."""
    before = plans.plan()
    changes = {"privacy": "public", "fallback": [], "bytes_per_token": "3", "residency": ["eu"]}
    bands = {f"bands/{i}/api_share": "0.5" for i in range(2)}
    after = plans.bent(before, {f"routes/0/{key}": value for key, value in {**changes, **bands}.items()})
    diff = compare(plans.lock(before), plans.lock(after))
    text = shown(*diff_view(diff, _document(plans.ENVIRONMENT)), width=160)
    told = ('privacy: "internal" → "public"', "fallback", "residency")
    assert all(words in text for words in told)
    assert "and " in text  # the others are counted
    (part,) = [part for part in diff_json(diff)["parts"] if part["part"] == "route chat"]
    assert len(part["details"]) > 4
