"""Where the executables of the toolchain are: on the PATH at a fitting version, else in the shared cache.

`tools/tools.toml` names the tools. This module answers two questions: where is it, and into which folder does a build
belong? It builds nothing (`make tools` does), and it imports the standard library alone, because set-up runs it before
the Python environment exists.

The cache folder of a Go module is named by the digest of all that decides its content. So clones of the repository
share one build, and a change of a pin or a flag never meets an old one:

    <cache>/spillway/tools/<module>-<sha256(system, machine, go.mod, go.sum, *.go, flags, extra files)[:16]>/
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

TOOLS_FOLDER = Path(__file__).resolve().parents[1] / "tools"
"""The folder of Go modules in a checkout. An installation without a checkout has none, and finds tools on the PATH."""


class MissingToolError(Exception):
    """A tool is neither on the PATH at a fitting version nor in the cache. The message says how to get it."""


@dataclass(frozen=True, kw_only=True)
class Executable:
    """An executable is one program of the toolchain.

    name: its name here.
    file: its file name in a build.
    path_name: name of the file that may stand in for it on the PATH.
    version_arguments: arguments with which the file prints its version.
    at_least, below: versions that fit, from the one up to but not including the other.
    """

    name: str
    file: str
    path_name: str
    version_arguments: tuple[str, ...]
    at_least: tuple[int, ...]
    below: tuple[int, ...]
    beside: str | None
    """Name of another tool, if this one is taken from the PATH only out of the folder where that one fits."""


@dataclass(frozen=True)
class ExtraFile:
    """Extra files are files of a dependency's source that an executable needs beside itself.

    path: their path in the module; `*` stands for any name.
    folder: folder beside the executable, or the executable's own.
    """

    module: str
    path: str
    folder: str = ""


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module is one Go module of `tools/`.

    package: what is built: `tool` for all tools of its go.mod, `.` for a program of its own.
    flags: flags of its build.
    tools: executables that it builds.
    layers: layers of tests that need it.
    minutes: time of a cold build, minutes.
    """

    name: str
    folder: Path
    package: str
    flags: tuple[str, ...]
    extra_files: tuple[ExtraFile, ...]
    tools: tuple[Executable, ...]
    layers: tuple[str, ...]
    minutes: float

    @property
    def cache_folder(self) -> Path:
        """Return the folder of a finished build of exactly this module, with these flags, on this machine."""
        digest = hashlib.sha256()
        build = [
            platform.system(),
            platform.machine(),
            *self.flags,
            *(f"{f.module}/{f.path} {f.folder}".rstrip() for f in self.extra_files),
        ]
        sources = [self.folder / "go.mod", self.folder / "go.sum", *sorted(self.folder.glob("*.go"))]
        for part in (json.dumps(build).encode(), *(source.read_bytes() for source in sources)):
            digest.update(hashlib.sha256(part).digest())
        return cache_root() / f"{self.name}-{digest.hexdigest()[:16]}"


def cache_root() -> Path:
    """Return the folder that all checkouts of this user share. It follows `XDG_CACHE_HOME`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "spillway" / "tools"


@lru_cache(maxsize=1)
def modules() -> tuple[Module, ...]:
    """List all Go modules of `tools/tools.toml`, in the order in which set-up builds them. Without a checkout there are
    none."""
    catalog = TOOLS_FOLDER / "tools.toml"
    if not catalog.is_file():
        return ()
    tables = tomllib.loads(catalog.read_text(encoding="utf-8"))
    return tuple(_module(name, TOOLS_FOLDER / name, table) for name, table in tables.items())


def find(name: str) -> Path | None:
    """Return the executable of a tool, or None. Raises KeyError for a name that `tools/tools.toml` does not know."""
    if not modules():
        path = shutil.which(name)
        return Path(path) if path else None
    for module in modules():
        for tool in module.tools:
            if tool.name == name:
                return on_path(tool) or _in_cache(module, tool)
    known = ", ".join(sorted(tool.name for module in modules() for tool in module.tools))
    raise KeyError(f"unknown tool {name!r}; known: {known}")


def require(name: str) -> Path:
    """Return the executable of a tool. Raises MissingToolError with what to do about it."""
    path = find(name)
    if path is None:
        raise MissingToolError(
            f"{name} is not there: neither on the PATH at a fitting version nor built; "
            "run `make tools` in a checkout (it builds from source and needs Go)"
        )
    return path


def on_path(tool: Executable) -> Path | None:
    """Return the executable on the PATH that may stand in for `tool`: it has the right name and a version that fits.

    A tool that tells no version has none there.
    """
    if not tool.version_arguments and tool.beside is None:
        return None
    location = shutil.which(tool.path_name)
    if location is None:
        return None
    path = Path(location)
    if tool.beside is not None:
        companion = next((t for module in modules() for t in module.tools if t.name == tool.beside), None)
        neighbour = on_path(companion) if companion else None
        return path if neighbour is not None and neighbour.parent == path.parent else None
    version = _version_of(path, tool.version_arguments)
    return path if version is not None and tool.at_least <= version < tool.below else None


def needs_no_build(module: Module) -> bool:
    """Tell whether a finished build lies in the cache, or the PATH stands in for every tool of the module."""
    return module.cache_folder.is_dir() or all(on_path(tool) for tool in module.tools)


def _in_cache(module: Module, tool: Executable) -> Path | None:
    path = module.cache_folder / tool.file
    return path if path.is_file() else None


@lru_cache(maxsize=64)
def _version_of(path: Path, arguments: tuple[str, ...]) -> tuple[int, ...] | None:
    """Return the first dotted number that the executable prints, such as (3, 20, 2); None when it prints none."""
    try:
        run = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\d+(?:\.\d+)+", run.stdout + run.stderr)
    return _numbers(match.group()) if run.returncode == 0 and match else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _module(name: str, folder: Path, table: dict[str, Any]) -> Module:
    return Module(
        name=name,
        folder=folder,
        package=table.get("package", "tool"),
        flags=tuple(table["flags"]),
        extra_files=tuple(ExtraFile(**entry) for entry in table.get("extra_files", ())),
        tools=tuple(_tool(tool_name, entry) for tool_name, entry in table["tools"].items()),
        layers=tuple(table["layers"]),
        minutes=float(table["minutes"]),
    )


def _tool(name: str, entry: dict[str, Any]) -> Executable:
    return Executable(
        name=name,
        file=entry["file"],
        path_name=entry.get("path_name", entry["file"]),
        version_arguments=tuple(entry.get("version_arguments", ())),
        at_least=_numbers(entry.get("at_least", "0")),
        below=_numbers(entry.get("below", "0")),
        beside=entry.get("beside"),
    )
