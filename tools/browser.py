"""A headless Chromium, spoken to over its DevTools protocol: opens a file, measures it, takes pictures, prints.

Whoever uses it sees every request that a page makes and everything that it writes to its console. No name is resolved,
so that a page that asks the network fails.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp

from tools.chromium import NoBrowserError, executable

START_S, ANSWER_S = 60, 60
"""How long the browser may take to start and to answer, seconds."""
Theme = Literal["light", "dark"]


@dataclass
class Page:
    """A page of the browser. requests: addresses that it asked for. console: what it wrote, errors and all."""

    socket: aiohttp.ClientWebSocketResponse
    requests: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    _number: int = 0
    _loaded: bool = False

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its answer; events that arrive meanwhile are noted."""
        self._number += 1
        await self.socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.receive_str(), ANSWER_S))
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                answer: dict[str, Any] = message["result"]
                return answer
            self._note(message)

    async def open(self, path: Path, width: int, height: int = 900, theme: Theme = "light") -> None:
        """Open a file in a window of that size under a theme of the system, and wait until it is loaded."""
        await self.resize(width, height, theme)
        self._loaded = False
        await self.call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._note(json.loads(await asyncio.wait_for(self.socket.receive_str(), ANSWER_S)))

    async def resize(self, width: int, height: int = 900, theme: Theme = "light") -> None:
        """Give the window another size and the system another theme."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def run(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def picture(self, top: float = 0, height: float | None = None) -> bytes:
        """Return a part of the page as PNG, over its whole width; all of it without a height."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": top, "width": size["width"], "height": height or size["height"] - top, "scale": 1}
        answer = await self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    async def printed(self) -> bytes:
        """Return the page as a PDF on A4."""
        answer = await self.call("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(answer["data"])

    async def press(self, key: str) -> None:
        """Press a key, such as `Tab`."""
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=9)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(each.get("value", each)) for each in parameters["args"]))
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.console.append(parameters["entry"]["text"])
        elif method == "Page.loadEventFired":
            self._loaded = True


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[Page]:
    """Start the browser and yield one page of it; end it afterwards. Raises `NoBrowserError`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            executable(),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    targets = await answer.json(content_type=None)
                address = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Network", "Runtime", "Log"):
                        await page.call(f"{domain}.enable")
                    yield page
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    """Wait until the browser has written the port on which it listens."""
    for _ in range(START_S * 10):
        if process.returncode is not None:
            raise NoBrowserError(f"{executable()} ended at once with exit code {process.returncode}")
        if file.exists() and (lines := file.read_text(encoding="ascii").split()):
            return int(lines[0])
        await asyncio.sleep(0.1)
    raise NoBrowserError(f"{executable()} did not start within {START_S} s")
