"""Scenes → who comes and leaves when, what happens to them, and which broken answers a drain explains."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import yaml

from planner.documents.reclaiming import EVICTION_S, NOTICE_S
from planner.documents.scenes import Drain, Plot, Stint
from tests.system.stage import played

CHART = Path(__file__).parents[3] / "charts" / "vllm" / "values.yaml"


def plot(*sizes: int, notice_s: float = 0.0) -> Plot:
    found = played(sizes, 40.0).plot
    assert found is not None
    return dataclasses.replace(found, notice_s=notice_s)


def stints(*sizes: int) -> list[tuple[int, float, float]]:
    return [(s.replicas, s.serves_ms, s.leaves_ms) for s in plot(*sizes).stints if s.pool == "pool-chat"]


def test_who_came_last_leaves_first() -> None:
    assert stints(1, 3, 1) == [(1, 0.0, math.inf), (2, 40_000.0, 80_000.0)]
    assert stints(2, 1, 2) == [(1, 0.0, 40_000.0), (1, 0.0, math.inf), (1, 80_000.0, math.inf)]
    assert stints(0, 1, 0) == [(1, 40_000.0, 80_000.0)]
    assert stints(3, 2, 1) == [(1, 0.0, 40_000.0), (1, 0.0, 80_000.0), (1, 0.0, math.inf)]


def test_a_pool_that_does_not_change_stays() -> None:
    assert Stint("pool-extraction", 1, 0.0, math.inf) in plot(1, 2, 1).stints


def test_readiness_goes_first_and_the_dns_lags_behind_everything() -> None:
    cues = [(cue.at_ms, cue.what) for cue in plot(1, 0, notice_s=5.0).cues if cue.stint == 0]
    assert cues == [(0.0, "listed"), (50_000.0, "unlisted"), (60_000.0, "asked"), (155_000.0, "killed")]
    late = plot(0, 1)
    assert [(cue.at_ms, cue.what) for cue in late.cues if late.stints[cue.stint].serves_ms] == [(45_000.0, "listed")]


def test_only_answers_that_the_drain_ended_are_cut_by_it() -> None:
    leaving = plot(2, 1)
    at_ms = 40_000.0 + 105_000.0
    assert leaving.was_cut_by_the_drain("pool-chat", 39_000.0, at_ms)
    assert leaving.was_cut_by_the_drain("pool-chat", 54_000.0, at_ms + 5_000)
    assert not leaving.was_cut_by_the_drain("pool-chat", 56_000.0, at_ms)  # after SIGTERM nobody is let in
    assert not leaving.was_cut_by_the_drain("pool-chat", 39_000.0, 100_000.0)  # it broke off long before
    assert not leaving.was_cut_by_the_drain("pool-extraction", 39_000.0, at_ms)
    at_once = dataclasses.replace(leaving, drain=Drain(0, 0, 0))
    assert not at_once.was_cut_by_the_drain("pool-chat", 39_000.0, 40_100.0)


def test_the_drain_is_that_of_the_chart_and_fits_into_the_notice() -> None:
    stated, drain = yaml.safe_load(CHART.read_text())["drain"], Drain()
    assert (drain.pre_stop_s, drain.shutdown_s) == (stated["preStopSeconds"], stated["shutdownTimeoutSeconds"])
    assert stated["terminationGracePeriodSeconds"] is None
    assert drain.grace_s == drain.pre_stop_s + drain.shutdown_s + 5
    assert EVICTION_S + drain.grace_s <= NOTICE_S
