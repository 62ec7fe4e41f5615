"""A chart as the program names it: the same in every checkout, owned by the environment, and awaited long enough."""

from __future__ import annotations

import re

import pulumi
import pytest

from infra.charts import engine_version, rendered
from infra.settings import ROOT
from tests.infra.conftest import Run


def test_the_engine_is_the_one_of_the_chart() -> None:
    chart = (ROOT / "charts" / "vllm" / "Chart.yaml").read_text()
    assert re.search(rf"^appVersion: \"?{re.escape(engine_version())}\"?$", chart, re.MULTILINE)


def test_a_chart_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match="no chart in"):
        rendered("nothing", "release", "namespace", {}, 60, pulumi.ResourceOptions())


@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_every_object_belongs_to_its_environment(run: Run, stack: str) -> None:
    registered = run(name=stack)
    owner = {"pulumi.com/patchFieldManager": f"spillway-{stack}", "pulumi.com/patchForce": "true"}
    charts = registered.of("helm.sh/v4:Chart")
    assert len(charts) == 4
    for chart in charts:
        assert chart.inputs["values"]["commonAnnotations"] == owner
        assert chart.inputs["values"]["awaitedAnnotations"].keys() == {"pulumi.com/timeoutSeconds"}
    others = [r for r in registered.resources if r.type.startswith("kubernetes:") and r not in charts]
    assert len(others) >= 5
    assert [r.name for r in others if not owner.items() <= r.inputs["metadata"]["annotations"].items()] == []
