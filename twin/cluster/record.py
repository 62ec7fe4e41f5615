"""`cluster.json` says what runs in a cluster's folder, so that it can be ended without ever ending anything else.

A process is named by its id and its start time. An id that the kernel has given to another program since then has
another start time, so that program is never signalled. The file is written aside and renamed, so that a reader never
sees half a record.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

STARTING, READY = "starting", "ready"


@dataclass(frozen=True)
class Program:
    """A program is a running process.

    pid: process id.
    started: start time in the kernel's own words, which tells the process from a later owner of the id.
    """

    name: str
    pid: int
    started: str


@dataclass(frozen=True)
class ClusterRecord:
    """The record is the content of `cluster.json`.

    state: `starting` or `ready`.
    endpoint: URL of the API server.
    programs: what the supervisor started.
    """

    state: str
    endpoint: str
    kubeconfig: str
    supervisor: Program
    programs: tuple[Program, ...]


def observe(name: str, pid: int) -> Program | None:
    """Return the identity of a live process. The answer is None when there is none with this id; a zombie counts as
    gone."""
    started = _start_time(pid)
    return Program(name, pid, started) if started is not None else None


def alive(program: Program) -> bool:
    """Tell whether this very process still runs."""
    return _start_time(program.pid) == program.started


def write(record: ClusterRecord, path: Path) -> None:
    """Replace the record as a whole."""
    aside = path.with_suffix(".json.new")
    aside.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    aside.replace(path)


def read(path: Path) -> ClusterRecord | None:
    """Read the record of a folder; None when no cluster was started there. Raises ValueError for a file of another
    kind."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    try:
        supervisor = Program(**document.pop("supervisor"))
        programs = tuple(Program(**program) for program in document.pop("programs"))
        return ClusterRecord(supervisor=supervisor, programs=programs, **document)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not the record of a twin cluster: {error}") from error


def end(record: ClusterRecord, patience_s: float = 10.0) -> None:
    """End everything that the record names: the supervisor first, which ends the rest, then what is left of it."""
    _signal(record.supervisor, signal.SIGTERM)
    everything = (record.supervisor, *record.programs)
    if not _gone_within(everything, patience_s):
        for program in everything:
            _signal(program, signal.SIGKILL)
        _gone_within(everything, patience_s)


def _gone_within(programs: Iterable[Program], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    remaining = [program for program in programs if alive(program)]
    while remaining and time.monotonic() < deadline:
        time.sleep(0.02)
        remaining = [program for program in remaining if alive(program)]
    return not remaining


def _signal(program: Program, number: int) -> None:
    if alive(program):
        with contextlib.suppress(ProcessLookupError):
            os.kill(program.pid, number)


def _start_time(pid: int) -> str | None:
    """Return the start time of a live process in the kernel's own unit; None for no process or a zombie."""
    try:
        # Field 2 is the command in parentheses and may hold anything; fields count on after the last parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _start_time_from_ps(pid)
    if fields[0] in ("Z", "X"):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"boot {boot} ticks {fields[19]}"


def _start_time_from_ps(pid: int) -> str | None:
    """Ask `ps`, for systems without /proc. It answers to the second, which is enough to tell a recycled id."""
    run = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, env={"LC_ALL": "C"}
    )
    state, _, started = run.stdout.strip().partition(" ")
    return started.strip() if started and not state.startswith("Z") else None
