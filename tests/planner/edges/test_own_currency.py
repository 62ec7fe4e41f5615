"""`catalog/currency.yaml`: what is read, what is refused, and that no lock is stale by it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from planner.domain.currency import Currency
from planner.edges.own_currency import currency_beside
from planner.words.diagnostics import Problems
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

FILE = "currency: EUR\nper_usd: 0.9170\nsource: ECB reference rate\nas_of: 2026-11-01\n...\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "catalog" / "currency.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return folder


def test_a_currency_with_its_rate_source_and_day(tmp_path: Path) -> None:
    assert currency_beside(tmp_path) is None
    found = currency_beside(write(tmp_path, FILE))
    assert found == Currency("EUR", Decimal("0.9170"), "ECB reference rate", "2026-11-01")
    assert found.of(Decimal("100.00")) == Decimal("91.70")
    assert found.words() == "$1 = 0.9170 EUR of 2026-11-01 (ECB reference rate)"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("EUR", "Euro", "'Euro' is no code of another currency"),
        ("EUR", "USD", "'USD' is no code of another currency"),
        ("0.9170", "0", "a dollar is 0 EUR"),
        ("0.9170", "-1", "a dollar is -1 EUR"),
        ("0.9170", "much", "per_usd: "),
        ("0.9170", "NaN", "per_usd: "),
        ("as_of: 2026-11-01", "as_of: lately", "lately"),
        ("source: ECB reference rate\n", "", "source: "),
        ("source: ECB", "rate: 1\nsource: ECB", "unknown key 'rate'"),
        ("per_usd: 0.9170", "per_usd: 0.9170\nper_usd: 0.9", "per_usd stands twice"),
        ("...\n", "", "does not end"),
    ],
)
def test_what_cannot_be_a_rate_is_refused_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in FILE
    with pytest.raises(Problems) as caught:
        currency_beside(write(tmp_path, FILE.replace(old, new, 1)))
    assert told in " ".join(problem.message for problem in caught.value.problems)
    assert all(problem.where and problem.where.file.endswith("currency.yaml") for problem in caught.value.problems)


def test_a_list_is_no_currency(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="a currency is a mapping of keys"):
        currency_beside(write(tmp_path, "- EUR\n...\n"))


def test_it_makes_no_lock_stale_and_no_price_old(tmp_path: Path) -> None:
    lock = small.planned().lock
    workspace = small.workspace(tmp_path, lock=lock)
    day = datetime.date(2026, 12, 1)
    before = workspace.judgement("small", day)[1]
    write(tmp_path, FILE)
    assert workspace.judgement("small", day)[1] == before
