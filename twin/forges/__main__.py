"""`python -m twin.forges` serves the imitated forges until it is told to stop.

    python -m twin.forges --port P [--head COMMIT]

When it listens, one line of JSON on stdout says so: `{"port": …}`. SIGTERM and SIGINT end it. It knows the pull request
7 of `team/serving`, and the tokens of `world.TOKENS`.
"""

from __future__ import annotations

import argparse
import json
import sys

from twin import loopback
from twin.forges.server import application
from twin.forges.world import HEAD, World


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes. The exit code is 0 then, and 2 for a port that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m twin.forges", description="Forges of pull requests, imitated.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--head", default=HEAD, help="newest commit of the pull request")
    options = parser.parse_args(arguments)
    try:
        loopback.run(loopback.serve(application(World(head=options.head)), options.port, _listening), options.port)
    except loopback.PortError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _listening(port: int) -> None:
    print(json.dumps({"port": port}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
