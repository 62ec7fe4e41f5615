"""Names that a service limits in length: cut so that they stay stable and different."""

from __future__ import annotations

import hashlib


def bounded(name: str, limit: int) -> str:
    """Return `name`, or where it is longer than `limit` characters, its beginning and a digest that tells it from
    others."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{name[: limit - 7].rstrip('-')}-{digest}"
