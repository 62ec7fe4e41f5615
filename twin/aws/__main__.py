"""The imitated AWS at the terminal: what is there, and what is to go wrong.

    python -m twin.aws show  --folder DIR
    python -m twin.aws poke  --folder DIR TYPE NAME KEY=VALUE ... | --delete
    python -m twin.aws fault --folder DIR KIND KEY=VALUE ...      | --clear
    python -m twin.aws provide --folder DIR --region R [--secret NAME] [--certificate ARN]

Values are JSON where they parse as JSON and text otherwise. Exit status 1 when AWS refuses, 2 for a usage error.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from twin.aws import drift, existing, faults
from twin.aws.store import Store, StoreError
from twin.provider.contract import OperationError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    given = _parser().parse_args(arguments)
    try:
        store = Store(given.folder)
        lines: list[str] = given.run(store, given)
    except (StoreError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except OperationError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _show(store: Store, given: argparse.Namespace) -> list[str]:
    state = store.load()
    rows = [
        f"{token.split(':')[-1]:32} {record.name:32} {identifier}"
        for token, records in sorted(state.records.items())
        for identifier, record in sorted(records.items())
    ]
    return [*rows, *(f"fault: {json.dumps(fault)}" for fault in faults.in_force(store.folder))]


def _poke(store: Store, given: argparse.Namespace) -> list[str]:
    if given.delete:
        return [f"deleted {drift.vanish(store, given.type, given.name)}"]
    if not given.settings:
        raise ValueError("nothing to change: give KEY=VALUE or --delete")
    return [f"changed {drift.poke(store, given.type, given.name, _pairs(given.settings))}"]


def _fault(store: Store, given: argparse.Namespace) -> list[str]:
    if given.clear:
        faults.put(store, [])
        return ["no faults"]
    if given.kind is None:
        raise ValueError("which fault? give a kind (quota, capacity, throttle, slow, kill) or --clear")
    added = faults.checked({"kind": given.kind, **_pairs(given.settings)})
    faults.put(store, [*faults.in_force(store.folder), added])
    return [json.dumps(added)]


def _provide(store: Store, given: argparse.Namespace) -> list[str]:
    existing.provide(store, given.region, secrets=given.secret, certificates=given.certificate)
    return [f"there is now: {name}" for name in [*given.secret, *given.certificate]]


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
        made = commands.add_parser(name, help=purpose)
        made.add_argument("--folder", type=Path, required=True, help="folder of the imitated account")
        made.set_defaults(run=run)
        return made

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
    return parser


if __name__ == "__main__":
    sys.exit(main())
