"""The page of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.edges.pipeline import append_text, summary_page
from planner.words.diagnostics import Problems


def test_outside_of_a_run_there_is_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert summary_page() is None


def test_text_is_added_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page.md"))
    page = summary_page()
    assert page is not None
    append_text(page, "one\n")
    append_text(page, "two ×\n")
    assert page.read_text(encoding="utf-8") == "one\ntwo ×\n"
    with pytest.raises(Problems, match="cannot be written"):
        append_text(tmp_path, "three\n")
