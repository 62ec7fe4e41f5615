"""Builds the Go modules of `tools/` from source into the shared cache; downloads no prebuilt executable.

A build writes into a folder of its own beside its goal and is renamed when it is whole, so that an interrupted one
leaves nothing that looks finished. A lock file per goal keeps two set-ups from building the same thing at once; the
second waits and finds the first one's result.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from twin import binaries
from twin.binaries import Module

Report = Callable[[str], None]

_BUILDING = ".building-"
_LESS_WORK = "-gcflags=all=-dwarf=false"
"""Flag that spares the compiler the data for debuggers, an eighth of its time. Every module is linked without them
(`-s -w`), so that its executables lose nothing."""


class BuildError(Exception):
    """A build could not start or did not finish; the message says why and what stays unusable."""


def install(report: Report) -> None:
    """Make every tool available: on the PATH, in the cache, or by building it now.

    Silent when all is there. Raises BuildError with a plain sentence when Go is missing, is too old, or fails.
    """
    missing = [module for module in binaries.modules() if not binaries.needs_no_build(module)]
    if not missing:
        return
    go = _fitting_go(missing)
    minutes = sum(module.minutes for module in missing)
    report(f"tools to build from source, once for all checkouts: about {minutes:.0f} min on two cores")
    for module in missing:
        with _locked(module, report):
            if not module.cache_folder.is_dir():
                build(go, module, report)


def build(go: str, module: Module, report: Report) -> None:
    """Build one module and move it to its cache folder. Raises BuildError with the end of Go's own output."""
    goal = module.cache_folder
    for leftover in goal.parent.glob(f"{_BUILDING}{goal.name}-*"):  # of a run that was killed; we hold the lock
        shutil.rmtree(leftover, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=f"{_BUILDING}{goal.name}-", dir=goal.parent))
    names = ", ".join(tool.name for tool in module.tools)
    try:
        started = time.monotonic()
        label = f"building {names}: usually {_spoken(module.minutes * 60)} on two cores"
        _run_go(
            [go, "-C", str(module.folder), "install", _LESS_WORK, *module.flags, module.package],
            building,
            module,
            label,
            report,
        )
        for extra in module.extra_files:
            source = _output_of([go, "-C", str(module.folder), "list", "-m", "-f", "{{.Dir}}", extra.module])
            found = sorted(Path(source).glob(extra.path))
            if not found:
                raise BuildError(f"{extra.module} has no {extra.path} any more")
            for file in found:
                _copy_executable(file, building / extra.folder)
        absent = [tool.file for tool in module.tools if not os.access(building / tool.file, os.X_OK)]
        if absent:
            raise BuildError(f"the build of {module.name} ended without {', '.join(absent)}")
        building.chmod(0o755)
        building.rename(goal)
        report(f"built {names} in {_spoken(time.monotonic() - started)}")
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _fitting_go(missing: list[Module]) -> str:
    """The Go command, at least as new as every module asks. Raises BuildError with what would be skipped without it."""
    skipped = _skipped(missing)
    wanted = max(_go_directive(module) for module in missing)
    spoken = ".".join(map(str, wanted))
    advice = (
        f"Install Go {spoken} or newer (https://go.dev/doc/install) and run `make tools`, or put the tools that "
        "tools/tools.toml names on the PATH. Everything else works without them."
    )
    go = shutil.which("go")
    if go is None:
        raise BuildError(f"Go is not installed, so {skipped}.\n{advice}")
    version = re.search(r"go(\d+)\.(\d+)", _output_of([go, "version"]))
    found = (int(version.group(1)), int(version.group(2))) if version else (0, 0)
    if found < wanted and os.environ.get("GOTOOLCHAIN", "local") == "local":
        raise BuildError(f"Go {found[0]}.{found[1]} is older than {spoken}, so {skipped}.\n{advice}")
    return go


def _skipped(modules: list[Module]) -> str:
    """What does not run without these modules."""
    layers = list(dict.fromkeys(layer for module in modules for layer in module.layers))
    spoken = " and ".join(filter(None, (", ".join(layers[:-1]), layers[-1])))
    return f"the {spoken} tests and the deploying part of the demo are skipped"


def _go_directive(module: Module) -> tuple[int, int]:
    match = re.search(r"^go (\d+)\.(\d+)", (module.folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    return (int(match.group(1)), int(match.group(2))) if match else (1, 0)


@contextmanager
def _locked(module: Module, report: Report) -> Iterator[None]:
    """Hold the lock of the module's cache folder; says so when another set-up holds it."""
    root = module.cache_folder.parent
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{module.cache_folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another set-up is building {module.name}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_go(command: list[str], target: Path, module: Module, label: str, report: Report) -> None:
    """Run a Go build into `target` with one living progress line; its output goes to a log shown on failure."""
    log = target / "build.log"
    with log.open("wb") as output, _progress(label, report) as tick:
        go = None
        usual = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # until it can be ended
        try:
            go = subprocess.Popen(
                command,
                env=_environment(target),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, usual),
            )
            signal.pthread_sigmask(signal.SIG_SETMASK, usual)
            while _still_running(go):
                tick()
        except BaseException:
            if go is not None:
                os.killpg(go.pid, signal.SIGTERM)  # its compilers with it
                go.wait()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, usual)
    if go.returncode != 0:
        kept = module.cache_folder.with_suffix(".log")
        shutil.copyfile(log, kept)
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
        raise BuildError(f"building {module.name} failed, so {_skipped([module])}.\n{end}\nThe whole output: {kept}")
    log.unlink()


def _environment(target: Path) -> dict[str, str]:
    """Go's environment: no C compiler, no toolchain fetched behind the user's back, everything into `target`.

    The compiler is a Go program itself: with more garbage kept it needs a tenth less processor time.
    """
    usual = {"GOTOOLCHAIN": "local", "GOGC": "400"}
    return {**usual, **os.environ, "CGO_ENABLED": "0", "GOBIN": str(target), "GOWORK": "off"}


def _still_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return True
    return False


@contextmanager
def _progress(label: str, report: Report) -> Iterator[Callable[[], None]]:
    """On a terminal one line that counts; elsewhere one line now and one a minute, so that a log shows life."""
    started = time.monotonic()
    terminal = sys.stderr.isatty()
    if not terminal:
        report(label)
    minutes_said = 0

    def tick() -> None:
        nonlocal minutes_said
        elapsed_s = time.monotonic() - started
        if terminal:
            print(f"\r\033[K{label}, {_spoken(elapsed_s)} so far", end="", file=sys.stderr, flush=True)
        elif elapsed_s // 60 > minutes_said:
            minutes_said = int(elapsed_s // 60)
            report(f"  … {minutes_said} min so far")

    try:
        yield tick
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _output_of(command: list[str]) -> str:
    environment = {"GOTOOLCHAIN": "local", **os.environ}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if run.returncode != 0:
        raise BuildError(f"`{' '.join(command)}` failed: {run.stderr.strip()}")
    return run.stdout.strip()


def _copy_executable(source: Path, folder: Path) -> None:
    """Copy out of the module cache, whose files are read-only."""
    folder.mkdir(exist_ok=True)
    copy = folder / source.name
    shutil.copyfile(source, copy)
    copy.chmod(0o755)


def _spoken(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
