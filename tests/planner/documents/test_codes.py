"""Every diagnostic code that is raised can be explained, and no code is explained that nobody raises."""

from __future__ import annotations

import re
from pathlib import Path

from planner.documents.codes import CODES

ROOT = Path(__file__).resolve().parents[3]
CODE = re.compile(r'"((?!AES)[A-Z]{2,4}\d{3})"')


def test_codes_are_those_that_are_raised() -> None:
    modules = [path for folder in ("planner", "measurement", "infra") for path in (ROOT / folder).rglob("*.py")]
    raised = {code for path in modules if path.name != "codes.py" for code in CODE.findall(path.read_text())}
    assert raised == set(CODES)
