"""A canary of the engine as the program registers it: a release beside its pool's, in its places, lower in priority."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pulumi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.charts import chart_image, engine_image, engine_version
from infra.images import Image
from infra.monitoring import gateway_values
from infra.priorities import BASE, CANARY_BASE
from infra.values import vllm, vllm_canary
from planner.domain.engine_image import EngineCanary, EngineImage
from planner.plan.engine import PoolCanary, canary_of
from planner.plan.fleet import NodeGroup, Pool
from planner.plan.ingress import PlannedPoolTls
from planner.plan.plan import Plan
from tests.charts.rendering import one, render
from tests.infra import locks
from tests.infra.conftest import Run

OLD, NEW = (f"vllm/vllm-openai:v0.{minor}.0@sha256:{'4' * 64}" for minor in (33, 34))
ROOT = Path(__file__).resolve().parents[2]


def plan(image: str | None = None, replicas: int = 1, canary: str = NEW) -> Plan:
    stated = EngineImage(image=image, canary=EngineCanary(image=canary, replicas=replicas))
    return locks.on_platform(locks.plan(), engine=locks.planned_engine(stated, locks.plan()))


def both(name: str, replicas: int, tls: PlannedPoolTls | None = None, of: int = 4) -> tuple[dict[str, Any], ...]:
    """Values of a pool's release and of its canary's."""
    whole = locks.plan(shared_nodes=of // 2)
    (pool,) = [pool for pool in whole.pools if pool.name == name]
    canary = PoolCanary(f"{name}-canary", NEW, replicas)
    group = locks.group(whole, pool.node_group)
    own = released(pool, group, canary, tls)
    return own, vllm_canary(own, pool, canary, Image.parse(NEW), tls)


def released(
    pool: Pool, group: NodeGroup, canary: PoolCanary | None = None, tls: PlannedPoolTls | None = None
) -> dict[str, Any]:
    """Values of a pool's release, which runs the old image."""
    return vllm(
        pool,
        group,
        bucket="models",
        region="us-east-1",
        store_cidrs=["3.5.0.0/19"],
        image=Image.parse(OLD),
        canary=canary,
        pool_tls=tls,
        monitored=True,
    )


def test_a_pool_with_a_canary_is_two_releases_and_nothing_more_of_aws(run: Run) -> None:
    plain, tried = run(locks.plan()), run(plan())
    releases = [chart.name for chart in tried.of(":Chart") if chart.name.startswith("vllm-")]
    assert sorted(releases) == sorted(tried.outputs["pools"])
    of_aws = {(r.type, r.name) for r in plain.resources if r.type.startswith("aws:")}
    assert {(r.type, r.name) for r in tried.resources if r.type.startswith("aws:")} == of_aws
    names = [each for pool in locks.plan().pools for each in (pool.name, f"{pool.name}-canary")]
    assert tried.outputs["pools"] == [f"vllm-{name}" for name in names]
    values = {chart.name: chart.inputs["values"] for chart in tried.of(":Chart")}
    assert values["vllm-chat-1xl40s"]["replicas"] == 3
    assert "image" not in values["vllm-chat-1xl40s"]
    canary = values["vllm-chat-1xl40s-canary"]
    assert canary["replicas"] == 1
    assert canary["image"]["tag"] == "v0.34.0"
    policy = json.loads(values["gateway"]["policy"]["document"])
    assert policy["routes"]["chat"]["bands"][0]["weights"] == {"chat-1xl40s": 0.75, "chat-1xl40s-canary": 0.25}


def test_every_canary_is_below_every_pool_and_larger_ones_are_above_smaller(run: Run) -> None:
    classes = {r.inputs["metadata"]["name"]: r.inputs["value"] for r in run(plan()).of(":PriorityClass")}
    canaries = {name: value for name, value in classes.items() if name.endswith("-canary")}
    pools = {name: value for name, value in classes.items() if name not in canaries}
    assert canaries == {"spillway-tp-1-canary": CANARY_BASE + 1, "spillway-tp-2-canary": CANARY_BASE + 2}
    assert 0 < max(canaries.values()) < BASE <= min(pools.values())
    assert not [r for r in run(locks.plan()).of(":PriorityClass") if "canary" in r.name]


def test_a_canary_differs_from_its_pool_in_what_it_must_and_nothing_else() -> None:
    own, canary = both("chat-1xl40s", 1)
    differing = {key for key in own.keys() | canary.keys() if own.get(key) != canary.get(key)}
    assert differing == {
        *("pool", "replicas", "replicasBeside", "priorityClass", "pdb", "serviceAccount", "monitoring", "image"),
    }
    assert canary["serviceAccount"] == {"create": False, "name": "vllm-chat-1xl40s"}
    assert canary["monitoring"] == {"podMonitor": {"enabled": True}, "rules": {"enabled": False}}
    assert canary["model"]["servedName"] == "chat-1xl40s"
    by_hand, issued = (both("chat-1xl40s", 1, PlannedPoolTls(authority="ca", issuer=i))[1] for i in (None, "pools"))
    assert by_hand["tls"] == {"secretName": "vllm-chat-1xl40s-canary-tls"}
    assert issued["tls"] == {"issuer": {"name": "pools", "kind": "ClusterIssuer"}}


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 20).flatmap(lambda half: st.tuples(st.just(2 * half), st.integers(1, 2 * half - 1))))
def test_replicas_of_both_add_up_and_fit_the_schema(counts: tuple[int, int]) -> None:
    whole, tried = counts
    own, canary = both("chat-1xl40s", tried, of=whole)
    assert own["replicas"] + canary["replicas"] == whole
    assert (own["replicasBeside"], canary["replicasBeside"]) == (canary["replicas"], own["replicas"])
    schema = json.loads((ROOT / "charts" / "vllm" / "values.schema.json").read_text())
    for values in (own, canary):
        jsonschema.validate(values, schema)


@pytest.mark.charts
@pytest.mark.parametrize("tried", [1, 2, 3])
def test_raising_a_canary_leaves_the_pods_of_its_pool_alone(tried: int) -> None:
    """The template stays, so that no replica restarts; the canary's has another image and no budget."""
    whole = locks.plan()
    (pool,) = [pool for pool in whole.pools if pool.name == "chat-1xl40s"]
    alone = released(pool, locks.group(whole, "shared"))
    own, canary = both("chat-1xl40s", tried)
    before, after = (one(render("vllm", v, release="vllm-chat-1xl40s"), "Deployment") for v in (alone, own))
    assert after["spec"]["template"] == before["spec"]["template"]
    assert (before["spec"]["replicas"], after["spec"]["replicas"]) == (4, 4 - tried)
    objects = render("vllm", canary, release="vllm-chat-1xl40s-canary")
    kinds = [item["kind"] for item in objects]
    assert "PodDisruptionBudget" not in kinds
    assert "ServiceAccount" not in kinds
    assert {"Deployment", "Service", "NetworkPolicy"} <= set(kinds)
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    assert pod["priorityClassName"] == "spillway-tp-1-canary"
    assert pod["serviceAccountName"] == "vllm-chat-1xl40s"
    assert pod["containers"][0]["image"] == NEW


def test_the_image_of_the_lock_runs_and_one_word_says_which(run: Run) -> None:
    named = locks.on_platform(locks.plan(), engine=locks.planned_engine(EngineImage(image=NEW), locks.plan()))
    values = run(named, engineImage=NEW).one(":Chart", "vllm-chat").inputs["values"]
    assert values["image"] | {"pullSecrets": []} == Image.parse(NEW).values() | {"pullSecrets": []}
    with pytest.raises(pulumi.RunError, match="DEP064") as refusal:
        run(named, engineImage=OLD)
    assert "pulumi config rm spillway:engineImage" in str(refusal.value)


@pytest.mark.parametrize("stated", [None, OLD])
def test_a_canary_that_runs_already_is_refused(run: Run, stated: str | None) -> None:
    running = stated or chart_image("vllm").reference
    with pytest.raises(pulumi.RunError, match=r"DEP064\]: the canary is the image that all pools run already"):
        run(plan(image=stated, canary=running))


def test_a_protected_stack_asks_for_the_digests_of_both(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.inputs._not_committed", lambda path: ())
    monkeypatch.setattr("infra.inputs._unreviewed", lambda folder, name: ())
    settings = {key: value for key, value in locks.IMAGES.items() if key != "engineImage"}
    loose = plan(image="vllm/vllm-openai:v0.33.0", canary="vllm/vllm-openai:v0.34.0")
    with pytest.raises(pulumi.RunError) as refusal:
        run(loose, protected="true", **settings)
    for key in ("platform.engine.image", "platform.engine.canary.image"):
        assert f"@sha256:…` as `{key}`, and plan again" in str(refusal.value)


def test_a_tag_that_tells_no_release_is_taken_for_that_of_the_charts() -> None:
    assert engine_image(Image.parse("acme/vllm:nightly")).values()["engineVersion"] == engine_version()
    assert "engineVersion" not in engine_image(Image.parse(NEW)).values()


def test_the_gateway_is_told_which_pool_a_canary_is_compared_with() -> None:
    assert gateway_values(plan())["rules"]["canaries"] == {f"{pool.name}-canary": pool.name for pool in plan().pools}
    assert gateway_values(locks.plan())["rules"]["canaries"] is None
    assert canary_of(plan().platform.engine, "chat-1xl40s") == PoolCanary("chat-1xl40s-canary", NEW, 1)
