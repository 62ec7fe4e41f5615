"""What the machine of a run says of itself, in files and variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.edges.pipeline import append_text, pull_request_here, summary_page
from planner.words.diagnostics import Problems

EVENT = (
    '{"pull_request": {"number": 3, "head": {"ref": "load", "repo": {"full_name": "a/b"}},'
    ' "base": {"ref": "main", "repo": {"full_name": "a/b"}}}}'
)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_EVENT_PATH", "GITHUB_ACTOR", "GITHUB_STEP_SUMMARY", "CI_MERGE_REQUEST_IID"):
        monkeypatch.delenv(name, raising=False)


def test_the_event_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "event.json").write_text(EVENT)
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    found = pull_request_here()
    assert found is not None
    assert (found.number, found.base, found.branch, found.read_only) == (3, "origin/main", "load", False)


def test_outside_of_a_run_there_is_none() -> None:
    assert pull_request_here() is None
    assert summary_page() is None


@pytest.mark.parametrize("text", ["{", "[]", '{"pull_request": {"number": "three"}}', EVENT.replace('"ref"', '"rev"')])
def test_an_event_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "event.json").write_text(text)
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    with pytest.raises(Problems) as raised:
        pull_request_here()
    assert [problem.code for problem in raised.value.problems] == ["CI001"]


def test_an_event_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    with pytest.raises(Problems) as raised:
        pull_request_here()
    assert [problem.code for problem in raised.value.problems] == ["IO001"]


def test_text_is_added_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "page.md"))
    page = summary_page()
    assert page is not None
    append_text(page, "one\n")
    append_text(page, "two ×\n")
    assert page.read_text(encoding="utf-8") == "one\ntwo ×\n"
    with pytest.raises(Problems, match="cannot be written"):
        append_text(tmp_path, "three\n")
