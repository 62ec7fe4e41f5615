"""docs/accuracy.md and its picture are what the commands that they name print. `make figures` writes them anew.

What rests on the shipped fit is always compared. The rest takes eighty fits: `make test-long`.
"""

from __future__ import annotations

import re
from dataclasses import astuple
from itertools import zip_longest

import pytest

from measurement.files.interval_files import load_intervals
from measurement.views.accuracy_plot import accuracy_svg
from tests.docs.markdown import text_of
from tools.figures.accuracy_tables import Found, found, parts, shipped
from tools.figures.marks import part_names, with_parts

DOCUMENT, PICTURE = "docs/accuracy.md", "docs/accuracy.svg"
AGAIN = f"run `make figures FILES='{DOCUMENT} {PICTURE}'`, and read what changed"
NUMBER = re.compile(r"(\d+\.\d+)( %)?")


def alike(text: str, wanted: str) -> bool:
    """Whether two texts say the same: words and whole numbers are equal, other numbers nearly, and so their marks.

    What comes of a fit may round otherwise on another processor. Half a point of a percentage is allowed, and a
    fiftieth of the rest.
    """
    text, wanted = text.replace("**", ""), wanted.replace("**", "")
    pairs = list(zip_longest(NUMBER.finditer(text), NUMBER.finditer(wanted)))
    if NUMBER.sub("#", text) != NUMBER.sub("#", wanted):
        return False
    return all(a is not None and b is not None and near(a, b) for a, b in pairs)


def near(a: re.Match[str], b: re.Match[str]) -> bool:
    ours, theirs = float(a[1]), float(b[1])
    return abs(ours - theirs) <= (0.5 if a[2] else max(0.02 * theirs, 0.02))


@pytest.fixture(scope="module")
def told() -> Found:
    return found()


def test_the_shipped_fit_reaches_what_the_document_tells() -> None:
    text = text_of(DOCUMENT)
    assert "shipped" in part_names(text)
    assert alike(text, with_parts(text, {"shipped": shipped()})), AGAIN


@pytest.mark.long
def test_the_document_tells_what_is_reached(told: Found) -> None:
    text, computed = text_of(DOCUMENT), parts(told)
    assert sorted(part_names(text)) == sorted(computed)
    assert alike(text, with_parts(text, computed)), AGAIN


@pytest.mark.long
def test_the_picture_shows_the_same_rows(told: Found) -> None:
    assert alike(text_of(PICTURE), accuracy_svg(told.rows["sources"])), AGAIN


@pytest.mark.long
def test_the_shipped_intervals_are_those_that_all_sources_give(told: Found) -> None:
    """`make figures FILES=measurement/data/intervals.json` writes them anew."""
    shipped = load_intervals().intervals
    assert [astuple(each)[:5] for each in shipped] == [astuple(each)[:5] for each in told.intervals.intervals]
    for ours, theirs in zip(shipped, told.intervals.intervals, strict=True):
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.02)


def test_documents_are_compared_up_to_what_processors_differ_in() -> None:
    assert alike("| a | 12 | 0.85 | 12.3 % |", "| a | 12 | 0.86 | 12.6 % |")
    for other in ("| b | 12 | 0.85 | 12.3 % |", "| a | 13 | 0.85 | 12.3 % |", "| a | 12 | 0.89 | 12.3 % |"):
        assert not alike("| a | 12 | 0.85 | 12.3 % |", other)
    assert not alike("| a | 12 | 0.85 | 12.3 % |", "| a | 12 | 0.85 | 13.3 % |")
    assert not alike("0.85", "0.85 0.85")
