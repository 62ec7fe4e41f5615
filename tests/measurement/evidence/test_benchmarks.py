"""Measured rows meet the catalog, or say what is missing; an engine's old releases are engines of their own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from measurement.evidence.benchmarks import EngineName, engine_key, stored_quantization, subjects

from measurement.evidence.fit import ENGINE_KEYS
from measurement.files.fit_files import load_measurements
from planner.edges.catalog_files import load_catalog
from tests.measurement.evidence.rows import ROW

CATALOG = load_catalog()


def test_a_row_finds_its_model_and_gpu() -> None:
    found, gaps = subjects([ROW], CATALOG.models, CATALOG.all_gpus)
    assert not gaps
    assert found[0].model.key == "llama-3.1-8b-instruct"
    assert found[0].gpu.key == "L4"
    assert (found[0].quantization.dense, found[0].quantization.experts) == ("bf16", "bf16")
    assert ROW.source == "own"
    assert ROW.cell == ("llama-3.1-8b-instruct", "L4")


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"model": "gpt-9"}, "model/gpt-9"),
        ({"gpu": "H900"}, "gpu/H900"),
        ({"gpu": "T4", "experts": "mxfp4"}, "gpu/T4"),
    ],
)
def test_unknown_rows_are_named_gaps(changed: dict[str, Any], key: str) -> None:
    found, gaps = subjects([ROW, replace(ROW, **changed), replace(ROW, **changed)], CATALOG.models, CATALOG.all_gpus)
    assert len(found) == 1
    assert [gap.key for gap in gaps] == [key]
    assert gaps[0].message.startswith("2 measured rows")


@pytest.mark.parametrize(
    ("engine", "version", "date", "offline", "key"),
    [
        ("vllm", "0.5.5", "", False, "vllm<0.6"),
        ("vllm", "v0.5.3.post1", "2024-08-01", False, "vllm<0.6"),
        ("vllm", "0.6.0", "2024-01-01", False, "vllm"),  # a stated version wins over the day
        ("vllm", "0.10.1", "", False, "vllm"),  # ten is more than six
        ("vllm", "", "2024-09-04", False, "vllm<0.6"),
        ("vllm", "", "2024-09-05", False, "vllm"),
        ("vllm", "", "", False, "vllm"),  # neither is known: as of today
        ("vllm", "0.5.5", "", True, "vllm<0.6 offline"),
        ("vllm", "0.9.2", "", True, "vllm"),  # the server is a process of its own, so that its absence saves nothing
        ("trt-llm", "0.15.0", "", False, "trt-llm<1.0"),
        ("trt-llm", "1.0.0rc3", "", True, "trt-llm"),
        ("trt-llm", "0.15.0", "", True, "trt-llm<1.0"),
        ("trt-llm", "", "2025-09-23", False, "trt-llm<1.0"),
        ("trt-llm", "NIM", "2025-11-01", False, "trt-llm"),
        ("sglang", "0.1.0", "2024-01-01", False, "sglang"),
        ("tgi", "2.0", "2024-01-01", True, "tgi"),
    ],
)
def test_old_releases_are_engines_of_their_own(
    engine: EngineName, version: str, date: str, offline: bool, key: str
) -> None:
    assert engine_key(engine, version, date, offline) == key
    row = replace(ROW, engine=engine, engine_version=version, date=date, offline=offline)
    assert row.engine_key == key
    assert key in ENGINE_KEYS


def test_rows_of_one_source_and_cell_are_one_voice() -> None:
    assert ROW.voice == replace(ROW, id="own-2", input_tokens=8000, value=7.0).voice
    for change in ({"id": "theirs-1"}, {"metric": "ttft"}, {"gpu": "L40S"}, {"model": "qwen3-32b"}):
        assert ROW.voice != replace(ROW, **change).voice  # type: ignore[arg-type]


def test_formats_are_the_checkpoint_s_recipe_where_that_is_known() -> None:
    """gpt-oss keeps its attention in 16 bit: a row that says so is that checkpoint, with all that it keeps."""
    model = CATALOG.models["gpt-oss-120b"]
    shipped = model.precision("mxfp4")
    assert shipped is not None
    assert stored_quantization(model, shipped.dense, "mxfp4") == shipped
    other = stored_quantization(CATALOG.models["qwen3-32b"], "bf16", "int8")
    assert (other.dense, other.experts) == ("bf16", "int8")


def test_the_pcie_card_is_measured_but_not_sold() -> None:
    card = CATALOG.all_gpus["A100-80GB-PCIe"]
    assert card.link == "pcie4"
    assert card.bandwidth_gb_per_s < CATALOG.gpus["A100-80GB"].bandwidth_gb_per_s
    assert "A100-80GB-PCIe" not in CATALOG.gpus


def test_the_shipped_table_is_usable() -> None:
    rows = load_measurements()
    found, _ = subjects(rows, CATALOG.models, CATALOG.all_gpus)
    assert len({row.id for row in rows}) == len(rows)
    assert len(found) > 1500
    assert {row.engine for row in rows} == {"vllm", "trt-llm", "sglang", "tgi"}
    assert {row.gpu for row in rows} >= {"H100", "H200", "B200", "A100-80GB", "L40S", "L4", "A10G"}
    assert {row.lengths for row in rows} == {"fixed", "spread"}
    assert all(row.value > 0 and row.input_tokens > 0 and row.output_tokens > 0 for row in rows)
    assert all(row.max_num_batched_tokens is None or row.max_num_batched_tokens > 0 for row in rows)


def test_every_engine_of_the_table_has_coefficients_of_its_own() -> None:
    counted = Counter(row.engine_key for row in load_measurements())
    assert set(counted) <= set(ENGINE_KEYS)
    assert set(counted) >= {"vllm", "trt-llm", "trt-llm<1.0", "sglang", "tgi"}
