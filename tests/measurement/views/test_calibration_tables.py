"""Tables of a calibration: measured beside expected figures, factors, bounds."""

from __future__ import annotations

import re
from pathlib import Path

from measurement.files.calibrate import calibration_result
from measurement.views.calibration_tables import factors_view, runs_view
from planner.edges.catalog_files import load_catalog
from tests.measurement.calibration.own_runs import unrefined
from tests.planner.faces.shown import assert_folds, shown

SAMPLES = Path(__file__).parents[1] / "files" / "bench_samples"


def test_tables_show_measured_beside_expected_figures() -> None:
    paths = [SAMPLES / "vllm.json", SAMPLES / "profile.json"]
    found = calibration_result(paths, {}, "", "2026-11-21", load_catalog(), unrefined)
    assert found.file is not None
    table = shown(runs_view([(each.own, each.shipped, each.calibrated) for each in found.compared]), width=140)
    assert re.search(r"vllm\.json +llama-3\.1-8b-instruct \(fp8\) on 1 × L4 +8 +1024 +128 +61\.5 ms", table)
    factors = "\n".join(shown(part, width=140) for part in factors_view(found.file))
    correction = found.file.gpus["L4"].corrections["llama-3.1-8b-instruct/fp8"]
    assert f"{correction.step:.3f}" in factors
    assert "one run" in factors
    assert "L4 reached at most 88% of bandwidth" in factors


def test_on_every_terminal_lines_fit_and_names_are_whole() -> None:
    found = calibration_result(
        [SAMPLES / "vllm.json", SAMPLES / "profile.json"], {}, "", "2026-11-21", load_catalog(), unrefined
    )
    assert found.file is not None
    file, judged = found.file, [(each.own, each.shipped, each.calibrated) for each in found.compared]
    assert_folds(lambda: [runs_view(judged), *factors_view(file)])
