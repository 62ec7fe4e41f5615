"""`python -m twin.api` serves the providers of an offers file until it is told to stop.

    python -m twin.api --offers FILE --port P [--speed 10] [--stream-interval K]

When it listens, one line of JSON on stdout says so: `{"port": …}`. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from twin import loopback
from twin.api.ledger import Ledger
from twin.api.offers import OffersFileError, read_offers
from twin.api.server import application


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes. The exit code is 0 then, and 2 for a file or a port that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m twin.api", description="Hosted model providers, imitated.")
    parser.add_argument("--offers", type=Path, required=True, metavar="FILE", help="providers, models, prices, limits")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="times faster than real time")
    parser.add_argument("--stream-interval", type=int, default=16, help="tokens gathered in one chunk")
    options = parser.parse_args(arguments)
    if not 0 < options.speed < float("inf") or options.stream_interval < 1:
        parser.error("--speed must be above 0 and --stream-interval at least 1")
    try:
        offers = read_offers(options.offers)
        app = application(offers, Ledger(), options.speed, options.stream_interval)
        loopback.run(loopback.serve(app, options.port, _listening), options.port)
    except (OffersFileError, loopback.PortError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _listening(port: int) -> None:
    print(json.dumps({"port": port}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
