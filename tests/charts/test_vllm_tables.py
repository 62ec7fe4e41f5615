"""The committed tables of vLLM's flags, variables and metrics say what the dumps say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.charts.vllm_tables import TABLES, VERSION, derive, flags, metrics, render, variables

DUMPS = Path(__file__).resolve().parents[3] / "shared" / "data" / "vllm"


def test_tables_are_derived_from_the_dumps() -> None:
    if not (DUMPS / f"serve_flags_{VERSION}.json").exists():
        pytest.skip("the dumps of vLLM's parser are not beside this checkout")
    for name, table in derive(DUMPS).items():
        assert (TABLES / f"{name}.json").read_text(encoding="utf-8") == render(table), name


def test_flags_carry_what_the_parser_checks() -> None:
    known = flags()
    assert known["--max-num-seqs"].value == "int"
    assert known["--max-num-queued-reqs"].value == "int"
    assert known["--dtype"].choices == ("auto", "bfloat16", "float", "float16", "float32", "half")
    assert "runai_streamer" in (known["--load-format"].choices or ())
    assert known["--allowed-media-domains"].many
    assert known["--enforce-eager"].value == "none"
    assert "--swap-space" not in known


def test_variables_and_metrics() -> None:
    assert variables()["VLLM_ENGINE_READY_TIMEOUT_S"] == "int"
    assert "vllm:time_to_first_token_seconds" in metrics()
