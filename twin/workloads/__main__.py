"""`python -m twin.workloads` runs what the ready pods of a cluster would run, until it is told to stop.

    python -m twin.workloads --kubeconfig FILE --folder DIR --clocks FILE [--account DIR --region R] [--offers FILE]

It says one line on stdout, `ready` or the reason why not, when it has looked at the cluster for the first time. Then it
follows the cluster; `DIR/network.json` says what runs and what does not. SIGTERM and SIGINT end it, and so does the end
of its stdin: whoever started it is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvloop

from twin import loopback
from twin.addresses import NoAddressError
from twin.api.offers import OffersFileError, read_offers
from twin.engine.clock import EngineClock
from twin.workloads.kubelet import Kubelet
from twin.workloads.objects import Cluster, ClusterAwayError
from twin.workloads.vault import AccountVault, no_vault

INTERVAL_S: Final = 0.3
"""Time between two looks at the cluster, seconds."""
START_S: Final = 45.0
"""Longest wait for programs to be ready, seconds. A healthy start takes two; a busy machine is slow."""


def main(arguments: list[str] | None = None) -> int:
    """Run until the end. The exit code is 0 then, and 1 if a ready pod could not be run at the first look."""
    options = _parser().parse_args(arguments)
    try:
        clocks = {
            name: EngineClock.model_validate(clock) for name, clock in json.loads(options.clocks.read_text()).items()
        }
        offers = None if options.offers is None else read_offers(options.offers)
    except (OSError, ValueError, OffersFileError) as error:
        print(f"error: {error}", flush=True)
        return 2
    vault = no_vault if options.account is None else AccountVault(options.account, options.region)
    options.folder.joinpath("pods").mkdir(parents=True, exist_ok=True)
    cluster = Cluster(options.kubeconfig)
    try:
        return int(uvloop.run(_follow(Kubelet(options.folder, cluster, clocks, vault, offers))))
    finally:
        cluster.close()


async def _follow(kubelet: Kubelet) -> int:
    stop = loopback.stop_signal()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    try:
        if problems := await _first_look(kubelet, stop):
            print(f"error: {problems}", flush=True)
            return 1
        print("ready", flush=True)
        while not stop.is_set():
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await stop.wait()
            except TimeoutError:
                with suppress(ClusterAwayError):  # what runs goes on without its control plane
                    await kubelet.settle()
        return 0
    except (NoAddressError, ClusterAwayError) as error:
        print(f"error: {error}", flush=True)
        return 1
    finally:
        await kubelet.end()


async def _first_look(kubelet: Kubelet, stop: asyncio.Event) -> str:
    """Look until every ready pod serves; return what keeps one from it."""
    deadline = asyncio.get_running_loop().time() + START_S
    while not stop.is_set():
        await kubelet.settle()
        if kubelet.problems or not kubelet.awaited:
            return "; ".join(kubelet.problems.values())
        if asyncio.get_running_loop().time() > deadline:
            return f"not ready within {START_S:.0f} s: {', '.join(sorted(kubelet.awaited))}"
        await asyncio.sleep(0.05)
    return "told to stop"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m twin.workloads", description="What ready pods would run.")
    parser.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE", help="of the cluster")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="where files and logs of pods lie")
    parser.add_argument("--clocks", type=Path, required=True, metavar="FILE", help="served name -> clock of its engine")
    parser.add_argument("--account", type=Path, metavar="DIR", help="folder of the imitated account with the secrets")
    parser.add_argument("--region", default="us-east-1", help="region of the secrets (default: %(default)s)")
    parser.add_argument("--offers", type=Path, metavar="FILE", help="what hosted APIs sell (twin.api)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
