"""Waiting for the document that this gateway was rolled out for.

A rollout names its document by digest. The kubelet may mount an older one for a moment, and a gateway that served it
would end the rollout with the wrong policy in force. So nothing is served before the bytes of that digest are there:
`/livez` answers, `/readyz` is 503 and says why. Whether the document is any good is not judged here. Once it has been
there, nobody looks again: a gateway keeps the document that it started with.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from gateway.document import PolicyError, digest_of, read_document
from gateway.settings import GatewaySettings

_log = logging.getLogger("spillway.gateway")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def expected_digest(text: str) -> str:
    """Return the digest as the command line states it. Raises ValueError for anything but `sha256:` and 64 digits."""
    if not _DIGEST.fullmatch(text):
        raise ValueError(f"not a digest (sha256: and 64 hexadecimal digits): {text}")
    return text


class Waiting:
    """The wait of one gateway.

    path: file of the document.
    expected: digest of the document that is waited for.
    """

    def __init__(self, path: Path, expected: str, settings: GatewaySettings) -> None:
        self._path = path
        self._expected = expected
        self._settings = settings
        self._found = ""

    def look(self) -> bytes | None:
        """Return the document, or None while another one is there. Raises `PolicyError` when nothing can be read."""
        text = read_document(self._path)
        found = digest_of(text)
        if found == self._expected:
            return text
        if found != self._found:
            self._found = found
            _log.warning("%s", self.reason)
        return None

    @property
    def reason(self) -> str:
        """What is waited for and what is there instead."""
        return f"waiting for policy {self._expected}: {self._path} is {self._found or 'not read yet'}"

    async def document(self) -> bytes:
        """Look until the document is there.

        Raises `PolicyError` when it does not come within `document_wait_s`: the end of the process tells whoever awaits
        the rollout why it does not end.
        """
        most_s = self._settings.document_wait_s
        try:
            async with asyncio.timeout(most_s):
                while (text := await asyncio.to_thread(self.look)) is None:
                    await asyncio.sleep(self._settings.document_look_s)
        except TimeoutError:
            raise PolicyError(str(self._path), [f"gave up after {most_s:g} s of {self.reason}"]) from None
        return text

    @asynccontextmanager
    async def probes(self, host: str, *ports: int) -> AsyncIterator[list[int]]:
        """Answer probes on these ports meanwhile; a port of 0 is chosen freely. Raises OSError when one is taken."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            for port in ports:
                await web.TCPSite(runner, host, port).start()
            yield [address[1] for address in runner.addresses]
        finally:
            await runner.cleanup()

    async def _livez(self, http: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, http: web.Request) -> web.Response:
        return web.Response(status=503, text=f"{self.reason}\n")
