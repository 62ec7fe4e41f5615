"""The Job of a profile: valid for Kubernetes, off the network, restricted, and asking what the program understands."""

from __future__ import annotations

import copy
import re
import sys
from typing import Any

import kubernetes_validate
import pytest
import yaml

from infra import naming
from measurement.files.run_profiler import program_text
from measurement.profile.job import (
    ACCELERATOR_LABEL,
    DTYPES,
    GPU_RESOURCE,
    IMAGE,
    NODE_GROUP,
    JobPlace,
    ProfileRequest,
    manifest,
    render,
)
from measurement.profiler import program
from planner.edges.catalog_files import load_catalog
from tests.charts.pod_security import violations
from tests.docs.markdown import ROOT

PROGRAM = program_text()
L4 = JobPlace("L4")
FULL = ProfileRequest(
    gpus=4,
    weights=((6144, 4096), (4096, 14336)),
    heads=((32, 8, 128),),
    tensor_parallel_sizes=(1, 2),
    dtypes=DTYPES,
    grid="quick",
    time_limit_s=120,
)


def objects(request: ProfileRequest = FULL, place: JobPlace = L4) -> dict[str, Any]:
    return {each["kind"]: each for each in manifest(request, place, PROGRAM)}


def pod(**changes: Any) -> Any:
    return objects(**changes)["Job"]["spec"]["template"]


@pytest.mark.parametrize("version", ["1.30", "1.36"])
@pytest.mark.parametrize("request_", [ProfileRequest(gpus=1), FULL], ids=["least", "full"])
def test_every_object_fits_the_schemas_of_kubernetes(request_: ProfileRequest, version: str) -> None:
    for item in yaml.safe_load_all(render(manifest(request_, JobPlace("L4", node_group="l4-a"), PROGRAM))):
        kubernetes_validate.validate(item, version, strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    wrong = copy.deepcopy(objects()["Job"])
    wrong["spec"]["ttlSecondsAfterFinish"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="ttlSecondsAfterFinish"):
        kubernetes_validate.validate(wrong, "1.36", strict=True)


def test_its_pod_holds_the_restricted_profile() -> None:
    assert violations(pod()) == []
    (container,) = pod()["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod()["spec"]["automountServiceAccountToken"] is False


def test_nothing_gets_in_or_out() -> None:
    policy = objects()["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(policy)
    assert policy["podSelector"]["matchLabels"].items() <= pod()["metadata"]["labels"].items()


def test_it_takes_whole_gpus_of_the_kind_that_was_named() -> None:
    spec = pod(place=JobPlace("RTX-PRO-6000"))["spec"]
    (container,) = spec["containers"]
    assert container["resources"]["limits"][GPU_RESOURCE] == container["resources"]["requests"][GPU_RESOURCE] == "4"
    assert spec["nodeSelector"] == {ACCELERATOR_LABEL: "nvidia-rtx-pro-6000"}
    assert [each["key"] for each in spec["tolerations"]] == [GPU_RESOURCE]


def test_a_node_group_is_selected_and_tolerated() -> None:
    spec = pod(place=JobPlace("L4", node_group="l4-chat"))["spec"]
    assert spec["nodeSelector"] == {NODE_GROUP: "l4-chat"}
    assert {"key": NODE_GROUP, "operator": "Equal", "value": "l4-chat", "effect": "NoSchedule"} in spec["tolerations"]


def test_labels_and_taints_are_those_that_the_infrastructure_sets() -> None:
    assert (ACCELERATOR_LABEL, NODE_GROUP, GPU_RESOURCE) == (
        naming.ACCELERATOR_LABEL,
        naming.NODE_GROUP_LABEL,
        naming.GPU_TAINT,
    )
    for gpu in load_catalog().gpus:
        (label,) = pod(place=JobPlace(gpu))["spec"]["nodeSelector"].values()
        assert label == naming.label_value(f"nvidia-{gpu}")
    assert JobPlace("L4").namespace == naming.SERVING_NAMESPACE


def test_the_image_is_the_one_that_the_chart_deploys() -> None:
    image = yaml.safe_load((ROOT / "charts/vllm/values.yaml").read_text(encoding="utf-8"))["image"]
    assert f"{image['repository']}:{image['tag']}" == IMAGE


def test_it_ends_by_itself_and_is_removed_a_day_later() -> None:
    spec = objects()["Job"]["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] > FULL.time_limit_s
    assert spec["ttlSecondsAfterFinished"] == 86_400


def test_what_can_be_written_is_what_the_program_writes_to() -> None:
    spec = pod()["spec"]
    (container,) = spec["containers"]
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert {path for path, each in mounts.items() if not each.get("readOnly")} == {"/tmp", "/dev/shm"}
    assert container["command"][1].rpartition("/")[0] in mounts
    assert f"--log={container['terminationMessagePath']}" in container["args"]


def test_the_program_arrives_byte_for_byte_and_fits_a_config_map() -> None:
    config_map = next(yaml.safe_load_all(render(manifest(FULL, L4, PROGRAM))))
    (container,) = pod()["spec"]["containers"]
    assert config_map["data"] == {container["command"][1].rpartition("/")[2]: PROGRAM}
    assert len(PROGRAM) < 2**20
    assert "    def measure" in render([config_map]), "it can be read in the manifest"


def test_the_program_s_file_hides_no_module_of_python() -> None:
    """Its folder stands first on the path, and PyTorch imports `profile` among others."""
    (container,) = pod()["spec"]["containers"]
    assert container["command"][1].rpartition("/")[2].removesuffix(".py") not in sys.stdlib_module_names


def test_the_program_understands_every_argument() -> None:
    (container,) = pod()["spec"]["containers"]
    parsed = program.arguments(container["args"])
    assert (parsed.gpus, parsed.time_limit, parsed.quick) == (4, 120.0, True)
    assert (parsed.gemm, parsed.attention) == ([(6144, 4096), (4096, 14336)], [(32, 8, 128)])
    assert (tuple(parsed.dtype), parsed.tensor_parallel_size) == (DTYPES, [1, 2])
    assert set(DTYPES) == set(program.DTYPES)


@pytest.mark.parametrize("gpu", sorted(load_catalog().gpus))
def test_names_are_names_and_differ_with_what_is_asked(gpu: str) -> None:
    names = {
        objects(request, JobPlace(gpu))["Job"]["metadata"]["name"]
        for request in (FULL, ProfileRequest(gpus=4), ProfileRequest(gpus=1))
    }
    assert len(names) == 3
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names)


def test_the_same_question_gives_the_same_bytes() -> None:
    assert render(manifest(FULL, L4, PROGRAM)) == render(manifest(FULL, L4, PROGRAM))
