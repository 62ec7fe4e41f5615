"""vLLM's request log: lines that belong together, lines that never come, and lines that are something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.edges.traces import vllm_log
from planner.edges.traces.blocks import LineBlock
from planner.edges.traces.times import TimeReader
from planner.edges.traces.vllm_log import VllmLog
from tests.planner.edges.traces.test_formats import read


def _moment(second: int) -> str:
    return f"11-16 {9 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def _received(second: int, name: str, tokens: int) -> str:
    told = f"prompt: 'x', prompt_token_ids: {list(range(tokens))}, lora_request: None."
    return f"(APIServer pid=7) INFO {_moment(second)} [logger.py:43] Received request {name}: {told}"


def _answered(second: int, name: str, tokens: int, more: str = "") -> str:
    told = f"output: '', output_token_ids: {list(range(tokens))}, finish_reason: stop"
    return f"INFO {_moment(second)} [logger.py:66] Generated response {name}{more}: {told}"


def test_lines_of_a_request_are_joined_and_others_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "vllm.log"
    lines = [
        "INFO 11-16 08:59:00 [api_server.py:1] Starting",
        _received(0, "a", 40),
        _received(5, "b", 20),
        "INFO 11-16 09:00:06 [loggers.py:1] Engine 000: Avg prompt throughput: 20.1 tokens/s, Running: 2 reqs",
        _answered(6, "b", 3, " (streaming delta)"),
        _answered(7, "b", 9, " (streaming complete)"),
        _answered(9, "a", 4),
        _answered(9, "never received", 4),
    ]
    path.write_text("\n".join(lines) + "\n")
    assert read(path).trace.excerpt.requests == ((0, 40, 4), (5000, 20, 9))


def test_a_request_that_is_never_answered_is_left_out_and_late_for_nobody(tmp_path: Path) -> None:
    path = tmp_path / "vllm.log"
    lines = [_received(0, "gone", 8)]
    for second in range(10, 7000, 10):
        lines += [_received(second, f"r{second}", 8), _answered(second + 1, f"r{second}", 2)]
    path.write_text("\n".join(lines) + "\n")
    reading = read(path)
    assert (reading.trace.requests, reading.bad_rows) == (699, 0)
    assert reading.left_out == {"requests without output tokens": 1}
    start = reading.trace.excerpt.start_s
    assert len(reading.trace.excerpt.requests) == sum(
        m[0] for m in reading.trace.minutes[start // 60 : start // 60 + 5]
    )


def test_few_requests_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_log, "MOST_WAITING", 5)
    log = VllmLog(TimeReader(None))
    text = "\n".join(_received(second, f"r{second}", 4) for second in range(40)) + "\n"
    assert len(log.batch(LineBlock(text.encode(), 1)).lines) == 35
    assert log.rest().inputs.tolist() == [4] * 5


def test_the_same_prefix_has_the_same_hashes(tmp_path: Path) -> None:
    path = tmp_path / "vllm.log"
    path.write_text("\n".join([_received(0, "a", 64), _received(3, "b", 80), _received(6, "c", 30)]) + "\n")
    prefix = read(path).trace.prefix
    assert prefix is not None
    # Block 1 begins all three; of `b` four blocks and of `c` one were sent before, its second block is another one.
    assert prefix.shared_tokens == 16
    assert prefix.session_share == pytest.approx((64 + 16 - 3 * 16) / (174 - 3 * 16), abs=1e-6)
