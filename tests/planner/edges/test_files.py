"""A write is whole or it did not happen; what stands in its way is told."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from planner.edges import files
from planner.edges.files import read_text, write_text
from planner.words.diagnostics import Problem, Problems


def refused(path: Path) -> Problem:
    with pytest.raises(Problems) as raised:
        write_text(path, "new\n")
    (problem,) = raised.value.problems
    assert raised.value.exit_code == 2
    assert problem.code == "IO002"
    assert problem.hint.startswith("nothing was written")
    return problem


def test_text_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "prod.lock.json"
    for text in ("", "one\n", "größer: 3 × 4\n", "a\r\nb\n"):
        write_text(path, text)
        assert path.read_bytes() == text.encode()
    assert read_text(path) == "a\nb\n"
    assert os.listdir(tmp_path) == ["prod.lock.json"]


@pytest.mark.parametrize("step", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), RuntimeError("killed")])
def test_an_interruption_leaves_the_old_text_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "prod.lock.json"
    path.write_text("old\n")

    def interrupted(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(f"planner.edges.files.os.{step}", interrupted)
    if isinstance(error, OSError):
        assert "No space left on device" in refused(path).message
    else:
        with pytest.raises(type(error)):
            write_text(path, "new\n")
    monkeypatch.undo()
    assert path.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["prod.lock.json"]


def test_text_that_cannot_be_encoded_leaves_the_old_text(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \ud800")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_the_text_is_whole_at_the_moment_it_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    replace = os.replace
    seen = []

    def watched(source: str, target: Path) -> None:
        seen.append((Path(source).parent, Path(source).read_text(), target.read_text()))
        replace(source, target)

    monkeypatch.setattr("planner.edges.files.os.replace", watched)
    write_text(path, "new" * 10_000)
    assert seen == [(tmp_path, "new" * 10_000, "old")]


def test_the_mode_of_a_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o640)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_mode_that_any_program_would_give_it(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "ours", "new")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_is_missing_or_a_file_is_told(tmp_path: Path) -> None:
    assert "No such file or directory" in refused(tmp_path / "missing" / "a").message
    (tmp_path / "file").write_text("x")
    assert "Not a directory" in refused(tmp_path / "file" / "a").message
    assert (tmp_path / "file").read_text() == "x"


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert "directory" in refused(tmp_path / "a").message
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    tmp_path.chmod(0o555)
    try:
        assert "Permission denied" in refused(path).message
        assert os.listdir(tmp_path) == ["a"]
        assert path.read_text() == "old"
    finally:
        tmp_path.chmod(0o755)


def unreadable(path: Path, hint: str = "") -> Problem:
    with pytest.raises(Problems) as raised:
        read_text(path, hint)
    (problem,) = raised.value.problems
    assert problem.code == "IO001"
    return problem


def test_what_cannot_be_read_is_told_with_the_callers_hint(tmp_path: Path) -> None:
    problem = unreadable(tmp_path / "prod.yaml", "environments here: dev")
    assert problem.message == f"{tmp_path / 'prod.yaml'} does not exist"
    assert problem.hint == "environments here: dev"
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8 text" in unreadable(tmp_path / "binary").message
    assert "Is a directory" in unreadable(tmp_path).message


def test_a_file_without_an_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1_000)
    (tmp_path / "a").write_text("x" * 1_000, encoding="utf-8")
    assert len(files.read_text(tmp_path / "a")) == 1_000
    (tmp_path / "a").write_text("x" * 1_001, encoding="utf-8")
    with pytest.raises(Problems, match=r"IO001: .* is longer than 1,000 characters"):
        files.read_text(tmp_path / "a")
    with pytest.raises(Problems, match=r"IO001: .* cannot be read"):
        files.read_text(tmp_path / "a\0b")
