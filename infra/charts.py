"""The project's own Helm charts, each object of them a resource of the stack.

The provider renders a chart and registers what comes out, in the order that the chart's annotations ask for. So drift
of any object shows in a preview and is put back by `up`, and nothing is ever left pending (docs/decisions/0060). Tests
of a chart (`helm test`) are left out. The path is relative to the root, where the engine starts its providers, because
an absolute one would change with every checkout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.images import Image
from infra.objects import owner, patience
from infra.settings import ROOT


def engine_version() -> str:
    """Return the version of vLLM that the chart runs, unless the stack names another image."""
    return app_version("vllm")


def chart_image(name: str) -> Image:
    """Return the image that the chart in `charts/NAME` runs unless a stack names another."""
    text = (ROOT / "charts" / name / "values.yaml").read_text()
    block = text[text.index("\nimage:\n") :]
    repository, tag, digest = (_value(block, f"  {key}") for key in ("repository", "tag", "digest"))
    assert repository is not None
    return Image(repository, tag or app_version(name), digest)


def engine_image(image: Image) -> Image:
    """Return an image of the engine, with the chart's release where its tag tells none: the plan judged by that one."""
    told = re.match(r"v?[0-9]+\.[0-9]+\.[0-9]+", image.tag or "") is not None
    return image if told else replace(image, engine_version=engine_version())


def unless_default(image: Image, name: str) -> Image | None:
    """Return an image that the chart must be told; None for its own."""
    return None if image == chart_image(name) else image


def rendered(
    chart: str,
    release: str,
    namespace: str,
    values: pulumi.Input[Mapping[str, Any]],
    seconds: int,
    opts: pulumi.ResourceOptions,
) -> kubernetes.helm.v4.Chart:
    """Register the objects of the chart in `charts/CHART`. Raises FileNotFoundError when there is none.

    release: name that the objects take.
    seconds: time within which its pods must be ready, or gone.
    """
    if not (ROOT / "charts" / chart / "Chart.yaml").is_file():
        raise FileNotFoundError(f"no chart in {ROOT / 'charts' / chart}")
    to_the_provider = {"commonAnnotations": owner(), "awaitedAnnotations": patience(seconds)}
    owned = pulumi.Output.from_input(values).apply(lambda stated: {**stated, **to_the_provider})
    return kubernetes.helm.v4.Chart(
        release, name=release, namespace=namespace, chart=f"./charts/{chart}", values=owned, opts=opts
    )


def app_version(name: str) -> str:
    """Return the version of what a chart runs where no image is named."""
    version = _value((ROOT / "charts" / name / "Chart.yaml").read_text(), "appVersion")
    assert version is not None
    return version


def _value(text: str, key: str) -> str | None:
    """Return the plain value of the first line with this key; None where it is null or absent."""
    found = re.search(rf'^{key}: "?([^"\n]+)"?$', text, re.MULTILINE)
    return None if found is None or found[1] == "null" else found[1]
