"""An environment never moves: another account, region or name than what is deployed is refused, until it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import moved
from tests.engine import Engine, stage
from tests.infra import locks
from tests.infra.checkout import checkout
from tests.infra.conftest import Run
from tests.infra.programs import Account, run_program
from tests.infra.test_policy_engine import api_only

STANDS = {"account": locks.ACCOUNT, "region": "us-east-1", "prefix": "spillway-prod"}
ELSEWHERE = {"account": "210987654321", "region": "eu-west-1", "prefix": "spillway-other"}


def test_the_program_says_where_it_stands(run: Run) -> None:
    assert STANDS.items() <= run().outputs.items()
    assert moved.place(locks.plan().platform, "prod") == STANDS


@pytest.mark.parametrize("part", STANDS)
def test_each_part_of_the_place_is_guarded(run: Run, part: str) -> None:
    run()
    assert run_program("prod", {}, Account(outputs=STANDS)).outputs["lock"]
    with pytest.raises(Exception, match="DEP079") as refusal:
        run_program("prod", {}, Account(outputs=STANDS | {part: ELSEWHERE[part]}))
    assert f"{part} {STANDS[part]}, and what is deployed has {part} {ELSEWHERE[part]}" in str(refusal.value)
    assert "pulumi destroy" in str(refusal.value)


def test_all_that_moved_and_all_that_preflight_finds_is_told_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    monkeypatch.setenv("SPILLWAY_RUNNER", "outside")
    with pytest.raises(Exception, match="DEP014") as refusal:
        run_program("prod", {}, Account(outputs=ELSEWHERE))
    assert str(refusal.value).count("DEP079") == 3


@pytest.mark.engine
def test_the_engine_remembers_through_every_refusal(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    pulumi = Engine(stage(tmp_path / "stage"), root, "prod")
    text = locks.environment_text(routes=("chat",))
    locks.write(root / "environments", api_only(1000), environment=text)
    first = pulumi.up()
    assert first.status == 0, first.output

    there = locks.on_platform(api_only(1000), region="us-west-2", zones=("usw2-az1", "usw2-az2"))
    text = text.replace("us-east-1", "us-west-2").replace("use1-az4, use1-az6", "usw2-az1, usw2-az2")
    locks.write(root / "environments", there, environment=text)
    for refused in (pulumi.preview(), pulumi.up(), pulumi.up()):
        assert refused.status != 0
        assert "region us-west-2, and what is deployed has region us-east-1" in "\n".join(refused.diagnostics)
        assert "Traceback" not in refused.output
    assert pulumi.destroy().status == 0
    afterwards = pulumi.preview()
    assert afterwards.status == 0, afterwards.output
