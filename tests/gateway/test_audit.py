"""Audit lines arrive in order, and a stalled reader stops nobody."""

import os
import threading
import time
from pathlib import Path

from gateway.audit import AuditLog


def test_lines_arrive_in_order(tmp_path: Path) -> None:
    with (tmp_path / "audit.jsonl").open("wb") as file:
        log = AuditLog(file.fileno())
        write_and_close(log)
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert lines == [f"line {number}" for number in range(1000)]


def write_and_close(log: AuditLog) -> None:
    for number in range(1000):
        log.write(f"line {number}")
    assert log.close(5) == 0


def test_a_stalled_reader_blocks_nobody_and_the_loss_is_counted() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as reader:
        log = AuditLog(write_end, waiting_lines=50)
        began = time.monotonic()
        for _ in range(500):
            log.write("x" * 10_000)
        assert time.monotonic() - began < 1
        assert log.dropped > 0
        assert log.close(0.05) >= log.dropped
        received: list[str] = []
        collecting = threading.Thread(target=lambda: received.extend(reader))
        collecting.start()
        lost = log.close(5)
        os.close(write_end)
        collecting.join(5)
        assert len(received) + lost == 500
        assert set(received) == {"x" * 10_000 + "\n"}


def test_a_reader_that_is_gone_ends_the_writing_and_not_the_gateway() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    log = AuditLog(write_end)
    log.write("x" * 10_000)
    while log._writer.is_alive():
        time.sleep(0.01)
    log.write("y")
    assert log.dropped == 1
    assert log.close(1) == 2
    os.close(write_end)
