"""Engines by name, release and use: old releases are engines of their own, and each engine has its own limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from measurement.evidence.engines import EngineName, batch_limit, engine_key, step_tokens
from measurement.evidence.fit import ENGINE_KEYS
from tests.measurement.evidence.rows import CATALOG, ROW


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
        ("vllm", "0.9.2", "", True, "vllm"),  # the server is a process of its own: the steps are the same without it
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


@pytest.mark.parametrize(
    ("engine", "gpu", "tokens", "places"),
    [
        ("vllm", "H100", 8192, 1024),
        ("vllm", "L4", 2048, 256),
        ("trt-llm", "H100", 32768, 2048),
        ("sglang", "L4", 8192, 1024),
        ("tgi", "H100", 4096, 128),
    ],
)
def test_each_engine_has_its_own_limits(engine: EngineName, gpu: str, tokens: int, places: int) -> None:
    assert step_tokens(engine, CATALOG.gpus[gpu], "0.33.0") == tokens
    assert batch_limit(engine, CATALOG.gpus[gpu], "0.33.0") == places


@pytest.mark.parametrize(
    ("gpu", "version", "offline", "tokens", "places"),
    [
        ("A100-80GB", "0.12.0", False, 2048, 256),
        ("A100-80GB", "0.8.5", False, 8192, 1024),
        ("B200", "0.19.0", False, 8192, 1024),
        ("B200", "0.33.0", False, 16384, 1024),
        ("H100", "0.12.0", True, 16384, 1024),
    ],
)
def test_vllms_limits_follow_gpu_release_and_use(
    gpu: str, version: str, offline: bool, tokens: int, places: int
) -> None:
    assert step_tokens("vllm", CATALOG.gpus[gpu], version, "", offline) == tokens
    assert batch_limit("vllm", CATALOG.gpus[gpu], version, "") == places
