"""The project's own Helm charts, as Pulumi must name them.

A release compares its inputs only, so a chart that was edited in place would go unseen. Its digest is therefore passed
as a value that no template renders. The path is relative to the root, where the engine starts its providers, because an
absolute one would change with every checkout.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from infra.images import Image
from infra.settings import ROOT

RENDERED = ("Chart.yaml", "values.yaml", "values.schema.json", "templates", "charts", "crds", "dashboards")
"""Files of a chart's folder that can change a release."""
RELEASE_HISTORY = 5
"""Number of past revisions that Helm keeps of a release."""


@dataclass(frozen=True)
class Chart:
    """A chart as a release names it.

    path: for `Release.chart`, relative to the root.
    digest: `sha256:…` of the files that a release depends on.
    """

    path: str
    digest: str


def engine_version() -> str:
    """Return the version of vLLM that the chart runs, unless the stack names another image."""
    return _app_version("vllm")


def chart_image(name: str) -> Image:
    """Return the image that the chart in `charts/NAME` runs unless a stack names another."""
    text = (ROOT / "charts" / name / "values.yaml").read_text()
    block = text[text.index("\nimage:\n") :]
    repository, tag, digest = (_value(block, f"  {key}") for key in ("repository", "tag", "digest"))
    assert repository is not None
    return Image(repository, tag or _app_version(name), digest)


def chart(name: str) -> Chart:
    """Return the chart in `charts/NAME`. Raises FileNotFoundError when there is none."""
    folder = ROOT / "charts" / name
    if not (folder / "Chart.yaml").is_file():
        raise FileNotFoundError(f"no chart in {folder}")
    digest = hashlib.sha256()
    for part in RENDERED:
        files = (folder / part,) if (folder / part).is_file() else sorted((folder / part).rglob("*"))
        for file in files:
            if file.is_file():
                content = file.read_bytes()
                digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return Chart(f"./charts/{name}", f"sha256:{digest.hexdigest()}")


def _app_version(name: str) -> str:
    version = _value((ROOT / "charts" / name / "Chart.yaml").read_text(), "appVersion")
    assert version is not None
    return version


def _value(text: str, key: str) -> str | None:
    """Return the plain value of the first line with this key; None where it is null or absent."""
    found = re.search(rf'^{key}: "?([^"\n]+)"?$', text, re.MULTILINE)
    return None if found is None or found[1] == "null" else found[1]
