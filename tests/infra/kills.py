"""An environment on the twin that is killed again and again while it comes up: the AWS half of the program, for real.

What stands in the cluster (namespaces, pools, gateway) is left out, so that no control plane is needed. A kill ends the
engine and all that it started, with no warning, after a drawn number of orders that AWS has taken.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.engine import Engine, Outcome, kill, stage
from tests.infra import locks
from tests.infra.checkout import checkout, published

AWS_HALF = """
import pulumi
import infra.on_amazon as program
from infra.program import deploy


class Nothing(pulumi.ComponentResource):
    def __init__(self, name, args=None, opts=None):
        super().__init__(f"spillway:test:{type(self).__name__}", name, None, None)
        self.address = pulumi.Output.from_input(name)
        self.releases = [self.address]

    def of(self, pool):
        return []


program.in_cluster = lambda cluster, platform: None
for part in ("PlatformLayer", "WeightsCopies", "ServingPool", "GatewayRelease"):
    setattr(program, part, type(part, (Nothing,), {}))
deploy()
"""
SECONDS_OF_A_MINUTE = "0.1"


@dataclass
class Survival:
    """What became of the environment.

    kills: after how many orders each run was killed.
    told: what runs said of strays, in order.
    last: the run that came to its end.
    again: a preview after it.
    doubles: types and names of what AWS holds more than once.
    unknown: what AWS holds and the state does not know.
    """

    kills: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    last: Outcome | None = None
    again: Outcome | None = None
    names: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: set[tuple[str, str]] = field(default_factory=set)
    left: dict[str, list[str]] = field(default_factory=dict)


def aws_half(folder: Path) -> Engine:
    """The AWS half of the program on a stage of its own, with its lock written."""
    root = checkout(folder / "checkout")
    (root / "__main__.py").unlink()
    (root / "__main__.py").write_text(AWS_HALF)
    locks.write(root / "environments", locks.plan())
    engine = published(Engine(stage(folder / "stage"), root, "prod", {"SPILLWAY_RUNNER": "inside"}))
    engine.extra["SPILLWAY_TWIN_MINUTE"] = SECONDS_OF_A_MINUTE
    return engine


def survive(folder: Path, seed: int, kills: int, most_orders: int) -> Survival:
    """Bring the environment up through this many kills, look at it, and destroy it.

    most_orders: how many orders a run may bring to AWS before it is killed.
    """
    drawn, engine, found = random.Random(seed), aws_half(folder), Survival()
    for _ in range(kills):
        orders = drawn.randint(1, most_orders)
        if not _killed(engine, orders, found):
            break
        found.kills.append(orders)
        engine.cancel()
    found.last = engine.up()
    found.told += [line for line in found.last.diagnostics if "DEP08" in line]
    found.again = engine.preview()
    state = engine.account.load()
    held = [(token, record.name) for token, records in state.records.items() for record in records.values()]
    found.names = Counter(held)
    resources = engine.stack_export()["deployment"].get("resources", ())
    found.unknown = set(held) - {(item["type"], item["urn"].rsplit("::", 1)[-1]) for item in resources}
    engine.destroy()
    after = engine.account.load().records
    found.left = {token: sorted(r.name for r in records.values()) for token, records in after.items() if records}
    return found


def _killed(engine: Engine, orders: int, found: Survival) -> bool:
    """Start a run and kill it once it has brought this many orders to AWS; False where it has ended before."""
    first = engine.account.load().generation
    running = engine.start("up", "--yes", "--skip-preview")
    try:
        while running.poll() is None and engine.account.load().generation < first + orders:
            time.sleep(0.02)
        ended = running.poll() is not None
    finally:
        kill(running)
    with contextlib.suppress(ValueError):
        output = (running.stdout.read() if running.stdout else "") + (running.stderr.read() if running.stderr else "")
        found.told += [line.strip() for line in output.splitlines() if "DEP08" in line]
        if ended and running.returncode != 0:
            raise AssertionError(f"a run after a kill ended with {running.returncode}:\n{output}")
    return not ended
