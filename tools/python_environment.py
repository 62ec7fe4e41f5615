"""The Python environments of a checkout: a folder with exactly the hash-locked packages, and the project itself.

`.venv` holds everything. `.venv-planner` holds what planning and reviewing need, a quarter of it, for continuous
integration. A stamp in the folder, written last, holds the digest of what was installed; while it matches there is
nothing to do. An interrupted installation leaves no stamp, so the next run takes it up again. The project is installed
editable, by the locked setuptools, so that nothing is fetched outside the lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Report = Callable[[str], None]

_STAMP = "spillway.stamp"


@dataclass(frozen=True)
class Packages:
    """The packages of one environment. lock: the file that pins them. folder: where they are installed."""

    lock: str
    folder: str


EVERYTHING = Packages("requirements.lock", ".venv")
PLANNER = Packages("requirements-planner.lock", ".venv-planner")


class InstallError(Exception):
    """The environment could not be made; the message says why and what to do."""


def install(root: Path, report: Report, packages: Packages = EVERYTHING) -> None:
    """Bring the packages' folder below `root` to the state that their lock describes; silent when it is there already.

    Raises InstallError when an environment cannot be made or a package cannot be installed.
    """
    environment = root / packages.folder
    with (root / packages.lock).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` of one checkout take turns
        if up_to_date(root, packages):
            return
        started = time.monotonic()
        (environment / _STAMP).unlink(missing_ok=True)
        report(f"installing the locked Python packages into {packages.folder}: usually one minute")
        uv = shutil.which("uv")
        if not _usable(environment):
            _create(environment, uv)
        for command in _installs(environment, packages.lock, uv):
            _run(command, root)
        stamp = environment / f"{_STAMP}.new"
        stamp.write_text(digest(root, packages) + "\n", encoding="ascii")
        stamp.rename(environment / _STAMP)
        report(f"Python environment ready in {time.monotonic() - started:.0f} s")


def up_to_date(root: Path, packages: Packages = EVERYTHING) -> bool:
    """Whether the folder was completely installed from the present lock and project file, and still has its Python."""
    environment = root / packages.folder
    stamp = environment / _STAMP
    fits = stamp.is_file() and stamp.read_text(encoding="ascii").strip() == digest(root, packages)
    return fits and _usable(environment)


def digest(root: Path, packages: Packages = EVERYTHING) -> str:
    """SHA-256 over the lock, the project file and the place of the checkout (an environment cannot be moved)."""
    parts = [(root / name).read_bytes() for name in (packages.lock, "pyproject.toml")]
    parts.append(str(root.resolve()).encode())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def cached(root: Path, packages: Packages) -> dict[str, str]:
    """The key of a cache of the packages, and the folder that it holds, as outputs of a step in continuous integration.

    The key names everything that the folder depends on, so that a cache that is found is complete.
    """
    place = (platform.system(), platform.machine(), platform.python_version(), digest(root, packages)[:16])
    return {"key": "-".join(("spillway", *place)).lower(), "folder": str(root.resolve() / packages.folder)}


def _usable(environment: Path) -> bool:
    """Whether the environment has a Python of at least 3.11 whose interpreter still exists on this machine."""
    configuration = environment / "pyvenv.cfg"
    if not configuration.is_file() or not os.access(environment / "bin" / "python", os.X_OK):
        return False
    for line in configuration.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key.strip() in ("version", "version_info"):
            return tuple(int(part) for part in value.strip().split(".")[:2]) >= (3, 11)
    return False


def _create(environment: Path, uv: str | None) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    if uv is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)], environment.parent)
    elif importlib.util.find_spec("ensurepip") is None:
        raise InstallError(
            f"{sys.executable} cannot make virtual environments: install your system's `python3-venv` package, or uv"
        )
    else:
        _run([sys.executable, "-m", "venv", str(environment)], environment.parent)


def _installs(environment: Path, lock: str, uv: str | None) -> list[list[str]]:
    """The lock with its hashes, the project with the locked build backend, the simulator's machine code.

    pip would compile every module, also the thousands of Pulumi's SDKs that nobody imports. Without that, as uv does
    it, Python compiles each module when it is first imported.
    """
    python = str(environment / "bin" / "python")
    installer = (
        [uv, "pip", "install", "--quiet", "--python", python]
        if uv is not None
        else [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    )
    return [
        [*installer, "--require-hashes", "-r", lock],
        [*installer, "--no-deps", "--no-build-isolation", "--editable", "."],
        [python, "-m", "planner.performance.engine.precompile"],
    ]


def _run(command: list[str], folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        end = "\n".join((run.stdout + run.stderr).strip().splitlines()[-15:])
        raise InstallError(f"`{' '.join(command)}` failed:\n{end}")
