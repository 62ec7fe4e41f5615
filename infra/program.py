"""The whole of an environment, from its lock. `__main__.py` at the root calls `deploy`.

Nothing is registered before the lock is verified and everything that speaks against it is told. `on_amazon` then builds
it in an account. A plan without pools has no cluster on its bill, so nothing is built for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pulumi

from infra import (
    clock_rules,
    existing_program,
    image_rules,
    inputs,
    kept_state,
    moved,
    on_amazon,
    preflight,
    preflight_weights,
    reservations,
    settings,
    upgrades,
)
from infra.charts import app_version, chart_image, engine_image, engine_version
from infra.deployed import has_pools, recorded, stack_outputs, usd_of
from infra.existing_program import Site
from infra.guarding import guard
from infra.guardrails import granted_by
from infra.image_rules import RunningImages
from infra.images import Image
from infra.platform_layer import DEVICE_PLUGIN_IMAGE
from infra.run import Run, export_plan
from infra.settings import StackSettings, Weights
from infra.telling import warn
from planner.documents import routing
from planner.plan.engine import PlannedEngine
from planner.words.diagnostics import Problem, Problems


def deploy() -> None:
    """Register the selected stack. Raises `pulumi.RunError` with the reasons when it may not be deployed."""
    chosen, outputs, state = settings.read(), stack_outputs(), recorded()
    try:
        granted = inputs.deployable_lock(chosen, _engine(chosen), lambda: usd_of(outputs))
        run = Run(chosen, granted, _images(chosen, granted.lock.plan.platform.engine), outputs, state)
        site = existing_program.site_of(run)
        found = tuple(_problems(run, site))
        if any(problem.severity == "error" for problem in found):
            raise Problems(found, exit_code=1)
        _announce(run, found)
        pulumi.export("override", granted.override)
        guard(granted_by(run.plan, chosen.environment))
        if site is not None:
            existing_program.build(run, site)
        elif run.plan.pools:
            on_amazon.build(run)
        else:
            _serve_elsewhere(run)
    except Problems as refusal:
        raise pulumi.RunError(inputs.message(refusal.problems, chosen.environment)) from refusal


def _engine(chosen: StackSettings) -> str | None:
    """Return the version of vLLM that would run where the lock names no image: the tag of the stack's own, else the
    chart's."""
    return engine_version() if chosen.engine_image is None else chosen.engine_image.tag


def _images(chosen: StackSettings, engine: PlannedEngine | None) -> RunningImages:
    """Return the images of the stack, each where it is published. Of the engine's, the lock's stands before others."""
    stated, canary = (engine.image, engine.canary) if engine is not None else (None, None)
    return RunningImages(
        engine=engine_image(Image.parse(stated) if stated else chosen.engine_image or chart_image("vllm")),
        gateway=chosen.gateway_image,
        device_plugin=Image.parse(DEVICE_PLUGIN_IMAGE),
        weights=chosen.weights_image,
        canary=engine_image(Image.parse(canary.image)) if canary else None,
    )


def _problems(run: Run, site: Site | None) -> Iterator[Problem]:
    """Yield everything that speaks against this run, or should not be overlooked."""
    plan, chosen = run.plan, run.chosen
    yield from moved.problems(moved.place(plan.platform, chosen.environment), run.outputs)
    if site is not None:
        yield from site.problems
    else:
        yield from moved.network_problems(plan.platform, run.state) if plan.pools else ()
        yield from preflight.problems(plan, chosen.runner, chosen.stage, has_pools(run.state))
        yield from reservations.problems(
            plan, chosen.environment, lambda kind: inputs.on_demand(chosen, run.granted.lock, kind)
        )
    if plan.pools and clock_rules.waits_for_keda(plan, chosen):
        yield clock_rules.keda_problem(plan, has_pools=has_pools(run.state))
    yield from kept_state.problems(os.environ)
    yield from upgrades.problems(plan, run.state)
    yield from image_rules.problems(plan, chosen, run.images, app_version("gateway"))
    weights: Weights = "synced" if image_rules.copies_weights(plan, chosen) else "copied"
    yield from preflight_weights.problems(plan, weights, chosen.hub_token, chosen.accepted_licences)
    yield from preflight_weights.warnings(plan, weights)


def _announce(run: Run, found: tuple[Problem, ...]) -> None:
    """Say what does not stop the run but should not be overlooked."""
    granted = run.granted
    for problem in (*granted.warnings, *found):
        warn(problem)
    if granted.override is not None:
        aside = "; ".join(f"{problem.code} {problem.message}" for problem in granted.set_aside)
        pulumi.log.warn(f"spillway:override ({granted.override}) set aside: {aside or 'nothing; remove it'}")


def _serve_elsewhere(run: Run) -> None:
    """Export a plan without pools. The gateway runs where the team likes."""
    export_plan(run)
    pulumi.log.info("the plan hosts nothing itself, so no cluster is made; run the gateway with output `policy`")
    pulumi.export("policy", routing.policy(run.granted.lock))
