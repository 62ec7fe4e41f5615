"""Where Chromium is, and what set-up does and says where it is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tools import chromium
from tools.browser import opened
from tools.chromium import NoBrowserError, executable, install


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without any program, and no browser named."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def _program(path: Path, script: str = "#!/bin/sh\nexit 3\n") -> Path:
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_named_browser_wins_over_the_path(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _program(bare / "chromium-browser")
    assert executable() == str(found)
    monkeypatch.setenv("CHROMIUM", "/opt/own/chrome")
    assert executable() == "/opt/own/chrome"


def test_without_a_browser_there_is_a_way_out(bare: Path) -> None:
    with pytest.raises(NoBrowserError, match="apt-get install chromium"):
        executable()


def test_a_browser_that_ends_at_once_is_said(bare: Path) -> None:
    _program(bare / "chromium")

    async def start() -> None:
        async with opened():
            pass

    with pytest.raises(NoBrowserError, match="ended at once with exit code 3"):
        asyncio.run(start())


def test_set_up_installs_nothing_where_a_browser_is(bare: Path) -> None:
    _program(bare / "chromium")
    said: list[str] = []
    install(said.append)
    assert said == []


@pytest.mark.parametrize(("user", "packages"), [(1000, True), (0, False)], ids=["no root", "no Debian"])
def test_set_up_says_what_is_skipped(bare: Path, monkeypatch: pytest.MonkeyPatch, user: int, packages: bool) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    if packages:
        _program(bare / "apt-get")
    said: list[str] = []
    install(said.append)
    assert len(said) == 1
    assert said[0].startswith("tests of the HTML report are skipped: no Chromium is installed")


def test_set_up_installs_it_as_root_on_debian(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    _program(bare / "apt-get", f'#!/bin/sh\necho "$@" >> {bare}/log\n')
    said: list[str] = []
    install(said.append)
    assert said == ["installing Chromium for the tests of the HTML report"]
    assert (bare / "log").read_text(encoding="utf-8").splitlines() == [" ".join(each[1:]) for each in chromium.INSTALL]


def test_packages_that_cannot_be_had_are_no_failure(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    _program(bare / "apt-get", "#!/bin/sh\nexit 100\n")
    said: list[str] = []
    install(said.append)
    assert "could not be installed" in said[-1]


def test_set_up_has_a_part_for_it() -> None:
    run = subprocess.run([sys.executable, "-m", "tools.setup", "nothing"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "[browser]" in run.stderr
