"""Kills a run of the AWS half of an environment at drawn points, and says what the next ones made of it.

    python -m benchmarks.kills [--kills 20] [--seed 13] [--most-orders 5]

It needs the tools of `make setup`. A run is killed once AWS has taken a drawn number of its orders; the next one goes
on, until it is killed as well. The last comes to its end. Wanted: it ends well, AWS holds each resource once and the
state knows it, a preview shows no change, and `destroy` leaves the key only, whose deletion is pending.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.infra.kills import survive

AFTERLIFE = {"aws:kms/key:Key"}


def main() -> int:
    """Run it and return the exit status: 1 where something was left."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--most-orders", type=int, default=5)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="spillway-kills-") as folder:
        found = survive(Path(folder), options.seed, options.kills, options.most_orders)
    assert found.last is not None
    assert found.again is not None
    twice = sorted(name for name, count in found.names.items() if count > 1)
    left = {token: names for token, names in found.left.items() if token not in AFTERLIFE}
    rows = [
        ("killed after orders", found.kills),
        ("taken into the state", sum("DEP085" in line for line in found.told)),
        ("told as left over", sum("DEP086" in line for line in found.told)),
        ("resources at AWS", sum(found.names.values())),
        ("held twice", twice),
        ("not in the state", sorted(found.unknown)),
        ("last run ended with", found.last.status),
        ("changes in a preview", found.again.changed()),
        ("left by destroy", left),
        ("seconds", round(time.monotonic() - began)),
    ]
    for name, value in rows:
        print(f"{name:22} {value}")
    return int(bool(twice or found.unknown or found.last.status or found.again.changed() or left))


if __name__ == "__main__":
    sys.exit(main())
