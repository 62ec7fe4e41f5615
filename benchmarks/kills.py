"""Kills runs of a whole environment at drawn points, and says what the next ones made of it.

    python -m benchmarks.kills [--kills 20] [--refreshes 3] [--destroys 4] [--seed 13] [--most-steps 16]
    python -m benchmarks.kills --each-type

It needs the tools of `make setup`. A run is killed some moments after the engine has begun a drawn number of steps, at
AWS or in the cluster; the next one goes on, until it is killed as well. The last comes to its end. Then `refresh` and
`destroy` are killed in the same way. Meanwhile AWS's list by tags goes on showing what is gone. Wanted: all ends well,
AWS holds each resource once, the state knows everything at AWS and in the cluster, a preview shows no change, and
`destroy` leaves the key only, whose deletion is pending.

With `--each-type`, no run is killed: the answer to AWS's first order of each type gets lost instead. That leaves what a
kill leaves at its worst moment, for every type.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from infra.found_again import AGAIN, BY_QUESTION, BY_TAGS
from tests.infra.kills import AFTERLIFE, Kills, Survival, lose, survive, whole
from twin.cluster import LocalCluster

TYPES = {*BY_TAGS, *BY_QUESTION, *AGAIN}
SECRET = {"aws:secretsmanager/secret:Secret"}
"""What is made before all else, and has its values when the kills begin."""


def main() -> int:
    """Run it and return the exit status: 1 where something was left."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--refreshes", type=int, default=3)
    parser.add_argument("--destroys", type=int, default=4)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--most-steps", type=int, default=16)
    parser.add_argument("--each-type", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    kills = Kills(options.kills, options.refreshes, options.destroys, options.most_steps)
    with tempfile.TemporaryDirectory(prefix="spillway-kills-") as folder, LocalCluster() as cluster:
        engine, told, unstruck = whole(Path(folder), cluster), list[str](), set[str]()
        if options.each_type:
            early = Survival()
            unstruck = TYPES - SECRET - lose(engine, TYPES - SECRET, early)
            told, kills = early.told, Kills(0)
        found = survive(engine, cluster, options.seed, kills)
    found.told = [*told, *found.told]
    rows = _told(found)
    if unstruck:
        print(f"{'answers never lost':22} {sorted(unstruck)}")
    for name, value in rows.items():
        print(f"{name:22} {value}")
    print(f"{'seconds':22} {time.monotonic() - began:.0f}")
    return int(not is_whole(found) or bool(unstruck))


def is_whole(found: Survival) -> bool:
    """Tell whether everything converged and nothing was left."""
    ended = [found.last, found.again, found.read, found.gone]
    return (
        all(outcome is None or outcome.status == 0 for outcome in ended)
        and not any(count > 1 for count in found.names.values())
        and not found.unknown
        and found.again is not None
        and not found.again.changed()
        and found.left.keys() <= AFTERLIFE
    )


def _told(found: Survival) -> dict[str, object]:
    assert found.last is not None
    assert found.again is not None
    assert found.gone is not None
    return {
        **{f"{verb}, killed after steps": steps for verb, steps in found.kills.items()},
        "taken into the state": sum("DEP085" in line for line in found.told),
        "told as left over": sum("DEP086" in line for line in found.told),
        "resources at AWS": sum(found.names.values()),
        "objects in the cluster": found.in_cluster,
        "held twice": sorted(name for name, count in found.names.items() if count > 1),
        "not in the state": sorted(found.unknown),
        "last up ended with": found.last.status,
        **({"last up said": found.last.diagnostics} if found.last.status else {}),
        "changes in a preview": found.again.changed() if found.again.status == 0 else found.again.diagnostics,
        "last refresh ended with": found.read.status if found.read else "none",
        "last destroy ended with": found.gone.status,
        "left by destroy": {kind: names for kind, names in found.left.items() if kind not in AFTERLIFE},
    }


if __name__ == "__main__":
    sys.exit(main())
