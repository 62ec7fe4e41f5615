"""`comment` and `diff --format markdown`: what is written, what is printed instead, and how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from planner.documents.lock import render
from planner.edges.forges.conversation import mark_of
from planner.edges.workspace import Workspace
from tests.forges import FORGES, HEAD, NUMBER, REPOSITORY, Forges
from tests.planner import small
from tests.planner.cli.command import Ended, spillway
from tests.planner.edges.test_git import git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
TOKENS = {
    "github": "GITHUB_TOKEN",
    "gitlab": "GITLAB_TOKEN",
    "bitbucket": "BITBUCKET_TOKEN",
    "azure": "SYSTEM_ACCESSTOKEN",
}
QUIET = dict.fromkeys(
    [
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "GITHUB_REPOSITORY",
        "GITHUB_EVENT_PATH",
        "GITHUB_BASE_REF",
        "GITHUB_REF",
        "GITHUB_RUN_ID",
        "GITHUB_SHA",
        "GITHUB_API_URL",
        "GITHUB_ACTOR",
        "GITLAB_TOKEN",
        "BITBUCKET_TOKEN",
        "SYSTEM_ACCESSTOKEN",
    ],
    "",
)
"""Variables of a run in which this test may stand itself."""


@pytest.fixture
def forges(served_forges: Forges, monkeypatch: pytest.MonkeyPatch) -> Forges:
    monkeypatch.setattr("planner.edges.forges.publishing.SETTLING_S", 0.0)
    served_forges.begin(head="")
    return served_forges


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A checkout of a branch that triples chat, with its base on `main`."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--initial-branch=main")
    workspace = small.workspace(Path("environments"), lock=small.planned().lock)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "base")
    git(tmp_path, "checkout", "-b", "change")
    small.workspace(Path("environments"), small.changed(), small.replanned().lock)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "change")
    return workspace


def comment(forges: Forges, name: str, *more: str, token: str = "write-token", **variables: str) -> Ended:
    """Run the verb with everything that it needs."""
    where = ("--repository", REPOSITORY, "--pull-request", str(NUMBER))
    root = forges.root(name)  # type: ignore[arg-type]
    environment = {**QUIET, TOKENS[name]: token, **variables}
    return spillway("comment", name, *where, "--api-url", root, "--base", "main", *more, **environment)


@pytest.mark.parametrize("name", FORGES)
def test_the_review_becomes_one_comment(forges: Forges, branch: Workspace, name: str) -> None:
    first = comment(forges, name)
    assert (first.status, first.err) == (0, "")
    assert first.out.startswith("small: created http")
    second = comment(forges, name, "small")
    assert (second.status, second.out) == (0, first.out.replace("created", "unchanged"))
    (body,) = forges.bodies()
    mark = mark_of(body)
    assert mark is not None
    assert (mark.environment, mark.key) == ("small", REPOSITORY)
    assert "`environments/small.yaml:" in body
    assert body.partition("\n\n")[2] == comment(forges, name, "--dry-run").out
    assert ("<details>" in body) == (name != "bitbucket")


def test_diff_prints_the_same_page(branch: Workspace, forges: Forges) -> None:
    ended = spillway("diff", "small", "--base", "main", "--format", "markdown")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == comment(forges, "github", "--dry-run").out
    assert spillway("diff", "small", "--base", "main", "--format", "markdown", "--exit-code").status == 1
    assert spillway("diff", "small", "--base", "HEAD", "--format", "markdown", "--exit-code").status == 0


def test_a_dry_run_asks_nobody_and_needs_no_token(branch: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "comment.md"
    ended = spillway("comment", "github", "--base", "main", "--dry-run", "--out", str(out), **QUIET)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("### ")
    assert out.read_text() == ended.out


def test_without_a_change_there_is_no_comment(forges: Forges, branch: Workspace) -> None:
    ended = comment(forges, "github", "--base", "HEAD")
    assert (ended.status, forges.bodies()) == (0, [])
    assert "no change, and no comment that told one" in ended.out
    comment(forges, "github")
    back = comment(forges, "github", "--base", "HEAD")
    assert back.out.startswith("small: updated")
    assert "Why it changed" not in forges.bodies()[0]


def test_everything_that_is_missing_is_told_at_once_and_the_page_is_printed(branch: Workspace) -> None:
    ended = spillway("comment", "azure", "--base", "main", **QUIET)
    assert ended.status == 2
    assert ended.out.startswith("### ")
    assert [ended.err.count(code) for code in ("USE003", "COM001")] == [3, 1]
    for option in ("--repository", "--pull-request", "--api-url", "SYSTEM_ACCESSTOKEN: $(System.AccessToken)"):
        assert option in ended.err


def test_a_run_of_github_needs_no_option(forges: Forges, branch: Workspace, tmp_path: Path) -> None:
    event = {
        "pull_request": {
            "number": NUMBER,
            "head": {"sha": HEAD, "repo": {"full_name": REPOSITORY}},
            "base": {"sha": "f" * 40, "ref": "main", "repo": {"full_name": REPOSITORY}},
        }
    }
    (tmp_path / "event.json").write_text(json.dumps(event))
    variables = {
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_API_URL": forges.root("github"),
        "GITHUB_RUN_ID": "812",
        "GITHUB_TOKEN": "write-token",
    }
    ended = spillway("comment", "github", **{**QUIET, **variables})
    assert (ended.status, ended.err) == (0, "")
    (body,) = forges.bodies()
    assert body.startswith(f"<!-- spillway:small:{REPOSITORY} run=812.1 commit={HEAD} -->\n")
    assert "`spillway diff small --base main --format markdown`" in body

    event["pull_request"]["head"]["repo"]["full_name"] = "jane/serving"  # type: ignore[index]
    (tmp_path / "event.json").write_text(json.dumps(event))
    fork = spillway("comment", "github", "--base", "HEAD~0", **{**QUIET, **variables, "GITHUB_TOKEN": "read-token"})
    assert fork.status == 0
    assert fork.out.startswith("### ")
    assert "warning[COM005]: no comment was written, as the pull request comes from the fork jane/serving" in fork.err


@pytest.mark.parametrize(
    ("arguments", "token", "code", "hint"),
    [
        ((), "read-token", "COM002", "permissions: pull-requests: write"),
        ((), "expired", "COM002", "permissions: pull-requests: write"),
        (("--pull-request", "8"), "write-token", "COM003", "--pull-request"),
        (("--api-url", "http://127.0.0.1:9"), "write-token", "COM004", "--dry-run"),
        (("--api-url", "http://github.example"), "write-token", "COM004", "--dry-run"),
    ],
)
def test_what_cannot_be_written_is_printed(
    forges: Forges,
    branch: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    token: str,
    code: str,
    hint: str,
) -> None:
    monkeypatch.setattr("planner.edges.forges.web.MOST_WAIT_S", 0.0)
    ended = comment(forges, "github", *arguments, token=token)
    assert ended.status == 2
    assert ended.out.startswith("### ")
    assert f"error[{code}]" in ended.err
    assert hint in ended.err
    assert token not in ended.err + ended.out
    as_json = comment(forges, "github", *arguments, "--format", "json", token=token)
    assert as_json.codes == [code]
    assert as_json.document["comments"][0]["done"] == "printed"
    assert as_json.document["comments"][0]["body"] == ended.out


def test_an_unknown_base_in_a_shallow_clone(forges: Forges, branch: Workspace, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--depth", "1", f"file://{tmp_path}", "shallow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "shallow")
        variables = {"GITHUB_BASE_REF": "main", "GITHUB_TOKEN": "write-token"}
        ended = spillway("comment", "github", **{**QUIET, **variables})
    assert ended.status == 2
    assert "GIT001" in ended.err
    assert "fetch-depth: 0" in ended.err
    assert "> ⛔ **GIT001**" in ended.out
    assert forges.bodies() == []


def test_a_base_without_a_lock_makes_everything_new(forges: Forges, branch: Workspace, tmp_path: Path) -> None:
    git(tmp_path, "checkout", "--orphan", "empty")
    git(tmp_path, "rm", "-r", "--quiet", "--cached", ".")
    git(tmp_path, "commit", "--allow-empty", "-m", "nothing")
    ended = comment(forges, "github", "--base", "empty")
    assert ended.status == 0
    assert "| A month | This change |" in forges.bodies()[0]


def test_an_environment_that_cannot_be_read_gets_a_comment_that_says_so(forges: Forges, branch: Workspace) -> None:
    comment(forges, "github")
    branch.environment_path("small").write_text("regoin: us-east-1\n")
    (branch.folder / "dev.yaml").write_text("never planned")
    ended = comment(forges, "github")
    assert ended.status == 2
    assert "dev was never planned" in ended.err
    (body,) = forges.bodies()
    assert "### ⛔ Plan for small: no plan can be shown" in body
    assert "**ENV003**" in body


def test_a_stale_lock_is_told_in_the_comment(forges: Forges, branch: Workspace) -> None:
    branch.environment_path("small").write_text(small.text())
    ended = comment(forges, "github")
    assert ended.status == 0
    assert "> ⛔ **LOCK010**" in forges.bodies()[0]
    assert "Lock not fresh" in forges.bodies()[0]


def test_a_team_template_is_used_and_a_broken_one_is_told(forges: Forges, branch: Workspace) -> None:
    folder = branch.folder / "templates"
    folder.mkdir()
    (folder / "comment.md.j2").write_text("Costs of {{ review.environment }}: {{ review.usd_per_month|money }}\n")
    usd = small.replanned().lock.plan.cost.usd_per_month
    assert comment(forges, "github", "--dry-run").out == f"Costs of small: ${usd:,.0f}\n"
    (folder / "comment.md.j2").write_text("one\n{{ reviw.environment }}\n")
    broken = comment(forges, "github")
    assert broken.status == 0
    assert "warning[COM006]" in broken.err
    assert "--> environments/templates/comment.md.j2:2" in broken.err
    assert "**COM006**" in forges.bodies()[0]


def test_hiding_is_for_github_alone(branch: Workspace) -> None:
    ended = spillway("comment", "gitlab", "--behavior", "hide-and-new", "--base", "main", **QUIET)
    assert ended.status == 2
    assert "--behavior delete-and-new" in ended.err


def test_two_folders_in_one_repository_have_comments_of_their_own(forges: Forges, branch: Workspace) -> None:
    other = Path("more/environments")
    other.parent.mkdir()
    small.workspace(other, small.changed(), small.replanned().lock)
    comment(forges, "github")
    comment(forges, "github", "--environments", str(other))
    keys = [mark.key for body in forges.bodies() if (mark := mark_of(body))]
    assert keys == [REPOSITORY, f"{REPOSITORY}/more/environments"]


def test_the_lock_on_disk_is_not_touched(forges: Forges, branch: Workspace) -> None:
    comment(forges, "github")
    assert branch.lock_path("small").read_text(encoding="utf-8") == render(small.replanned().lock)
