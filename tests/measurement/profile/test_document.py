"""A profile is read whole or refused with every reason and its line; what beats the datasheet is doubted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from measurement.profile.document import doubts, parse
from planner.edges.catalog_files import load_catalog
from planner.words.diagnostics import Problem, Problems
from tests.measurement.profile.profiles import text, timing, values

GPUS = load_catalog().gpus
L4 = GPUS["L4"]


def refused(content: str) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as raised:
        parse(content, "L4.json")
    assert {problem.code for problem in raised.value.problems} == {"PROF005"}
    assert all(problem.where is not None and problem.where.file == "L4.json" for problem in raised.value.problems)
    assert all(problem.hint for problem in raised.value.problems)
    return raised.value.problems


def test_a_profile_is_read() -> None:
    profile = parse(text(), "L4.json")
    assert (profile.gpu, profile.gpus, profile.catalog_gpu(GPUS)) == ("NVIDIA L4", 4, L4)
    assert profile.bandwidth[0].gb_per_s == pytest.approx(2**30 / 4.0e-3 / 1e9, rel=1e-5)
    assert profile.gemm[1].tflops == pytest.approx(59.75, rel=1e-3)
    assert profile.gemm[1].spread == pytest.approx(0.02)
    assert profile.gaps[0].cases == 24


def test_keys_of_a_later_program_are_not_read() -> None:
    assert parse(text(weather="fine"), "L4.json") == parse(text(), "L4.json")


def test_what_is_not_known_may_be_absent() -> None:
    unknown = ("cuda", "driver", "l2_bytes", "under_load", "multiprocessors")
    rest = {key: value for key, value in values().items() if key not in unknown}
    assert parse(json.dumps(rest), "L4.json").driver is None
    assert parse(text(driver=None, cuda=None), "L4.json").driver is None


def test_a_profile_that_was_cut_off_is_refused_with_its_place() -> None:
    whole = text()
    (problem,) = refused(whole[: len(whole) // 2])
    assert "not JSON" in problem.message
    assert problem.where is not None
    assert problem.where.line == whole[: len(whole) // 2].count("\n") + 1


@pytest.mark.parametrize("content", ["[]", "null", '"spillway.profile/1"', "{}", text(schema="spillway.profile/2")])
def test_another_schema_is_refused(content: str) -> None:
    (problem,) = refused(content)
    assert "spillway.profile/1" in problem.message


def test_all_values_that_do_not_fit_are_told_with_their_lines() -> None:
    shape = {"m": 1, "n": 8, "k": 8, **timing(1.0)}
    content = text(gpus=-1, gemm=[{"dtype": "bf16", **shape, "m": 0}, {"dtype": "fp4", **shape}])
    lines = content.splitlines()
    found = {problem.message.split(":")[0]: problem.where.line for problem in refused(content) if problem.where}
    assert set(found) == {"gpus", "gemm.0.m", "gemm.1.dtype"}
    assert '"gpus": -1' in lines[found["gpus"] - 1]
    assert '"m": 0' in lines[found["gemm.0.m"] - 1]
    assert '"dtype": "fp4"' in lines[found["gemm.1.dtype"] - 1]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**timing(1.0), "ms": 0.0}, "greater than 0"),
        ({**timing(1.0), "ms": float("nan")}, "finite"),
        ({**timing(1.0), "ms_p90": 0.5}, "between p10 and p90"),
        ({**timing(1.0), "repeats": 0}, "greater than or equal to 1"),
    ],
)
def test_a_time_that_cannot_be_is_refused(row: dict[str, Any], said: str) -> None:
    problems = refused(text(gemm=[{"dtype": "bf16", "m": 1, "n": 8, "k": 8, **row}]))
    assert any(said in problem.message for problem in problems)


def test_a_rate_that_is_not_bytes_over_time_was_edited() -> None:
    (problem,) = refused(text(bandwidth=[{"kind": "read", "bytes": 2**30, **timing(4.0), "gb_per_s": 300.0}]))
    assert "gb_per_s is not bytes over ms" in problem.message


def test_a_profile_of_nothing_is_refused() -> None:
    (problem,) = refused(text(bandwidth=[], gemm=[], attention=[], all_reduce=[]))
    assert "nothing was measured" in problem.message


def test_every_gpu_is_known_by_the_name_that_its_driver_reports() -> None:
    for gpu in GPUS.values():
        assert [parse(text(gpu=name), "own.json").catalog_gpu(GPUS) for name in gpu.runtime_names] == [gpu]


def test_a_processor_is_no_gpu_whatever_its_name() -> None:
    assert parse(text(device="cpu", gpus=0), "cpu.json").catalog_gpu(GPUS) is None
    assert parse(text(gpu="NVIDIA H100 PCIe"), "other.json").catalog_gpu(GPUS) is None


def test_an_honest_profile_is_not_doubted() -> None:
    assert list(doubts(parse(text(), "L4.json"), L4)) == []


def test_what_beats_the_datasheet_is_doubted() -> None:
    cached = [{"kind": "read", "bytes": 2**22, **timing(0.01), "gb_per_s": 419.43}]
    fast = [{"dtype": "fp8", "m": 2048, "n": 4096, "k": 4096, **timing(0.2)}]
    found = list(doubts(parse(text(bandwidth=cached, gemm=fast), "L4.json"), L4))
    assert found == [
        "memory moved 419 GB/s, but L4 has 300",
        "fp8 products reached 344 TFLOP/s, but L4 has 242",
    ]


def test_a_quick_try_is_doubted() -> None:
    assert list(doubts(parse(text(grid="quick"), "L4.json"), L4)) == [
        "it was a quick try: its shapes are too small to fill a GPU"
    ]


def test_a_gpu_that_was_not_alone_is_doubted() -> None:
    restless = {**timing(4.0), "ms_p90": 5.5}
    rows = [{"kind": kind, "bytes": 2**30, **restless, "gb_per_s": 268.435} for kind in ("read", "copy")]
    (found,) = doubts(parse(text(bandwidth=rows, gemm=[], attention=[]), "L4.json"), L4)
    assert "something else ran" in found
