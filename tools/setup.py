"""Set-up of a checkout: `python -m tools.setup python`, `… tools`, `… browser`. Called by the Makefile.

`planner` installs what planning and reviewing need, and no more. `cache` prints how a cache of that is called. Both are
for continuous integration (action.yml, ci/gitlab.yml).

Progress and complaints go to stderr. Exit code 0: all is there; 1: something could not be had, and the message says
what is skipped without it; 130: interrupted (what was finished stays, the next run takes up the rest).
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036  this runs before any environment that could promise it
    sys.exit(f"Python 3.11 or newer is needed; this is {sys.version_info[0]}.{sys.version_info[1]}.")

import signal
from pathlib import Path

from tools import chromium, go_tools, python_environment

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    """Run the parts of set-up named in `arguments`; no name runs none and explains."""
    if not arguments or not set(arguments) <= {"python", "planner", "cache", "tools", "browser"}:
        print("usage: python -m tools.setup [python] [planner] [cache] [tools] [browser]", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a build is ended with its compilers
    try:
        if "python" in arguments:
            python_environment.install(ROOT, _say)
        if "planner" in arguments:
            python_environment.install(ROOT, _say, python_environment.PLANNER)
        if "cache" in arguments:
            for name, value in python_environment.cached(ROOT, python_environment.PLANNER).items():
                print(f"{name}={value}")
        if "tools" in arguments:
            go_tools.install(_say)
        if "browser" in arguments:
            chromium.install(_say)
    except (python_environment.InstallError, go_tools.BuildError) as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


def _say(line: str) -> None:
    print(f"set-up: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
