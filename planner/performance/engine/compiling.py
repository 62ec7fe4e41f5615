"""How functions are compiled: by numba, once a machine, and again when any compiled module has changed.

The machine code lies in `__pycache__` beside the sources. Where that cannot be written numba keeps it in the user's
cache folder, or in NUMBA_CACHE_DIR when that is set; where nothing can be written each run compiles in memory.

numba by itself looks at the file of the function alone, so a new formula of the clock would leave the old one inside
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
"""Of the simulator's own text: what it computed before a change of it is not what it computes now."""


class _Cache(FunctionCache):
    """numba's cache on disk, stamped with all sources instead of one file's time and size."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file._source_stamp = SOURCES


def compiled(function: CompiledFunction) -> CompiledFunction:
    """The function as machine code, made at its first call. It holds no Python object and frees the interpreter."""
    return _cached(function, {})


def compiled_part(function: CompiledFunction) -> CompiledFunction:
    """The same, callable from compiled functions alone, which saves a fifth of the time to compile it."""
    return _cached(function, {"no_cpython_wrapper": True, "no_cfunc_wrapper": True})


def _cached(function: CompiledFunction, options: dict[str, Any]) -> CompiledFunction:
    dispatcher: Any = njit(nogil=True, error_model="numpy", **options)(function)
    try:
        dispatcher._cache = _Cache(function)
    except RuntimeError:  # no folder that may be written
        return cast(CompiledFunction, dispatcher)
    return cast(CompiledFunction, dispatcher)
