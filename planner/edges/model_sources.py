"""Where a model's configuration is read from: a file, a folder, or its repository on Hugging Face.

A repository is asked for three files: `config.json`, and, where it has them, `hf_quant_config.json` and the index of
its checkpoint. They are small; nothing else is fetched. `HF_ENDPOINT` and `HF_TOKEN` are those of Hugging Face's own
programs: another address of the hub, and a key for repositories behind a licence. The key goes to the hub alone, and
nothing is asked or followed without encryption, but for a hub on this machine.

CFG009: files that cannot be fetched. IO001: files that cannot be read.
"""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from planner.documents.model_config.config_json import JsonFile, read_json
from planner.domain.models import REPOSITORY
from planner.edges.files import read_text
from planner.words.diagnostics import Problem, Problems

HUB = "https://huggingface.co"
CONFIG, QUANTIZATION, INDEX = "config.json", "hf_quant_config.json", "model.safetensors.index.json"
TIMEOUT_S = 20.0
"""Longest wait for the hub to go on, seconds."""
FETCH_S = 300.0
"""Longest time for all files of a repository, seconds: a hub that sends a byte now and then ends the wait too."""
MOST_BYTES = 50_000_000
"""Size of the largest file that is fetched; the index of a checkpoint with a million tensors has about that."""
_READ_BYTES = 1 << 16
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class ModelFiles:
    """The files of one model.

    config, quantization, index: its configuration, the separate file of its quantization, the index of its checkpoint.
    source: where they were read, for the row.
    hf_id: its repository; None where the files lie on this machine.
    revision: the commit that the hub named; None without.
    """

    config: JsonFile
    quantization: JsonFile | None
    index: JsonFile | None
    source: str
    hf_id: str | None = None
    revision: str | None = None


def model_files(subject: str, index: Path | None, revision: str) -> ModelFiles:
    """Read the files of a model. Raises `Problems`.

    subject: path of `config.json` or of its folder, or the id of a repository.
    index: path of the index; None takes the one that lies beside the configuration.
    revision: commit or branch of a repository; empty for the newest.
    """
    path = Path(subject)
    if path.is_dir():
        found = _from_folder(path, path / CONFIG)
    elif path.suffix == ".json" or path.is_file():
        found = _from_folder(None, path)
    elif REPOSITORY.fullmatch(subject):
        found = _from_hub(subject, revision or "main")
    else:
        message = f"`{subject}` is no file, no folder and no id of a repository (ORG/MODEL)"
        raise Problems([Problem("IO001", message, hint="give the path of the model's `config.json`")])
    if index is None:
        return found
    read = read_json(read_text(index), str(index))
    return ModelFiles(found.config, found.quantization, read, found.source, found.hf_id, found.revision)


def _from_folder(folder: Path | None, config: Path) -> ModelFiles:
    def beside(name: str) -> JsonFile | None:
        path = None if folder is None else folder / name
        return read_json(read_text(path), str(path)) if path is not None and path.exists() else None

    read = read_json(read_text(config, "give the path of the model's `config.json`"), str(config))
    return ModelFiles(read, beside(QUANTIZATION), beside(INDEX), f"{config.name}, read from a file")


def _from_hub(repository: str, revision: str) -> ModelFiles:
    deadline_s = time.monotonic() + FETCH_S
    config = _fetched(repository, revision, CONFIG, deadline_s)
    if config is None:
        raise Problems([_not_fetched(repository, revision, "it has no config.json at that revision")])
    text, commit = config
    others = {}
    for name in (QUANTIZATION, INDEX):
        answer = _fetched(repository, commit or revision, name, deadline_s)
        others[name] = read_json(answer[0], f"{repository}/{name}") if answer is not None else None
    return ModelFiles(
        config=read_json(text, f"{repository}/{CONFIG}"),
        quantization=others[QUANTIZATION],
        index=others[INDEX],
        source=f"huggingface.co/{repository} {CONFIG} at {commit or revision}",
        hf_id=repository,
        revision=commit,
    )


class _CarefulRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to an encrypted address alone. The key goes along only where the address is the hub's own."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request of the next address."""
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if not (_encrypted(after) or (_on_this_machine(before) and _on_this_machine(after))):
            fp.close()
            raise urllib.error.URLError(f"it redirects to {after.scheme}://{after.hostname}, which is no https address")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        key = req.unredirected_hdrs.get("Authorization")
        if request is not None and key and before[:2] == after[:2]:
            request.add_unredirected_header("Authorization", key)
        return request


def _encrypted(address: SplitResult) -> bool:
    return address.scheme == "https" and bool(address.hostname)


def _on_this_machine(address: SplitResult) -> bool:
    return address.scheme == "http" and address.hostname in _LOOPBACK


def _hub() -> str | None:
    """Return the address of the hub; None where it is neither encrypted nor on this machine."""
    hub = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
    try:
        address = urlsplit(hub)
        return hub if _encrypted(address) or _on_this_machine(address) else None
    except ValueError:  # brackets that hold no address
        return None


def _fetched(repository: str, revision: str, name: str, deadline_s: float) -> tuple[str, str | None] | None:
    """Return the text of a file and the commit that it is of; None when the repository has no such file.

    deadline_s: reading of the monotonic clock at which the fetch ends, seconds.
    """
    if (hub := _hub()) is None:
        unsafe = f"HF_ENDPOINT is {os.environ.get('HF_ENDPOINT')!r}, which is no https address"
        raise Problems([_not_fetched(repository, revision, unsafe)])
    try:
        request = urllib.request.Request(f"{hub}/{repository}/resolve/{quote(revision, safe='')}/{name}")
        if token := os.environ.get("HF_TOKEN", "").strip():
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        opener = urllib.request.build_opener(_CarefulRedirects)
        with opener.open(request, timeout=min(TIMEOUT_S, _left_s(deadline_s))) as answer:
            body = _body(answer, deadline_s)
            commit = answer.headers.get("X-Repo-Commit")
    except urllib.error.HTTPError as error:
        if error.code == 404 and name != CONFIG:
            return None
        why = {
            401: "it asks for a key (set HF_TOKEN)",
            403: "its licence was not accepted",
            404: "there is no such file",
        }
        raise Problems(
            [_not_fetched(repository, revision, why.get(error.code, f"the hub answered {error.code}"))]
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Problems([_not_fetched(repository, revision, f"the hub cannot be reached: {reason}")]) from error
    if len(body) > MOST_BYTES:
        raise Problems([_not_fetched(repository, revision, f"{name} is longer than {MOST_BYTES:,} bytes")])
    try:
        return body.decode("utf-8"), commit if commit and re.fullmatch(r"[0-9a-f]{40}", commit) else None
    except UnicodeDecodeError as error:
        raise Problems([_not_fetched(repository, revision, f"{name} is no UTF-8 text")]) from error


def _body(answer: http.client.HTTPResponse, deadline_s: float) -> bytes:
    """Return the body, or a part of it that is longer than any file that is fetched. Raises `TimeoutError`."""
    body = bytearray()
    while len(body) <= MOST_BYTES and (part := answer.read1(_READ_BYTES)):
        _left_s(deadline_s)
        body += part
    return bytes(body)


def _left_s(deadline_s: float) -> float:
    """Return the time that is left, seconds. Raises `TimeoutError` when there is none."""
    left_s = deadline_s - time.monotonic()
    if left_s <= 0.0:
        raise TimeoutError(f"its files took longer than {FETCH_S:g} s")
    return left_s


def _not_fetched(repository: str, revision: str, why: str) -> Problem:
    run = f"spillway catalog add-model PATH --hf-id {repository}"
    hint = f"download its {CONFIG} by hand and give the path: `{run}`"
    return Problem("CFG009", f"{repository} at {revision} was not read: {why}", hint=hint)
