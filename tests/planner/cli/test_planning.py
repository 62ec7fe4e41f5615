"""`plan`: it shows a plan, writes its lock whole or not at all, and says what it did on stderr."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from planner.documents.lock import Lock, content_digest, load, render
from planner.documents.old_locks import as_in_file
from planner.edges import planning
from planner.edges.workspace import Workspace
from planner.plan.review import Verdict
from tests.planner import small
from tests.planner.cli.command import spillway
from tests.planner.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"
LOCK = Path("environments/small.lock.json")


@pytest.fixture
def _plans_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan that is known already, for tests of what becomes of it."""
    monkeypatch.setattr(planning, "plan", lambda workspace, name, stage: small.planned())


def _listing() -> list[str]:
    return sorted(path.name for path in Path("environments").iterdir())


def test_the_first_plan_writes_the_lock(unplanned: Workspace) -> None:
    ended = spillway("plan", "small")
    assert ended.status == 0
    assert ended.out.startswith("Plan for small: $")
    assert ended.err == "wrote environments/small.lock.json\n"
    assert _listing() == ["small.lock.json", "small.yaml"]
    assert LOCK.read_text() == render(small.planned().lock)
    assert load(LOCK.read_text(), str(LOCK)) == small.planned().lock


def test_the_lock_is_as_pinned(unplanned: Workspace) -> None:
    """Without the versions of the solver, of Python and of this release, which its digest does not cover."""
    parts = json.loads(render(small.planned().lock))
    del parts["plan"]["solver"]["versions"], parts["generated_by"]
    assert_golden(GOLDEN / "small.lock.json", json.dumps(parts, indent=2, ensure_ascii=False))


def test_a_second_plan_changes_nothing(checkout: Workspace) -> None:
    before = LOCK.stat()
    ended = spillway("plan", "small")
    assert (ended.status, ended.err) == (0, "environments/small.lock.json is unchanged\n")
    assert LOCK.read_text() == render(small.planned().lock)
    assert LOCK.stat().st_ino == before.st_ino


def test_the_same_plan_of_another_solver_leaves_the_file_as_it_is(checkout: Workspace) -> None:
    """Another version and other limits of the search: byte for byte, and it is said."""
    lock = small.planned().lock
    parts = lock.model_dump(mode="json")
    parts["plan"]["solver"] |= {"versions": {"highs": "1.0.0"}, "options": {}, "classes": 7}
    parts["generated_by"] = "spillway 0.0.9"
    parts["digests"]["content"] = content_digest(parts)
    LOCK.write_text(render(Lock.model_validate(parts)))
    before = LOCK.read_bytes()
    assert before != render(lock).encode()
    assert spillway("check", "small").out == "small: fresh\n"
    ended = spillway("plan", "small")
    assert (ended.status, ended.err) == (0, "environments/small.lock.json is unchanged\n")
    assert LOCK.read_bytes() == before
    assert "unchanged" in spillway("diff", "small", "--base", str(LOCK)).out


def test_a_lock_of_an_older_format_is_written_anew(checkout: Workspace) -> None:
    parts = small.planned().lock.model_dump(mode="json") | {"format_version": "1.0"}
    LOCK.write_text(json.dumps(as_in_file(parts)))
    ended = spillway("plan", "small")
    assert (ended.status, ended.err) == (0, "wrote environments/small.lock.json\n")
    assert LOCK.read_text() == render(small.planned().lock)


def test_a_lock_with_sorted_keys_stays_until_the_plan_changes_or_an_upgrade_is_asked_for(checkout: Workspace) -> None:
    parts = small.planned().lock.model_dump(mode="json") | {"format_version": "1.1"}
    parts["digests"]["content"] = content_digest(parts)
    text = json.dumps(parts, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    LOCK.write_text(text)
    assert spillway("plan", "small").err == "environments/small.lock.json is unchanged\n"
    assert LOCK.read_text() == text
    assert "wrote environments/small.lock.json" in spillway("plan", "small", "--upgrade").err
    assert LOCK.read_text() == render(small.planned().lock)
    assert "is unchanged" in spillway("plan", "small", "--upgrade").err


@pytest.mark.usefixtures("_plans_at_once")
def test_a_dry_run_writes_nothing(unplanned: Workspace) -> None:
    ended = spillway("plan", "small", "--dry-run")
    assert ended.status == 0
    assert ended.out.startswith("Plan for small: $")
    assert ended.err == "dry run: environments/small.lock.json is not written\n"
    assert _listing() == ["small.yaml"]


def test_what_is_only_looked_at_may_have_any_name(unplanned: Workspace) -> None:
    """A file that a colleague sent is looked at; nothing is deployed under its name."""
    Path("environments/small-8xA100.yaml").write_text(small.text())
    ended = spillway("plan", "small-8xA100", "--dry-run")
    assert ended.status == 0
    assert ended.out.startswith("Plan for small-8xA100: $")
    assert "warning[ENV004]: `small-8xA100` cannot be the name of an environment" in ended.err
    assert "rename the file" in ended.err
    ended = spillway("plan", "small-8xA100", "--format", "json")
    assert (ended.status, ended.codes) == (2, ["ENV004"])
    assert _listing() == ["small-8xA100.yaml", "small.yaml"]


@pytest.mark.usefixtures("_plans_at_once")
def test_json_is_the_lock_alone(unplanned: Workspace) -> None:
    ended = spillway("plan", "small", "--format", "json")
    assert Lock.model_validate(ended.document) == small.planned().lock
    assert LOCK.exists()
    both = spillway("plan", "small", "small", "--dry-run", "--format", "json")
    assert [lock["name"] for lock in both.document] == ["small", "small"]


@pytest.mark.usefixtures("_plans_at_once")
def test_a_file_may_be_named_instead(unplanned: Workspace, tmp_path: Path) -> None:
    ended = spillway("plan", str(tmp_path / "environments" / "small.yaml"))
    assert (ended.status, ended.err) == (0, f"wrote {tmp_path}/environments/small.lock.json\n")
    assert LOCK.exists()


@pytest.mark.usefixtures("_plans_at_once")
def test_the_folder_may_be_an_option_or_a_variable(unplanned: Workspace) -> None:
    Path("environments").rename("settings")
    assert spillway("plan", "small", "--environments", "settings").status == 0
    assert spillway("plan", "small", SPILLWAY_ENVIRONMENTS="settings").status == 0
    assert Path("settings/small.lock.json").exists()


def test_where_one_cannot_be_planned_none_is_written(unplanned: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("environments/other.yaml").write_text("version: 1\n")
    ended = spillway("plan", "small", "other", "third")
    assert (ended.status, ended.out) == (2, "")
    assert "missing key `routes`" in ended.err  # all problems of all environments in one run
    assert "environments/third.yaml does not exist" in ended.err
    assert _listing() == ["other.yaml", "small.yaml"]


@pytest.mark.usefixtures("_plans_at_once")
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_write_that_fails_leaves_the_old_lock(
    checkout: Workspace, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    LOCK.write_text(render(small.planned().lock).replace('"generated_by": "', '"generated_by": "an older '))
    before = LOCK.read_bytes()

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(planning, "plan", lambda workspace, name, stage: small.planned())
    ended = spillway("plan", "small", "--format", form)
    assert ended.status == 2
    if form == "json":
        assert ended.codes == ["IO002"]
    else:
        assert "error[IO002]: environments/small.lock.json cannot be written: No space left on device" in ended.err
        assert "hint: nothing was written" in ended.err
    assert LOCK.read_bytes() == before
    assert _listing() == ["small.lock.json", "small.yaml"]


def test_a_folder_that_cannot_be_written_to(unplanned: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(workspace: Workspace, name: str, stage: object) -> planning.Planned:
        Path("environments").rename("elsewhere")
        return small.planned()

    monkeypatch.setattr(planning, "plan", gone)
    ended = spillway("plan", "small")
    assert ended.status == 2
    assert "error[IO002]: environments/small.lock.json cannot be written: No such file or directory" in ended.err
    assert sorted(path.name for path in Path("elsewhere").iterdir()) == ["small.yaml"]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("workflow", ["true", ""])
def test_a_denied_plan_is_written_and_exits_with_1(
    unplanned: Workspace, monkeypatch: pytest.MonkeyPatch, form: str, workflow: str
) -> None:
    plan = small.planned().lock.plan
    verdict = Verdict(name="budget", state="deny", message="$9 of $1 a month")
    denied = small.planned().lock.model_copy(update={"plan": plan.model_copy(update={"verdicts": (verdict,)})})
    planned = planning.Planned(denied, small.planned().outcome, None, small.planned().wanted)
    monkeypatch.setattr(planning, "plan", lambda workspace, name, stage: planned)
    ended = spillway("plan", "small", "--format", form, GITHUB_ACTIONS=workflow)
    assert ended.status == 1
    assert "denied: budget: $9 of $1 a month" in ended.err
    assert LOCK.exists()  # it is there to be read; `check` and `pulumi up` refuse it
    if form == "json":
        assert ended.document["plan"]["verdicts"][0]["state"] == "deny"


def test_upgrade_takes_the_newest_prices(checkout: Workspace) -> None:
    old = small.planned().lock
    aged = old.model_copy(update={"consulted": old.consulted.model_copy(update={"snapshot": "2020-01-01"})})
    LOCK.write_text(render(aged))
    refused = spillway("plan", "small", "--dry-run", "--format", "json")
    assert (refused.status, refused.codes) == (2, ["CAT001"])
    upgraded = spillway("plan", "small", "--upgrade", "--dry-run", "--format", "json")
    assert upgraded.status == 0
    assert upgraded.document["consulted"]["snapshot"] == old.consulted.snapshot


@pytest.mark.parametrize(("threshold", "kept"), [("90%", True), ("0%", False)])
def test_what_least_churn_kept_is_told(checkout: Workspace, threshold: str, kept: bool) -> None:
    """At six times the load another GPU is cheaper; whether that is worth a new pool is the environment's to say."""
    more = small.text().replace(small.CHANGE[0], "requests_per_second: {mean: 6}")
    Path("environments/small.yaml").write_text(more + f"planning: {{replan_threshold: {threshold}}}\n")
    ended = spillway("plan", "small", "--dry-run", "--format", "json")
    locked = [pool.name for pool in small.planned().lock.plan.pools]
    assert ([pool["name"] for pool in ended.document["plan"]["pools"]] == locked) is kept
    assert ("note: kept the locked pools; " in ended.err) is kept
