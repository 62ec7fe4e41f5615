"""The folder in which an imitated AWS account lives.

    state.json         format, account, generation, and one record for each resource
    moto-<n>.pickle    moto's own state of that generation (world.py)
    faults.json        what is made to go wrong (faults.py)
    lock               held while one operation reads and writes
    nodes.lock         held while nodes follow instances (instances.py)

A record is what AWS knows of a resource, written in Pulumi's property names. Each transaction reads the latest
generation and writes the next one whole, or nothing: the snapshot first, then `state.json` by rename. A killed process
therefore leaves the previous generation.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twin.provider.contract import OperationError
from twin.provider.wire import Properties

FORMAT: Final = 1
DEFAULT_ACCOUNT: Final = "123456789012"
EXISTING: Final = "existing."
"""Prefix of the tables whose objects were there before any program (existing.py)."""
ACCOUNT_FOLDER_VARIABLE: Final = "SPILLWAY_TWIN_AWS"
ACCOUNT_ID_VARIABLE: Final = "SPILLWAY_TWIN_AWS_ACCOUNT"


class StoreError(OperationError):
    """The folder cannot be used. The message says what to do."""


@dataclass
class ResourceRecord:
    """A record is one resource at the imitated AWS.

    name: its name in the program that made it.
    becoming, until: what AWS makes of it (`CREATING`, `UPDATING`, `DELETING`), and until when, seconds since 1970.
    """

    name: str
    region: str
    inputs: Properties
    outputs: Properties
    becoming: str = ""
    until: float = 0.0

    def status(self) -> str | None:
        """Return what AWS makes of it while that lasts, None while it rests."""
        return self.becoming if self.until > time.time() else None

    def is_gone(self) -> bool:
        """Tell whether a deletion has come to its end, with or without somebody who waited for it."""
        return self.becoming == "DELETING" and self.status() is None


@dataclass
class AccountState:
    """The state holds everything that an operation may read or change within one transaction."""

    account: str
    generation: int = 0
    snapshot: str | None = None
    records: dict[str, dict[str, ResourceRecord]] = field(default_factory=dict)
    """Type token -> id -> record."""
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Objects of the calls that moto lacks: table -> key -> object."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """What is made to go wrong now (faults.py). It is not a part of the account and never saved with it."""

    def find(self, token: str, **values: Any) -> list[ResourceRecord]:
        """Return the records of a type whose outputs have these values, ordered by id."""
        records = sorted(self.records.get(token, {}).items())
        return [record for _, record in records if all(record.outputs.get(k) == v for k, v in values.items())]


class Store:
    """A store is one account's folder.

    Raises `StoreError` when the folder is not one or was written by another version.
    """

    def __init__(self, folder: Path, account: str | None = None) -> None:
        self.folder = folder
        self._account = account or os.environ.get(ACCOUNT_ID_VARIABLE) or DEFAULT_ACCOUNT
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the twin's AWS folder {folder} cannot be made: {error}") from error

    @classmethod
    def from_environment(cls) -> Store:
        """Open the store that `SPILLWAY_TWIN_AWS` names."""
        folder = os.environ.get(ACCOUNT_FOLDER_VARIABLE)
        if not folder:
            raise StoreError(
                f"{ACCOUNT_FOLDER_VARIABLE} is not set: name the folder in which the imitated AWS account lives"
            )
        return cls(Path(folder))

    @contextmanager
    def exclusive_use(self, name: str = "lock") -> Iterator[None]:
        """Use the folder, or what `name` stands for, alone among threads and programs."""
        with (self.folder / name).open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def load(self) -> AccountState:
        """Read the latest generation. When there is none, the account is new."""
        path = self.folder / "state.json"
        if not path.exists():
            return AccountState(self._account)
        try:
            document = json.loads(path.read_text())
        except ValueError as error:
            raise StoreError(f"{path} is not JSON ({error}); remove the folder to start anew") from error
        if document.get("format") != FORMAT:
            raise StoreError(f"{path} has format {document.get('format')}, not {FORMAT}; remove the folder")
        records = {
            token: {identifier: ResourceRecord(**record) for identifier, record in kept.items()}
            for token, kept in document["records"].items()
        }
        return AccountState(
            account=document["account"],
            generation=document["generation"],
            snapshot=document["snapshot"],
            records={
                token: {identifier: record for identifier, record in kept.items() if not record.is_gone()}
                for token, kept in records.items()
            },
            tables=document["tables"],
        )

    def save(self, state: AccountState) -> None:
        """Make `state` the latest generation. Call this with the lock held."""
        document = {
            "format": FORMAT,
            "account": state.account,
            "generation": state.generation,
            "snapshot": state.snapshot,
            "records": {
                token: {identifier: vars(record) for identifier, record in records.items()}
                for token, records in state.records.items()
                if records
            },
            "tables": {name: table for name, table in state.tables.items() if table},
        }
        # No indent: with one, Python's slow encoder writes.
        write_whole(self.folder / "state.json", json.dumps(document, sort_keys=True, default=str).encode())
        for path in self.folder.glob("moto-*.pickle"):
            if path.name != state.snapshot:
                path.unlink(missing_ok=True)

    def is_empty(self) -> bool:
        """Tell whether nothing is left of what programs made."""
        state = self.load()
        tables = [table for name, table in state.tables.items() if not name.startswith(EXISTING)]
        return not any(state.records.values()) and not any(tables)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written: {error}") from error
