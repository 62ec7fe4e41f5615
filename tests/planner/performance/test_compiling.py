"""Compiled code is never older than its sources, and does without a cache that cannot be written."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from numba.core.caching import CacheImpl

from planner.performance.engine import compiling
from planner.performance.engine.sources import COMPILED_MODULES

INNER = "from compiling import compiled\n\n@compiled\ndef inner(x):\n    return x + {}\n"
OUTER = "from compiled_step import inner\n" + INNER.replace("inner", "outer").replace("x + {}", "inner(x)")


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of compiled modules: `outer` in one calls `inner` in another."""
    shutil.copy(compiling.__file__, tmp_path / "compiling.py")
    for name in COMPILED_MODULES[1:]:
        (tmp_path / name).write_text("")
    (tmp_path / "compiled_step.py").write_text(INNER.format(1.0))
    (tmp_path / "loop.py").write_text(OUTER)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def loaded() -> ModuleType:
    """The folder's outer module as a new process would find it."""
    for name in ("compiling", "compiled_step", "loop"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return importlib.import_module("loop")


def test_a_change_in_a_called_module_compiles_the_caller_anew(sources: Path) -> None:
    assert loaded().outer(1.0) == 2.0
    again = loaded().outer
    assert again(1.0) == 2.0
    assert sum(again.stats.cache_hits.values()) == 1
    (sources / "compiled_step.py").write_text(INNER.format(10.0))
    changed = loaded().outer
    assert changed(1.0) == 11.0
    assert not changed.stats.cache_hits


def test_the_machine_code_lies_beside_the_sources(sources: Path) -> None:
    loaded().outer(1.0)
    assert list((sources / "__pycache__").glob("loop.outer-*.nbc"))


def test_without_a_folder_to_write_code_is_compiled_in_memory(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert loaded().outer(1.0) == 2.0
    assert not list(sources.glob("**/*.nbc"))


def test_every_compiled_module_is_in_the_list() -> None:
    folder = Path(compiling.__file__).parent
    using = {each.name for each in folder.glob("*.py") if "@compiled" in each.read_text()}
    assert using <= set(COMPILED_MODULES)
    assert all((folder / name).exists() for name in COMPILED_MODULES)
