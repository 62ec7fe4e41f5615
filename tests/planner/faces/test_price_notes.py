"""The title and the text of a pull request with newer prices."""

from __future__ import annotations

from decimal import Decimal

import pytest

from planner.documents.lock import Lock
from planner.documents.replan import Replan
from planner.domain.price_changes import PriceChange
from planner.domain.prices import Price
from planner.faces import price_notes
from planner.faces.price_notes import MOST_PRICES, notes_text, notes_title
from tests.planner import small


def lock(name: str = "prod", snapshot: str = "2026-11-29", add: str = "0") -> Lock:
    """The small plan under another name, on another snapshot, dearer by so many dollars a month on its first line."""
    made = small.planned().lock
    first, *others = made.plan.cost.lines
    amount = first.usd_per_month + Decimal(add)
    dearer = first.model_copy(
        update={"usd_per_month": amount, "unit_price": first.unit_price * amount / first.usd_per_month}
    )
    total = made.plan.cost.usd_per_month + Decimal(add)
    cost = made.plan.cost.model_copy(update={"lines": (dearer, *others), "usd_per_month": total})
    return made.model_copy(
        update={
            "name": name,
            "consulted": made.consulted.model_copy(update={"snapshot": snapshot}),
            "plan": made.plan.model_copy(update={"cost": cost}),
        }
    )


def replan(name: str, old: str, new: str, add: str = "0", moved: tuple[PriceChange, ...] = ()) -> Replan:
    return Replan(lock(name, old), lock(name, new, add), moved)


def change(key: str, before: str, after: str, unit: str = "Mtok") -> PriceChange:
    prices = [Price(key, Decimal(usd), unit, "a source", "2026-11-01") for usd in (before, after)]
    return PriceChange(key, prices[0], prices[1])


@pytest.mark.parametrize(
    ("old", "new", "span"),
    [
        ("2026-07-14", "2026-11-29", "2026-07 → 2026-11"),
        ("2026-11-21", "2026-11-29", "2026-11-21 → 2026-11-29"),
        ("2026-11-29", "2026-11-29", "of 2026-11-29"),
    ],
)
def test_a_title_says_between_which_days_and_what_it_costs(old: str, new: str, span: str) -> None:
    plans = [replan("dev", old, new), replan("prod", old, new, "-316")]
    assert notes_title(plans) == f"prices {span}: prod −$316 / month, dev unchanged"


def test_a_title_names_the_largest_changes_and_counts_the_rest() -> None:
    plans = [replan(f"e{number}", "2026-07-14", "2026-11-29", str(number)) for number in range(7)]
    title = notes_title(plans)
    assert title.startswith("prices 2026-07 → 2026-11: e6 +$6.00 / month, e5 +$5.00 / month, ")
    assert title.endswith(", e3 +$3.00 / month, 3 more")
    assert "\n" not in title


def test_a_first_plan_is_new() -> None:
    first = Replan(None, lock("dev"), ())
    assert notes_title([first]).startswith("prices of 2026-11-29: dev new, $")
    assert "| dev | – | $" in notes_text([first])


def test_the_text_says_which_prices_moved_and_who_pays_them() -> None:
    paid = small.planned().lock.plan.cost.lines[0].price
    moved = (change("api/x/y/input", "1", "3"), change(paid, "0.4", "0.3"), change("ec2/z", "1", "2", "hour"))
    text = notes_text([replan("prod", "2026-07-14", "2026-11-29", "-20", moved)])
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{paid}` | Mtok | $0.4 | $0.3 | −25.0 % | prod |",
        "| `api/x/y/input` | Mtok | $1 | $3 | +200.0 % | nobody |",
        "| `ec2/z` | hour | $1 | $2 | +100.0 % | nobody |",
    ]
    assert "| prod | " in text
    assert "| −$20 | −$20 | $0 |" in text
    assert "None: the same machines and the same providers." in text


def test_many_prices_are_counted() -> None:
    moved = tuple(change(f"api/x/m{number:03}/input", "1", "2") for number in range(MOST_PRICES + 3))
    text = notes_text([replan("prod", "2026-07-14", "2026-11-29", moved=moved)])
    assert text.count("| `api/x/") == MOST_PRICES
    assert "And 3 prices more." in text


def test_the_text_says_what_becomes_of_each_part() -> None:
    changed = Replan(small.planned().lock, small.replanned().lock, ())
    text = notes_text([changed, replan("dev", "2026-07-14", "2026-11-29")])
    assert "**small**" in text
    assert "- pool `" in text
    assert "The same machines and providers: dev." in text
    assert "None of those that these plans were weighed by." in text


def test_a_text_that_no_pull_request_takes_is_cut_at_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [replan("prod", "2026-07-14", "2026-11-29", "5")]
    whole = notes_text(plans)
    monkeypatch.setattr(price_notes, "LONGEST", 200)
    kept, _, rest = notes_text(plans).partition("\n\nThe rest is too long")
    assert rest
    assert len(kept) <= 200
    assert whole.startswith(f"{kept}\n")


def test_a_unit_of_a_team_is_no_markup() -> None:
    moved = (change("api/own/model/input", "1", "2", "a | b <b>"),)
    text = notes_text([replan("prod", "2026-07-14", "2026-11-29", moved=moved)])
    assert "| a &vert; b &lt;b&gt; |" in text
