"""Reading a policy document from its bytes.

This is the file boundary: duplicate keys, a wrong version and broken rules become one `PolicyError` that lists every
problem with its path. The module does not watch the file. The digest names the exact bytes that are in force.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.policy import Policy, version_problems


class PolicyError(ValueError):
    """The gateway cannot keep this policy document.

    source: name of the file.
    problems: every problem, as `path: what is wrong`.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        return f"policy document {self.source} is refused:\n{lines}"


@dataclass(frozen=True)
class LoadedPolicy:
    """A loaded policy comes with the digest of the very bytes that it was read from (`sha256:` + hex)."""

    policy: Policy
    digest: str


def parse_policy(text: bytes, source: str = "<memory>") -> LoadedPolicy:
    """Read a document from its bytes. Raises `PolicyError` with every problem that can be told at once."""
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise PolicyError(source, [f"not a JSON document: {error}"]) from None
    if not isinstance(document, dict):
        raise PolicyError(source, ["the document must be a JSON object"])
    version = document.get("version")
    if isinstance(version, str) and (problems := version_problems(version)):
        raise PolicyError(source, problems)
    try:
        policy = Policy.model_validate(document)
    except ValidationError as error:
        raise PolicyError(source, [_sentence(problem) for problem in error.errors()]) from None
    return LoadedPolicy(policy, digest_of(text))


def load_policy(path: Path) -> LoadedPolicy:
    """Read a document from a file. Raises `PolicyError`, also when the file cannot be read."""
    return parse_policy(read_document(path), str(path))


def read_document(path: Path) -> bytes:
    """Return a document's bytes, whatever they are. Raises `PolicyError` when the file cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PolicyError(str(path), [f"cannot be read: {error.strerror}"]) from None


def digest_of(text: bytes) -> str:
    """Name a document by its bytes: `sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(text).hexdigest()


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        repeated = sorted(key for key, count in counts.items() if count > 1)
        raise ValueError(f"key given twice: {', '.join(repeated)}")
    return mapping


def _sentence(problem: Any) -> str:
    path = ""
    for part in problem["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if problem["type"] == "extra_forbidden":
        return f"{path}: unknown key"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {message}" if path else message
