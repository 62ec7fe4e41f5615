"""What would fail while weights are copied or loaded is said beforehand, all of it in one run."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.images import Image
from infra.preflight_weights import problems, warnings
from infra.sizing import replica_share
from infra.streaming import GIB, LARGEST_TENSOR_BYTES, MOST_BYTES, buffer_bytes, engine_bytes
from infra.values import vllm
from planner.documents.codes import CODES
from planner.plan.fleet import EngineSettings
from planner.plan.plan import Plan
from tests.infra import locks

IMAGE = Image("registry.example/spillway-weights", "1.0", None)
ENGINE = locks.plan().pools[0].engine


def gated() -> Plan:
    plan = locks.replaced(locks.plan(), "pools", "chat-1xl40s", gated_licence="Llama 3.3")
    return locks.replaced(plan, "pools", "code-2xl40s", gated_licence="Gemma")


def codes(plan: Plan, *arguments: object) -> list[str]:
    return [problem.code for problem in problems(plan, *arguments)]  # type: ignore[arg-type]


def test_a_good_plan_may_go() -> None:
    assert problems(locks.plan(), "synced", None, ()) == ()
    assert warnings(locks.plan(), "synced") == ()


def test_gated_models_ask_for_licence_and_token_at_once() -> None:
    assert codes(gated(), "synced", None, ()) == ["DEP060", "DEP060", "DEP061"]
    assert codes(gated(), "synced", "hub-token", ("Gemma",)) == ["DEP060"]
    assert codes(gated(), "synced", "hub-token", ("Gemma", "Llama 3.3")) == []
    (problem,) = problems(gated(), "synced", "hub-token", ("Gemma",))
    assert "acme/chat-8b is gated" in problem.message
    assert problem.hint is not None
    assert "https://huggingface.co/acme/chat-8b" in problem.hint


def test_who_copies_weights_himself_is_not_asked() -> None:
    assert codes(gated(), "copied", None, ()) == []
    own = gated()
    for name in ("chat-1xl40s", "code-2xl40s"):
        own = locks.replaced(own, "pools", name, weights="s3://acme/weights")
    assert codes(own, "synced", None, ()) == []


def test_unpinned_weights_are_told() -> None:
    plan = locks.replaced(locks.plan(), "pools", "chat-1xl40s", revision=None)
    (told,) = warnings(plan, "synced")
    assert (told.code, told.severity) == ("DEP062", "warning")
    assert "acme/chat-8b" in told.message
    assert warnings(plan, "copied") == ()


def test_every_code_is_listed() -> None:
    assert {"DEP060", "DEP061", "DEP062", "DEP063"} <= set(CODES)


def test_a_replica_that_cannot_hold_engine_and_buffer_is_refused() -> None:
    plan = locks.replaced(locks.plan(), "node_groups", "vault", allocatable_memory_mib=9 * 1024)
    (problem,) = problems(plan, "synced", None, ())
    assert problem.code == "DEP063"
    assert "a replica has 8.0 GiB of host memory" in problem.message
    assert "needs 9.0 GiB" in problem.message


engines = st.builds(
    lambda gpus, servers: ENGINE.model_copy(update={"tensor_parallel_size": gpus, "api_server_count": servers}),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 4),
)


@given(st.integers(0, 2048 * GIB), engines)
def test_engine_and_buffers_fit_the_replica(memory: int, engine: EngineSettings) -> None:
    buffer = buffer_bytes(memory, engine)
    assert 0 <= buffer <= MOST_BYTES
    if buffer:
        assert engine_bytes(engine) + engine.gpus * buffer <= memory
    assert buffer_bytes(memory + GIB, engine) >= buffer


def test_the_streamer_is_bounded_on_a_small_machine() -> None:
    """A replica of g6.xlarge (16 GiB) would give the streamer's default, 40 GB, more than the machine has."""
    plan = locks.plan()
    group = locks.group(plan, "vault").model_copy(update={"allocatable_memory_mib": 14_320})
    share = replica_share(group, 1)
    pool = next(pool for pool in plan.pools if pool.node_group == "vault")
    values = vllm(pool, group, bucket="m", region="us-east-1", store_cidrs=[], image=None)
    limit = values["modelStore"]["streamer"]["memoryLimitBytes"]
    assert LARGEST_TENSOR_BYTES <= limit < (share.memory_mib << 20) - 6 * GIB + 1
    assert Decimal(values["resources"]["limits"]["memory"].removesuffix("Mi")) == share.memory_mib


@pytest.mark.parametrize(("gpus", "needed"), [(1, 6), (2, 14), (8, 50)])
def test_the_need_of_an_engine(gpus: int, needed: int) -> None:
    assert engine_bytes(ENGINE.model_copy(update={"tensor_parallel_size": gpus})) == needed * GIB
