"""Keys as files: read at the start, and again when a file changes.

A mounted Secret is renewed in the pod without a restart, and so is a secret that a driver mounts from a store outside
the cluster. Files that cannot be read leave the keys in force: a gateway that serves goes on serving.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.keys import Keys, KeysError, load_keys
from gateway.policy import Policy
from gateway.upstreams import MissingSecret, key_variables, read_secrets


@dataclass(frozen=True)
class KeysInForce:
    """These keys were read together.

    keys: keys of clients, None for no authentication.
    secrets: API -> Authorization header.
    """

    keys: Keys | None
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class KeyFiles:
    """The key files say where keys lie.

    keys: file with the clients' keys, None without authentication.
    secrets: folder with a file for each API key, named as the policy's variable; None where the environment has all.
    environment: variables of the process.
    """

    policy: Policy
    keys: Path | None
    secrets: Path | None
    environment: Mapping[str, str] = field(repr=False)

    def read(self) -> KeysInForce:
        """Read everything; a file goes before a variable of the same name. Raises KeysError and MissingSecret."""
        variables = dict(self.environment)
        for variable, path in self._secret_files().items():
            if path.is_file():
                variables[variable] = path.read_text(encoding="utf-8").strip()
        keys = None if self.keys is None else load_keys(self.keys)
        return KeysInForce(keys, read_secrets(self.policy, variables))

    def content(self) -> tuple[bytes, ...]:
        """Return what the files hold, by which a change is seen."""
        paths = [*([] if self.keys is None else [self.keys]), *self._secret_files().values()]
        return tuple(path.read_bytes() if path.is_file() else b"" for path in paths)

    def _secret_files(self) -> dict[str, Path]:
        if self.secrets is None:
            return {}
        return {variable: self.secrets / variable for variable in sorted(key_variables(self.policy))}


async def keep_reading(
    files: KeyFiles, known: tuple[bytes, ...], interval_s: float, take: Callable[[KeysInForce], None]
) -> None:
    """Look at the files for ever, and hand on what they hold whenever it is something else than `known`."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            content = await asyncio.to_thread(files.content)
        except OSError as error:
            logging.warning("keys cannot be read, and the old ones stay in force: %s", error)
            continue
        if content == known:
            continue
        try:
            take(await asyncio.to_thread(files.read))
            known = content
            logging.info("keys that changed are in force")
        except (KeysError, MissingSecret, UnicodeDecodeError) as error:
            known = content  # said once; another content is looked at again
            logging.warning("keys that changed are not taken, and the old ones stay in force: %s", error)
        except OSError as error:
            logging.warning("keys that changed cannot be read, and the old ones stay in force: %s", error)
