"""An environment that is planned in two seconds: one route, at an API whose price moved between two snapshots."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from planner.documents.lock import Lock, content_digest
from planner.edges.planning import plan
from planner.edges.workspace import Workspace

TEXT = """\
version: 1

platform:
  account: "123456789012"
  region: us-east-1
  zones: [use1-az1, use1-az5]

horizon: {start: 2026-12-01, months: 12}

routes:
  chat:
    traffic:
      requests_per_second: {mean: 1}
    tokens:
      input: {mean: 1155, p95: 4000}
      output: {mean: 211, p95: 451}
    slo: {ttft_p95: 5s, tpot_p95: 100ms}
    data: internal
    quality:
      accept: [deepseek-v3.1]
      source: own evaluation
      date: 2026-11-01

api:
  providers:
    deepinfra: {limits: {tpm: 2M, rpm: 5k}}

quotas: {G: 0, P: 0}
budget: {monthly: $20000}
"""
CHANGED = TEXT.replace("{mean: 1}", "{mean: 3}")
OLDER = "2026-11-21"
"""A snapshot in which `MOVED` is another price than in the newest."""
MOVED = "api/deepinfra/deepseek-v3.1/cached-input"


@lru_cache(maxsize=2)
def lock_of(text: str) -> Lock:
    """The first plan of the environment."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tiny.yaml").write_text(text, encoding="utf-8")
        return plan(Workspace(Path(folder)), "tiny").lock


def older_lock() -> Lock:
    """The lock as if it had been planned on the older snapshot."""
    lock = lock_of(TEXT)
    older = lock.model_copy(update={"consulted": lock.consulted.model_copy(update={"snapshot": OLDER})})
    digest = content_digest(older.model_dump(mode="json"))
    return older.model_copy(update={"digests": older.digests.model_copy(update={"content": digest})})
