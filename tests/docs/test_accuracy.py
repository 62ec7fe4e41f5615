"""docs/accuracy.md and its picture are what the commands that they name print. `UPDATE_GOLDEN=1` writes them anew."""

from __future__ import annotations

import pytest

from measurement.views.accuracy_plot import accuracy_svg
from tests.docs.accuracy import Found, alike, found, parts
from tests.docs.markdown import ROOT, UPDATE, text_of, with_generated

DOCUMENT, PICTURE = "docs/accuracy.md", "docs/accuracy.svg"
pytestmark = pytest.mark.xdist_group("accuracy")  # one worker, for the predictions are made once


@pytest.fixture(scope="module")
def told() -> Found:
    return found()


def test_the_document_tells_what_is_reached(told: Found) -> None:
    wanted = with_generated(text_of(DOCUMENT), parts(told))
    if UPDATE:
        (ROOT / DOCUMENT).write_text(wanted, encoding="utf-8")
    assert alike(text_of(DOCUMENT), wanted), "run UPDATE_GOLDEN=1 pytest tests/docs, and read what changed"


def test_the_picture_shows_the_same_rows(told: Found) -> None:
    wanted = accuracy_svg(told.rows["cells"])
    if UPDATE:
        (ROOT / PICTURE).write_text(wanted, encoding="utf-8")
    assert alike(text_of(PICTURE), wanted), "run UPDATE_GOLDEN=1 pytest tests/docs"


def test_documents_are_compared_up_to_what_processors_differ_in() -> None:
    assert alike("| a | 12 | 0.85 | 12.3 % |", "| a | 12 | 0.86 | 12.6 % |")
    for other in ("| b | 12 | 0.85 | 12.3 % |", "| a | 13 | 0.85 | 12.3 % |", "| a | 12 | 0.89 | 12.3 % |"):
        assert not alike("| a | 12 | 0.85 | 12.3 % |", other)
    assert not alike("| a | 12 | 0.85 | 12.3 % |", "| a | 12 | 0.85 | 13.3 % |")
    assert not alike("0.85", "0.85 0.85")
