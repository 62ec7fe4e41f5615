"""`python -m twin.hub --folder FOLDER [--port P]` serves an imitated Hub until it is told to stop.

When it listens, one line of JSON on stdout says so: `{"port": …}`. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from aiohttp import web

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
        loopback.run(serve(World.of_folder(options.folder), options.port), options.port)
    except loopback.PortError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


async def serve(world: World, port: int) -> None:
    """Serve a Hub on 127.0.0.1 until a signal comes."""
    stop = loopback.stop_signal()
    runner = loopback.runner_of(application(world))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
