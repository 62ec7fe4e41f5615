"""Every flag, value and variable that the vllm chart can render is one that the pinned vLLM knows."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.charts.rendering import (
    CHARTS,
    EXAMPLES,
    Unrenderable,
    container,
    example,
    merged,
    one,
    pool,
    render,
    template,
)
from tests.charts.vllm_tables import VERSION, flags, variables

# What the chart sets beside vLLM's own variables, and who reads it.
FOREIGN_VARIABLES = {
    "USER": "getpass, at torch's import",
    "HOME": "every cache without a variable of its own",
    "TORCHINDUCTOR_CACHE_DIR": "torch",
    "HF_HOME": "huggingface_hub",
    "HF_HUB_OFFLINE": "huggingface_hub, vLLM",
    "HF_HUB_DISABLE_TELEMETRY": "huggingface_hub",
    "AWS_EC2_METADATA_DISABLED": "the AWS SDKs of the streamer and of boto3",
    "AWS_REGION": "the AWS SDKs",
    "AWS_DEFAULT_REGION": "boto3",
    "AWS_ENDPOINT_URL": "the AWS SDKs, the streamer",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "the AWS SDKs",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "the AWS SDKs",
    "RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING": "the streamer",
}

# Together with the examples these reach every branch of the argument list.
EVERYTHING = {
    "modelStore": {"region": "eu-west-1", "endpointUrl": "https://minio.example:9000"},
    "engine": {
        "tensorParallelSize": 4,
        "dataParallelSize": 2,
        "maxModelLen": 131072,
        "maxNumBatchedTokens": 16384,
        "maxNumQueuedTokens": 2000000,
        "gpuMemoryUtilization": 1,
        "quantization": "compressed-tensors",
        "dtype": "bfloat16",
        "kvCacheDtype": "fp8_e4m3",
        "speculativeConfig": {"method": "mtp", "num_speculative_tokens": 3},
        "ropeParameters": {
            "rope_type": "yarn",
            "factor": 4,
            "original_max_position_embeddings": 32768,
            "rope_theta": 1000000,
        },
        "maxLoras": 2,
        "maxLoraRank": 32,
        "prefixCaching": False,
        "expertParallel": True,
        "enforceEager": True,
        "toolCallParser": "hermes",
        "reasoningParser": "qwen3",
        "chatTemplate": "tool_chat_template_hermes.jinja",
        "limitMmPerPrompt": {"image": 0, "video": 2},
        "tokenizerMode": "deepseek_v32",
        "languageModelOnly": True,
        "allowedMediaDomains": ["images.example.com", "media.example.com"],
        "trustRemoteCode": True,
    },
    "model": {"revision": "abc"},
    "adapters": [{"name": "acme-support", "source": "s3://acme-adapters/support/v1"}],
    "trustedRemoteCode": ["Qwen/Qwen3-8B@abc"],
    "extraArgs": ["--max-logprobs=5"],
}
VOLUME = {"model": {"source": "/models/qwen3-8b"}, "modelStore": {"volumeClaim": "weights"}}
NULLS = {"engine": dict.fromkeys(("maxNumSeqs", "maxNumQueuedReqs", "gpuMemoryUtilization", "dtype", "kvCacheDtype"))}

VALUE_SETS = {
    **{name: example("vllm", name) for name in EXAMPLES["vllm"]},
    "everything": pool(**EVERYTHING),
    "volume": pool(**VOLUME),
    "nulls": pool(**NULLS),
}
charts = pytest.mark.charts
value_sets = pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS)


@charts
@value_sets
def test_every_argument_is_one_that_vllm_parses(values: dict[str, Any]) -> None:
    engine = container(render("vllm", values))
    assert engine["command"] == ["vllm", "serve"]
    source, *arguments = engine["args"]
    assert source == values["model"]["source"]
    assert list(_misunderstood(arguments)) == []


def test_the_check_of_arguments_can_fail() -> None:
    assert list(_misunderstood(["--swap-space=4"])) == ["--swap-space is unknown"]
    assert list(_misunderstood(["--dtype=fp7"])) != []
    assert list(_misunderstood(["--max-num-seqs=many"])) != []
    assert list(_misunderstood(["--enforce-eager=1"])) != []
    assert list(_misunderstood(["--max-num-seqs"])) != []
    assert list(_misunderstood(["--port=1", "stray"])) == ["stray belongs to no flag"]
    assert list(_misunderstood(["--load-format=s3"])) != []


@charts
@value_sets
def test_no_flag_is_given_twice(values: dict[str, Any]) -> None:
    names = [text.split("=")[0] for text in container(render("vllm", values))["args"] if text.startswith("--")]
    assert sorted(names) == sorted(set(names))


@charts
@value_sets
def test_every_variable_is_known_and_set_once(values: dict[str, Any]) -> None:
    names = [entry["name"] for entry in container(render("vllm", values))["env"]]
    assert sorted(names) == sorted(set(names))
    for name in names:
        assert name in variables() or name in FOREIGN_VARIABLES, name
        assert not (name.startswith("VLLM_") and name not in variables()), name


@charts
def test_the_lock_arrives_word_for_word() -> None:
    arguments = container(render("vllm", example("vllm", "restricted-tp2")))["args"]
    assert set(arguments) >= {
        *("--served-model-name=llama-3.3-70b-instruct", "--tensor-parallel-size=2", "--max-model-len=16384"),
        *("--max-num-seqs=48", "--max-num-batched-tokens=8192", "--max-num-queued-reqs=12"),
        *("--max-num-queued-tokens=1048576", "--gpu-memory-utilization=0.92", "--quantization=fp8"),
        *("--kv-cache-dtype=fp8", "--load-format=runai_streamer", "--shutdown-timeout=90"),
    }


@charts
def test_copies_of_the_attention_share_one_api_server_and_its_limits() -> None:
    copies = {"engine": {"dataParallelSize": 8, "expertParallel": True}}
    arguments = container(render("vllm", pool(**copies)))["args"]
    flags = {"--tensor-parallel-size=1", "--data-parallel-size=8", "--enable-expert-parallel", "--api-server-count=1"}
    assert flags <= set(arguments)
    several = container(render("vllm", pool(engine={"apiServerCount": 3})))["args"]
    assert "--api-server-count=3" in several
    alone = container(render("vllm", pool()))["args"]
    assert not [text for text in alone if text.startswith(("--data-parallel", "--api-server"))]


@charts
def test_a_drafter_is_told_as_json_with_whole_numbers() -> None:
    drafter = {"speculativeConfig": {"method": "mtp", "num_speculative_tokens": 2.0}}
    arguments = container(render("vllm", pool(engine=drafter)))["args"]
    assert '--speculative-config={"method":"mtp","num_speculative_tokens":2}' in arguments
    assert not [text for text in container(render("vllm", pool()))["args"] if text.startswith("--spec")]


@charts
def test_stretched_positions_are_told_as_json_with_whole_numbers() -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768.0, "rope_theta": 1e6}
    arguments = container(render("vllm", pool(engine={"ropeParameters": rope})))["args"]
    (told,) = (text for text in arguments if text.startswith("--hf-overrides="))
    assert told == (
        '--hf-overrides={"rope_parameters":{"factor":4,"original_max_position_embeddings":32768,'
        '"rope_theta":1000000,"rope_type":"yarn"}}'
    )
    assert not [text for text in container(render("vllm", pool()))["args"] if text.startswith("--hf")]


ADAPTERS = [{"name": name, "source": f"s3://acme-adapters/{name}/v1"} for name in ("acme-legal", "acme-support")]
ADAPTED = {"adapters": ADAPTERS, "engine": {"maxLoras": 2.0, "maxLoraRank": 16.0}}


@charts
def test_adapters_are_copied_before_the_engine_starts_and_named_in_its_arguments() -> None:
    objects = render("vllm", pool(**ADAPTED))
    engine = container(objects)
    arguments = engine["args"]
    place = arguments.index("--lora-modules")
    names = ["acme-legal=/adapters/acme-legal", "acme-support=/adapters/acme-support"]
    assert arguments[place + 1 : place + 3] == names
    assert arguments[place + 3].startswith("--")
    assert {"--enable-lora", "--max-loras=2", "--max-lora-rank=16"} <= set(arguments)
    (copying,) = one(objects, "Deployment")["spec"]["template"]["spec"]["initContainers"]
    assert copying["args"][1:] == [f"{each['name']}={each['source']}" for each in ADAPTERS]
    assert copying["image"] == engine["image"]
    variables = {each["name"]: each.get("value") for each in copying["env"]}
    assert {each["name"] for each in engine["env"]} | {"NVIDIA_VISIBLE_DEVICES"} == set(variables)
    assert variables["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert "nvidia.com/gpu" not in json.dumps(copying["resources"])
    assert {"name": "adapters", "mountPath": "/adapters", "readOnly": True} in engine["volumeMounts"]
    assert {"name": "adapters", "mountPath": "/adapters"} in copying["volumeMounts"]
    plain = json.dumps(render("vllm", pool()))
    assert "lora" not in plain
    assert "initContainers" not in plain


class Store:
    """An S3 client that holds some keys, each with its own name as content."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = keys

    def get_paginator(self, _: str) -> Store:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803  (boto3's own spelling)
        held = [{"Key": key} for key in self.keys if key.startswith(Prefix)]
        return [{}, {"Contents": held[:1]}, {"Contents": held[1:]}]

    def download_file(self, bucket: str, key: str, file: str) -> None:
        Path(file).write_text(f"{bucket}/{key}", encoding="utf-8")


@charts
@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["legal/v1/", "legal/v1/adapter_config.json", "legal/v1/a/b.safetensors", "legal/v10/other.json"], None),
        (["legal/v1/model.safetensors"], "holds no adapter_config.json"),
        (["legal/v1/adapter_config.json", "legal/v1/../../x"], "would be written outside"),
    ],
)
def test_the_copying_program_takes_what_lies_below_the_prefix_alone(
    keys: list[str], told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = render("vllm", pool(**ADAPTED))
    program = one(objects, "Deployment")["spec"]["template"]["spec"]["initContainers"][0]["args"][0]
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=lambda _: Store(keys)))
    monkeypatch.setattr(sys, "argv", ["-c", "acme-legal=s3://acme-adapters/legal/v1/"])
    code = compile(program.replace('"/adapters"', repr(str(tmp_path))), "program", "exec")
    if told is not None:
        with pytest.raises(SystemExit, match=told):
            exec(code, {})
        return
    exec(code, {})
    written = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert written == ["acme-legal/a/b.safetensors", "acme-legal/adapter_config.json"]
    assert (tmp_path / written[0]).read_text(encoding="utf-8") == "acme-adapters/legal/v1/a/b.safetensors"


@charts
def test_weights_from_s3_are_streamed_and_shared_between_gpus() -> None:
    assert _loader(pool()) == ("runai_streamer", None)
    assert _loader(pool(engine={"tensorParallelSize": 4})) == ("runai_streamer", {"distributed": True})
    copies = {"tensorParallelSize": 4, "dataParallelSize": 2, "expertParallel": True}
    assert _loader(pool(engine=copies)) == ("runai_streamer", None)
    streamer = {"modelStore": {"streamer": {"concurrency": 8, "memoryLimitBytes": 5_000_000_000}}}
    assert _loader(pool(**streamer)) == ("runai_streamer", {"concurrency": 8, "memory_limit": 5_000_000_000})
    assert _loader(pool(**VOLUME)) == (None, None)


@charts
def test_no_media_url_may_be_fetched_unless_listed() -> None:
    arguments = container(render("vllm", pool()))["args"]
    assert arguments[arguments.index("--allowed-media-domains") + 1] == "none.invalid"
    listed = container(render("vllm", VALUE_SETS["everything"]))["args"]
    at = listed.index("--allowed-media-domains")
    assert listed[at + 1 : at + 3] == ["images.example.com", "media.example.com"]
    assert listed[at + 3].startswith("--")


@charts
def test_engine_never_phones_home_nor_opens_a_side_door() -> None:
    variables_set = {entry["name"]: entry["value"] for entry in container(render("vllm", pool()))["env"]}
    assert variables_set["HF_HUB_OFFLINE"] == "1"
    assert variables_set["VLLM_NO_USAGE_STATS"] == variables_set["VLLM_DO_NOT_TRACK"] == "1"
    assert variables_set["VLLM_MEDIA_URL_ALLOW_REDIRECTS"] == "0"
    assert variables_set["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"] == "75"
    assert variables_set["USER"] == "vllm"
    assert "VLLM_SERVER_DEV_MODE" not in variables_set


@pytest.mark.parametrize("values", [pool(), pool(**EVERYTHING)])
def test_the_cache_is_the_plans_and_no_estimate_of_graphs_is_taken_from_it(values: dict[str, Any]) -> None:
    variables = {entry["name"]: entry.get("value") for entry in container(render("vllm", values))["env"]}
    assert variables["VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"] == "0"


def test_schema_offers_only_choices_that_vllm_has() -> None:
    engine = _schema()["properties"]["engine"]["properties"]
    for key, flag in {"quantization": "--quantization", "dtype": "--dtype", "kvCacheDtype": "--kv-cache-dtype"}.items():
        offered = {choice for choice in engine[key]["enum"] if choice is not None}
        assert offered <= set(flags()[flag].choices or ()), key


def test_every_owned_and_refused_name_is_vllms() -> None:
    text = (CHARTS / "vllm" / "templates" / "_checks.tpl").read_text(encoding="utf-8")
    named = set(re.findall(r'"(--[a-z-]+)"', text))
    assert len(named) > 40
    assert named <= flags().keys()
    assert set(re.findall(r'"(VLLM_[A-Z_]+)"', text)) <= variables().keys()


@charts
def test_every_other_flag_of_vllm_may_be_an_extra_argument() -> None:
    """The rule on beginnings of flags must not refuse a flag that merely begins like one."""
    text = (CHARTS / "vllm" / "templates" / "_checks.tpl").read_text(encoding="utf-8")
    free = sorted(name for name in flags() if name.startswith("--") and f'"{name}"' not in text)
    try:
        template("vllm", pool(extraArgs=free))
    except Unrenderable as refused:
        told = re.findall(r"extraArgs: (\S+) is", str(refused))
        pytest.fail(f"refused without being named: {told}")


@charts
def test_every_owned_flag_is_refused_as_an_extra_argument() -> None:
    rendered = container(render("vllm", VALUE_SETS["everything"]))["args"]
    rendered += container(render("vllm", pool()))["args"]
    owned = {text.split("=")[0] for text in rendered if text.startswith("--")} - {"--max-logprobs"}
    with pytest.raises(Unrenderable) as refused:
        template("vllm", pool(extraArgs=sorted(owned)))
    told = set(re.findall(r"extraArgs: (\S+) is set by the chart", str(refused.value)))
    assert owned <= told


def test_chart_and_tables_are_of_one_vllm_version() -> None:
    chart = yaml.safe_load((CHARTS / "vllm" / "Chart.yaml").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHARTS / "vllm" / "values.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == VERSION
    assert values["image"]["tag"] == f"v{VERSION}"


@charts
def test_images_are_named_by_digest_where_there_is_one() -> None:
    pinned = example("vllm", "restricted-tp2")
    assert container(render("vllm", pinned))["image"].endswith(f"vllm-openai:v0.33.0@{pinned['image']['digest']}")
    mirrored = merged(
        pool(), {"image": {"repository": "mirror.example/vllm", "tag": "2026", "engineVersion": "0.34.1"}}
    )
    assert container(render("vllm", mirrored))["image"] == "mirror.example/vllm:2026"


def _misunderstood(arguments: list[str]) -> list[str]:
    """What vLLM's parser would not take, in words."""
    problems: list[str] = []
    taking_more = False
    for position, text in enumerate(arguments):
        if not text.startswith("--"):
            if not taking_more:
                problems.append(f"{text} belongs to no flag")
            continue
        name, given, value = text.partition("=")
        flag = flags().get(name)
        taking_more = bool(flag and flag.many and not given)
        if flag is None:
            problems.append(f"{name} is unknown")
        elif flag.value == "none":
            problems += [f"{name} takes no value"] if given else []
        elif taking_more:
            following = arguments[position + 1 : position + 2]
            problems += [] if following and not following[0].startswith("--") else [f"{name} needs a value"]
        elif not given:
            problems.append(f"{name} needs a value")
        elif not _fits(flag.value, value) or (flag.choices is not None and value not in flag.choices):
            problems.append(f"{name} does not take {value!r}")
    return problems


def _fits(kind: str, value: str) -> bool:
    if kind == "int":
        return re.fullmatch(r"[0-9]+", value) is not None
    if kind == "float":
        return re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) is not None
    if kind == "json":
        return isinstance(json.loads(value), dict)
    return value != ""


def _loader(values: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
    given = dict(text.partition("=")[::2] for text in container(render("vllm", values))["args"])
    extra = given.get("--model-loader-extra-config")
    return given.get("--load-format"), json.loads(extra) if extra else None


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CHARTS / "vllm" / "values.schema.json").read_text(encoding="utf-8"))
    return schema
