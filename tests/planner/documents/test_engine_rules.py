"""Images of the engine in an environment and in a plan: what is refused, with its line and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.documents.arithmetic import arithmetic
from planner.documents.engine_rules import canaries_held
from planner.documents.environment_file import canonical, parse
from planner.domain.engine_image import EngineCanary, EngineImage, tag_of
from planner.words.diagnostics import Problems
from tests.infra import existing_sites, locks
from tests.planner.plans import CHAT_POOL, ENVIRONMENT, bent, plan

NEW = f"registry.example:5000/mirror/vllm-openai:v0.34.0@sha256:{'4' * 64}"


def read(engine: str) -> EngineImage:
    text = ENVIRONMENT.replace("\n  region:", f"\n  engine: {engine}\n  region:", 1)
    return parse(text, "prod.yaml")[0].platform.engine


def refused(engine: str) -> list[tuple[str, int, str, str]]:
    with pytest.raises(Problems) as found:
        read(engine)
    return [(p.code, p.where.line if p.where else 0, p.message, p.hint) for p in found.value.problems]


def test_an_environment_names_an_image_and_a_canary_and_needs_neither() -> None:
    assert parse(ENVIRONMENT, "prod.yaml")[0].platform.engine == EngineImage()
    assert read("{image: vllm/vllm-openai:v0.33.0}") == EngineImage(image="vllm/vllm-openai:v0.33.0")
    assert read(f"{{canary: {{image: '{NEW}'}}}}") == EngineImage(canary=EngineCanary(image=NEW, replicas=1))
    assert tag_of(NEW) == "v0.34.0"


def test_an_environment_without_images_keeps_its_digest() -> None:
    values = canonical(parse(ENVIRONMENT, "prod.yaml")[0])
    assert "engine" not in values["platform"]


@pytest.mark.parametrize(
    ("engine", "code", "message", "hint"),
    [
        ("{image: vllm/vllm-openai}", "ENV004", "platform.engine.image: `vllm/vllm-openai` does not", "REPOSITORY:TAG"),
        ("{image: 'vllm:v1@sha256:123'}", "ENV004", "does not have the form", "64 characters"),
        ("{canary: {replicas: 1}}", "ENV002", "missing key `platform.engine.canary.image`", "REPOSITORY:TAG"),
        (f"{{canary: {{image: '{NEW}', replicas: 0}}}}", "ENV004", "`0` should be greater than or equal to 1", ""),
        (f"{{image: '{NEW}', canary: {{image: '{NEW}'}}}}", "ENV005", "the canary is the image", "name another image"),
        (f"{{canary: {{image: '{NEW}', pools: [a]}}}}", "ENV003", "unknown key `pools`", ""),
        ("{version: v0.34.0}", "ENV003", "unknown key `version`", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_line(engine: str, code: str, message: str, hint: str) -> None:
    line = ENVIRONMENT.split("\n  region:")[0].count("\n") + 2
    ((found, at, told, helps),) = refused(engine)
    assert (found, at) == (code, line)
    assert message in told
    assert hint in helps


def test_the_images_of_an_existing_cluster_are_a_part_of_its_environment() -> None:
    """They are planned there too, so that a lock without them is stale."""
    plain = existing_sites.environment(existing_sites.GKE, "gpu")
    stated = replace(existing_sites.GKE, engine=EngineImage(image=NEW))
    assert canonical(existing_sites.environment(stated, "gpu")) != canonical(plain)
    assert set(canonical(plain)["platform"]) == {"region", "cluster"}
    behind = plain.model_copy(update={"platform": plain.platform.model_copy(update={"pool_tls": {"authority": "ca"}})})
    assert canonical(behind) != canonical(plain)


@pytest.mark.parametrize(
    ("replicas", "code", "message"),
    [
        ({"gone": 1}, "CHK001", "names pool `gone`, which is not in the plan"),
        ({CHAT_POOL: 99}, "CHK002", f"takes 99 of the {{n}} replicas of pool `{CHAT_POOL}`"),
        ({CHAT_POOL: 0}, "CHK002", "takes 0 of the"),
    ],
)
def test_a_canary_that_does_not_fit_its_pools_is_no_plan(replicas: dict[str, int], code: str, message: str) -> None:
    (pool,) = [pool for pool in plan().pools if pool.name == CHAT_POOL]
    changed = bent(plan(), {"platform/engine": {"canary": {"image": NEW, "replicas": replicas}}})
    environment = parse(ENVIRONMENT, "prod.yaml")[0]
    (found,) = canaries_held(changed, environment)
    assert found.code == code
    assert message.replace("{n}", str(pool.replicas.max)) in found.message
    assert found in arithmetic(changed, environment)


def test_a_canary_moves_no_figure_of_the_plan() -> None:
    engine = locks.planned_engine(EngineImage(canary=EngineCanary(image=NEW)), plan())
    changed = plan().model_copy(update={"platform": plan().platform.model_copy(update={"engine": engine})})
    environment = parse(ENVIRONMENT, "prod.yaml")[0]
    assert arithmetic(changed, environment) == arithmetic(plan(), environment)
