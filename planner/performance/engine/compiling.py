"""How functions are compiled: by numba, once on a machine, and again when any compiled module has changed.

The machine code lies in `__pycache__` beside the sources. Where that folder cannot be written, numba keeps the code in
the user's cache folder, or in NUMBA_CACHE_DIR when that is set. Where nothing can be written, each run compiles in
memory.

numba by itself looks only at the file of the function. A new formula of the clock would then leave the old one inside
the cached simulator. Here the cache is as fresh as the text of all compiled modules.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import FunctionCache

from planner.performance.engine.sources import COMPILED_MODULES, sources_digest

CompiledFunction = TypeVar("CompiledFunction", bound=Callable[..., Any])
SOURCES = sources_digest(COMPILED_MODULES, Path(__file__).parent)
"""Digest of the simulator's own text: what it computed before a change is not what it computes now."""


class _Cache(FunctionCache):
    """numba's cache on disk. Its stamp covers all sources, instead of the time and the size of one file."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file._source_stamp = SOURCES


def compiled(function: CompiledFunction) -> CompiledFunction:
    """Compile a function at its first call. The machine code holds no Python object and frees the interpreter."""
    return _dispatcher(function, {})


def compiled_part(function: CompiledFunction) -> CompiledFunction:
    """Compile a function that only compiled functions call. This saves a fifth of the time to compile it."""
    return _dispatcher(function, {"no_cpython_wrapper": True, "no_cfunc_wrapper": True})


def _dispatcher(function: CompiledFunction, options: dict[str, Any]) -> CompiledFunction:
    dispatcher: Any = njit(nogil=True, error_model="numpy", **options)(function)
    try:
        dispatcher._cache = _Cache(function)
    except RuntimeError:  # no folder that may be written
        return cast(CompiledFunction, dispatcher)
    return cast(CompiledFunction, dispatcher)
