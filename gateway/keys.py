"""Client keys: they say who may ask for which routes.

The keys file reads `{ID: {"sha256": hex of the whole key, "routes": [NAME, ...]}}`. A key reads `sk-sw-ID-SECRET`, with
letters, digits, `_` and `-` in ID and letters, digits and `_` in SECRET. The file holds only the SHA-256 of a key,
which is compared in constant time. This module knows no budgets; `key_files` watches the file.

`python -m gateway.keys ID ROUTE...` prints a new key on stderr and its entry on stdout. With `--beside FILE` (`-` for
stdin) it prints all entries of that file and the new one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

_KEY = re.compile(r"sk-sw-([A-Za-z0-9_-]{1,64})-([A-Za-z0-9_]{1,256})")
_NO_DIGEST = "0" * 64

KeyId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class KeysError(ValueError):
    """The keys file cannot be read. The message names file and entry, never a digest."""


class KeyEntry(BaseModel):
    """An entry admits one client.

    sha256: SHA-256 of its whole key, 64 hex digits.
    routes: the routes that it may ask for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    routes: tuple[str, ...] = Field(min_length=1)


class _KeysFile(RootModel[dict[KeyId, KeyEntry]]):
    pass


@dataclass(frozen=True)
class Client:
    """A client is an authenticated caller.

    routes: the routes that its key names; None stands for every route of the policy.
    """

    id: str
    routes: frozenset[str] | None

    def may_use(self, route: str) -> bool:
        """Tell whether this caller's key names the route."""
        return self.routes is None or route in self.routes


ANYONE = Client(id="anonymous", routes=None)
"""The caller of a gateway that was started without authentication."""


class Keys:
    """This object holds the keys in force."""

    def __init__(self, entries: Mapping[str, KeyEntry]) -> None:
        self._digests = {id_: entry.sha256 for id_, entry in entries.items()}
        self._clients = {id_: Client(id_, frozenset(entry.routes)) for id_, entry in entries.items()}

    def client_of(self, authorization: str | None) -> Client | None:
        """Tell who sent this `Authorization` header.

        The answer is None without a key, and for a malformed one, an unknown ID or a wrong secret.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        match = _KEY.fullmatch(token.strip())
        if scheme.lower() != "bearer" or match is None:
            return None
        id_ = match[1]
        # An unknown ID is compared as well, so that the time taken does not tell which IDs exist.
        expected = self._digests.get(id_, _NO_DIGEST)
        digest = hashlib.sha256(match[0].encode()).hexdigest()
        return self._clients.get(id_) if hmac.compare_digest(expected, digest) else None

    def routes_unknown_to(self, policy_routes: Mapping[str, object]) -> list[str]:
        """List the routes that some key names and the policy does not have, as `ID: ROUTE`."""
        pairs = ((client.id, client.routes or ()) for client in self._clients.values())
        return sorted(f"{id_}: {route}" for id_, routes in pairs for route in routes if route not in policy_routes)


def load_keys(path: Path) -> Keys:
    """Read a keys file. Raises KeysError with every problem of the file."""
    try:
        entries = _KeysFile.model_validate_json(path.read_bytes()).root
    except OSError as error:
        raise KeysError(f"keys file {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise KeysError("\n".join([f"keys file {path} is refused:", *lines])) from None
    return Keys(entries)


def new_key(id_: str, routes: tuple[str, ...]) -> tuple[str, dict[str, KeyEntry]]:
    """Make a key of 256 random bits, and the entry that admits it. Raises ValueError for an ID outside the alphabet."""
    key = f"sk-sw-{id_}-{secrets.token_hex(32)}"
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"{id_!r} is no key ID: letters, digits, _ and - only, at most 64")
    return key, {id_: KeyEntry(sha256=hashlib.sha256(key.encode()).hexdigest(), routes=routes)}


def beside(text: str, entry: Mapping[str, KeyEntry]) -> dict[str, KeyEntry]:
    """Return the entries of a keys file and a new one. Raises ValueError for another file and for a known ID."""
    try:
        entries = _KeysFile.model_validate_json(text).root
    except ValidationError:
        raise ValueError("what the new key shall stand beside is no keys file") from None
    taken = sorted(entries.keys() & entry.keys())
    if taken:
        raise ValueError(f"the file has a key {taken[0]} already; choose another ID, and remove the old one later")
    return {**entries, **entry}


def _main(arguments: list[str]) -> int:
    file = None
    if arguments[:1] == ["--beside"]:
        file, arguments = (arguments[1:2] or [""])[0], arguments[2:]
    if len(arguments) < 2 or file == "":
        sys.stderr.write("usage: python -m gateway.keys [--beside FILE] ID ROUTE...\n")
        return 2
    try:
        key, entries = new_key(arguments[0], tuple(arguments[1:]))
        if file is not None:
            entries = beside(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"), entries)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"{key}\n")
    sys.stdout.write(json.dumps({id_: value.model_dump() for id_, value in entries.items()}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(sys.argv[1:]))
