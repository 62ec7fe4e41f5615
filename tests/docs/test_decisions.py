"""Decision records: numbered without a hole, in one form, and short. `test_figures.py` holds their index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS

RECORDS = sorted((DOCS / "decisions").glob("*.md"))
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives"]
PAGE_LINES, PAGE_WORDS = 55, 480


def test_numbers_have_no_hole() -> None:
    assert [path.name[:4] for path in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_a_record_has_its_form_and_fits_a_page(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", path.name)
    assert re.match(rf"# {path.name[:4]}\. \S.*\n\n(Accepted|Superseded by \d{{4}}), \d{{4}}-\d{{2}}-\d{{2}}\.\n", text)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert len(text.splitlines()) <= PAGE_LINES
    assert len(text.split()) <= PAGE_WORDS
