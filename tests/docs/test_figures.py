"""Figures in the documents are those of the files that they speak of. `UPDATE_GOLDEN=1` writes them anew."""

from __future__ import annotations

import pytest

from tests.docs.figures import PARTS
from tests.docs.markdown import ROOT, UPDATE, text_of, with_generated


@pytest.mark.parametrize("name", sorted(PARTS))
def test_generated_parts_are_up_to_date(name: str) -> None:
    wanted = with_generated(text_of(name), {part: lines() for part, lines in PARTS[name].items()})
    if UPDATE:
        (ROOT / name).write_text(wanted, encoding="utf-8")
    assert text_of(name) == wanted, "run UPDATE_GOLDEN=1 pytest tests/docs, and read what changed"
