"""What a benchmark ran on, from several places; what nobody says names its option."""

from __future__ import annotations

import pytest

from measurement.calibration.deployment import FactSource, argument_facts, deployment_facts, stated_deployment
from measurement.calibration.runs import Deployment
from planner.domain.gpu_names import gpu_called
from planner.edges.catalog_files import load_catalog

CATALOG = load_catalog()
FACTS = {"model": "llama-3.1-8b-instruct", "gpu": "L4", "tensor_parallel_size": "1", "quantization": "fp8"}


def told(facts: dict[str, str], model_name: str | None = None) -> Deployment | list[tuple[str, str]]:
    found = stated_deployment([FactSource("the options", facts)], model_name, CATALOG)
    return found if isinstance(found, Deployment) else [(each.code, each.message) for each in found]


def test_facts_make_a_deployment() -> None:
    found = told({**FACTS, "kv_cache_dtype": "fp8_e4m3", "engine_version": "0.33.0", "max_num_batched_tokens": "4096"})
    assert isinstance(found, Deployment)
    assert str(found) == "llama-3.1-8b-instruct (fp8, fp8 KV cache) on 1 × L4"
    assert (found.engine_version, found.batched_tokens) == ("0.33.0", 4096)
    assert found.weights == "llama-3.1-8b-instruct/fp8/kv-fp8"


@pytest.mark.parametrize(
    ("facts", "refused"),
    [
        ({"data_parallel_size": "2"}, "data_parallel_size is 2"),
        ({"enable_expert_parallel": "True"}, "enable_expert_parallel is True"),
        ({"data_parallel_size": "1", "enable_expert_parallel": "false"}, ""),
    ],
)
def test_another_layout_is_another_class_and_calibrates_nothing(facts: dict[str, str], refused: str) -> None:
    found = told({**FACTS, **facts})
    assert isinstance(found, Deployment) == (not refused)
    if isinstance(found, list):
        ((code, message),) = found
        assert code == "CAL015"
        assert message.startswith(refused)


def test_files_may_state_the_layout_in_their_own_words() -> None:
    assert deployment_facts({"dp": 2, "ep": True, "tp": 4}) == {
        "tensor_parallel_size": "4",
        "data_parallel_size": "2",
        "enable_expert_parallel": "True",
    }


def test_api_servers_are_one_unless_stated() -> None:
    one, four = told(FACTS), told({**FACTS, "api_server_count": "4"})
    assert isinstance(one, Deployment)
    assert isinstance(four, Deployment)
    assert (one.api_server_count, four.api_server_count) == (1, 4)
    for wrong in ("0", "-1", "1.5", "many"):
        assert told({**FACTS, "api_server_count": wrong}) == [
            ("CAL003", f"api_server_count {wrong} is not a whole number above zero")
        ]


@pytest.mark.parametrize(
    "values",
    [
        {"speculative_config": {"method": "mtp", "num_speculative_tokens": 1}},
        {"speculative_config": '{"method": "mtp", "num_speculative_tokens": 1}'},
        {"speculative-config": {"method": "mtp"}},
        {"engine_args": {"speculative_config": {"method": "mtp"}}},
        {"speculative_model": "some/draft"},
        {"args": ["--port", 8000, "--speculative-config", '{"method": "mtp", "num_speculative_tokens": 1}']},
        {"args": ['--speculative-config={"method": "mtp"}']},
        {"args": ['exec vllm serve some/model --speculative-config \'{"method": "mtp"}\' --port 8000']},
        {"vllm_args": '-sc \'{"method": "mtp"}\''},
        {"vllm_args": "--speculative-config.method mtp --speculative-config.num_speculative_tokens 1"},
        {"command": "vllm serve some/model --spec-method mtp"},
    ],
)
def test_drafted_tokens_calibrate_nothing(values: dict[str, object]) -> None:
    found = told({**FACTS, **deployment_facts(values), **argument_facts(values)})
    assert isinstance(found, list)
    ((code, message),) = found
    assert code == "CAL015"
    assert "speculative decoding" in message


@pytest.mark.parametrize(
    "values",
    [
        {"enable_lora": True},
        {"engine_args": {"max_loras": 4}},
        {"args": ["--enable-lora", "--max-loras=2"]},
        {"command": "vllm serve some/model --enable-lora --lora-modules a=/a b=/b"},
    ],
)
def test_adapters_calibrate_nothing(values: dict[str, object]) -> None:
    found = told({**FACTS, **deployment_facts(values), **argument_facts(values)})
    assert isinstance(found, list)
    ((code, message),) = found
    assert code == "CAL015"
    assert "LoRA adapters" in message


@pytest.mark.parametrize("off", [None, False, "", "false"])
def test_adapters_that_are_off_refuse_nothing(off: object) -> None:
    assert isinstance(told({**FACTS, **deployment_facts({"enable_lora": off})}), Deployment)


@pytest.mark.parametrize("off", [None, {}, "", "none", "null", "{}"])
def test_a_drafter_that_is_off_refuses_nothing(off: object) -> None:
    assert isinstance(told({**FACTS, **deployment_facts({"speculative_config": off})}), Deployment)


def test_arguments_of_the_engine_state_facts() -> None:
    args = ["serve", "/models/x", "--quantization=compressed-tensors", "-tp", "2", "--api-server-count=4"]
    assert argument_facts({"args": [*args, "--enable-expert-parallel", "--port", "8000"]}) == {
        "tensor_parallel_size": "2",
        "enable_expert_parallel": "true",
        "api_server_count": "4",
    }
    assert argument_facts({"args": None, "command": "it's --api-server-count 2"}) == {"api_server_count": "2"}
    assert argument_facts({"notes": "without --enable-expert-parallel", "args": 3}) == {}


@pytest.mark.parametrize("missing", sorted(FACTS))
def test_what_nobody_says_names_its_option(missing: str) -> None:
    found = stated_deployment(
        [FactSource("the options", {k: v for k, v in FACTS.items() if k != missing})], None, CATALOG
    )
    assert isinstance(found, tuple)
    assert [each.code for each in found] == ["CAL003"]
    assert f"--{missing.replace('_', '-')}" in found[0].hint


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = told({"model": "llama-9", "gpu": "L5", "tensor_parallel_size": "two", "kv_cache_dtype": "int2"})
    assert isinstance(found, list)
    assert {code for code, _ in found} == {"CAL003"}
    assert len(found) == 5  # and the quantization is said by nobody


@pytest.mark.parametrize(
    "served",
    [
        "meta-llama/Llama-3.1-8B-Instruct",
        "llama-3.1-8b-instruct",
        "/models/Llama-3.1-8B-Instruct/",
        "META-LLAMA/LLAMA-3.1-8B-INSTRUCT",
    ],
)
def test_the_served_name_finds_its_model(served: str) -> None:
    found = told({k: v for k, v in FACTS.items() if k != "model"}, served)
    assert isinstance(found, Deployment)
    assert found.model.key == "llama-3.1-8b-instruct"


def test_a_name_of_nothing_is_no_guess() -> None:
    found = told({k: v for k, v in FACTS.items() if k != "model"}, "tiny")
    assert isinstance(found, list)
    assert [code for code, _ in found] == ["CAL003"]
    assert "tiny" in found[0][1]


def test_a_checkpoint_says_its_quantization() -> None:
    model, way = next(
        (model, way)
        for model in CATALOG.models.values()
        for way in model.precisions()
        if way.checkpoint not in (None, model.hf_id) and not way.at_load
    )
    facts = {"gpu": "H100", "tensor_parallel_size": "8"}
    found = told(facts, way.checkpoint)
    assert isinstance(found, Deployment)
    assert (found.model.key, found.quantization.name) == (model.key, way.name)
    contradicted = told({**facts, "quantization": "bf16"}, way.checkpoint)
    assert isinstance(contradicted, list)
    assert contradicted[0][0] == "CAL004"


def test_two_places_that_contradict_each_other_are_named() -> None:
    said = [FactSource("the file", {"gpu": "L4"}), FactSource("the options", {**FACTS, "gpu": "A10G"})]
    found = stated_deployment(said, None, CATALOG)
    assert isinstance(found, tuple)
    assert [(each.code, each.message) for each in found] == [("CAL004", "gpu: the file says L4, the options says A10G")]
    agreed = stated_deployment([FactSource("the file", {"gpu": "l4"}), FactSource("the options", FACTS)], None, CATALOG)
    assert isinstance(agreed, Deployment)


def test_native_means_what_the_maker_publishes() -> None:
    found = told({**FACTS, "quantization": "native"})
    assert isinstance(found, Deployment)
    assert found.quantization.name == found.model.native
    wrong = told({**FACTS, "quantization": "int2"})
    assert isinstance(wrong, list)
    assert wrong[0][0] == "CAL003"


def test_facts_among_other_values_are_found_by_any_of_their_words() -> None:
    values = {"tp": 4, "vllm_version": "0.33.0", "gpu": " H100 ", "completed": 100, "label": None, "quantization": ""}
    assert deployment_facts(values) == {"gpu": "H100", "tensor_parallel_size": "4", "engine_version": "0.33.0"}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("L4", "L4"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("Tesla T4", "T4"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA H100 NVL", None),
        ("NVIDIA A100 80GB PCIe", None),
        ("NVIDIA GB200", None),
        ("AMD Instinct MI300X", None),
        ("", None),
    ],
)
def test_gpus_are_known_by_their_product_names(name: str, key: str | None) -> None:
    found = gpu_called(name, CATALOG.gpus)
    assert (found.key if found else None) == key
