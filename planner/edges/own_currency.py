"""`catalog/currency.yaml`: the currency in which a team reads its bills beside US dollars. No digest covers it.

CAT003: a key that is wrong, missing or unknown.
"""

from __future__ import annotations

from pathlib import Path

from planner.domain.currency import Currency
from planner.edges.catalog_entries import SUFFIX, Entry
from planner.edges.catalog_tables import fact_table
from planner.edges.catalog_yaml import TextLoader, read
from planner.edges.files import read_text
from planner.edges.own_catalog import CURRENCY, FOLDER
from planner.words.diagnostics import Problem, Problems, Span

HINT = "write currency: EUR, per_usd: 0.92, source: TEXT, as_of: DATE"


def currency_beside(folder: Path) -> Currency | None:
    """Return the currency that a team states beside its environments; None where it states none. Raises `Problems`."""
    path = folder / FOLDER / f"{CURRENCY}{SUFFIX}"
    if not path.is_file():
        return None
    document = read(read_text(path), str(path), TextLoader)
    if not isinstance(document.value, dict):
        raise Problems([Problem("CAT003", "a currency is a mapping of keys", Span(str(path), 1), HINT)])
    problems = list(document.twice)
    entry = Entry(CURRENCY, document.value, document)
    found = fact_table([entry], Currency, problems).values.get(CURRENCY)
    if found is not None:
        problems += [Problem("CAT003", what, entry.span(key)) for key, what in found.contradictions()]
    if problems or found is None:
        raise Problems(problems)
    return found
