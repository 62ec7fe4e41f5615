"""The images of the engine in a plan: a canary takes places of its pools, and nothing else moves."""

from __future__ import annotations

import pytest

from planner.decision.answer.engine_images import without_canary
from planner.domain.engine_image import EngineCanary, EngineImage
from planner.domain.environment import Environment
from planner.plan.engine import SUFFIX, PlannedCanary, PlannedEngine, canary_of
from planner.plan.plan import Plan
from planner.words.diagnostics import Problem, Problems
from tests.planner import small

pytestmark = pytest.mark.usefixtures("alone")

NEW = "vllm/vllm-openai:v0.34.0"


def planned(engine: str) -> Plan:
    return small.planned_text(small.text().replace("\n  region:", f"\n  engine: {engine}\n  region:", 1)).lock.plan


def told(plan: Plan) -> dict[tuple[str, str], str]:
    return {(v.name, v.state): v.message for v in plan.verdicts if v.name.startswith("engine")}


def test_an_image_is_planned_and_nothing_else_moves() -> None:
    plain, named = small.planned().lock.plan, planned(f"{{image: '{NEW}'}}")
    assert plain.platform.engine is None
    assert named.platform.engine == PlannedEngine(image=NEW)
    assert told(named) == {}
    assert (named.cost, named.pools, named.routes) == (plain.cost, plain.pools, plain.routes)


def test_a_tag_that_tells_no_release_is_said_once_for_each_image() -> None:
    found = planned("{image: 'vllm/vllm-openai:nightly'}")
    assert told(found) == {
        ("engine", "warn"): "the tag of platform.engine.image `nightly` tells no release of vLLM: models are judged by "
        "0.33.0, that of the charts"
    }


def test_a_canary_takes_over_replicas_of_each_pool_that_keeps_one() -> None:
    plain = small.planned().lock.plan
    counts = {pool.name: pool.replicas.max for pool in plain.pools}
    if max(counts.values()) == 1:
        with pytest.raises(Problems, match="no pool can have a canary of 1"):
            planned(f"{{canary: {{image: '{NEW}'}}}}")
        return
    found = planned(f"{{canary: {{image: '{NEW}'}}}}")
    assert found.platform.engine is not None
    assert found.platform.engine.canary == PlannedCanary(
        image=NEW, replicas={name: 1 for name, count in counts.items() if count > 1}
    )
    assert (found.cost, found.pools, found.routes) == (plain.cost, plain.pools, plain.routes)
    assert ("engine canary", "pass") in told(found)


def problem(plan: Plan, replicas: int, planned: PlannedEngine | None = None) -> Problem | None:
    environment = Environment.model_validate(small.planned().lock.environment)
    wanted = EngineImage(canary=EngineCanary(image=NEW, replicas=replicas))
    asking = environment.model_copy(update={"platform": environment.platform.model_copy(update={"engine": wanted})})
    changed = plan.model_copy(update={"platform": plan.platform.model_copy(update={"engine": planned})})
    return without_canary(changed, asking)


def test_a_plan_in_which_no_pool_can_have_it_is_refused_with_what_to_do() -> None:
    plan = small.planned().lock.plan
    found = problem(plan, 99)
    assert found is not None
    assert found.code == "INF004"
    assert "no pool can have a canary of 99" in found.message
    assert "`platform.engine.image`" in found.hint
    some = PlannedEngine(canary=PlannedCanary(image=NEW, replicas={plan.pools[0].name: 1}))
    assert problem(plan, 1, some) is None
    assert problem(plan.model_copy(update={"pools": ()}), 1) is None


def test_the_planner_refuses_it_with_the_place_of_its_key() -> None:
    with pytest.raises(Problems) as refusal:
        planned(f"{{canary: {{image: '{NEW}', replicas: 100}}}}")
    (found,) = refusal.value.problems
    assert found.code == "INF004"
    assert found.where is not None


def test_names_of_canaries_fit_a_release_and_stay_apart() -> None:
    pools = {"a" * 48: 1, "a" * 47 + "b": 2, "short": 1}
    engine = PlannedEngine(canary=PlannedCanary(image=NEW, replicas=pools))
    names = [found.name for pool in pools if (found := canary_of(engine, pool))]
    assert len(set(names)) == 3
    assert max(map(len, names)) == 48
    assert all(name.endswith(SUFFIX) for name in names)
    assert canary_of(engine, "other") is None
    assert canary_of(None, "short") is None
