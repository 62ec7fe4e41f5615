"""Published names of models and GPUs mean catalog rows, or are named gaps."""

from __future__ import annotations

import pytest

from measurement.evidence.names import ModelNames, NameMatch, compact_name, find_gpu, undated_name
from planner.domain.gaps import Gap
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
NAMES = ModelNames(CATALOG.models)
GPUS = CATALOG.all_gpus


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b-instruct"),
        ("meta-llama/Meta-Llama-3.1-8B", "llama-3.1-8b-instruct"),
        ("Llama3.1-8B", "llama-3.1-8b-instruct"),
        ("llama3:8b", "llama-3-8b-instruct"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "llama-3.3-70b-instruct"),
        ("neuralmagic/Meta-Llama-3.1-70B-Instruct-quantized.w4a16", "llama-3.1-70b-instruct"),
        ("unsloth/Meta-Llama-3.1-8B-bnb-4bit", "llama-3.1-8b-instruct"),
        ("nvidia/Qwen3-30B-A3B-FP4", "qwen3-30b-a3b"),
        ("nvidia/DeepSeek-R1-0528-FP4", "deepseek-r1"),
        ("nvidia/Llama-4-Scout-17B-16E-Instruct-FP4", "llama-4-scout"),
        ("mistralai/Mistral-7B-v0.1", "mistral-7b-instruct-v0.3"),
        ('mistralai/Mistral-7B (as named "mistral-7b")', "mistral-7b-instruct-v0.3"),
        ("mistralai/Mixtral-8x7B-v0.1", "mixtral-8x7b-instruct"),
        ("arcee-ai/Arcee-SuperNova (Llama 3.1 70B)", "llama-3.1-70b-instruct"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "llama-3.1-8b-instruct"),
        ("NousResearch/Llama-2-7b-chat-hf", "llama-2-7b-chat"),
        ("lmsys/vicuna-7b-v1.5", "llama-2-7b-chat"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "qwen2.5-32b-instruct"),
        ("GLM-4.5 355B-A32B", "glm-4.5"),
    ],
)
def test_models_that_share_a_shape(name: str, key: str) -> None:
    assert NAMES.find(name) == NameMatch(key)


@pytest.mark.parametrize("name", ["acme/gpt-9", "Llama", "DeepSeek", "Qwen/Qwen3-VL-32B", "GLM-4.5 20B", ""])
def test_an_unknown_model_is_a_gap(name: str) -> None:
    found = NAMES.find(name)
    assert isinstance(found, Gap)
    assert found.message == f"model {name} is not in the catalog"
    assert found.hint


def test_a_name_by_its_ending_must_agree_with_the_stated_size() -> None:
    assert NAMES.find("own/tuned-Llama-3.1-8B", "8.03B") == NameMatch("llama-3.1-8b-instruct")
    assert isinstance(NAMES.find("own/tuned-Llama-3.1-8B", "70.6B"), Gap)


def test_every_model_is_found_by_its_repository_and_key() -> None:
    for key, model in CATALOG.models.items():
        for name in (key,) if model.positions else (model.hf_id, key):
            found = NAMES.find(name)
            assert isinstance(found, NameMatch), name
            assert CATALOG.models[found.key].hf_id == model.hf_id or found.key == key


def test_formats_in_a_name_do_not_change_the_shape() -> None:
    for model in CATALOG.models.values():
        plain, packed = NAMES.find(model.hf_id), NAMES.find(f"other/{model.hf_id.rpartition('/')[2]}-AWQ")
        assert isinstance(plain, NameMatch)
        assert isinstance(packed, NameMatch), model.hf_id
        shapes = [CATALOG.models[found.key].architecture.layers for found in (plain, packed)]
        assert shapes[0] == shapes[1]


def test_separators_stay_between_digits() -> None:
    assert compact_name("nvidia/Llama-3.3-70B-Instruct-FP8") == "llama3.3-70b"
    assert compact_name("Qwen3-30B-A3B-Instruct-2507") == "qwen3-30ba3b2507"
    assert undated_name("Qwen3-30B-A3B-Instruct-2507") == "qwen3-30ba3b"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("H100-SXM", "H100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("8xH100", "H100"),
        ("H100-PCIe", "H100-PCIe"),
        ("H100 NVL", "H100-NVL"),
        ("H100 SXM NVLink", "H100"),
        ("H100SXM5-80GBx8", "H100"),
        ("H100NVL", "H100-NVL"),
        ("H200", "H200"),
        ("B200", "B200"),
        ("B300", "B300"),
        ("A100-40G", "A100-40GB"),
        ("A100-80G", "A100-80GB"),
        ("A100-SXM4-80GB", "A100-80GB"),
        ("A100-PCIE-80G", "A100-80GB-PCIe"),
        ("NVIDIA A100-PCIE-40GB", "A100-40GB-PCIe"),
        ("A10G", "A10G"),
        ("A10", "A10"),
        ("nvidia-l4", "L4"),
        ("L40S", "L40S"),
        ("Tesla T4", "T4"),
        ("RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
    ],
)
def test_gpus(name: str, key: str) -> None:
    assert find_gpu(name, "", GPUS, CATALOG.instances) == NameMatch(key)


@pytest.mark.parametrize("name", ["MI300X", "GB200", "RTX 3090", "V100", "H200 NVL", "H200-PCIe", "B200A", "A100X", ""])
def test_an_unknown_gpu_is_a_gap(name: str) -> None:
    assert isinstance(find_gpu(name, "", GPUS, CATALOG.instances), Gap)


def test_the_instance_type_decides_what_the_name_leaves_open() -> None:
    assert find_gpu("A100", "p4d.24xlarge", GPUS, CATALOG.instances) == NameMatch("A100-40GB")
    assert find_gpu("", "ml.g5.48xlarge", GPUS, CATALOG.instances) == NameMatch("A10G")
    alone = find_gpu("A100", "", GPUS, CATALOG.instances)
    assert isinstance(alone, NameMatch)
    assert alone.assumed


def test_cards_that_cannot_be_rented_have_rows_of_their_own() -> None:
    assert GPUS["H100-PCIe"].bandwidth_gb_per_s < GPUS["H100-NVL"].bandwidth_gb_per_s
    assert GPUS["H100-PCIe"].link == "pcie5-p2p"
    assert GPUS["H100-PCIe"].tflops["bf16"] == pytest.approx(756)
    assert GPUS["H100-PCIe"].tflops["fp8"] == pytest.approx(1512)
    assert GPUS["H100"] is CATALOG.gpus["H100"]
    assert GPUS.keys() - CATALOG.gpus.keys() == {
        "A10",
        "A100-40GB-PCIe",
        "A100-80GB-PCIe",
        "H100-NVL",
        "H100-PCIe",
        "L40",
        "RTX-4090",
        "RTX-5090",
        "RTX-PRO-6000-Workstation",
    }


@pytest.mark.parametrize("name", ["2xH100 + 2xA100", "L4/L40S", "A100 vs RTX 4090", "GB200 (B200)"])
def test_several_cards_in_one_name_are_a_gap(name: str) -> None:
    found = find_gpu(name, "", GPUS, CATALOG.instances)
    assert isinstance(found, Gap)
    assert found.message.startswith(f"GPU {name} names several: ")


def test_an_exact_name_must_agree_with_the_stated_size_too() -> None:
    found = NAMES.find("meta-llama/Llama-3.1-8B-Instruct", "70.6B")
    assert isinstance(found, Gap)
    assert found.message == "model meta-llama/Llama-3.1-8B-Instruct has 8.03B parameters, 70.6B are stated"
    for name, stated in (
        ("meta-llama/Llama-3.1-8B-Instruct", "8,030M"),
        ("Qwen/Qwen3-30B-A3B", "3.3B active of 30.5B"),
        ("mistralai/Mixtral-8x22B-Instruct-v0.1", "8x22B"),
    ):
        assert isinstance(NAMES.find(name, stated), NameMatch), name
