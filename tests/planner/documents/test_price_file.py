"""Files of own prices: their text can be read back, and a refresh touches the rows of its own source alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from planner.documents.price_file import FreshPrices, Names, PriceFile, file_text, plain_usd, refreshed
from planner.edges.catalog_yaml import TextLoader, read
from tests.docs.markdown import text_of

FRESH = FreshPrices(
    "price-list",
    "AWS Price List Query API, get_products",
    "2026-11-30",
    "hour",
    {("g6e.xlarge", "on-demand"): Decimal("1.8610"), ("g6.xlarge", "on-demand"): Decimal("0.8048")},
)
TEXT = """\
unit: hour
sources:
  price-list: {source: 'AWS Price List Query API, get_products', as_of: 2026-11-30}
prices:
  g6.xlarge:
    on-demand: {usd: 0.8048, source: price-list}
  g6e.xlarge:
    on-demand: {usd: 1.861, source: price-list}
...
"""
HAND = {"usd": "1.70", "source": "contract"}


def test_a_fresh_file_has_this_form_and_the_documents_show_it() -> None:
    text = file_text(refreshed(PriceFile(), FRESH).file)
    assert text == TEXT
    assert f"```yaml\n{text}```" in text_of("docs/catalog.md")


def test_rows_by_hand_stay_and_win() -> None:
    file = PriceFile(
        unit="hour",
        sources={"contract": {"source": "contract 4711", "as_of": "2026-11-01"}},
        rows={("g6e.xlarge", "on-demand"): HAND, ("own-box", "on-demand"): HAND},
        head=("# our prices",),
    )
    result = refreshed(file, FRESH)
    assert result.by_hand == (("g6e.xlarge", "on-demand"),)
    assert result.file.rows[("g6e.xlarge", "on-demand")] == HAND
    assert result.file.rows[("own-box", "on-demand")] == HAND
    assert result.file.rows[("g6.xlarge", "on-demand")]["usd"] == "0.8048"
    text = file_text(result.file)
    assert text.startswith("# our prices\nunit: hour\n")
    assert list(read(text, "f", TextLoader).value["sources"]) == ["contract", "price-list"]


def test_what_the_source_states_no_more_is_gone_and_what_is_held_keeps_its_day() -> None:
    before = refreshed(PriceFile(), replace(FRESH, as_of="2026-10-01")).file
    later = replace(FRESH, usd={})
    assert refreshed(before, later).gone == (("g6.xlarge", "on-demand"), ("g6e.xlarge", "on-demand"))
    assert refreshed(before, later).file.sources == {}
    held = refreshed(before, later, frozenset({("g6.xlarge", "on-demand")}))
    assert held.gone == (("g6e.xlarge", "on-demand"),)
    assert held.file.rows == {
        ("g6.xlarge", "on-demand"): {"usd": "0.8048", "source": "price-list", "as_of": "2026-10-01"}
    }
    assert held.file.sources["price-list"]["as_of"] == "2026-11-30"


def test_another_unit_above_the_rows_is_stated_in_the_row() -> None:
    result = refreshed(PriceFile(unit="Mtok"), FRESH)
    assert result.file.unit == "Mtok"
    assert {row["unit"] for row in result.file.rows.values()} == {"hour"}


def test_amounts_are_written_without_exponent_and_zeros() -> None:
    written = [plain_usd(Decimal(text)) for text in ("1.8610000000", "1E+1", "2E-8", "30", "100.00", "0.10")]
    assert written == ["1.861", "10", "0.00000002", "30", "100", "0.1"]


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=20
).map(str.strip)
COLUMNS = st.dictionaries(st.sampled_from(("usd", "source", "as_of", "note")), WORDS.filter(bool), min_size=1)


@given(
    st.dictionaries(st.tuples(WORDS.filter(bool), WORDS.filter(bool)), COLUMNS, max_size=5),
    st.dictionaries(WORDS.filter(bool), COLUMNS, max_size=3),
)
def test_whatever_stands_in_a_file_is_read_back(
    rows: dict[Names, dict[str, str]], sources: dict[str, dict[str, str]]
) -> None:
    document = read(file_text(PriceFile("hour", sources, rows)), "f", TextLoader)
    assert document.twice == ()
    tree = {(outer, inner): row for outer, block in document.value["prices"].items() for inner, row in block.items()}
    assert tree == rows
    assert document.value["sources"] == sources
