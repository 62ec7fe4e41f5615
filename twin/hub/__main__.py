"""`python -m twin.hub --folder FOLDER [--port P]` serves an imitated Hub until it is told to stop.

When it listens, one line of JSON on stdout says so: `{"port": …}`. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from twin import loopback
from twin.hub.server import application
from twin.hub.world import World


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes. The exit code is 0 then, and 2 for a port that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m twin.hub", description="Hugging Face's Hub, imitated.")
    parser.add_argument("--folder", type=Path, required=True, help="folder of OWNER/NAME/REVISION/FILES")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    options = parser.parse_args(arguments)
    try:
        loopback.run(
            loopback.serve(application(World.of_folder(options.folder)), options.port, _listening), options.port
        )
    except loopback.PortError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _listening(port: int) -> None:
    print(json.dumps({"port": port}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
