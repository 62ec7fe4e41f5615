"""Streams and exit codes: the answer on stdout, everything else on stderr, a closed pipe ends quietly."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from planner.cli import output
from planner.edges.workspace import Workspace
from planner.faces.prose import Prose
from planner.words.diagnostics import Problem, Problems, Span
from tests.planner.cli.command import spillway

PLACED = Problem(
    "ENV003", "unknown key `chta`", Span("environments/a.yaml", 5, 3, 4, "  chta:"), "did you mean `chat`?"
)
UNPLACED = Problem("LOCK004", "no lock", hint="plan it")


@pytest.mark.parametrize("exit_code", [1, 2])
def test_problems_become_a_report_and_their_exit_code(
    exit_code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    with pytest.raises(SystemExit) as ended, output.report_problems("text"):
        raise Problems([UNPLACED, PLACED], exit_code)
    assert ended.value.code == exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error[LOCK004]: no lock",
        "  hint: plan it",
        "error[ENV003]: unknown key `chta`",
        "  --> environments/a.yaml:5:3",
        "  5 |   chta:",
        "    |   ^^^^",
        "  hint: did you mean `chat`?",
        "2 problems in environments/a.yaml",
    ]


LONG = Problem("LOCK004", "there is no lock of an environment whose name is not short", hint=f"plan {'it ' * 30}now")


@pytest.mark.parametrize(("columns", "widest"), [(60, 60), (0, output.UNKNOWN_WIDTH)])
def test_problems_fold_to_the_terminal_that_shows_them(
    columns: int, widest: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((columns, 24)))
    output.report([LONG])
    lines = capsys.readouterr().err.splitlines()
    assert widest - 4 < max(len(line) for line in lines) <= widest


def test_problems_stay_on_one_line_each_where_a_program_reads_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    output.report([LONG])
    assert capsys.readouterr().err.splitlines() == [f"error[LOCK004]: {LONG.message}", f"  hint: {LONG.hint}"]


def test_problems_as_json_are_one_document_with_places(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), output.report_problems("json"):
        raise Problems([PLACED])
    out, err = capsys.readouterr()
    (problem,) = json.loads(out)["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("environments/a.yaml", 5, 3)
    assert problem["code"] == "ENV003"
    assert problem["hint"]
    assert err == ""


def test_problems_become_annotations_in_a_workflow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    output.report([PLACED])
    out, err = capsys.readouterr()
    assert out == ""  # an answer that is redirected to a file must not swallow them
    assert err == (
        "::error file=environments/a.yaml,line=5,col=3,title=ENV003::unknown key `chta` hint: did you mean `chat`?\n"
    )


def test_an_interrupt_ends_with_2_and_without_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, output.report_problems("text"):
        raise KeyboardInterrupt
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "interrupted\n")


def test_colour_is_for_terminals_and_no_color_wins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> str:
        output.show([Text("denied", style="red")])
        return capsys.readouterr().out

    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert shown() == "denied\n"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert shown() == "\x1b[31mdenied\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown() == "denied\n"


def test_a_table_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert output.console().width == output.PLAIN_WIDTH
    monkeypatch.setenv("COLUMNS", "90")
    assert output.console().width == 90


def test_a_name_that_is_wider_than_the_terminal_is_printed_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output.show([Prose(f"pool {'x' * 48} is idle")])
    assert capsys.readouterr().out.splitlines() == ["pool", "x" * 48, "is idle"]


@pytest.mark.parametrize("arguments", [["show", "small"], ["show", "small", "--format", "json"]])
def test_a_reader_that_leaves_early_is_no_error(checkout: Workspace, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "planner.cli.main", *arguments]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_parts_stand_apart_by_one_empty_line(checkout: Workspace) -> None:
    lines = [line.rstrip() for line in spillway("show", "small").out.splitlines()]
    assert "" in lines
    assert all(one or other for one, other in itertools.pairwise(lines))


def _annotated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *problems: Problem) -> list[str]:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with output.report_problems("text"):
        output.report(problems)
    return capsys.readouterr().err.splitlines()


def test_what_github_would_drop_is_text_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    errors = [Problem("ENV003", f"key {number}") for number in range(output.MOST_ANNOTATIONS + 2)]
    warnings = [Problem("LOCK020", f"aged {number}", severity="warning") for number in range(2)]
    lines = _annotated(monkeypatch, capsys, *errors, *warnings)
    commands = [line for line in lines if line.startswith("::")]
    assert [line.partition("title=")[0] for line in commands] == ["::error "] * output.MOST_ANNOTATIONS + [
        "::warning "
    ] * 2
    text = [line for line in lines if not line.startswith("::")]
    assert text == ["error[ENV003]: key 10", "error[ENV003]: key 11", "2 problems"]


def test_an_annotation_names_its_file_from_the_root_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "team").mkdir()
    monkeypatch.chdir(tmp_path / "team")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    inside = Problem("ENV003", "here", Span("environments/prod.yaml", 3))
    outside = Problem("ENV003", "there", Span("../../etc/prod.yaml", 4))
    lines = _annotated(monkeypatch, capsys, inside, outside)
    assert lines == [
        "::error file=team/environments/prod.yaml,line=3,col=1,title=ENV003::here",
        "::error file=../../etc/prod.yaml,line=4,col=1,title=ENV003::there",
    ]
