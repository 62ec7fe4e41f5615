"""API servers of a replica: as many as take themselves out of the engine's way, as far as the machine has cores."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest

from planner.decision.candidates.ruler import MOST_SERVERS, Ruler, cores_per_gpu
from planner.decision.candidates.shapes import Shape
from planner.edges.catalog_files import load_catalog
from planner.performance.parallelism import Parallelism
from planner.performance.step_time import StepClock
from tests.planner.decision.test_parallelism import market, of_layout
from tests.planner.performance.engine import clock_of

CLOCK = clock_of(dense_read_ms=8.0, overhead_ms=2.0, server_ms_per_sequence=0.1)
"""A step of 10 ms, whatever is in it: one server is in time for 80 sequences, with a fifth of the step to spare."""


@lru_cache(maxsize=1)
def shape() -> Shape:
    """One copy of the attention on eight GPUs."""
    return replace(of_layout(market("deepseek-r1"), Parallelism(1, 8, True)).shape, parallelism=Parallelism(8))


def servers(cap: int, cores: float = 24.0, clock: StepClock = CLOCK, of: Shape | None = None) -> int:
    asked = of or shape()
    ruler = replace(market("deepseek-r1").ruler, cores_per_gpu={asked.gpu.key: cores})
    return ruler.api_servers(asked, clock, cap)


@pytest.mark.parametrize(
    ("cap", "needed"), [(1, 1), (80, 1), (81, 2), (160, 2), (161, 3), (320, 4), (1000, MOST_SERVERS)]
)
def test_servers_take_four_fifths_of_a_step_at_most(cap: int, needed: int) -> None:
    assert servers(cap) == needed


def test_every_gpu_and_every_scheduler_keeps_a_core() -> None:
    """Eight GPUs and one scheduler: 1.25 cores a GPU leave one server, 1.5 leave three."""
    assert [servers(1000, cores) for cores in (1.0, 1.25, 1.375, 1.5, 2.0)] == [1, 1, 2, 3, MOST_SERVERS]


def test_each_copy_of_the_attention_has_a_scheduler_and_a_batch_of_its_own() -> None:
    copies = of_layout(market("deepseek-r1"), Parallelism(1, 8, True)).shape
    assert servers(10, of=copies) == 1
    assert servers(11, of=copies) == 2  # 88 sequences in all
    assert servers(1000, 2.25, of=copies) == 2


def test_the_clock_shares_the_work_among_the_servers() -> None:
    ruler = Ruler(market("deepseek-r1").ruler.coefficients, cores_per_gpu={shape().gpu.key: 24.0})
    assert ruler.served(shape(), CLOCK, 320) == replace(CLOCK, server_ms_per_sequence=0.025)
    assert ruler.served(shape(), CLOCK, 16) == CLOCK


def test_cores_are_those_of_the_smallest_machine_that_may_serve() -> None:
    catalog = load_catalog()
    cores = cores_per_gpu(catalog.instances.values())
    p5 = [i for i in catalog.instances.values() if i.gpu == "H100" and not i.bare_metal]
    assert cores["H100"] == min(i.allocatable_cpu_m / 1000 / i.gpu_count for i in p5)
    assert all(each >= 3 for each in cores.values())
