"""What vLLM takes where nothing is said, against the numbers of its releases."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from planner.edges.catalog_files import load_catalog
from planner.performance.engine.defaults import PINNED_VERSION, ROWS, batch_defaults, default_batched_tokens

GPUS = load_catalog().gpus


@pytest.mark.parametrize(
    ("gpu", "version", "sequences", "served", "offline"),
    [
        ("A100-80GB", "0.33.0", 256, 2048, 8192),
        ("A100-80GB", "0.23.0", 256, 2048, 8192),
        ("A100-80GB", "0.8.5", 1024, 8192, 16384),  # pull request 17073; 17885 took it back in 0.9
        ("A100-80GB", "v0.8.4", 256, 2048, 8192),
        ("A100-40GB", "0.33.0", 256, 2048, 8192),
        ("H100", "0.33.0", 1024, 8192, 16384),
        ("H100", "0.12.0", 1024, 8192, 16384),
        ("H100", "0.8", 1024, 8192, 16384),
        ("H100", "0.7.3", 256, 8192, 8192),
        ("H200", "0.33.0", 1024, 8192, 16384),
        ("B200", "0.33.0", 1024, 16384, 16384),  # from 160 GiB on since 0.28
        ("B200", "0.27.1", 1024, 8192, 16384),
        ("B200", "0.8.4", 256, 2048, 8192),  # by name until 0.8.5
        ("RTX-PRO-6000", "0.33.0", 1024, 8192, 16384),
        ("L40S", "0.33.0", 256, 2048, 8192),
        ("L4", "0.8.3", 1024, 2048, 8192),
    ],
)
def test_defaults_are_those_of_the_release_and_the_gpu(
    gpu: str, version: str, sequences: int, served: int, offline: int
) -> None:
    row = batch_defaults(GPUS[gpu], version)
    assert (row.max_num_seqs, row.served_tokens, row.offline_tokens) == (sequences, served, offline)


def test_the_date_decides_where_no_version_is_stated_and_neither_means_the_pinned_engine() -> None:
    gpu = GPUS["B200"]
    assert batch_defaults(gpu, "", "2026-08-24") == batch_defaults(gpu, "0.27.1")
    assert batch_defaults(gpu, "(nightly)", "2026-08-25") == batch_defaults(gpu, "0.28.0")
    assert batch_defaults(gpu, "0.27.1", "2026-11-01").served_tokens == 8192
    assert batch_defaults(gpu, "", "2023-01-01") == ROWS[0]
    assert batch_defaults(gpu, "", "") == batch_defaults(gpu)
    assert default_batched_tokens(gpu) == 16384


def test_every_release_has_a_row_for_every_gpu_and_says_when_and_whence() -> None:
    assert [row.since for row in ROWS] == sorted(row.since for row in ROWS)
    assert [row.as_of for row in ROWS] == sorted(row.as_of for row in ROWS)
    assert all(row.source for row in ROWS)
    for since in {row.since for row in ROWS}:
        for gpu in GPUS.values():
            assert batch_defaults(gpu, ".".join(map(str, since))).since == since


def test_the_pinned_version_is_the_charts() -> None:
    chart = yaml.safe_load(Path("charts/vllm/Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == PINNED_VERSION
