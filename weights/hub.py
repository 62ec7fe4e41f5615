"""The Hub's HTTP interface, as far as a copy needs it: the files of a revision with their digests, and their content.

The token goes to the Hub alone. Content comes from other hosts, to which the Hub redirects with an address that is
signed already; a token there would be a leak, and some refuse it.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import IO, Any

HUB = "https://huggingface.co"
TIMEOUT_SECONDS = 60
"""Longest silence of a connection, seconds."""
BLOCK = 1 << 20


class HubError(Exception):
    """The Hub did not answer as hoped; the same question may succeed later."""


class Refused(Exception):
    """The Hub will not answer otherwise until a person does something, which the message names."""


@dataclass(frozen=True)
class HubFile:
    """A file of a revision.

    size: its length, bytes.
    sha256: digest of its content; None for a file that lies in git itself.
    blob: git's digest of its content, for a file without the other; None when the Hub states none.
    """

    name: str
    size: int
    sha256: str | None
    blob: str | None


@dataclass(frozen=True)
class Revision:
    """A revision is a commit and its files."""

    commit: str
    files: tuple[HubFile, ...]


class Hub:
    """A door to the Hub, or to a mirror of it.

    kept_in: where the token is kept, as people are told of it.
    """

    def __init__(self, token: str | None, address: str = HUB, kept_in: str = "the secret") -> None:
        self._token = token
        self._kept_in = kept_in if token is not None else None
        self._address = address.rstrip("/")
        self._opener = urllib.request.build_opener(_Redirects())

    def revision(self, repository: str, revision: str) -> Revision:
        """Return what a revision holds. Raises HubError or Refused."""
        path = f"api/models/{repository}/revision/{urllib.parse.quote(revision, safe='')}?blobs=true"
        with self._open(path, repository) as answer:
            try:
                told = json.load(answer)
                return Revision(told["sha"], tuple(_file(entry) for entry in told["siblings"]))
            except (ValueError, KeyError, TypeError, OSError, HTTPException) as error:
                raise HubError(f"{self._address}/{path} gave no list of files: {error!r}") from error

    def content(self, repository: str, commit: str, name: str, start: int) -> Iterator[bytes]:
        """Yield a file's content from the byte `start` on. Raises HubError or Refused; a broken connection is the
        former."""
        path = f"{repository}/resolve/{commit}/{urllib.parse.quote(name)}"
        with self._open(path, repository, start) as answer:
            if start and answer.status != 206:
                raise HubError(f"{name}: the server does not continue at byte {start}")
            while True:
                try:
                    block = answer.read(BLOCK)
                except (OSError, HTTPException) as error:
                    raise HubError(f"{name}: the connection broke: {error!r}") from error
                if not block:
                    return
                yield block

    def _open(self, path: str, repository: str, start: int = 0) -> Any:
        request = urllib.request.Request(f"{self._address}/{path}", headers={"User-Agent": "spillway-weights"})
        if start:
            request.add_header("Range", f"bytes={start}-")
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            return self._opener.open(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise _judged(error, repository, self._kept_in) from error
        except (OSError, HTTPException) as error:
            raise HubError(f"{self._address} cannot be reached: {error!r}") from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects take the token along as long as the host is the same, as for a repository that was renamed."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        token = req.get_header("Authorization")
        if request is not None and token and request.host == req.host and request.type == req.type:
            request.add_unredirected_header("Authorization", token)
        return request


def _file(entry: dict[str, Any]) -> HubFile:
    large = entry.get("lfs")
    if large:
        return HubFile(entry["rfilename"], int(large["size"]), large["sha256"], None)
    return HubFile(entry["rfilename"], int(entry["size"]), None, entry.get("blobId"))


def _judged(error: urllib.error.HTTPError, repository: str, kept_in: str | None) -> HubError | Refused:
    """Tell what a person can mend from what time mends.

    kept_in: where the token is kept; None without one.
    """
    if error.code in (408, 429) or error.code >= 500:
        return HubError(f"the Hub answered {error.code}")
    code, said = error.headers.get("X-Error-Code", ""), error.headers.get("X-Error-Message", "")
    if code == "RevisionNotFound" or code == "EntryNotFound":
        return Refused(f"{repository}: {said or code}; pin a revision that exists")
    if code == "GatedRepo":
        do = f"ask for access there with the account of the token in {kept_in}" if kept_in else "name a token's secret"
        return Refused(f"{repository} is gated: accept its licence at {HUB}/{repository}, and {do}")
    if error.code == 401 and kept_in and code != "RepoNotFound":
        do = f"put a token of {HUB}/settings/tokens that is valid into {kept_in}"
        return Refused(f"the Hub does not know the token in {kept_in} ({said or 'it says 401'}): {do}")
    if error.code == 403 and kept_in:
        do = f"a token with read access to {repository} belongs into {kept_in}"
        return Refused(f"the token in {kept_in} may not read {repository} ({said or 'the Hub says 403'}): {do}")
    if error.code in (401, 403, 404):
        do = f"the token in {kept_in} may not see it" if kept_in else "it is private, and no token is named"
        return Refused(f"{repository} is not found: either there is none of this name, or {do}")
    return Refused(f"{repository}: the Hub answered {error.code}{f' ({said})' if said else ''}")
