"""A real Prometheus on loopback that scrapes what it is told."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from twin import binaries
from twin.autoscaling.manifests import until
from twin.processes import program

SCRAPE_SECONDS = 1


@contextmanager
def scraping(folder: Path, targets: Mapping[str, Sequence[str]], port: int) -> Iterator[str]:
    """Run Prometheus for the length of the block, and give its URL.

    targets: addresses HOST:PORT by job.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]} for job, addresses in targets.items()
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    command: list[str | Path] = [
        binaries.require("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    url = f"http://127.0.0.1:{port}"
    with program("prometheus", command, folder, {"HOME": str(folder)}):
        until(lambda: _get(f"{url}/-/ready") is not None, "Prometheus")
        yield url


def value(url: str, query: str) -> float | None:
    """Ask a Prometheus for the one value of a query; None where it has none."""
    answer = json.loads(_get(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"))
    found: list[dict[str, Any]] = answer["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def _get(url: str) -> bytes:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
        return bytes(answer.read())
