"""HTTP for the forges: JSON over an encrypted connection, within times and sizes, with patience for limits of rate.

The token goes to the API's own address alone: a redirect elsewhere is an error. Neither it nor a header stands in any
message. A call that is refused for its rate is repeated after the time that the forge names, as long as all waits
of a `Web` together stay within `MOST_WAIT_S`. A call that makes something new is not repeated when its answer was lost.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import urljoin, urlsplit

from planner.edges.forges.conversation import ForgeError

TIMEOUT_S = 20.0
"""Longest wait for the forge to go on, seconds."""
MOST_WAIT_S = 60.0
"""Longest wait for limits of rate and failures of a server, seconds, over all calls of a `Web`."""
MOST_TRIES = 5
MOST_BYTES = 128_000_000
MOST_PAGES = 200
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """An answer of an API. value: its JSON; None where it is empty."""

    status: int
    headers: Message
    value: Any

    @property
    def next_page(self) -> str | None:
        """Address of the next page, as the header `Link` names it."""
        for link in str(self.headers.get("Link") or "").split(","):
            if (found := re.match(r"\s*<([^>]+)>\s*;(.*)", link)) and re.search(r'rel="?next"?', found[2]):
                return found[1]
        return None


@dataclass
class Web:
    """Calls of one API.

    root: its address.
    authorization: name and value of the header that holds the token.
    headers: further headers.
    wait, now: sleep for seconds, and the time since 1970 in seconds; tests give their own.
    """

    root: str
    authorization: tuple[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    waited_s: float = 0.0

    def __post_init__(self) -> None:
        if not is_safe(self.root):
            shown = re.sub(r"//[^/]*@", "//", self.root)
            raise ForgeError(0, f"{shown} is no https address of an API")
        if not re.fullmatch(r"[\x21-\x7e]+(?: [\x21-\x7e]+)?", self.authorization[1]):
            raise ForgeError(0, "the token has characters that no token has, such as a line end")

    def get(self, path: str) -> Answer:
        """Read something."""
        return self._call("GET", path, None, True)

    def post(self, path: str, value: object, is_new: bool = True) -> Answer:
        """Send something. is_new: whether repeating the call would make a second one."""
        return self._call("POST", path, value, not is_new)

    def put(self, path: str, value: object, method: str = "PUT") -> Answer:
        """Replace something."""
        return self._call(method, path, value, True)

    def delete(self, path: str) -> None:
        """Delete something; it may be gone already."""
        try:
            self._call("DELETE", path, None, True)
        except ForgeError as error:
            if error.status not in (404, 410):
                raise

    def pages(self, path: str) -> Iterator[Answer]:
        """Yield the pages of a list, following the header `Link`."""
        address: str | None = path
        for _ in range(MOST_PAGES):
            if address is None:
                return
            answer = self.get(address)
            yield answer
            address = answer.next_page
        raise ForgeError(0, f"the list has more than {MOST_PAGES} pages")

    def _call(self, method: str, path: str, value: object, may_repeat: bool) -> Answer:
        address = self._address(path)
        body = None if value is None else json.dumps(value).encode()
        for turn in range(1, MOST_TRIES + 1):
            pause_s: float | None
            try:
                return self._answer(method, address, body)
            except _Refused as refused:
                failed = refused.error(address)
                limited = refused.pause_s(self.now())
                repeatable = limited is not None or (refused.status in _PASSING and may_repeat)
                pause_s = (limited if limited is not None else 2.0**turn / 2) if repeatable else None
                failed.is_unsure = refused.status in _PASSING and limited is None and not may_repeat
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = getattr(error, "reason", None) or error
                failed = ForgeError(0, f"{_host(address)} cannot be reached: {reason}", not may_repeat)
                pause_s = 2.0**turn / 2 if may_repeat else None
            if pause_s is None or turn == MOST_TRIES:
                raise failed
            if self.waited_s + pause_s > MOST_WAIT_S:
                failed.message += f"; it asks to wait {pause_s:.0f} s"
                raise failed
            self.waited_s += pause_s
            self.wait(pause_s)
        raise AssertionError("the last try ends the loop")

    def _address(self, path: str) -> str:
        """Return the address of a path, or of a page that the API named. It must be the API's own."""
        address = path if "://" in path else f"{self.root.rstrip('/')}/{path}".rstrip("/")
        if urlsplit(address)[:2] != urlsplit(self.root)[:2]:
            raise ForgeError(0, f"{_host(self.root)} names a page at {_host(address)}, where its token does not go")
        return address

    def _answer(self, method: str, address: str, body: bytes | None) -> Answer:
        request = urllib.request.Request(address, data=body, method=method)
        for name, text in {"Accept": "application/json", "User-Agent": "spillway", **self.headers}.items():
            request.add_header(name, text)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        request.add_unredirected_header(*self.authorization)
        try:
            with urllib.request.build_opener(_OwnRedirects).open(request, timeout=TIMEOUT_S) as answer:
                text = answer.read(MOST_BYTES + 1)
                if len(text) > MOST_BYTES:
                    raise ForgeError(0, f"{_host(address)} answers with more than {MOST_BYTES:,} bytes")
                if answer.status == 203:  # Azure DevOps shows its page for signing in
                    raise _Refused(401, answer.headers, b"")
                return Answer(answer.status, answer.headers, _json(text, address))
        except urllib.error.HTTPError as error:
            with error:
                raise _Refused(error.code, error.headers, error.read(100_000)) from None


def pause(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)


def is_safe(address: str) -> bool:
    """Say whether an address is encrypted, or on this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def _json(text: bytes, address: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise ForgeError(0, f"{_host(address)} answers with no JSON; check the address of the API") from None


def _host(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2]


class _OwnRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within the same address alone, with the token and for reading only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request of the next address."""
        target = urljoin(req.full_url, newurl)
        if urlsplit(req.full_url)[:2] != urlsplit(target)[:2]:
            fp.close()
            raise ForgeError(401, f"{_host(req.full_url)} sends on to {_host(target)}, where its token does not go")
        if req.get_method() != "GET":
            fp.close()
            raise ForgeError(code, f"the address has moved to {target}; was the repository renamed?")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None:
            for name, value in req.unredirected_hdrs.items():
                request.add_unredirected_header(name, value)
        return request


class _Refused(Exception):
    """An answer with a status of refusal."""

    def __init__(self, status: int, headers: Message, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        super().__init__(str(status))

    def pause_s(self, now_s: float) -> float | None:
        """Return how long the forge asks to wait, seconds; None where the rate is not the reason."""
        if self.status not in (403, 429, 503):
            return None
        after = self.headers.get("Retry-After", "")
        if after.isdecimal():
            return float(after)
        if self.headers.get("x-ratelimit-remaining") == "0" or self.headers.get("RateLimit-Remaining") == "0":
            reset = self.headers.get("x-ratelimit-reset") or self.headers.get("RateLimit-Reset") or ""
            return max(0.0, float(reset) - now_s) + 1.0 if reset.isdecimal() else 60.0
        return 5.0 if self.status == 429 else None

    def error(self, address: str) -> ForgeError:
        """Return what the forge said, on one line."""
        said = ""
        try:
            value = json.loads(self.body)
            said = _said(value)
        except ValueError:
            pass
        words = " ".join(said.split())[:300]
        return ForgeError(self.status, f"{_host(address)} answers {self.status}{f': {words}' if words else ''}")


def _said(value: Any) -> str:
    """Return the words of an error's JSON, which each forge puts elsewhere."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_said, value)))
    if isinstance(value, dict):
        first = next((value[key] for key in ("message", "error_description", "error") if value.get(key)), "")
        return "; ".join(filter(None, (_said(first), _said(value.get("errors")))))
    return ""
