"""Programs that live no longer than their caller: also when it is killed outright, also when they will not listen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner.edges.children import ChildFailed, Children
from planner.edges.probe import Probe, ProcessorMeter

SLEEPER = "import time,sys; print('{\"ready\": true}', flush=True); time.sleep(60)"
DEAF = "import signal,time; signal.signal(15, signal.SIG_IGN); print('{}', flush=True); time.sleep(60)"
BUSY = "print('{}', flush=True)\nwhile True: pass"


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder)}


def module(folder: Path, name: str, text: str) -> str:
    (folder / f"{name}.py").write_text(text)
    return name


def gone(pid: int, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_leaving_ends_them_also_by_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="boom"), Children(tmp_path) as children:  # noqa: PT012
        child = children.start_module("one", module(tmp_path, "sleeper", SLEEPER), [], environment(tmp_path))
        assert child.first_line(20) == {"ready": True}
        assert child.is_running
        raise RuntimeError("boom")
    assert gone(child.pid)


def test_one_that_will_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.edges.children.GRACE_S", 0.3)
    with Children(tmp_path) as children:
        child = children.start_module("deaf", module(tmp_path, "deaf", DEAF), [], environment(tmp_path))
        child.first_line(20)
    assert gone(child.pid)


def test_a_failure_carries_the_end_of_the_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        broken = module(tmp_path, "broken", "raise SystemExit('the disk is on fire')")
        child = children.start_module("broken", broken, [], environment(tmp_path))
        with pytest.raises(ChildFailed, match=r"broken ended before it was ready; its log ends:\nthe disk is on fire"):
            child.first_line(20)
        silent = children.start_module(
            "silent", module(tmp_path, "silent", "import time; time.sleep(60)"), [], environment(tmp_path)
        )
        with pytest.raises(ChildFailed, match="said nothing within 0 s"):
            silent.first_line(0.1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets a child die with its parent")
def test_a_caller_that_is_killed_takes_them_along(tmp_path: Path) -> None:
    module(tmp_path, "sleeper", SLEEPER)
    caller = f"""
import os, pathlib, time
from planner.edges.children import Children
with Children(pathlib.Path({str(tmp_path)!r})) as children:
    child = children.start_module("one", "sleeper", [], {{**os.environ, "PYTHONPATH": {str(tmp_path)!r}}})
    child.first_line(20)
    print(child.pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", caller], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        program.send_signal(signal.SIGKILL)
    assert gone(pid)


def test_the_meter_counts_processor_time(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        busy = children.start_module("busy", module(tmp_path, "busy", BUSY), [], environment(tmp_path))
        idle = children.start_module("idle", module(tmp_path, "sleeper", SLEEPER), [], environment(tmp_path))
        busy.first_line(20)
        idle.first_line(20)
        meter = ProcessorMeter([busy, idle])
        time.sleep(0.5)
        meter.close(busy)
        busy.kill()
        used = meter.used_s()
    assert used["busy"] > 0.05
    assert used["idle"] < used["busy"]


def test_a_probe_of_nobody_records_nothing() -> None:
    probe = Probe(9, "/livez", timeout_s=0.5)
    probe.knock()
    assert probe.waits_s == []
    probe.close()
