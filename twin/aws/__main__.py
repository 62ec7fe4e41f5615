"""The imitated AWS at the terminal: what is there, and what is to go wrong.

    python -m twin.aws show  --folder DIR
    python -m twin.aws poke  --folder DIR TYPE NAME KEY=VALUE ... | --delete
    python -m twin.aws fault --folder DIR KIND KEY=VALUE ...      | --clear
    python -m twin.aws provide --folder DIR --region R [--secret NAME] [--certificate ARN]
    python -m twin.aws fill  --folder DIR --region R SECRET=VALUE ...
    python -m twin.aws stand --folder DIR inside | connected ADDRESS | outside ADDRESS
    python -m twin.aws publish --folder DIR DAY
    python -m twin.aws reclaim --folder DIR GROUP ZONE
    python -m twin.aws regain --folder DIR GROUP
    python -m twin.aws clock --folder DIR --at "mon 06:00"
    python -m twin.aws reserve --folder DIR --region R TYPE COUNT TERM PAYMENT

Values are JSON where they parse as JSON, and text otherwise. The exit status is 1 when AWS refuses and 2 for a usage
error.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from twin.aws import clock, drift, existing, faults, reclaim, releases, reservations
from twin.aws.store import Store, StoreError
from twin.network.place import Place, stand
from twin.provider.contract import OperationError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        store = Store(options.folder)
        lines: list[str] = options.run(store, options)
    except (StoreError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except OperationError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _show(store: Store, options: argparse.Namespace) -> list[str]:
    state = store.load()
    rows = [
        f"{token.split(':')[-1]:32} {record.name:32} {identifier}"
        for token, records in sorted(state.records.items())
        for identifier, record in sorted(records.items())
    ]
    return [*rows, *(f"fault: {json.dumps(fault)}" for fault in faults.in_force(store.folder))]


def _poke(store: Store, options: argparse.Namespace) -> list[str]:
    if options.delete:
        return [f"deleted {drift.vanish(store, options.type, options.name)}"]
    if not options.settings:
        raise ValueError("nothing to change: give KEY=VALUE or --delete")
    return [f"changed {drift.poke(store, options.type, options.name, _pairs(options.settings))}"]


def _fault(store: Store, options: argparse.Namespace) -> list[str]:
    if options.clear:
        faults.put(store, [])
        return ["no faults"]
    if options.kind is None:
        raise ValueError("which fault? give a kind (quota, capacity, throttle, slow, kill, lost, lag) or --clear")
    fault = faults.with_defaults({"kind": options.kind, **_pairs(options.settings)})
    faults.put(store, [*faults.in_force(store.folder), fault])
    return [json.dumps(fault)]


def _provide(store: Store, options: argparse.Namespace) -> list[str]:
    existing.provide(store, options.region, secrets=options.secret, certificates=options.certificate)
    return [f"there is now: {name}" for name in [*options.secret, *options.certificate]]


def _stand(store: Store, options: argparse.Namespace) -> list[str]:
    stand(store.folder, Place(options.kind, options.address))
    return [f"this machine stands {options.kind}"]


def _fill(store: Store, options: argparse.Namespace) -> list[str]:
    values = {name: str(value) for name, value in _pairs(options.values).items()}
    existing.fill(store, options.region, values)
    return [f"has a value now: {name}" for name in values]


def _publish(store: Store, options: argparse.Namespace) -> list[str]:
    releases.publish(store, options.day)
    return [f"EKS recommends what it has on {options.day}"]


def _reclaim(store: Store, options: argparse.Namespace) -> list[str]:
    return reclaim.reclaim(store, options.group, options.zone)


def _regain(store: Store, options: argparse.Namespace) -> list[str]:
    return reclaim.regain(store, options.group)


def _clock(store: Store, options: argparse.Namespace) -> list[str]:
    return clock.move(store, options.at)


def _reserve(store: Store, options: argparse.Namespace) -> list[str]:
    bought = (options.instance_type, options.count, options.term, options.payment)
    reservations.buy(store, options.region, *bought)
    return [f"reserved: {options.count} × {options.instance_type}, {options.term}, {options.payment}"]


def _pairs(settings: list[str]) -> dict[str, Any]:
    pairs = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator:
            raise ValueError(f"{setting!r} is not of the form KEY=VALUE")
        try:
            pairs[key] = json.loads(value)
        except ValueError:
            pairs[key] = value
    return pairs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m twin.aws", description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: Any, purpose: str) -> argparse.ArgumentParser:
        subparser = commands.add_parser(name, help=purpose)
        subparser.add_argument("--folder", type=Path, required=True, help="folder of the imitated account")
        subparser.set_defaults(run=run)
        return subparser

    command("show", _show, "list what the account holds")
    poke = command("poke", _poke, "change or delete a resource behind Pulumi's back")
    poke.add_argument("type", help="resource type, such as NodeGroup")
    poke.add_argument("name", help="the resource's name in the program, or its id")
    poke.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    poke.add_argument("--delete", action="store_true")
    fault = command("fault", _fault, "make something go wrong")
    fault.add_argument("kind", nargs="?")
    fault.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    fault.add_argument("--clear", action="store_true", help="end all faults")
    provide = command("provide", _provide, "put things into the account that people make by hand")
    provide.add_argument("--region", required=True)
    provide.add_argument("--secret", action="append", default=[], metavar="NAME")
    provide.add_argument("--certificate", action="append", default=[], metavar="ARN")
    place = command("stand", _stand, "say where the machine stands that deploys")
    place.add_argument("kind", choices=("inside", "connected", "outside"))
    place.add_argument("address", nargs="?", help="IPv4 address as which it is seen, unless it stands inside")
    fill = command("fill", _fill, "put values into secrets, as people do by hand")
    fill.add_argument("--region", required=True)
    fill.add_argument("values", nargs="+", metavar="SECRET=VALUE")
    publish = command("publish", _publish, "let EKS recommend newer node images and add-ons")
    publish.add_argument("day", metavar="DAY", help="such as 20261215")
    reclaims = command("reclaim", _reclaim, "take the spot machines of a node group in a zone back")
    reclaims.add_argument("group", help="the node group's name in the program, or its id")
    reclaims.add_argument("zone", metavar="ZONE", help="id of the zone, such as use1-az4")
    regains = command("regain", _regain, "let a node group that lacks machines look for them again")
    regains.add_argument("group", help="the node group's name in the program, or its id")
    clocks = command("clock", _clock, "let it be a moment of the week, which scheduled actions follow")
    clocks.add_argument("--at", required=True, metavar="MOMENT", help="such as 'mon 06:00', local time of the actions")
    reserve = command("reserve", _reserve, "buy reserved instances")
    reserve.add_argument("--region", required=True)
    reserve.add_argument("instance_type", metavar="TYPE")
    reserve.add_argument("count", metavar="COUNT", type=int)
    reserve.add_argument("term", choices=tuple(reservations.SECONDS))
    reserve.add_argument("payment", choices=reservations.PAYMENTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
