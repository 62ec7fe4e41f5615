"""What git knows of a branch, and what it commits and pushes, in real repositories."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from planner.edges.git_branch import AUTHOR, changed_files, commit, is_tip, parting, push
from planner.words.diagnostics import Problem, Problems

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    run = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def commit_all(folder: Path, text: str) -> str:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", text)
    return git(folder, "rev-parse", "HEAD")


def refused(problems: pytest.ExceptionInfo[Problems]) -> Problem:
    (problem,) = problems.value.problems
    return problem


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone of a repository whose branch `load` left `main`, which went on."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "hosted.git")
    git(tmp_path, "clone", "--quiet", "hosted.git", "clone")
    folder = tmp_path / "clone"
    (folder / "environments").mkdir()
    git(folder, "switch", "--quiet", "--create", "main")
    for name in ("dev", "prod"):
        (folder / "environments" / f"{name}.lock.json").write_text("1\n")
    commit_all(folder, "start")
    git(folder, "switch", "--quiet", "--create", "load")
    (folder / "environments" / "prod.lock.json").write_text("2\n")
    commit_all(folder, "load")
    git(folder, "switch", "--quiet", "main")
    (folder / "environments" / "dev.lock.json").write_text("3\n")
    commit_all(folder, "main goes on")
    git(folder, "push", "--quiet", "origin", "main", "load")
    git(folder, "switch", "--quiet", "load")
    return folder


def test_a_branch_is_compared_with_where_it_left(clone: Path) -> None:
    folder = clone / "environments"
    left = parting(folder, "origin/main")
    assert left == git(clone, "rev-parse", "main~1")
    assert changed_files(folder, left) == ("prod.lock.json",)
    assert changed_files(folder, "origin/main") == ("dev.lock.json", "prod.lock.json")


def test_files_that_git_does_not_know_yet_are_changed_too(clone: Path) -> None:
    (clone / "environments" / "new × one.yaml").write_text("1\n")
    (clone / "elsewhere.yaml").write_text("1\n")
    assert changed_files(clone / "environments", "HEAD") == ("new × one.yaml",)


def test_a_shallow_clone_says_what_to_do(clone: Path, tmp_path: Path) -> None:
    hosted = (tmp_path / "hosted.git").as_uri()
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-single-branch", hosted, "shallow")
    git(tmp_path / "shallow", "switch", "--quiet", "--detach", "origin/load")
    with pytest.raises(Problems) as raised:
        parting(tmp_path / "shallow", "origin/main")
    assert (refused(raised).code, "fetch-depth: 0" in refused(raised).hint) == ("GIT001", True)
    with pytest.raises(Problems, match="knows no revision"):
        parting(tmp_path / "shallow", "origin/other")


def test_the_tip_of_a_branch_is_its_last_commit_at_the_origin(clone: Path) -> None:
    assert is_tip(clone, "load")
    assert not is_tip(clone, "main")
    assert not is_tip(clone, "nowhere")
    (clone / "environments" / "prod.lock.json").write_text("4\n")
    commit_all(clone, "not pushed")
    assert not is_tip(clone, "load")


def test_only_the_named_files_are_committed(clone: Path) -> None:
    folder = clone / "environments"
    for name in ("dev", "prod", "new"):
        (folder / f"{name}.lock.json").write_text("5\n")
    git(clone, "add", "environments/dev.lock.json")
    made = commit(folder, [folder / "prod.lock.json", folder / "new.lock.json"], "Plan prod, new")
    assert made == git(clone, "rev-parse", "HEAD")
    assert git(clone, "show", "--name-only", "--format=%an <%ae>: %s").splitlines() == [
        f"{AUTHOR[0]} <{AUTHOR[1]}>: Plan prod, new",
        "",
        "environments/new.lock.json",
        "environments/prod.lock.json",
    ]


def test_who_has_set_up_git_commits_under_their_own_name(clone: Path) -> None:
    git(clone, "config", "user.email", "bot@team.example")
    git(clone, "config", "user.name", "Team bot")
    (clone / "environments" / "prod.lock.json").write_text("5\n")
    commit(clone, [clone / "environments" / "prod.lock.json"], "Plan prod")
    assert git(clone, "log", "--format=%an", "-1") == "Team bot"


def test_without_a_change_there_is_no_commit(clone: Path) -> None:
    before = git(clone, "rev-parse", "HEAD")
    assert commit(clone, [clone / "environments" / "prod.lock.json"], "Plan prod") is None
    assert git(clone, "rev-parse", "HEAD") == before


def test_a_push_moves_the_branch_and_is_refused_when_somebody_was_faster(clone: Path, tmp_path: Path) -> None:
    hosted = tmp_path / "hosted.git"
    (clone / "environments" / "prod.lock.json").write_text("5\n")
    made = commit_all(clone, "Plan prod")
    push(clone, "load")
    assert git(hosted, "rev-parse", "load") == made
    git(clone, "reset", "--quiet", "--hard", "HEAD~1")
    (clone / "environments" / "prod.lock.json").write_text("6\n")
    commit_all(clone, "Plan prod otherwise")
    with pytest.raises(Problems) as raised:
        push(clone, "load")
    assert (refused(raised).code, "its newer run plans" in refused(raised).hint) == ("GIT003", True)
    assert git(hosted, "rev-parse", "load") == made


def test_an_unknown_revision_is_no_empty_change(clone: Path) -> None:
    with pytest.raises(Problems) as problems:
        changed_files(clone, "no-such-revision")
    assert refused(problems).code == "GIT003"


def test_a_token_in_an_address_is_not_shown(clone: Path) -> None:
    hook = clone / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho cannot reach https://robot:s3cret@git.example/team.git >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Problems) as problems:
        push(clone, "load")
    assert "https://git.example/team.git" in refused(problems).message
    assert "s3cret" not in refused(problems).message


def test_a_hook_that_refuses_is_quoted(clone: Path) -> None:
    hook = clone / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho 'no locks on Fridays' >&2; exit 1\n")
    hook.chmod(0o755)
    (clone / "environments" / "prod.lock.json").write_text("5\n")
    with pytest.raises(Problems, match="no locks on Fridays"):
        commit(clone, [clone / "environments" / "prod.lock.json"], "Plan prod")
