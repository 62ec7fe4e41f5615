"""Measured rows meet the catalog, or say what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.edges.catalog_files import load_catalog
from planner.edges.performance_fit import load_measurements
from planner.performance.benchmarks import Measurement, measured_gpus, subjects

CATALOG = load_catalog()
ROW = Measurement(
    "own-1", "llama-3.1-8b-instruct", "bf16", "bf16", "bf16", "L4", 1, "vllm", "0.33.0", 1000, 200, 8, "tpot", 80.0,
    "fixed_concurrency", "A", "2026-11-20",
)  # fmt: skip


def test_a_row_finds_its_model_and_gpu() -> None:
    found, gaps = subjects([ROW], CATALOG.models, CATALOG.gpus)
    assert not gaps
    assert found[0].model.key == "llama-3.1-8b-instruct"
    assert found[0].gpu.key == "L4"
    assert (found[0].quantization.dense, found[0].quantization.experts) == ("bf16", "bf16")
    assert ROW.source == "own"


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"model": "gpt-9"}, "model/gpt-9"),
        ({"gpu": "H900"}, "gpu/H900"),
        ({"gpu": "T4", "experts": "mxfp4"}, "gpu/T4"),
    ],
)
def test_unknown_rows_are_named_gaps(changed: dict[str, str], key: str) -> None:
    found, gaps = subjects([ROW, replace(ROW, **changed), replace(ROW, **changed)], CATALOG.models, CATALOG.gpus)
    assert len(found) == 1
    assert [gap.key for gap in gaps] == [key]
    assert gaps[0].message.startswith("2 measured rows")


def test_the_pcie_card_is_measured_but_not_sold() -> None:
    card = measured_gpus(CATALOG.gpus)["A100-80GB-PCIe"]
    assert card.link == "pcie4"
    assert card.bandwidth_gb_per_s < CATALOG.gpus["A100-80GB"].bandwidth_gb_per_s
    assert "A100-80GB-PCIe" not in CATALOG.gpus


def test_the_shipped_table_is_usable() -> None:
    rows = load_measurements()
    found, _ = subjects(rows, CATALOG.models, CATALOG.gpus)
    assert len({row.id for row in rows}) == len(rows)
    assert len(found) > 1500
    assert {row.engine for row in rows} == {"vllm", "trt-llm", "sglang", "tgi"}
    assert {row.gpu for row in rows} >= {"H100", "H200", "B200", "A100-80GB", "L40S", "L4", "A10G"}
    assert all(row.value > 0 and row.input_tokens > 0 and row.output_tokens > 0 for row in rows)
