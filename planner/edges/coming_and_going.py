"""Engine twins that come and go during a play, and the DNS through which the gateway finds them.

Every replica has a loopback address of its own, as a pod has an IP address, and the gateway looks the names of its
policy up in a file that stands for the cluster's DNS (`twin.workloads.container`). So it finds replicas as in
production: by the records behind a headless Service, at its own interval.

All programs are started before the curtain rises, because the start of a Python program is this machine's time and not
the plan's. Who comes later is called by nobody before its address is listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.documents.scenes import Cue, Plot, Stint
from planner.edges.children import Child
from planner.edges.probe import ProcessorMeter

POOL_PORT = 8000
"""Port of every replica, which is that of the policy's names."""


class ComingAndGoing:
    """The engine twins of a plot, while it is played.

    programs: one program for each stint.
    addresses: addresses of its replicas, by stint.
    records: file that stands for the DNS.
    """

    def __init__(
        self, plot: Plot, programs: Sequence[Child], addresses: Sequence[Sequence[str]], records: Path
    ) -> None:
        self._stints: tuple[Stint, ...] = plot.stints
        self._cues = list(plot.cues)
        self._programs = programs
        self._addresses = addresses
        self._records = records
        self._listed: set[int] = set()
        self._leaving: set[int] = set()
        self._names: Mapping[str, str] = {}

    def raise_curtain(self, policy: Mapping[str, Any]) -> None:
        """Write the records of who is there at the start, under the names that a policy has for its pools."""
        self._names = {name: pool["address"].rpartition(":")[0] for name, pool in policy["pools"].items()}
        self._play(0.0, lambda _: None, None)
        self._write()

    @property
    def alive(self) -> list[Child]:
        """The programs that must not end now."""
        return [program for index, program in enumerate(self._programs) if index not in self._leaving]

    @property
    def lasting_urls(self) -> list[str]:
        """URLs of the replicas that stay to the end."""
        return [
            f"http://{address}:{POOL_PORT}"
            for stint, addresses in zip(self._stints, self._addresses, strict=True)
            for address in addresses
            if stint.stays
        ]

    def advance(self, now_ms: float, note: Callable[[str], None], meter: ProcessorMeter) -> None:
        """Let everything happen that is due, ms after the start of the traffic."""
        if self._play(now_ms, note, meter):
            self._write()

    def _play(self, now_ms: float, note: Callable[[str], None], meter: ProcessorMeter | None) -> bool:
        changed = False
        while self._cues and self._cues[0].at_ms <= now_ms:
            changed |= self._happen(self._cues.pop(0), note, meter)
        return changed

    def _happen(self, cue: Cue, note: Callable[[str], None], meter: ProcessorMeter | None) -> bool:
        """Let one thing happen, and say whether the records changed."""
        program, stint = self._programs[cue.stint], self._stints[cue.stint]
        about = f"{stint.replicas} of pool {stint.pool}"
        match cue.what:
            case "listed":
                self._listed.add(cue.stint)
                if stint.serves_ms:
                    note(f"serving: {about}")
            case "unlisted":
                self._listed.discard(cue.stint)
            case "asked":
                note(f"leaving: {about}")
                if meter is not None:
                    meter.close(program)
                self._leaving.add(cue.stint)
                program.ask_to_end()
            case "killed":
                program.kill()
        return cue.what in ("listed", "unlisted")

    def _write(self) -> None:
        names: dict[str, dict[str, list[tuple[str, None]]]] = {}
        for index in sorted(self._listed):
            places = [(address, None) for address in self._addresses[index]]
            ports = names.setdefault(self._names[self._stints[index].pool], {})
            ports.setdefault(str(POOL_PORT), []).extend(places)
        aside = self._records.with_suffix(".part")
        aside.write_text(json.dumps({"names": names}))
        aside.replace(self._records)
