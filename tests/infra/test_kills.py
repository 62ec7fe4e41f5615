"""Runs that are killed, and orders whose answer gets lost, leave nothing that the next run does not find again."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.found_again import AGAIN, BY_QUESTION, BY_TAGS
from tests.engine import Outcome
from tests.infra.kills import AFTERLIFE, EACH, Kills, Survival, lose, survive, whole
from twin.cluster import RunningCluster

pytestmark = pytest.mark.engine

STANDING_FOR_ALL = {
    "aws:eks/nodeGroup:NodeGroup",  # listed by tags and asked for; all three groups of machines
    "aws:iam/role:Role",  # by the beginning of its name, and then by its tags
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule",  # by what stands below it
    "aws:ec2/route:Route",  # in what it stands in
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",  # by its tags, at the service
    "aws:budgets/budget:Budget",  # by tags, and by its name where they say nothing
    "aws:route53/record:Record",  # by where it leads; the other one is put over itself
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",  # made again
}
"""Types that are found in all the different ways. `python -m benchmarks.kills --each-type` loses one of every type."""


def test_what_aws_made_unheard_is_found_again_in_each_way(tmp_path: Path) -> None:
    engine, early = whole(tmp_path, None), Survival()
    assert sorted(STANDING_FOR_ALL - lose(engine, STANDING_FOR_ALL, early)) == []
    told = {line.split()[1] for line in early.told if "DEP085" in line}
    taken = {token.rpartition(":")[2] for token in STANDING_FOR_ALL - (AGAIN.keys() - BY_QUESTION.keys())}
    assert taken <= told
    _require_whole(survive(engine, None, seed=13, kills=Kills(0)))


def test_each_way_has_a_type_that_stands_for_it() -> None:
    for ways in (BY_TAGS, BY_QUESTION.keys(), AGAIN.keys()):
        assert STANDING_FOR_ALL & ways
    assert BY_TAGS | BY_QUESTION.keys() | AGAIN.keys() >= STANDING_FOR_ALL
    assert EACH.keys() <= STANDING_FOR_ALL  # what is lost under several names


def test_an_environment_comes_up_through_kills_and_leaves_nothing(cluster: RunningCluster, tmp_path: Path) -> None:
    found = survive(whole(tmp_path, cluster), cluster, seed=13, kills=Kills(2, 1, 1, most_steps=60))
    assert {verb: len(steps) for verb, steps in found.kills.items()} == {"up": 2, "refresh": 1, "destroy": 1}
    assert found.in_cluster > 20
    _require_whole(found)


def _require_whole(found: Survival) -> None:
    for outcome in (found.last, found.again, found.read, found.gone):
        _require_end(outcome)
    assert {name: count for name, count in found.names.items() if count > 1} == {}
    assert found.unknown == set()
    assert found.again is not None
    assert found.again.changed() == {}
    assert not [line for line in found.told if "DEP086" in line or "DEP089" in line]
    assert set(found.left) <= AFTERLIFE


def _require_end(outcome: Outcome | None) -> None:
    assert outcome is None or outcome.status == 0, outcome.output
