"""Files of own prices as a refresh reads them: nothing that stands in one may be lost without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.documents.price_file import PriceFile, file_text
from planner.edges.own_price_files import own_price_path, read_price_file
from planner.words.diagnostics import Problems

TEXT = """\
# Our prices of 2026.
# Ask finance before you change one.
unit: hour
sources:
  contract: {source: 'contract #4711, with AWS', as_of: 2026-11-01}
prices:
  g6e.xlarge:
    on-demand: {usd: 1.70, source: contract, note: 'it''s #1'}
...
"""


def written(tmp_path: Path, text: str) -> Path:
    path = own_price_path(tmp_path, "ec2", "us-east-1")
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_where_there_is_none_it_is_empty(tmp_path: Path) -> None:
    assert own_price_path(tmp_path, "ec2", "us-east-1") == tmp_path / "catalog/prices/ec2/us-east-1.yaml"
    assert read_price_file(own_price_path(tmp_path, "ec2", "us-east-1")) == PriceFile()


def test_a_file_by_hand_comes_back_with_its_remarks_above(tmp_path: Path) -> None:
    file = read_price_file(written(tmp_path, TEXT))
    assert file.rows == {("g6e.xlarge", "on-demand"): {"usd": "1.70", "source": "contract", "note": "it's #1"}}
    text = file_text(file)
    assert text.startswith("# Our prices of 2026.\n# Ask finance")
    path = tmp_path / "again.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_price_file(path) == file


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        ("prices:\n", "prices:\n  # the big ones\n", "REF007", 7),
        ("as_of: 2026-11-01}\n", "as_of: 2026-11-01}  # signed\n", "REF007", 5),
        ("unit: hour\n", "unit: hour\nowner: me\n", "REF007", 4),
        ("unit: hour\n", "unit: hour\nunit: Mtok\n", "CAT004", 4),
        ("...\n", "", "CAT002", 8),
    ],
)
def test_what_would_be_lost_is_refused_at_its_line(
    tmp_path: Path, before: str, after: str, code: str, line: int
) -> None:
    with pytest.raises(Problems) as raised:
        read_price_file(written(tmp_path, TEXT.replace(before, after)))
    (told,) = raised.value.problems
    assert told.code == code
    assert told.where is not None
    assert told.where.line == line
