"""Processor time of plans for environments with many routes that accept many models each, against their bounds.

    python -m benchmarks.wide

Each is planned twice, as `benchmarks.plan` does it: cold, and with the simulated capacities kept. The bound is for the
second run, in processor seconds, which other programs on the machine leave nearly alone. Exit code 1 beyond a bound.
The aim was 20 s for eight routes; what is held is a third of that speed (nine parts in ten of it are branch and bound).
Sixteen routes take ten minutes and are no part of this.

Lengths, rates, hours and targets differ from route to route, so that no two of them ask the same. Every fourth route
has restricted data. A third of each accept list is hosted models.
"""

from __future__ import annotations

import sys
import tempfile
from itertools import islice
from pathlib import Path

from benchmarks.plan import Case, run

BOUNDS_S = {8: 60.0}
"""Processor seconds by number of routes."""

OPEN = (
    "gpt-oss-120b",
    "qwen3-32b",
    "llama-3.3-70b-instruct",
    "qwen3-30b-a3b-instruct-2507",
    "gpt-oss-20b",
    "mistral-small-3.2",
    "qwen3.6-35b-a3b",
    "gemma-3-27b-it",
    "qwen3-next-80b-a3b-instruct",
    "llama-3.1-8b-instruct",
)
HOSTED = ("gemini-3.5-flash-lite", "gpt-5.4-mini", "claude-haiku-5.5", "gemini-3.8-flash", "nova-lite")
"""Models without an end within the horizon, as far as the catalog knows."""
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo")

HEAD = """\
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az2, use1-az4, use1-az6]}
horizon: {start: 2026-12-01, months: 12}
api:
  providers:
    google: {limits: {tpm: 200M, rpm: 200k}}
    openai: {limits: {tpm: 200M, rpm: 200k}}
    anthropic: {limits: {tpm: 200M, rpm: 200k}}
    groq: {limits: {tpm: 200M, rpm: 200k}}
  monthly_budget: $500000
quotas: {G: 5000, P: 5000}
reserve: {node: true}
budget: {monthly: $900000}
planning: {margin: p90}
routes:
"""


def environment(routes: int, models: int = 10) -> str:
    """The text of an environment with so many routes, each of which accepts so many models."""
    return HEAD + "".join(_route(i, models) for i in range(routes))


def _route(i: int, models: int) -> str:
    hosted = models // 3
    accept = [*_turned(OPEN, i, models - hosted), *_turned(HOSTED, i, hosted)]
    inputs, outputs = 400 + 350 * (i * 5 % 7), 80 + 60 * (i * 3 % 5)
    profile = ("office-hours", "global", "flat")[i % 3]
    return f"""\
  route-{i:02}:
    traffic:
      profile: {profile}
      timezone: {ZONES[i % 3]}
      requests_per_second: {{mean: {0.5 + 0.75 * (i * 7 % 8):g}}}
    tokens:
      input: {{mean: {inputs}, p95: {3 * inputs}}}
      output: {{mean: {outputs}, p95: {2 * outputs}}}
    slo:
      ttft_p95: {{base: {1200 + 200 * (i % 4)}ms, per_1k_input: 300ms}}
      tpot_p95: {50 + 10 * (i % 4)}ms
    data: {"restricted" if i % 4 == 3 else "internal"}
    quality: {{accept: [{", ".join(accept)}], source: a benchmark, date: 2026-11-01}}
"""


def _turned(names: tuple[str, ...], start: int, count: int) -> list[str]:
    """So many of the names, from one of them on, round and round."""
    return list(islice((names[(start + k) % len(names)] for k in range(len(names))), count))


def main() -> int:
    beyond = False
    with tempfile.TemporaryDirectory() as folder:
        for routes, bound_s in BOUNDS_S.items():
            (Path(folder) / f"wide-{routes}.yaml").write_text(environment(routes), encoding="utf-8")
            case = Case(("plan", f"wide-{routes}", "--environments", folder, "--dry-run"), bound_s, "kept")
            cold, warm = run(case, Path(folder)), run(case, Path(folder))
            beyond = beyond or warm.processor_s > bound_s
            print(
                f"{routes} routes × 10 models: processor {warm.processor_s:.1f} s of {bound_s:g} s "
                f"({warm.processor_s / bound_s:.0%}), cold {cold.processor_s:.1f} s",
                flush=True,
            )
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
