"""Runs that are killed, and orders whose answer gets lost, leave nothing that the next run does not find again."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.found_again import AGAIN, BY_QUESTION, BY_TAGS
from tests.engine import Outcome
from tests.infra.kills import AFTERLIFE, Kills, Survival, lose, survive, whole
from twin.cluster import RunningCluster

pytestmark = pytest.mark.engine

MADE_FIRST = "aws:secretsmanager/secret:Secret"


def test_of_each_type_what_aws_made_unheard_is_found_again(tmp_path: Path) -> None:
    types = (BY_TAGS | BY_QUESTION.keys() | AGAIN.keys()) - {MADE_FIRST}
    engine, early = whole(tmp_path, None), Survival()
    assert sorted(types - lose(engine, types, early)) == []
    told = {line.split()[1] for line in early.told if "DEP085" in line}
    assert {"NodeGroup", "Role", "SecurityGroupIngressRule", "SecurityGroupEgressRule", "PullThroughCacheRule"} <= told
    assert {"Record", "Budget", "FlowLog", "PodIdentityAssociation", "Route", "LoadBalancer", "Listener"} <= told
    _require_whole(survive(engine, None, seed=13, kills=Kills(0)))


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
