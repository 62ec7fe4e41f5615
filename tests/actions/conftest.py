"""Pull requests of a made-up team, each in a clone of a repository of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from planner.documents.lock import render
from tests.actions import tiny, warm
from tests.actions.machine import Machine
from tests.forges import Forges


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    run = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


@dataclass
class Team:
    """A repository as it is hosted, and the clone of somebody who works on it. folder: of both."""

    folder: Path

    @property
    def hosted(self) -> Path:
        return self.folder / "hosted.git"

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    def start(self) -> None:
        """`main` has the tiny environment with its lock, and one that was never planned."""
        self.folder.mkdir(exist_ok=True)
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.hosted))
        git(self.folder, "clone", "--quiet", str(self.hosted), str(self.clone))
        git(self.clone, "switch", "--quiet", "--create", "main")
        (self.clone / "environments").mkdir()
        self.write("tiny.yaml", tiny.TEXT)
        self.write("tiny.lock.json", render(tiny.lock_of(tiny.TEXT)))
        self.write("later.yaml", tiny.TEXT)
        self.push("main", "Start")

    def write(self, name: str, text: str) -> None:
        (self.clone / "environments" / name).write_text(text, encoding="utf-8")

    def push(self, branch: str, message: str) -> None:
        git(self.clone, "add", ".")
        git(self.clone, "commit", "--quiet", "--allow-empty", "--message", message)
        git(self.clone, "push", "--quiet", "origin", f"HEAD:{branch}")

    def branch(self, name: str, **files: str) -> None:
        """A branch with these files changed; `tiny_yaml` is `tiny.yaml`."""
        git(self.clone, "switch", "--quiet", "--create", name, "origin/main")
        for key, text in files.items():
            self.write(key.replace("_", "."), text)
        self.push(name, f"Change {', '.join(files)}")

    def event(self, branch: str, fork: bool = False) -> dict[str, Any]:
        """What GitHub says of the pull request of a branch."""
        ours, theirs = {"full_name": "team/serving"}, {"full_name": "stranger/serving" if fork else "team/serving"}
        head = {"ref": branch, "sha": git(self.clone, "rev-parse", "HEAD"), "repo": theirs}
        return {"pull_request": {"number": 7, "head": head, "base": {"ref": "main", "repo": ours}}}

    def merged(self, branch: str, to: Path, depth: int = 0) -> Path:
        """A checkout of the merge of a branch with `main`, as `actions/checkout` makes it for a pull request."""
        git(self.clone, "fetch", "--quiet", "origin")
        git(self.clone, "switch", "--quiet", "--detach", "origin/main")
        git(self.clone, "merge", "--quiet", "--no-ff", "--message", "Merge", f"origin/{branch}")
        git(self.clone, "push", "--quiet", "--force", "origin", "HEAD:refs/pull/7/merge")
        return self._checked_out("refs/pull/7/merge", to, depth)

    def head(self, branch: str, to: Path) -> Path:
        """A checkout of a branch itself, detached, with everything that is known of the others."""
        return self._checked_out(f"refs/heads/{branch}", to, 0)

    def _checked_out(self, reference: str, to: Path, depth: int) -> Path:
        to.mkdir(parents=True)
        git(to, "init", "--quiet")
        git(to, "remote", "add", "origin", self.hosted.as_uri())
        if depth == 0:
            git(to, "fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
        git(to, "fetch", "--quiet", *((f"--depth={depth}",) if depth else ()), "origin", reference)
        git(to, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        return to


@pytest.fixture(scope="session")
def served_spillway() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.yaml").write_text(tiny.TEXT, encoding="utf-8")
        (folder / "tiny.lock.json").write_text(render(tiny.lock_of(tiny.TEXT)), encoding="utf-8")
        with warm.serving(folder) as address:
            yield address


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    team = Team(tmp_path / "team")
    team.start()
    return team


@pytest.fixture
def planned_change(team: Team) -> Team:
    """A pull request that changes a load and has the lock to it."""
    team.branch("load", tiny_yaml=tiny.CHANGED, tiny_lock_json=render(tiny.lock_of(tiny.CHANGED)))
    return team


@pytest.fixture
def unplanned_change(team: Team) -> Team:
    """A pull request that changes a load in the browser: its lock is stale."""
    team.branch("load", tiny_yaml=tiny.CHANGED)
    return team


@pytest.fixture
def machine(team: Team, tmp_path: Path, served_spillway: Path, forges: Forges) -> Callable[..., Machine]:
    """Make the machine of a run of the branch `load`."""

    def make(checkout: str = "merged", fork: bool = False, depth: int = 0, actor: str = "ada", run: int = 1) -> Machine:
        event = team.event("load", fork)
        to = tmp_path / f"workspace{run}"
        workspace = team.head("load", to) if checkout == "head" else team.merged("load", to, depth)
        return Machine(tmp_path / f"machine{run}", workspace, served_spillway, forges.root("github"), event, actor)

    return make
