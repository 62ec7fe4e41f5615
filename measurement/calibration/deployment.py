"""What a benchmark ran on, put together from its file, a note beside the file, and options.

A benchmark file knows the name that the server gave its model, and seldom more. Each fact may stand in several places.
Two places that contradict each other are an error. A fact that stands nowhere is an error too, which names the option
for it. Four have a default: the KV cache (`auto`), the tokens of a step (vLLM's own), the number of API servers (1) and
the version of the engine (unknown).

A note may also hold the arguments of `vllm serve`, as a list, one line or keys. They count as a place of their own.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from measurement.calibration.refusals import RunRefusal
from measurement.calibration.runs import Deployment
from planner.domain.catalog import Catalog
from planner.domain.gaps import did_you_mean
from planner.domain.gpu_names import gpu_called
from planner.domain.models import Model, Quantization
from planner.domain.offerings import Gpu
from planner.performance.precision import KvFormat

ALIASES: Mapping[str, tuple[str, ...]] = {
    "model": ("model",),
    "gpu": ("gpu", "gpu_type", "accelerator"),
    "tensor_parallel_size": ("tensor_parallel_size", "tp", "tensor_parallel"),
    "quantization": ("quantization", "precision", "weight_dtype"),
    "kv_cache_dtype": ("kv_cache_dtype", "kv_dtype"),
    "engine_version": ("engine_version", "vllm_version", "vllm"),
    "max_num_batched_tokens": ("max_num_batched_tokens",),
    "data_parallel_size": ("data_parallel_size", "dp", "data_parallel"),
    "enable_expert_parallel": ("enable_expert_parallel", "expert_parallel", "ep"),
    "api_server_count": ("api_server_count", "asc"),
    "speculative_config": ("speculative_config", "sc", "speculative_model", "spec_method", "spec_model"),
    "enable_lora": ("enable_lora", "max_loras", "lora_modules"),
}
"""The words that a file may use for a fact, by the name of the fact's option."""
ARGUMENT_KEYS = ("args", "command", "engine_args", "vllm_args")
"""The keys of a note under which arguments of `vllm serve` may stand."""
ENGINE_ARGUMENTS = (
    *("tensor_parallel_size", "data_parallel_size", "enable_expert_parallel", "api_server_count"),
    *("kv_cache_dtype", "max_num_batched_tokens", "speculative_config", "enable_lora"),
)
"""Facts that are read from such arguments. `--model` and `--quantization` are not among them: vLLM takes a path
and a way of loading there, which need not be words of the catalog."""
REQUIRED = ("model", "gpu", "tensor_parallel_size", "quantization")
OFF = ("", "0", "false", "no", "off", "none", "null")
"""Values by which a fact says that something was not switched on."""
KV_FORMATS: Mapping[str, KvFormat] = {
    "": "bf16",
    "auto": "bf16",
    "bf16": "bf16",
    "bfloat16": "bf16",
    "fp16": "bf16",
    "float16": "bf16",
    "fp8": "fp8",
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
}


@dataclass(frozen=True, slots=True)
class FactSource:
    """One place that states facts.

    place: name of the place for people, such as `the file`, `deployment.yaml` or `the options`.
    facts: values by the name of their option.
    """

    place: str
    facts: Mapping[str, str]


def deployment_facts(values: Mapping[str, object]) -> dict[str, str]:
    """The facts about a deployment among the plain values of a file, by the name of their option."""
    values = {str(key).replace("-", "_"): value for key, value in values.items()}
    facts = {}
    for name, words in ALIASES.items():
        stated = [values[word] for word in words if word in values and isinstance(values[word], str | int | float)]
        if stated and str(stated[0]).strip():
            facts[name] = str(stated[0]).strip()
    drafting = values.get("speculative_config")
    if isinstance(drafting, Mapping):
        facts["speculative_config"] = json.dumps(drafting, sort_keys=True, default=str)
    return facts


def argument_facts(values: Mapping[str, object]) -> dict[str, str]:
    """The facts that arguments of `vllm serve` among the values of a note state, by the name of their option."""
    flags: dict[str, object] = {}
    for stated in (values.get(key) for key in ARGUMENT_KEYS):
        flags |= stated if isinstance(stated, Mapping) else dict(_flags(_words(stated)))
    return {name: value for name, value in deployment_facts(flags).items() if name in ENGINE_ARGUMENTS}


def _words(arguments: object) -> list[str]:
    """The words of arguments, which are a list or one line. A line whose quotes do not match is cut at its blanks."""
    if isinstance(arguments, list):
        # A shell's script is one item with many words. The value of a flag, such as JSON, stays whole.
        return [part for each in arguments for part in (_words(each) if " --" in str(each) else [str(each)])]
    if not isinstance(arguments, str):
        return []
    try:
        return shlex.split(arguments)
    except ValueError:
        return arguments.split()


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(the name of a flag with underscores, its value or `true`) of each flag; `--name.key value` is one of `name`."""
    for word, following in zip_longest(words, words[1:], fillvalue="-"):
        flag = re.fullmatch(r"--?([A-Za-z][\w-]*)(?:\.[^=]*)?(?:=(.*))?", word, re.DOTALL)
        if flag:
            value = flag[2] if flag[2] is not None else following
            yield flag[1].replace("-", "_"), "true" if value.startswith("-") else value


def stated_deployment(
    sources: Sequence[FactSource], model_name: str | None, catalog: Catalog
) -> Deployment | tuple[RunRefusal, ...]:
    """The deployment that these places describe together, or every reason why they describe none.

    model_name: what the server called its model. It counts when no place states a key of the catalog.
    """
    facts, problems = _joined_facts(sources)
    model, served = _model(facts, model_name, catalog, problems)
    gpu = _gpu(facts, catalog, problems)
    ranks = _count(facts, "tensor_parallel_size", problems)
    tokens = _count(facts, "max_num_batched_tokens", problems)
    servers = _count(facts, "api_server_count", problems)
    problems += _other_layout(facts)
    problems += _drafted_tokens(facts)
    problems += _adapters(facts)
    quantization = _quantization(facts, model, served, problems)
    kv = KV_FORMATS.get(facts.get("kv_cache_dtype", "").lower())
    if kv is None:
        names = ", ".join(word for word in KV_FORMATS if word)
        message = f"kv_cache_dtype {facts['kv_cache_dtype']} is not known"
        problems.append(RunRefusal("CAL003", message, f"one of {names}"))
    problems += _missing(facts, model_name, served)
    if problems or model is None or gpu is None or ranks is None or quantization is None or kv is None:
        return tuple(problems)
    return Deployment(model, quantization, gpu, ranks, kv, facts.get("engine_version", ""), tokens, servers or 1)


def _joined_facts(sources: Sequence[FactSource]) -> tuple[dict[str, str], list[RunRefusal]]:
    """(the facts of all places, one refusal for each fact on which two places disagree)."""
    facts: dict[str, str] = {}
    origin: dict[str, str] = {}
    problems = []
    for source in sources:
        for name, value in source.facts.items():
            if name in facts and facts[name].lower() != value.lower():
                message = f"{name}: {origin[name]} says {facts[name]}, {source.place} says {value}"
                problems.append(RunRefusal("CAL004", message, "correct the one that is wrong", name))
            elif name not in facts:
                facts[name], origin[name] = value, source.place
    return facts, problems


def _missing(facts: Mapping[str, str], model_name: str | None, served: str | None) -> list[RunRefusal]:
    """One refusal for each fact that stands nowhere and has no default."""
    stated = set(facts) | ({"model"} if model_name else set()) | ({"quantization"} if served else set())
    return [
        RunRefusal(
            "CAL003",
            f"nothing says the {name.replace('_', ' ')} of this run",
            f"give --{name.replace('_', '-')}, or `{name}:` in a deployment.yaml beside the file",
        )
        for name in REQUIRED
        if name not in stated
    ]


def _other_layout(facts: Mapping[str, str]) -> Iterator[RunRefusal]:
    """One refusal for each fact by which the GPUs shared the model in another way than by tensor parallelism."""
    for name in ("data_parallel_size", "enable_expert_parallel"):
        if facts.get(name, "").lower() not in (*OFF, "1"):
            message = f"{name} is {facts[name]}: such a replica is another class, and nothing is calibrated for it yet"
            yield RunRefusal("CAL015", message, "calibrate with runs of tensor parallelism alone", name)


def _drafted_tokens(facts: Mapping[str, str]) -> Iterator[RunRefusal]:
    """The refusal of speculative decoding, whose steps no calibration tells from those of one token."""
    stated = facts.get("speculative_config", "")
    if stated.lower() not in (*OFF, "{}"):
        message = f"tokens were drafted by speculative decoding (speculative_config {stated})"
        yield RunRefusal("CAL015", message, "calibrate with runs without a drafter", "speculative_config")


def _adapters(facts: Mapping[str, str]) -> Iterator[RunRefusal]:
    """The refusal of LoRA adapters, which slow every step of a replica that holds them."""
    if facts.get("enable_lora", "").lower() not in (*OFF, "[]"):
        message = f"the replica held LoRA adapters (enable_lora {facts['enable_lora']})"
        yield RunRefusal("CAL015", message, "calibrate with runs without adapters", "enable_lora")


def _model(
    facts: Mapping[str, str], model_name: str | None, catalog: Catalog, problems: list[RunRefusal]
) -> tuple[Model | None, str | None]:
    """(the model, its quantization where the name is that of a quantized checkpoint)."""
    stated = facts.get("model")
    if stated is not None:
        model, served = _find_model(stated, catalog.models.values())
        if model is None:
            hint = did_you_mean(stated, catalog.models)
            problems.append(RunRefusal("CAL003", f"model {stated} is not in the catalog", hint))
        return model, served
    if model_name is None:
        return None, None
    model, served = _find_model(model_name, catalog.models.values())
    if model is None:
        near = did_you_mean(_bare(model_name), catalog.models)
        message = f"the served model {model_name} is not in the catalog"
        problems.append(RunRefusal("CAL003", message, f"name its catalog key with --model; {near}", "model_id"))
    return model, served


def _find_model(name: str, models: Iterable[Model]) -> tuple[Model | None, str | None]:
    """(the model with this key, repository or checkpoint, its quantization where it is the name of a checkpoint)."""
    listed = sorted((each for each in models if each.positions is None), key=lambda each: each.key)
    for model in listed:
        if name.lower() in (model.key, model.hf_id.lower()):
            return model, None
    for model in listed:
        for way in model.precisions():
            if way.checkpoint is not None and not way.at_load and name.lower() == way.checkpoint.lower():
                return model, way.name
    for model in listed:
        if _bare(name) == _bare(model.hf_id):
            return model, None
    return None, None


def _bare(name: str) -> str:
    """The name of a repository without its organisation, spelt like a key of the catalog."""
    return re.sub(r"[\s_]+", "-", name.rstrip("/").rsplit("/", 1)[-1].lower())


def _gpu(facts: Mapping[str, str], catalog: Catalog, problems: list[RunRefusal]) -> Gpu | None:
    stated = facts.get("gpu")
    if stated is None:
        return None
    gpu = gpu_called(stated, catalog.gpus)
    if gpu is None:
        hint = did_you_mean(stated, catalog.gpus)
        problems.append(RunRefusal("CAL003", f"GPU {stated} is not in the catalog", hint, "gpu"))
    return gpu


def _count(facts: Mapping[str, str], name: str, problems: list[RunRefusal]) -> int | None:
    stated = facts.get(name)
    if stated is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,6}", stated):
        hint = f"give --{name.replace('_', '-')} as a number from 1 on"
        problems.append(RunRefusal("CAL003", f"{name} {stated} is not a whole number above zero", hint, name))
        return None
    return int(stated)


def _quantization(
    facts: Mapping[str, str], model: Model | None, served: str | None, problems: list[RunRefusal]
) -> Quantization | None:
    stated = facts.get("quantization", served)
    if model is None or stated is None:
        return None
    if served is not None and stated.lower() != served:
        message = f"quantization: the served checkpoint is {served}, the options say {stated}"
        problems.append(RunRefusal("CAL004", message, "correct the one that is wrong", "quantization"))
        return None
    quantization = model.precision(model.native if stated.lower() in ("native", "none", "auto") else stated.lower())
    if quantization is None:
        names = ", ".join(way.name for way in model.precisions())
        message = f"the catalog has no {stated} of {model.key}"
        problems.append(RunRefusal("CAL003", message, f"one of {names}", "quantization"))
    return quantization
