"""Both charts render the same objects under both Helm versions, and exactly the ones that were reviewed."""

from __future__ import annotations

import pytest
import yaml

from tests.charts.rendering import (
    ALL_EXAMPLES,
    CHARTS,
    EXAMPLES,
    HELMS,
    Object,
    Unrenderable,
    assert_golden,
    example,
    lasting,
    merged,
    one,
    pod_templates,
    pool,
    render,
    template,
)

pytestmark = pytest.mark.charts

every_example = pytest.mark.parametrize(("chart", "name"), ALL_EXAMPLES)


@every_example
def test_golden(chart: str, name: str) -> None:
    objects = render(chart, example(chart, name), release=name)
    text = "---\n".join(yaml.safe_dump(item, sort_keys=True, width=120) for item in objects)
    assert_golden(f"{chart}-{name}.yaml", text)


@every_example
def test_both_helms_render_the_same(chart: str, name: str) -> None:
    three, four = (render(chart, example(chart, name), helm=helm) for helm in HELMS)
    assert _by_identity(three) == _by_identity(four)


@every_example
def test_rendering_twice_gives_the_same_text(chart: str, name: str) -> None:
    assert template(chart, example(chart, name)) == template(chart, example(chart, name))


@every_example
def test_annotations_reach_every_lasting_object_and_no_pod(chart: str, name: str) -> None:
    marks = {"commonAnnotations": {"owner": "us"}, "awaitedAnnotations": {"patience": "60"}}
    objects = lasting(render(chart, merged(example(chart, name), marks)))
    assert len(objects) > 4
    assert {item["metadata"].get("annotations", {}).get("owner") for item in objects} == {"us"}
    awaited = {item["kind"] for item in objects if "patience" in item["metadata"]["annotations"]}
    assert awaited == ({"Deployment", "Service"} if chart == "gateway" else {"Deployment"})
    for _, pod in pod_templates(objects):
        assert not {"owner", "patience"} & pod["metadata"].get("annotations", {}).keys()


@every_example
def test_pods_come_after_what_binds_them(chart: str, name: str) -> None:
    """A deployer that applies objects one by one refuses a name that is not among them."""
    objects = lasting(render(chart, example(chart, name)))
    places = {_place(item): item["kind"] for item in objects}
    before = one(objects, "Deployment")["metadata"]["annotations"]["config.kubernetes.io/depends-on"].split(",")
    assert set(before) <= places.keys()
    assert {"PodDisruptionBudget", "NetworkPolicy", "ServiceAccount"} <= {places[place] for place in before}


@pytest.mark.parametrize("chart", sorted(EXAMPLES))
def test_every_object_is_named_after_the_release_and_labelled(chart: str) -> None:
    for item in render(chart, example(chart, EXAMPLES[chart][0]), release="some-release"):
        assert "some-release" in item["metadata"]["name"]
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "some-release"
        if item["kind"] != "PriorityClass":
            assert item["metadata"]["namespace"] == "spillway"


@pytest.mark.parametrize("chart", sorted(EXAMPLES))
def test_two_releases_share_no_object(chart: str) -> None:
    values = example(chart, EXAMPLES[chart][0])
    first, second = (_by_identity(render(chart, values, release=name)) for name in ("one", "two"))
    assert not first.keys() & second.keys()


@pytest.mark.parametrize("helm", HELMS)
def test_large_numbers_are_not_written_as_powers(helm: str) -> None:
    values = pool(engine={"maxNumQueuedTokens": 104857600, "maxModelLen": 1000000})
    text = template("vllm", values, helm=helm)
    assert "--max-num-queued-tokens=104857600" in text
    assert "--max-model-len=1000000" in text


@pytest.mark.parametrize("chart", sorted(EXAMPLES))
def test_extra_objects_are_rendered(chart: str) -> None:
    values = merged(
        example(chart, EXAMPLES[chart][-1]),
        {
            "privacy": "internal",
            "extraObjects": [
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"a": "{{ b }}"}},
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-extra'}",
            ],
        },
    )
    if chart == "gateway":
        del values["privacy"]
    names = {item["metadata"]["name"] for item in render(chart, values) if item["kind"] == "ConfigMap"}
    assert {"plain", "pool-a-extra"} <= names


@pytest.mark.parametrize("chart", sorted(EXAMPLES))
def test_extra_annotations_labels_and_variables_reach_the_pod(chart: str) -> None:
    values = merged(
        example(chart, EXAMPLES[chart][0]),
        {
            "podAnnotations": {"example.com/owner": "team-a"},
            "podLabels": {"example.com/tier": "gold"},
            "env": [{"name": "LOG_FORMAT", "value": "json"}],
            "nodeSelector": {"example.com/pool": "blue"},
            "tolerations": [{"key": "example.com/blue", "operator": "Exists", "effect": "NoSchedule"}],
        },
    )
    (deployment,) = (item for item in render(chart, values) if item["kind"] == "Deployment")
    made = deployment["spec"]["template"]
    assert made["metadata"]["annotations"]["example.com/owner"] == "team-a"
    assert made["metadata"]["labels"]["example.com/tier"] == "gold"
    assert {"name": "LOG_FORMAT", "value": "json"} in made["spec"]["containers"][0]["env"]
    assert made["spec"]["nodeSelector"]["example.com/pool"] == "blue"
    assert values["tolerations"][0] in made["spec"]["tolerations"]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("chart", sorted(EXAMPLES))
def test_without_values_the_chart_says_what_is_missing(chart: str, helm: str) -> None:
    with pytest.raises(Unrenderable, match="these values cannot be deployed"):
        template(chart, {}, helm=helm)


def test_charts_hold_no_foreign_files() -> None:
    allowed = {"Chart.yaml", "README.md", "values.yaml", "values.schema.json", ".helmignore", "ci", "templates"}
    further = {"gateway": {"dashboards"}}
    for chart in EXAMPLES:
        assert {file.name for file in (CHARTS / chart).iterdir()} == allowed | further.get(chart, set())


def _by_identity(objects: list[dict]) -> dict[tuple[str, str], dict]:  # type: ignore[type-arg]
    identified = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    assert len(identified) == len(objects)
    return identified


def _place(item: Object) -> str:
    group = item["apiVersion"].rpartition("/")[0]
    namespace = item["metadata"].get("namespace")
    where = f"namespaces/{namespace}/" if namespace else ""
    return f"{group}/{where}{item['kind']}/{item['metadata']['name']}"


EVERYTHING = {
    "vllm": pool(
        model={"servedName": "a"},
        tls={"issuer": {"name": "pools"}},
        monitoring={"podMonitor": {"enabled": True}, "rules": {"enabled": True}},
        autoscaling={"enabled": True, "demandPerReplica": 1, "maxReplicas": 2, "prometheusUrl": "http://p:9090"},
    ),
    "gateway": merged(
        example("gateway", "spilling"),
        {
            "autoscaling": {"enabled": True},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "shared"}], "hostnames": ["llm.example.com"]},
            "monitoring": {key: {"enabled": True} for key in ("podMonitor", "rules", "dashboards")},
        },
    ),
    "gateway behind a class": merged(
        example("gateway", "spilling"), {"ingress": {"enabled": True, "hosts": ["llm.example.com"]}}
    ),
}


@pytest.mark.parametrize("case", sorted(EVERYTHING))
def test_every_object_bears_the_annotations_of_its_owner(case: str) -> None:
    """Without them, a change that somebody made by hand would be a conflict and would not be put back."""
    objects = lasting(render(case.split()[0], merged(EVERYTHING[case], {"commonAnnotations": {"owner": "us"}})))
    bare = [item["kind"] for item in objects if item["metadata"].get("annotations", {}).get("owner") != "us"]
    assert bare == []
