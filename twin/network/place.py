"""Where the machine stands that runs `pulumi`: the file `place.json` in the folder of the imitated account.

inside      in the VPC of whichever cluster it calls, as a runner in one of its subnets does
connected   in a network that is peered with every VPC of the account, or joined to it by VPN
outside     anywhere else, behind one public address
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from twin.aws.store import write_whole

_FILE: Final = "place.json"


@dataclass(frozen=True)
class Place:
    """A place is where a machine stands.

    address: IPv4 address as which it is seen; None inside, where it is one of the VPC's own.
    """

    kind: Literal["inside", "connected", "outside"] = "inside"
    address: str | None = None

    def __post_init__(self) -> None:
        if (self.address is None) != (self.kind == "inside"):
            raise ValueError(f"a machine that stands {self.kind} has {self.address or 'no address'}")


def stand(account_folder: Path, place: Place) -> None:
    """Let the machine stand there from now on."""
    write_whole(account_folder / _FILE, json.dumps(asdict(place)).encode())


def place_of(account_folder: Path) -> Place:
    """Return where the machine stands; inside, where nobody has said anything."""
    try:
        return Place(**json.loads((account_folder / _FILE).read_text()))
    except FileNotFoundError:
        return Place()
