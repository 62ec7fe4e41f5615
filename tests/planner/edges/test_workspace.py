"""A folder of environments and locks: names, what is read, and what is told when it cannot be."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from planner.documents.lock import render
from planner.edges.trace_files import load_trace
from planner.edges.workspace import Workspace, workspace_of
from planner.words.diagnostics import Problems
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

TODAY = datetime.date(2026, 11, 21)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return small.workspace(tmp_path / "environments", lock=small.planned().lock)


def _codes(problems: Problems) -> list[str]:
    return [problem.code for problem in problems.problems]


def test_names_are_the_environments_alone(workspace: Workspace) -> None:
    for other in ("b.yaml", "a.yaml", "Pulumi.a.yaml", "notes.txt", "a.lock.json", "old.yaml.orig"):
        (workspace.folder / other).touch()
    assert workspace.names() == ("a", "b", "small")
    assert Workspace(workspace.folder / "nowhere").names() == ()


@pytest.mark.parametrize(
    ("argument", "folder", "name"),
    [
        ("prod", "environments", "prod"),
        ("elsewhere/prod.yaml", "elsewhere", "prod"),
        ("prod.yaml", ".", "prod"),
        ("/srv/team/eu-prod.yaml", "/srv/team", "eu-prod"),
    ],
)
def test_an_argument_is_a_name_or_a_file(argument: str, folder: str, name: str) -> None:
    assert workspace_of(argument, Path("environments")) == (Workspace(Path(folder)), name)


def test_what_is_wanted(workspace: Workspace) -> None:
    wanted = workspace.wanted("small")
    assert wanted.name == "small"
    assert sorted(wanted.environment.routes) == ["chat", "extraction"]
    assert wanted.traces == {}
    span = wanted.document.at(("routes", "chat", "data"))
    assert span is not None
    assert (span.file, span.source) == (str(workspace.environment_path("small")), "    data: internal")


def test_traces_are_read_and_belong_to_the_digest(workspace: Workspace) -> None:
    declared = """    tokens:
      input: {mean: 1155, p95: 4000}
      output: {mean: 211, p95: 451}
"""
    rows = [f"{1000 * i},{500 + i % 7},{50 + i % 5}" for i in range(400)]
    (workspace.folder / "mine.csv").write_text("arrival_ms,input_tokens,output_tokens\n" + "\n".join(rows) + "\n")
    text = small.text().replace(declared, "").replace("    traffic:\n", "    traffic:\n      trace: mine.csv\n", 1)
    workspace.environment_path("small").write_text(text)
    wanted = workspace.wanted("small")
    assert wanted.traces == {"mine.csv": load_trace("mine.csv", workspace.folder)}
    assert list(wanted.trace_digests) == ["mine.csv"]
    shipped = small.workspace(workspace.folder, text.replace("mine.csv", "azure-conv-2023")).wanted("small")
    assert shipped.digest != wanted.digest


def test_wrong_names_and_wrong_forms_are_told_together(workspace: Workspace) -> None:
    text = small.text().replace("openai:", "opnai:").replace("60ms", "60")
    workspace.environment_path("small").write_text(text)
    with pytest.raises(Problems) as caught:
        workspace.wanted("small")
    assert caught.value.exit_code == 2
    assert _codes(caught.value) == ["ENV004", "ENV006"]


def test_a_trace_that_cannot_be_read_is_told_at_its_line(workspace: Workspace) -> None:
    (workspace.folder / "mine.csv").write_text("when,what\n")
    text = small.text().replace("    traffic:\n", "    traffic:\n      trace: mine.csv\n", 1)
    workspace.environment_path("small").write_text(text)
    with pytest.raises(Problems) as caught:
        workspace.wanted("small")
    (problem,) = caught.value.problems
    assert problem.code == "ENV008"
    assert problem.where is not None
    assert problem.where.line == text.splitlines().index("      trace: mine.csv") + 1
    assert problem.message == "this header is of no trace format (line 1)"
    mapping = "--map at=COLUMN,input=COLUMN,output=COLUMN"
    first = (
        f"run `spillway traces summarize mine.csv {mapping} -o mine.trace.json` first, and name mine.trace.json here"
    )
    assert problem.hint == first


@pytest.mark.parametrize("name", ["My_Env", "Prod", "1st", "a" * 31, "eu.west"])
def test_a_name_that_no_environment_may_have_is_refused(workspace: Workspace, name: str) -> None:
    workspace.environment_path(name).write_text(small.text())
    with pytest.raises(Problems) as caught:
        workspace.wanted(name)
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("ENV004", f"`{name}` cannot be the name of an environment")
    assert "lower-case letters, digits and hyphens" in problem.hint


def test_a_lock_is_there_or_is_not(workspace: Workspace) -> None:
    assert workspace.lock("small") == workspace.existing_lock("small") == small.planned().lock
    workspace.lock_path("small").unlink()
    assert workspace.lock("small") is None
    with pytest.raises(Problems) as caught:
        workspace.existing_lock("small")
    assert _codes(caught.value) == ["LOCK004"]


def test_nothing_speaks_against_a_fresh_lock(workspace: Workspace) -> None:
    assert workspace.judgement("small", TODAY) == (small.planned().lock, ())


def test_a_stale_lock_is_a_problem(workspace: Workspace) -> None:
    workspace.environment_path("small").write_text(small.changed())
    lock, found = workspace.judgement("small", TODAY)
    assert lock == small.planned().lock
    assert [(problem.code, problem.severity) for problem in found] == [("LOCK010", "error")]


def test_a_tampered_lock_is_a_problem(workspace: Workspace) -> None:
    text = render(small.planned().lock)
    workspace.lock_path("small").write_text(
        text.replace('"gpu_memory_utilization": "0.9', '"gpu_memory_utilization": "0.8')
    )
    _, found = workspace.judgement("small", TODAY)
    assert [(problem.code, problem.severity) for problem in found] == [("LOCK011", "error")]


def test_a_retired_api_expires_the_lock(workspace: Workspace) -> None:
    """The model of the small plan has no date yet; one that has retired does."""
    text = render(small.planned().lock).replace("openai/gpt-5.4-mini", "anthropic/claude-3.5-sonnet")
    workspace.lock_path("small").write_text(text)
    _, found = workspace.judgement("small", TODAY)
    assert "LOCK013" in [problem.code for problem in found]
