"""`rehearse`: what the verb makes of its options and of a result; `tests/system` holds the rehearsal itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planner.cli import rehearsing
from planner.documents.rehearsal import Script
from planner.documents.rehearsed import Result, judge
from planner.edges.rehearsal import RehearsalFailed
from planner.edges.workspace import Workspace
from tests.planner import small
from tests.planner.cli.command import spillway
from tests.planner.documents.test_rehearsal import GOOD, LEDGER, row

Stage = Callable[[Script, Callable[[str], None]], Result]


@pytest.fixture
def staged(monkeypatch: pytest.MonkeyPatch) -> list[Script]:
    """Every script that would be staged; the rehearsal answers with one good request."""
    scripts: list[Script] = []

    def stage(script: Script, tell: Callable[[str], None]) -> Result:
        scripts.append(script)
        tell("starting")
        return judge(script, [row()], LEDGER, GOOD)

    monkeypatch.setattr(rehearsing, "stage", stage)
    return scripts


def test_options_reach_the_script(checkout: Workspace, staged: list[Script]) -> None:
    pools = [pool.name for pool in small.planned().lock.plan.pools]
    for victim in ("none", pools[0], ""):
        spillway("rehearse", "small", "--speed", "5", "--slow-down", "1.5", "--kill", victim)
    assert [script.speed for script in staged] == [5.0] * 3
    assert [script.slow_down for script in staged] == [1.5] * 3
    assert staged[0].kill is None
    assert staged[1].kill == pools[0]
    assert staged[2].kill in pools


def test_the_answer_is_on_stdout_and_the_exit_code_is_the_verdict(checkout: Workspace, staged: list[Script]) -> None:
    ended = spillway("rehearse", "small", "--kill", "none")
    assert ended.out.startswith("Rehearsal of small, load level peak:")
    assert "restricted requests at the API: 0" in ended.out
    assert ended.err == "starting\n"
    assert ended.status == 2  # one request of all that were planned says nothing about the plan
    as_json = spillway("rehearse", "small", "--kill", "none", "--format", "json")
    assert as_json.status == 2
    assert as_json.document["restricted_requests_at_the_api"] == 0
    assert as_json.document["held"] is False


def test_a_pool_that_is_not_there(checkout: Workspace, staged: list[Script]) -> None:
    ended = spillway("rehearse", "small", "--kill", "pool-of-nobody", "--format", "json")
    assert (ended.status, ended.codes) == (2, ["REH002"])
    assert small.planned().lock.plan.pools[0].name in ended.document["problems"][0]["hint"]
    assert staged == []


def test_plays_that_the_plan_does_not_have(checkout: Workspace, staged: list[Script]) -> None:
    """Each is one problem with what to do."""
    pool = small.planned().lock.plan.pools[0].name
    for options, code, hint in (
        (["--morning"], "REH004", "`elastic: {FAMILY: true}`"),
        (["--reclaim", "auto"], "REH003", "`purchase: {spot: …}`"),
        (["--reclaim", pool], "REH003", "`purchase: {spot: …}`"),
        (["--reclaim", "pool-of-nobody"], "REH002", pool),
        (["--reclaim", "auto", "--morning"], "REH005", "one after the other"),
        (["--kill", pool, "--morning"], "REH005", "one after the other"),
    ):
        ended = spillway("rehearse", "small", *options, "--format", "json")
        assert (ended.status, ended.codes) == (2, [code]), options
        assert hint in ended.document["problems"][0]["hint"]
    assert staged == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_rehearsal_that_could_not_be_held(checkout: Workspace, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    def stage(script: Script, tell: Callable[[str], None]) -> Result:
        raise RehearsalFailed("the gateway ended before it was ready")

    monkeypatch.setattr(rehearsing, "stage", stage)
    ended = spillway("rehearse", "small", "--format", form)
    assert ended.status == 2
    if form == "json":
        assert ended.codes == ["REH001"]
    else:
        assert "error[REH001]: the rehearsal could not be held: the gateway ended before it was ready" in ended.err
