"""A lock that may not be deployed stops the program before any resource, with the reason and what to do."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest

from planner.documents.lock import content_digest
from planner.edges.catalog_files import load_catalog
from tests.infra import locks
from tests.infra.programs import Registered, run_program

Spoil = Callable[[Path], None]
TODAY = datetime.date.today()


def _edit_pool_size(folder: Path) -> None:
    path = folder / "prod.lock.json"
    lock = json.loads(path.read_text())
    lock["plan"]["pools"][0]["replicas"] = {"min": 40, "max": 40}
    path.write_text(json.dumps(lock))


def _edit_queue(folder: Path) -> None:
    path = folder / "prod.lock.json"
    lock = json.loads(path.read_text())
    lock["plan"]["pools"][0]["engine"]["max_num_queued_reqs"] = 9
    path.write_text(json.dumps(lock))


def _over_quota(folder: Path) -> None:
    locks.write(folder, locks.plan(), environment=locks.environment_text() + "quotas: {G: 50}\n")


def _over_budget(folder: Path) -> None:
    locks.write(folder, locks.plan(), environment=locks.environment_text() + "budget: {monthly: $9000}\n")


def _expire(folder: Path) -> None:
    api = next(api for api in load_catalog().apis if api.why_not(TODAY))
    plan = locks.plan()
    renamed = plan.apis[0].model_copy(update={"name": api.key})
    routes = locks.replaced(plan, "routes", "chat", fallback=(api.key,)).routes
    locks.write(folder, plan.model_copy(update={"apis": (renamed,), "routes": routes}))


def _unknown_pool(folder: Path) -> None:
    locks.write(folder, locks.replaced(locks.plan(), "pools", "chat-1xl40s", node_group="elsewhere"))


def _restricted_to_an_api(folder: Path) -> None:
    locks.write(folder, locks.replaced(locks.plan(), "routes", "extraction", fallback=("openai/gpt-6-luna",)))


def _relabel(folder: Path) -> None:
    """The restricted route made internal, with an API, in the plan and in the environment inside the lock."""
    path = folder / "prod.lock.json"
    lock = json.loads(path.read_text())
    lock["environment"]["routes"]["extraction"]["data"] = "internal"
    (route,) = [route for route in lock["plan"]["routes"] if route["name"] == "extraction"]
    route.update(privacy="internal", fallback=["openai/gpt-6-luna"])
    (pool,) = [pool for pool in lock["plan"]["pools"] if pool["name"] == "extraction-1xl40s"]
    pool["privacy"] = "internal"
    lock["digests"]["content"] = content_digest(lock)
    path.write_text(json.dumps(lock))


def _change_environment(folder: Path) -> None:
    (folder / "prod.yaml").write_text(locks.environment_text(extraction_rate=5))


def _deny(folder: Path) -> None:
    verdict = {"name": "budget", "state": "deny", "message": "$9,000 over the budget"}
    locks.write(folder, locks.plan(verdicts=[verdict]))


def _rename(folder: Path) -> None:
    locks.write(folder, locks.plan(), "staging")
    for suffix in (".yaml", ".lock.json"):
        (folder / f"staging{suffix}").rename(folder / f"prod{suffix}")


def _truncate(folder: Path) -> None:
    path = folder / "prod.lock.json"
    path.write_text(path.read_text()[:2000])


def _conflict(folder: Path) -> None:
    path = folder / "prod.lock.json"
    path.write_text("<<<<<<< HEAD\n" + path.read_text())


def _other_major(folder: Path) -> None:
    path = folder / "prod.lock.json"
    path.write_text(path.read_text().replace('"format_version": "1.2"', '"format_version": "2.0"'))


def _remove_lock(folder: Path) -> None:
    (folder / "prod.lock.json").unlink()


def _break_environment(folder: Path) -> None:
    (folder / "prod.yaml").write_text("version: 1\nplatfrom: {}\n")


REFUSABLE: dict[str, tuple[Spoil, str]] = {
    "tampered": (_edit_queue, "LOCK011"),
    "stale": (_change_environment, "LOCK010"),
    "denied": (_deny, "LOCK012"),
    "expired": (_expire, "LOCK013"),
    "over its quota": (_over_quota, "CHK005"),
    "over its budget": (_over_budget, "CHK008"),
}
BARRED: dict[str, tuple[Spoil, str]] = {
    "of another environment": (_rename, "DEP003"),
    "of no sum": (_edit_pool_size, "CHK002"),
    "dangling": (_unknown_pool, "CHK001"),
    "sending restricted data out": (_restricted_to_an_api, "CHK006"),
    "relabelled": (_relabel, "CHK006"),
}
UNREADABLE: dict[str, tuple[Spoil, str]] = {
    "truncated": (_truncate, "LOCK001"),
    "conflicted": (_conflict, "LOCK001"),
    "of another major version": (_other_major, "LOCK002"),
    "missing": (_remove_lock, "spillway plan prod"),
}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Registered]:
    """Runs that came as far as registering something."""
    seen: list[Registered] = []
    monkeypatch.setattr("infra.on_amazon._Environment.register", lambda *arguments: seen.append(Registered()))
    return seen


@pytest.mark.parametrize("kind", [*REFUSABLE, *BARRED, *UNREADABLE])
def test_a_lock_that_is(kind: str, environments: Path, started: list[Registered]) -> None:
    spoil, code = {**REFUSABLE, **BARRED, **UNREADABLE}[kind]
    locks.write(environments, locks.plan())
    spoil(environments)
    with pytest.raises(pulumi.RunError) as refusal:
        run_program("prod", {})
    text = str(refusal.value)
    assert text.startswith("environment `prod` is not deployed; nothing was changed.")
    assert code in text
    assert "hint: " in text
    assert started == []


def test_an_unreadable_environment_stops_the_run(environments: Path, started: list[Registered]) -> None:
    locks.write(environments, locks.plan())
    _break_environment(environments)
    with pytest.raises(pulumi.RunError, match="did you mean `platform`"):
        run_program("prod", {})
    assert started == []


def test_a_good_lock_is_deployed(environments: Path, started: list[Registered]) -> None:
    locks.write(environments, locks.plan())
    run_program("prod", {})
    assert len(started) == 1


@pytest.mark.parametrize("kind", REFUSABLE)
def test_an_override_with_a_reason_deploys_and_is_recorded(
    kind: str, environments: Path, started: list[Registered], caplog: pytest.LogCaptureFixture
) -> None:
    spoil, code = REFUSABLE[kind]
    locks.write(environments, locks.plan())
    spoil(environments)
    registered = run_program("prod", {"override": "incident 4711"})
    assert len(started) == 1
    assert registered.outputs["override"] == "incident 4711"
    assert "spillway:override (incident 4711) set aside: " in caplog.text
    assert code in caplog.text


@pytest.mark.parametrize("kind", BARRED)
def test_no_reason_sets_aside_whose_lock_it_is_or_where_data_may_go(
    kind: str, environments: Path, started: list[Registered]
) -> None:
    spoil, code = BARRED[kind]
    locks.write(environments, locks.plan())
    spoil(environments)
    with pytest.raises(pulumi.RunError, match="does not set this aside") as refusal:
        run_program("prod", {"override": "incident 4711"})
    assert code in str(refusal.value)
    assert started == []


def test_what_bars_is_found_behind_what_an_override_sets_aside(environments: Path, started: list[Registered]) -> None:
    locks.write(environments, locks.plan())
    _rename(environments)
    _change_environment(environments)
    for config in ({}, {"override": "incident 4711"}):
        with pytest.raises(pulumi.RunError, match="DEP003") as refusal:
            run_program("prod", {"protected": "true", **config})
        assert ("LOCK010" in str(refusal.value)) == ("override" not in config)
        assert ("DEP002" in str(refusal.value)) == ("override" not in config)
    assert started == []


def test_an_override_of_an_uncommitted_lock_keeps_the_warnings_as_warnings(
    environments: Path, started: list[Registered], caplog: pytest.LogCaptureFixture
) -> None:
    path = locks.write(environments, locks.plan())
    lock = json.loads(path.read_text())
    lock["digests"]["prices"] = "sha256:old"
    lock["digests"]["content"] = content_digest(lock)
    path.write_text(json.dumps(lock))
    run_program("prod", {"override": "incident 4711", "protected": "true", **locks.IMAGES})
    (aside,) = [record.getMessage() for record in caplog.records if "set aside: " in record.getMessage()]
    assert "DEP002" in aside
    assert "LOCK020" not in aside
    assert "LOCK020" in caplog.text
    assert len(started) == 1


def test_no_reason_opens_an_environment_that_cannot_be_read(environments: Path, started: list[Registered]) -> None:
    locks.write(environments, locks.plan())
    _break_environment(environments)
    with pytest.raises(pulumi.RunError, match="did you mean `platform`"):
        run_program("prod", {"override": "incident 4711"})
    assert started == []


@pytest.mark.parametrize("kind", UNREADABLE)
def test_no_reason_opens_a_lock_that_cannot_be_read(kind: str, environments: Path, started: list[Registered]) -> None:
    spoil, code = UNREADABLE[kind]
    locks.write(environments, locks.plan())
    spoil(environments)
    with pytest.raises(pulumi.RunError, match=code):
        run_program("prod", {"override": "incident 4711"})
    assert started == []


def test_a_protected_environment_deploys_the_committed_lock_only(environments: Path, started: list[Registered]) -> None:
    lock = locks.write(environments, locks.plan())

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=environments, check=True, capture_output=True)

    git("init", "-q")
    with pytest.raises(pulumi.RunError, match="is not committed"):
        run_program("prod", {"protected": "true"})
    git("add", ".")
    git("commit", "-qm", "plan")
    run_program("prod", {"protected": "true", **locks.IMAGES})
    assert len(started) == 1

    (environments / "policies").mkdir()
    (environments / "policies" / ".gitignore").write_text("*\n")
    with pytest.raises(pulumi.RunError, match="what judges a protected environment is not committed"):
        run_program("prod", {"protected": "true"})
    shutil.rmtree(environments / "policies")

    locks.write(environments, locks.plan(vault_nodes=3))
    with pytest.raises(pulumi.RunError, match="differs from the committed one"):
        run_program("prod", {"protected": "true"})
    run_program("prod", {})  # an unprotected environment follows the working copy
    assert len(started) == 2
    assert lock.exists()


def test_preflight_stops_the_run_too(
    environments: Path, started: list[Registered], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPILLWAY_RUNNER", "outside")
    locks.write(environments, locks.plan())
    with pytest.raises(pulumi.RunError, match="SPILLWAY_RUNNER=inside"):
        run_program("prod", {})
    assert started == []
