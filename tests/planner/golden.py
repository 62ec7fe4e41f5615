"""Texts that are pinned as files: compared line by line, written anew with UPDATE_GOLDEN=1."""

from __future__ import annotations

import os
from pathlib import Path


def assert_golden(file: Path, text: str) -> None:
    """Compare a text with a file, blanks at the ends of lines aside; UPDATE_GOLDEN=1 writes the file instead."""
    lines = [line.rstrip() for line in text.splitlines()]
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert file.exists(), f"{file} is missing: run the tests with UPDATE_GOLDEN=1"
    wanted = file.read_text(encoding="utf-8").splitlines()
    assert lines == wanted, f"{file.name} differs: if that is meant, run the tests with UPDATE_GOLDEN=1"
