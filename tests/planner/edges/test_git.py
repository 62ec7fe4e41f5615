"""What git knows of a file: its text at a revision, or a sentence on why it cannot be had."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from planner.edges.git import archive_at, text_at
from planner.words.diagnostics import Problem, Problems

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits of `environments/prod.lock.json`; the working tree has a third text."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    repository = tmp_path / "repository"
    (repository / "environments").mkdir(parents=True)
    git(repository, "init", "--initial-branch=main")
    for text in ("first ×\n", "second\n"):
        (repository / "environments" / "prod.lock.json").write_text(text)
        git(repository, "add", ".")
        git(repository, "commit", "-m", text)
    (repository / "environments" / "prod.lock.json").write_text("not committed\n")
    return repository


def lock(folder: Path) -> Path:
    return folder / "environments" / "prod.lock.json"


def refused(revision: str, path: Path) -> Problem:
    with pytest.raises(Problems) as raised:
        text_at(revision, path)
    (problem,) = raised.value.problems
    assert raised.value.exit_code == 2
    return problem


def test_the_text_is_that_of_the_revision_and_not_of_the_working_tree(checkout: Path) -> None:
    assert text_at("HEAD", lock(checkout)) == "second\n"
    assert text_at("HEAD~1", lock(checkout)) == "first ×\n"
    assert text_at("main", lock(checkout)) == "second\n"


def test_a_relative_path_is_that_of_the_working_folder(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "environments")
    assert text_at("HEAD", Path("prod.lock.json")) == "second\n"
    monkeypatch.chdir(checkout)
    assert text_at("HEAD", Path("environments/prod.lock.json")) == "second\n"


def test_a_file_that_the_revision_lacks_is_none(checkout: Path) -> None:
    assert text_at("HEAD", checkout / "environments" / "staging.lock.json") is None
    lock(checkout).unlink()
    assert text_at("HEAD", lock(checkout)) == "second\n"


@pytest.mark.parametrize("revision", ["no-such-branch", "HEAD~9", "", "--all", "HEAD:environments"])
def test_an_unknown_revision_is_told(checkout: Path, revision: str) -> None:
    problem = refused(revision, lock(checkout))
    assert problem.code == "GIT001"
    assert problem.message.startswith(f"git knows no revision {revision!r}")
    assert problem.hint == "see `git log --oneline`"


def test_a_shallow_clone_has_its_own_hint(checkout: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--depth", "1", f"file://{checkout}", "shallow")
    assert text_at("HEAD", lock(tmp_path / "shallow")) == "second\n"
    problem = refused("HEAD~1", lock(tmp_path / "shallow"))
    assert problem.code == "GIT001"
    assert problem.hint == "this clone is shallow: check out with `fetch-depth: 0`"


def test_a_folder_outside_any_checkout_is_told_in_gits_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    problem = refused("HEAD", tmp_path / "prod.lock.json")
    assert problem.code == "GIT001"
    assert "not a git repository" in problem.message


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refused("HEAD", tmp_path / "lost" / "prod.lock.json").message == f"{tmp_path / 'lost'} is not a folder"


def test_a_file_that_is_no_text_is_told(checkout: Path) -> None:
    lock(checkout).write_bytes(b"\xff\xfe")
    git(checkout, "commit", "-am", "binary")
    problem = refused("HEAD", lock(checkout))
    assert problem.message == "prod.lock.json is not UTF-8 text at revision 'HEAD'"


def test_a_machine_without_git_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert refused("HEAD", lock(checkout)).code == "GIT002"


def test_an_archive_is_of_the_folder_alone_at_the_revision(checkout: Path) -> None:
    (checkout / "elsewhere.txt").write_text("beside the folder\n")
    git(checkout, "add", "elsewhere.txt")
    git(checkout, "commit", "-m", "third")
    archive = archive_at("HEAD", checkout / "environments")
    assert archive is not None
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        assert [entry.name for entry in files if entry.isfile()] == ["prod.lock.json"]
        text = files.extractfile("prod.lock.json")
        assert text is not None
        assert text.read() == b"second\n"


def test_there_is_no_archive_of_what_was_not_there(checkout: Path) -> None:
    (checkout / "new").mkdir()
    assert archive_at("HEAD", checkout / "new") is None
    assert archive_at("nobody", checkout) is None
