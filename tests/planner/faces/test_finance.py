"""The bill for finance as a table, CSV and Markdown: the same sums everywhere, in dollars and in another currency."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from planner.documents.finance import finance_of
from planner.domain.currency import Currency
from planner.faces.finance import budget_view, csv_text, focus_text, markdown_text, notes_of
from planner.words.numbers import dollars
from tests.planner.documents.test_finance import BILL, phased
from tests.planner.faces.shown import assert_folds, shown
from tests.planner.plans import bent, lock, plan

EURO = Currency("EUR", Decimal("0.92"), "ECB reference rate", "2026-11-01")
RATE = "$1 = 0.92 EUR of 2026-11-01 (ECB reference rate)"
PHASES = phased((date(2027, 2, 16), "20000.00"))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("currency", [None, EURO], ids=["dollars", "euros"])
def test_every_form_shows_the_same_sums(currency: Currency | None) -> None:
    finance = finance_of(lock())
    wanted = [f"{BILL:,}", f"{12 * BILL:,}"]
    wanted += [f"{EURO.of(BILL):,}", f"{EURO.of(12 * BILL):,}"] if currency else []
    (total,) = [line.split() for line in shown(budget_view(finance, currency)).splitlines() if line.startswith("total")]
    assert total[1:] == wanted
    (total_row,) = [line for line in markdown_text(finance, currency).splitlines() if line.startswith("| **total**")]
    assert [cell.strip(" *") for cell in total_row.strip("|").split("|") if cell.strip()][1:] == wanted
    rows = rows_of(csv_text(finance, currency))
    assert sum(Decimal(row["usd_per_month"]) for row in rows) == BILL
    assert sum(Decimal(row["usd_over_horizon"]) for row in rows) == 12 * BILL
    if currency:
        assert sum(Decimal(row["currency_per_month"]) for row in rows) == EURO.of(BILL)
        assert sum(Decimal(row["currency_over_horizon"]) for row in rows) == EURO.of(12 * BILL)
        assert {(row["currency"], row["currency_per_usd"], row["currency_as_of"]) for row in rows} == {
            ("EUR", "0.92", "2026-11-01")
        }
    else:
        assert "EUR" not in csv_text(finance, None) + markdown_text(finance, None)


def test_the_columns_of_csv() -> None:
    first = rows_of(csv_text(finance_of(lock()), None))[0]
    line = plan().cost.lines[0]
    assert (first["environment"], first["start"], first["end"]) == ("prod", "2026-12-01", "2027-12-01")
    assert (first["component"], first["line"], first["kind"]) == (line.component, line.name, line.kind)
    assert (first["price"], first["source"], first["as_of"]) == (line.price, line.source, line.as_of)
    assert dollars(Decimal(first["quantity"]) * Decimal(first["unit_price_usd"])) == line.usd_per_month


def test_a_later_phase_stands_in_every_form() -> None:
    rows = rows_of(csv_text(PHASES, EURO))
    last = rows[-1]
    assert (last["start"], last["end"]) == ("2027-02-16", "2027-12-01")
    assert (last["line"], last["usd_per_month"]) == ("all of the phase: 2 × g6e.12xlarge", "20000.00")
    assert last["quantity"] == last["component"] == last["source"] == ""
    assert {row["end"] for row in rows[:-1]} == {"2027-02-16"}
    assert sum(Decimal(row["usd_over_horizon"]) for row in rows) == PHASES.usd
    for text in (shown(budget_view(PHASES, None)), markdown_text(PHASES, None)):
        assert "from 2027-02-16 to 2027-12-01: 2 × g6e.12xlarge" in text
        assert f"{PHASES.usd:,}" in text
        assert f"{BILL:,}" in text, "the sum a month is that of the first phase"
    assert len(rows_of(focus_text(PHASES, None))) == len(PHASES.charges)


def test_what_a_reader_must_know_is_told() -> None:
    load: dict[str, Any] = {
        "stated": None,
        "mean_requests_per_second": "5",
        "busiest_hour_requests_per_second": "8",
        "capacity_factor": "1.1",
        "usage_factor": "1",
        "plan_again_by": "2027-03-01",
        "notes": [],
    }
    growing = finance_of(lock(bent(plan(), {"routes/0/load": load})))
    told = list(notes_of(growing, EURO))
    assert told == [
        f"{RATE}; the lock is in dollars",
        "at the load before 2027-03-01: later growth and seasons are not in it",
    ]
    for text in (markdown_text(growing, EURO), " ".join(shown(budget_view(growing, EURO)).split())):
        assert RATE in text
        assert "before 2027-03-01" in text
    assert "Nothing can serve from 2027-03-01 on" in markdown_text(phased((date(2027, 3, 1), None)), None)


def test_what_the_team_agreed_stands_beside_its_line_in_markdown() -> None:
    agreed = bent(plan(), {"cost/lines/0/source": "own catalog: 12 % off $10 (EDP | 2026); list: AWS"})
    assert ": 12 % off $10 (EDP &vert; 2026) |" in markdown_text(finance_of(lock(agreed)), None)


def test_text_of_a_team_is_no_markup_and_no_formula() -> None:
    source = '=HYPERLINK("https://example.com")'
    bad = {"cost/lines/0/source": source, "cost/lines/0/name": "<img src=x>\n# head"}
    finance = finance_of(lock(bent(plan(), bad)))
    row = rows_of(csv_text(finance, None))[0]
    assert row["source"] == f"'{source}"
    assert all(not row[name].startswith("'") for name in ("usd_per_month", "quantity", "start"))
    assert f"'{source}" in {row["x_PriceSource"] for row in rows_of(focus_text(finance, None))}
    text = markdown_text(finance, None)
    assert "&lt;img src=x&gt; # head |" in text
    assert "<img" not in text


def test_the_table_folds() -> None:
    assert_folds(lambda: [budget_view(PHASES, EURO)])


def test_null_is_an_empty_cell_of_focus() -> None:
    api = next(row for row in rows_of(focus_text(finance_of(lock()), None)) if row["ProviderName"] == "openai")
    assert api["BillingAccountId"] == api["ChargeClass"] == ""
    assert api["BilledCost"] != "0"
