"""Where Chromium is, and how set-up gets it: the tests of the HTML report open pages in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names under which the browser may be installed."""
INSTALL = (("apt-get", "update", "-qq"), ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"))
"""How Debian installs it."""
MOST_S = 600
"""How long one of these commands may take, seconds."""


class NoBrowserError(Exception):
    """There is no browser, or it does not start."""


def executable() -> str:
    """The browser's program: `CHROMIUM` names it, or it is found on the PATH. Raises `NoBrowserError`."""
    named = os.environ.get("CHROMIUM")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise NoBrowserError("no Chromium is installed: `apt-get install chromium`, or name it in CHROMIUM")
    return found


def install(report: Callable[[str], None]) -> None:
    """Install the browser where root may and Debian's packages are there; otherwise say what is skipped without it."""
    try:
        executable()
    except NoBrowserError as error:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            report(f"tests of the HTML report are skipped: {error}")
            return
        report("installing Chromium for the tests of the HTML report")
        try:
            for command in INSTALL:
                subprocess.run(command, check=True, capture_output=True, timeout=MOST_S)
        except (OSError, subprocess.SubprocessError) as failed:
            report(f"tests of the HTML report are skipped: Chromium could not be installed: {failed}")
