"""One revision, from the Hub into the bucket: what is there is kept, the rest is copied, and the manifest comes last.

Every file's digest is computed while it passes, and held against the Hub's own before the object comes to be. A broken
connection is continued where it broke, so that a large file does not begin anew.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from weights.amazon import Bucket
from weights.hub import Hub, HubError, HubFile, Refused
from weights.manifest import NAME, CopiedFile, Manifest, StoredObject
from weights.selection import wanted

PART_BYTES = 64 << 20
"""Length of a part of an upload, bytes. S3 takes 10,000 parts, so that a file may have 600 GB."""
FILES_AT_ONCE = 4
"""Files that are copied at once. Each holds two parts in memory at most."""
PAUSES_SECONDS = (1.0, 5.0, 15.0, 60.0)
"""Time before each further attempt at a connection that broke, seconds. Progress begins the row anew."""

Tell = Callable[[str], None]
Sleep = Callable[[float], None]


class Differing(Exception):
    """What arrived is not what the Hub says that it holds."""


def copy(
    hub: Hub, bucket: Bucket, repository: str, asked: str, tell: Tell, sleep: Sleep = time.sleep, part: int = PART_BYTES
) -> Manifest:
    """Make the bucket hold the revision `asked`, and return the manifest.

    A copy that is complete stays as it is, also when `asked` is a branch that has moved on since. Raises HubError,
    Refused, Differing, or the bucket's StoreError.
    """
    held = bucket.held()
    earlier = Manifest.parse((bucket.read(NAME) or b"").decode(errors="replace")) if NAME in held else None
    if earlier is not None and earlier.proves(repository, asked, held):
        tell(f"{repository} {asked} is complete: {len(earlier.files)} files of commit {earlier.commit}")
        return earlier
    # Files that were lost come from the commit of the others, also when a branch has moved on since.
    same = earlier is not None and (earlier.repository, earlier.asked) == (repository, asked)
    revision = hub.revision(repository, earlier.commit if earlier is not None and same else asked)
    names = set(wanted(file.name for file in revision.files))
    files = [file for file in revision.files if file.name in names]
    if not files:
        raise Refused(f"{repository} holds no safetensors beside its configuration, and no other weights are streamed")
    if any(file.name == NAME for file in files):
        raise Refused(f"{repository} holds a file of the name {NAME} itself")
    tell(f"{repository} {asked}: {len(files)} files, {sum(file.size for file in files):,} bytes, {revision.commit}")
    one = _Copier(hub, bucket, repository, revision.commit, held, tell, sleep, part)
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        copied = tuple(pool.map(one.file, files))
    manifest = Manifest(repository, asked, revision.commit, copied)
    text = manifest.text().encode()
    bucket.put(NAME, text, hashlib.sha256(text).hexdigest())
    tell(f"{repository} {asked}: all files are there")
    return manifest


class _Copier:
    def __init__(
        self,
        hub: Hub,
        bucket: Bucket,
        repository: str,
        commit: str,
        held: Mapping[str, StoredObject],
        tell: Tell,
        sleep: Sleep,
        part: int,
    ) -> None:
        self._hub, self._bucket, self._repository, self._commit = hub, bucket, repository, commit
        self._held, self._tell, self._sleep, self._part = held, tell, sleep, part

    def file(self, file: HubFile) -> CopiedFile:
        """Copy a file unless an earlier run did."""
        kept = self._kept(file)
        if kept is not None:
            return kept
        if file.sha256 is not None and file.size > self._part:
            copied = self._in_parts(file, file.sha256)
        else:
            copied = self._whole(file)
        self._tell(f"  {file.name}: {file.size:,} bytes")
        return copied

    def _kept(self, file: HubFile) -> CopiedFile | None:
        """Return what lies there already; None unless its length and the digest noted with it are the file's."""
        there = self._held.get(file.name)
        if there is None or there.size != file.size or file.sha256 is None:
            return None
        if self._bucket.digest(file.name) != file.sha256:
            return None
        return CopiedFile(file.name, file.size, file.sha256, there.etag)

    def _whole(self, file: HubFile) -> CopiedFile:
        content = b"".join(self._content(file))
        digest = hashlib.sha256(content).hexdigest()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        proven = digest == file.sha256 if file.sha256 is not None else file.blob in (None, blob)
        if len(content) != file.size or not proven:
            raise Differing(_difference(file, len(content)))
        return CopiedFile(file.name, file.size, digest, self._bucket.put(file.name, content, digest))

    def _in_parts(self, file: HubFile, sha256: str) -> CopiedFile:
        digest, size, part = hashlib.sha256(), 0, bytearray()
        with self._bucket.upload(file.name, sha256) as upload:
            for block in self._content(file):
                digest.update(block)
                size += len(block)
                part += block
                while len(part) >= self._part:
                    upload.add(bytes(part[: self._part]))
                    del part[: self._part]
            if size != file.size or digest.hexdigest() != sha256:
                raise Differing(_difference(file, size))
            if part:
                upload.add(bytes(part))
            return CopiedFile(file.name, size, sha256, upload.complete())

    def _content(self, file: HubFile) -> Iterator[bytes]:
        """Yield a file's content, and go on where a connection broke. Raises HubError when nothing comes any more."""
        at, pauses = 0, iter(PAUSES_SECONDS)
        while at < file.size:
            broken: HubError | None = None
            before = at
            try:
                for block in self._hub.content(self._repository, self._commit, file.name, at):
                    at += len(block)
                    yield block
            except HubError as error:
                broken = error
            if at >= file.size:
                return
            if at > before:
                pauses = iter(PAUSES_SECONDS)
            pause = next(pauses, None)
            if pause is None:
                raise broken or HubError(f"{file.name} ends at byte {at} of {file.size}")
            self._tell(f"  {file.name}: goes on at byte {at:,} of {file.size:,} ({broken or 'it ended early'})")
            self._sleep(pause)


def _difference(file: HubFile, size: int) -> str:
    told = "its digest is another" if size == file.size else f"{size:,} bytes of {file.size:,}"
    return f"{file.name}: what arrived is not what the Hub holds: {told}"
