"""The project's own Helm charts, each object of them a resource of the stack.

The provider renders a chart and registers what comes out, in the order that the chart's annotations ask for. So drift
of any object shows in a preview and is put back by `up`, and nothing is ever left pending (docs/decisions/0060). Tests
of a chart (`helm test`) are left out. The path is relative to the root, where the engine starts its providers, because
an absolute one would change with every checkout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.objects import owner, patience
from infra.settings import ROOT


def engine_version() -> str:
    """Return the version of vLLM that the chart runs, unless the stack names another image."""
    text = (ROOT / "charts" / "vllm" / "Chart.yaml").read_text()
    found = re.search(r'^appVersion: "?([^"\n]+)"?$', text, re.MULTILINE)
    assert found is not None
    return found[1]


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
