"""A text file in blocks of whole lines, plain or gzipped, in bounded memory.

A file is gzipped if it begins as gzip does, whatever its name. Where a file breaks off, everything before is read.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from planner.words.diagnostics import Problem, Problems, Span

BLOCK_BYTES = 1 << 21
"""Bytes that are read at once."""
MOST_LINE_BYTES = 1 << 26
"""Bytes of the longest line, or quoted field, that is read."""
HEAD_BYTES = 1 << 20
"""Bytes from which a format is told."""


@dataclass(frozen=True)
class LineBlock:
    """Whole lines of a file.

    text: the lines, with their ends.
    first_line: number of the first of them, counted from 1.
    """

    text: bytes
    first_line: int


def head(path: Path) -> bytes:
    """Return the beginning of a file without its byte order mark. Raises `Problems` TRC001 or TRC006."""
    text = next(blocks(path, block_bytes=HEAD_BYTES), LineBlock(b"", 1)).text
    if text[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in text[:4096]:
        hint = "save it as UTF-8 text"
        raise Problems([Problem("TRC001", f"{path} is no UTF-8 text", Span(str(path), 1), hint)])
    return text


def blocks(path: Path, quotes: bool = False, block_bytes: int = BLOCK_BYTES) -> Iterator[LineBlock]:
    """Yield a file in blocks of whole lines.

    quotes: whether a line may end inside a quoted field, which is then no end.
    Raises `Problems`: TRC001 when the file cannot be read, TRC006 where it breaks off, TRC003 at a line without end.
    """
    line, rest = 1, b""
    try:
        with _opened(path) as file:
            while True:
                more = _read(file, path, block_bytes, line + rest.count(b"\n"))
                text = rest + more
                if line == 1 and text.startswith(b"\xef\xbb\xbf"):
                    text = text[3:]
                if not more:
                    if text:
                        yield LineBlock(text, line)
                    return
                end = _end(text, quotes)
                if not end and len(text) > MOST_LINE_BYTES:
                    message = f"a line of {path.name} has over {MOST_LINE_BYTES >> 20} MiB or a quoted field has no end"
                    hint = "is it a text file? A quote that opens a field must be closed"
                    raise Problems([Problem("TRC003", message, Span(str(path), line), hint)])
                if end:
                    yield LineBlock(text[:end], line)
                    line += text.count(b"\n", 0, end)
                rest = text[end:]
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot read {path}: {reason}"
        raise Problems([Problem("TRC001", message, hint="give a readable text file")]) from error


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if zipped else path.open("rb")


def _read(file: IO[bytes], path: Path, size: int, line: int) -> bytes:
    """Read some bytes. A gzipped file that is cut off or damaged is a problem, whatever was read before."""
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        what = "is cut off" if isinstance(error, EOFError) else "is damaged"
        hint = f"fetch it again, or keep what can be read: gzip -dc {path.name} > part.csv"
        message = f"{path.name} {what} after line {line}: how much is missing cannot be told"
        raise Problems([Problem("TRC006", message, Span(str(path), line), hint)]) from error


def _end(text: bytes, quotes: bool) -> int:
    """Return how many bytes are whole lines."""
    end = text.rfind(b"\n") + 1
    if quotes and text.count(b'"', 0, end) % 2:
        return text.rfind(b"\n", 0, text.rfind(b'"', 0, end)) + 1
    return end
