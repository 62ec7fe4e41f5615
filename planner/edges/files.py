"""Reading and writing text files. A file is written as a whole, or not at all.

The errors are `Problems` which say what to do: IO001 when a file cannot be read, IO002 when it cannot be written.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from planner.words.diagnostics import Problem, Problems, Span

MOST_BYTES = 100_000_000
"""Size of the largest file that is read as a whole."""


def read_text(path: Path, hint: str = "") -> str:
    """Return the text of a UTF-8 file. Raises `Problems` with IO001."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_BYTES + 1)  # a device or a pipe has no size, and no end
        if len(text) > MOST_BYTES:
            message = f"{path} is longer than {MOST_BYTES:,} characters"
            raise Problems([Problem("IO001", message, hint=hint or "check that it is the file you mean")])
        return text
    except FileNotFoundError as error:
        raise Problems([Problem("IO001", f"{path} does not exist", hint=hint)]) from error
    except UnicodeDecodeError as error:
        raise Problems([Problem("IO001", f"{path} is not UTF-8 text", Span(str(path), 1), hint)]) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        why = error.strerror if isinstance(error, OSError) else error
        raise Problems([Problem("IO001", f"{path} cannot be read: {why}", hint=hint)]) from error


def write_text(path: Path, text: str) -> None:
    """Replace the text of a file in one step. Raises `Problems` with IO002.

    The text is written beside it in the same folder, flushed to the disk, and renamed over the file. Whatever
    interrupts this, the file has its old text or the new one, and nothing is left beside it.
    """
    aside = ""
    try:
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", text=True)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, _mode(path))
        os.replace(aside, path)
        aside = ""
    except OSError as error:
        hint = "nothing was written; check the folder's permissions and free space"
        raise Problems([Problem("IO002", f"{path} cannot be written: {error.strerror}", hint=hint)]) from error
    finally:
        if aside:
            Path(aside).unlink(missing_ok=True)


def _mode(path: Path) -> int:
    """Return the mode of the file that is replaced, or the mode that the umask gives to a new one."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
