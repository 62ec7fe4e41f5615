"""Plans beside a calibration: measured classes, their factors and margins, and locks that notice when it changes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path

import pytest

from measurement.calibration.corrections import calibrations
from planner.decision.candidates.market import survey
from planner.decision.candidates.replicas import question_of
from planner.decision.candidates.ruler import ruler
from planner.decision.candidates.shapes import Shape
from planner.decision.inputs import Inputs
from planner.documents.calibration import CalibrationFile
from planner.documents.lock import Lock, load, render
from planner.edges.calibration_digests import CALIBRATIONS, shipped_digest
from planner.edges.calibration_files import read_calibrations, save
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.edges.planning import plan
from planner.edges.workspace import Workspace
from planner.performance.calibration import Calibration, Correction
from planner.performance.capacity import Capacity
from planner.performance.closed_form import capacities
from planner.performance.coefficients import Quantiles
from planner.performance.parallelism import Parallelism
from tests.measurement.calibration.own_runs import measured, unrefined
from tests.planner import small
from tests.planner.edges.test_calibration_files import written

pytestmark = pytest.mark.usefixtures("alone")

TODAY = date(2026, 11, 22)


@lru_cache
def plain() -> Lock:
    return small.planned().lock


def chosen() -> tuple[str, str, str, int]:
    """(model, format, GPU, GPUs of a replica) of a pool that the small environment buys."""
    pool = plain().plan.pools[0]
    return pool.model, pool.format, pool.gpu, pool.engine.tensor_parallel_size


def calibration(step: float = 1.3, first_token: float = 1.0, conditions: int = 6) -> tuple[str, Calibration]:
    """A calibration of the chosen class, and its GPU."""
    model, form, gpu, ranks = chosen()
    residuals = {"step": Quantiles(conditions, 1 / 1.08, 1.0, 1.08)}
    correction = Correction(step, first_token, conditions, (ranks,), residuals)  # type: ignore[arg-type]
    return gpu, Calibration(load_coefficients(), {f"{model}/{form}": correction})


def beside(folder: Path, gpus: dict[str, Calibration]) -> CalibrationFile:
    """The calibration as a file beside the environments of a folder."""
    file = written().model_copy(update={"name": "own", "gpus": gpus})
    save(file, folder)
    return file


def planned(folder: Path, gpus: dict[str, Calibration], lock: Lock | None = None) -> Lock:
    workspace = small.workspace(folder, lock=lock)
    beside(folder, gpus)
    return plan(workspace, "small").lock


def shape() -> Shape:
    """The shape of the chosen class; its routes matter to nobody here."""
    model, form, gpu, ranks = chosen()
    catalog = load_catalog()
    quantization = catalog.models[model].precision(form)
    assert quantization is not None
    return Shape(catalog.models[model], quantization, catalog.gpus[gpu], Parallelism(ranks), "shared", ())


def inputs(folder: Path, gpus: Mapping[str, Calibration]) -> Inputs:
    wanted = small.workspace(folder).wanted("small")
    return Inputs(wanted.environment, load_catalog(), load_coefficients(), wanted.traces, None, gpus)


@pytest.mark.beside
def test_without_a_calibration_no_byte_of_a_lock_tells_of_one(tmp_path: Path) -> None:
    text = render(plain())
    assert "calibrations" not in text
    assert plain().digests.calibration == shipped_digest()
    assert render(load(text, "small.lock.json")) == text
    (tmp_path / CALIBRATIONS).mkdir()
    assert render(plan(small.workspace(tmp_path), "small").lock) == text


def test_a_plan_says_what_was_measured(tmp_path: Path) -> None:
    gpu, own = calibration(step=1.0)
    lock = planned(tmp_path, {gpu: own})
    model, form, _, ranks = chosen()
    told = {
        (pool.model, pool.format, pool.gpu, pool.engine.tensor_parallel_size): {c.provenance for c in pool.capacity}
        for pool in lock.plan.pools
    }
    assert told[(model, form, gpu, ranks)] == {"measured"}
    assert lock.consulted.calibrations == {"own": beside(tmp_path, {gpu: own}).digest}
    doubted = " ".join(v.message for v in lock.plan.verdicts if v.name == "provenance")
    assert gpu not in re.findall(r"[\w-]+", doubted)


def test_slower_steps_cost_capacity_and_certainty_gives_it_back(tmp_path: Path) -> None:
    """Of the same class: capacity falls with the factor, and a measured margin is smaller than a shipped one."""
    gpu, _ = calibration()
    same, slow = (ruler(inputs(tmp_path, {gpu: calibration(step)[1]})) for step in (1.0, 1.5))
    shipped = ruler(inputs(tmp_path, {}))
    assert slow.evidence(shape()).step == 1.5
    assert slow.margin(shape()) == same.margin(shape()) < shipped.margin(shape())
    assert same.evidence(shape()).provenance == "measured"
    for other in load_catalog().gpus.values():
        assert shipped.margin(replace(shape(), gpu=other)) == load_coefficients().margin(other.key)


def test_p50_plans_with_the_calibrated_prediction_as_it_is(tmp_path: Path) -> None:
    gpu, own = calibration()
    text = small.text().replace("quotas:", "planning: {margin: p50}\nquotas:", 1)
    workspace = small.workspace(tmp_path, text)
    wanted = workspace.wanted("small")
    hopeful = ruler(Inputs(wanted.environment, load_catalog(), load_coefficients(), wanted.traces, None, {gpu: own}))
    assert hopeful.margin(shape()) == 1.0
    assert hopeful.evidence(shape()).step == 1.3


def test_later_first_tokens_leave_less_load_at_the_same_promise(tmp_path: Path) -> None:
    """The same replica asked twice: first tokens that take twice as long are promised so, and cost rate."""
    gpu, quick = calibration(step=1.0)
    late = calibration(step=1.0, first_token=2.0)[1]
    model, form, _, ranks = chosen()
    market = survey(inputs(tmp_path, {gpu: quick}))
    bought = next(
        c
        for c in market.classes
        if (c.shape.model.key, c.shape.quantization.name, c.shape.gpu.key) == (model, form, gpu)
        and c.shape.parallelism == Parallelism(ranks)
    )
    of, replica = bought.shape, bought.replica
    answers = []
    for each in (quick, late):
        judge = ruler(inputs(tmp_path, {gpu: each}))
        questions = [
            question_of(replace(replica, clock=judge.clock(of)), (name, band), judge) for name, band in replica.rates
        ]
        answers.append(
            [
                judge.as_measured(question, answer)
                for question, answer in zip(questions, capacities(questions), strict=True)
                if isinstance(answer, Capacity)
            ]
        )
    assert len(answers[0]) == len(replica.rates) >= len(answers[1]) > 0
    if len(answers[0]) == len(answers[1]):
        for soon, later in zip(*answers, strict=True):
            assert later.requests_per_second <= soon.requests_per_second
            assert later.ttft_ms_p50 > soon.ttft_ms_p50
    assert sum(a.requests_per_second for a in answers[1]) < sum(a.requests_per_second for a in answers[0])


def test_a_changed_calibration_ages_a_lock(tmp_path: Path) -> None:
    gpu, own = calibration(step=1.0)
    lock = planned(tmp_path, {gpu: own})
    (tmp_path / "small.lock.json").write_text(render(lock))
    workspace = Workspace(tmp_path)
    assert [p for p in workspace.judgement("small", TODAY)[1] if p.code == "LOCK020"] == []
    beside(tmp_path, {gpu: calibration(step=1.1)[1]})
    (aged,) = [p for p in workspace.judgement("small", TODAY)[1] if p.code == "LOCK020"]
    assert aged.severity == "warning"
    assert "calibration/own.yaml" in aged.message
    (tmp_path / CALIBRATIONS / "own.yaml").unlink()
    (gone,) = [p for p in workspace.judgement("small", TODAY)[1] if p.code == "LOCK020"]
    assert "calibration/own.yaml" in gone.message


def test_a_new_calibration_ages_a_lock_that_had_none(tmp_path: Path) -> None:
    workspace = small.workspace(tmp_path, lock=plain())
    assert workspace.judgement("small", TODAY)[1] == ()
    gpu, own = calibration()
    beside(tmp_path, {gpu: own})
    assert [p.code for p in workspace.judgement("small", TODAY)[1]] == ["LOCK020"]


def test_a_broken_calibration_stops_a_plan(tmp_path: Path) -> None:
    from planner.words.diagnostics import Problems

    workspace = small.workspace(tmp_path)
    (tmp_path / CALIBRATIONS).mkdir()
    (tmp_path / CALIBRATIONS / "own.yaml").write_text("format: spillway.calibration/1\n")
    with pytest.raises(Problems) as caught:
        plan(workspace, "small")
    assert {problem.code for problem in caught.value.problems} == {"CAL020"}
    assert not workspace.lock_path("small").exists()


def test_a_calibrated_lock_is_whole(tmp_path: Path) -> None:
    """Its content digest covers the calibrations that it names."""
    gpu, own = calibration()
    text = render(planned(tmp_path, {gpu: own}))
    (tmp_path / "small.lock.json").write_text(text)
    assert render(load(text, "small.lock.json")) == text
    assert Workspace(tmp_path).judgement("small", TODAY)[1] == ()
    forged = json.loads(text)
    forged["consulted"]["calibrations"]["own"] = "sha256:" + "0" * 64
    (tmp_path / "small.lock.json").write_text(json.dumps(forged))
    assert "LOCK011" in [problem.code for problem in Workspace(tmp_path).judgement("small", TODAY)[1]]


def test_own_runs_reach_a_plan(tmp_path: Path) -> None:
    """From runs to a plan, through the file: the very class is measured with the factor that the runs support."""
    model, form, gpu, ranks = chosen()
    loads = ((1, 512, 64), (4, 512, 64), (8, 512, 64))
    runs = measured(1.25, conditions=loads, model=model, gpu=gpu, ranks=ranks, form=form)
    found = calibrations(runs, {}, load_catalog().gpus, load_coefficients(), unrefined)
    lock = planned(tmp_path, found)
    known = ruler(inputs(tmp_path, read_calibrations(tmp_path))).evidence(shape())
    assert known.provenance == "measured"
    assert known.step == pytest.approx(1.25 ** (3 / 6), rel=0.02)
    assert lock.consulted.calibrations.keys() == {"own"}
