"""Whether this machine reaches the Kubernetes API is said before anything is made."""

from __future__ import annotations

import pulumi
import pytest

from infra.deployed import SERVING
from infra.reach import inside_of, reach_problems
from tests.infra import locks
from tests.infra.conftest import Run
from tests.infra.programs import Account

PUBLIC = ("203.0.113.0/24",)
PEERED = ("172.16.0.0/12",)


@pytest.mark.parametrize(
    ("public", "private", "runner", "stage", "codes"),
    [
        ((), (), "inside", "all", []),
        ((), (), "outside", "all", ["DEP014"]),
        ((), (), "outside", "cluster", []),
        ((), (), "10.64.3.4", "all", []),
        ((), PEERED, "10.64.3.4", "all", ["DEP014"]),
        ((), PEERED, "172.16.9.9", "all", []),
        ((), PEERED, "203.0.113.7", "all", ["DEP014"]),
        ((), PEERED, "203.0.113.7", "cluster", []),
        (PUBLIC, (), "outside", "all", []),
        (PUBLIC, (), "203.0.113.7", "all", []),
        (PUBLIC, (), "198.51.100.7", "all", ["DEP014"]),
        (PUBLIC, (), "198.51.100.7", "cluster", []),
        (("0.0.0.0/0",), (), "outside", "all", ["DEP013"]),
        (("0.0.0.0/0",), ("0.0.0.0/0",), "inside", "cluster", ["DEP013", "DEP013"]),
        ((), ("10.0.0.0/33",), "inside", "all", ["DEP013"]),
    ],
)
def test_what_is_refused(
    public: tuple[str, ...], private: tuple[str, ...], runner: str, stage: str, codes: list[str]
) -> None:
    platform = locks.on_platform(locks.plan(), public_cidrs=public, private_from=private).platform
    found = reach_problems(platform, runner, "cluster" if stage == "cluster" else "all")
    assert [problem.code for problem in found] == codes
    assert all(problem.hint for problem in found)


def test_both_ways_are_named() -> None:
    (problem,) = reach_problems(locks.plan().platform, "outside")
    assert problem.hint is not None
    assert "spillway:stage cluster" in problem.hint
    assert "public_cidrs" in problem.hint


@pytest.mark.parametrize(("stage", "codes"), [("cluster", ["DEP030"]), ("all", [])])
def test_what_serves_is_not_taken_away_by_the_first_stage(stage: str, codes: list[str]) -> None:
    found = reach_problems(locks.plan().platform, "inside", "cluster" if stage == "cluster" else "all", serves=True)
    assert [problem.code for problem in found] == codes


def test_the_refusal_comes_before_anything_is_registered(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []
    monkeypatch.setattr("infra.on_amazon.build", built.append)
    run()
    assert len(built) == 1
    monkeypatch.setenv("SPILLWAY_RUNNER", "outside")
    with pytest.raises(pulumi.RunError, match=r"DEP014(.|\n)*spillway:stage cluster"):
        run()
    assert len(built) == 1
    run(stage="cluster")
    assert len(built) == 2


@pytest.mark.parametrize("token", sorted(SERVING))
def test_a_stack_with_anything_that_serves_does_not_go_back(run: Run, token: str) -> None:
    deployed = Account(state={f"urn:pulumi:prod::spillway::{token}::gateway": {}})
    assert run(account=deployed).outputs["lock"]
    with pytest.raises(pulumi.RunError, match="DEP030"):
        run(account=deployed, stage="cluster")
    assert run(stage="cluster").outputs["lock"]


def test_the_network_of_the_cluster_is_inside_unless_others_are_named() -> None:
    assert inside_of(locks.plan().platform) == ("10.64.0.0/16",)
    assert inside_of(locks.on_platform(locks.plan(), private_from=PEERED).platform) == PEERED
    assert inside_of(locks.on_platform(locks.plan(), cidr=None).platform) == ()
