"""Names of models and GPUs as sources spell them, and the catalog rows that they mean.

A model is looked for in this order:

1. by its repository or key, and by its name without organisation, format and tuning:
   `nvidia/Llama-3.3-70B-Instruct-FP8` has the shape of `llama-3.3-70b-instruct`;
2. by the names that the catalog gives to models of the same shape;
3. by its name without date and version, where all models with that name have one shape;
4. by the base model that a fine-tune names in parentheses or at the end of its name;
5. by its name without its sizes.

The model must also agree with the number of parameters that the row states. `planner.domain.gpu_names` finds GPUs.
Nothing is guessed: an unknown name is a `Gap`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from planner.domain.architecture import Architecture
from planner.domain.gaps import Gap, did_you_mean
from planner.domain.gpu_names import gpu_assumed, gpu_called, plain_name
from planner.domain.models import Model
from planner.domain.offerings import Gpu, InstanceType

NOISE = re.compile(
    r"meta|nvidia|instruct\w*|chat|it|hf|base|thinking|class|preview|bf16|fp16|fp8|fp4|nvfp4|mxfp4|mxfp8|block|dynamic|kv|"
    r"awq|gptq|int4|int8|int|w4a16|w8a8|w8a16|bnb|bitsandbytes|\d-?bit|\d+g|marlin|quantized.*|quant|qat|autoround|gguf"
)
"""Words of a name that change neither layers nor widths: the organisation, the tuning, the weight format."""
_DATE = re.compile(r"(0[1-9]|1[0-2])([0-2]\d|3[01])|2[3-6](0[1-9]|1[0-2])")
_VERSION = re.compile(r"v\d+(\.\d+)*")
_SIZE = re.compile(r"\d+(\.\d+)?[bm]|\d+x\d+b|a\d+b")
_STATED = {"m": 1e6, "b": 1e9, "t": 1e12}
PARAMETERS_AGREE = 0.2
"""Share of a model's parameters by which a stated number may differ at most."""

_CARD = re.compile(r"\b(?:G?[BH]\d{2,3}|A\d{1,3}|L\d{1,2}|T4|V100|MI\d+|RTX ?(?:PRO)? ?\d+)[A-Z]?\b")
"""Any card in the name of a GPU, whether we know the card or not."""


@dataclass(frozen=True, slots=True)
class NameMatch:
    """The catalog row that a published name means.

    key: key of the row.
    assumed: what the name leaves open, in words; empty when it leaves nothing open.
    """

    key: str
    assumed: str = ""


class ModelNames:
    """The names of the catalog's models in published spellings. Answers are kept, because rows repeat names."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models
        self._answers: dict[tuple[str, str], NameMatch | Gap] = {}

    def find(self, name: str, parameters: str = "") -> NameMatch | Gap:
        """The model that a published name means, or a gap.

        parameters: number of parameters in the row's own words, like `70.6B`; empty where the row states none.
        """
        asked = (name, parameters)
        if asked not in self._answers:
            self._answers[asked] = self._look_up(name, parameters)
        return self._answers[asked]

    def family(self, key: str) -> str:
        """The shortest key among the models of the same shape. They run alike, whatever they were trained for."""
        return self._families[_outline(self._models[key].architecture)]

    @cached_property
    def _families(self) -> dict[tuple[int, ...], str]:
        keys = sorted(self._models, key=lambda key: (len(key), key), reverse=True)  # so that the shortest comes last
        return {_outline(self._models[key].architecture): key for key in keys}

    @cached_property
    def _by_own_name(self) -> dict[str, str]:
        """Key by every key, and by the repository, whose plain model has the positions of its configuration."""
        repositories = {m.hf_id.lower(): key for key, m in sorted(self._models.items()) if m.positions is None}
        return repositories | {key.lower(): key for key in self._models}

    @cached_property
    def _by_compact_name(self) -> dict[str, list[str]]:
        return _index((compact_name(spelling), key) for spelling, key in self._by_own_name.items())

    @cached_property
    def _same_shape(self) -> dict[str, tuple[str, bool]]:
        """(model of the same shape, whether more may follow the name), by compact name."""
        return {
            compact_name(name.rstrip("*")): (key, name.endswith("*"))
            for key, model in sorted(self._models.items())
            for name in model.same_shape
        }

    @cached_property
    def _by_undated_name(self) -> dict[str, list[str]]:
        return _index((undated_name(spelling), key) for spelling, key in self._by_own_name.items())

    def _look_up(self, name: str, parameters: str) -> NameMatch | Gap:
        outside, inside = re.sub(r"\(.*?\)", " ", name).strip(), re.findall(r"\((.*?)\)", name)
        exact = self._by_own_name.get(outside.lower())
        exact = exact or self._of_one_shape(self._by_compact_name, compact_name(outside))
        if exact is not None and not self._agrees(exact, parameters):
            return Gap(
                "model",
                outside,
                f"model {outside} has {self._models[exact].architecture.params_total / 1e9:.3g}B parameters, "
                f"{parameters.strip()} are stated",
                "correct the name or the number of parameters",
            )
        if exact is not None:
            return NameMatch(exact)
        for spelling in (outside, *inside):
            key = self._by_other_name(spelling)
            if key is not None and self._agrees(key, parameters):
                return NameMatch(key)
        rest, size = _without_sizes(outside)
        key = self._of_one_shape(self._by_compact_name, compact_name(rest)) if size else None
        if key is not None and self._agrees(key, size):
            return NameMatch(key)
        return Gap(
            "model",
            outside,
            f"model {outside} is not in the catalog",
            _hint(outside.rpartition("/")[2].lower(), self._models, "add it to the catalog's models/"),
        )

    def _by_other_name(self, spelling: str) -> str | None:
        """The key of a model of the same shape: by another name, without date and version, or by the name's ending."""
        short = compact_name(spelling)
        key = self._of_one_shape(self._by_compact_name, short) or self._by_same_shape(short)
        key = key or self._of_one_shape(self._by_undated_name, undated_name(spelling))
        if key is None:
            endings = [stem for stem in self._by_compact_name if _SIZE.search(stem) and short.endswith(stem)]
            key = self._of_one_shape(self._by_compact_name, max(endings, key=len)) if endings else None
        return key

    def _by_same_shape(self, short: str) -> str | None:
        """The key of the model that the catalog names as the shape of this compact name. The longest name counts."""
        fitting = [
            name for name, (_, more) in self._same_shape.items() if short == name or (more and short.startswith(name))
        ]
        return self._same_shape[max(fitting, key=len)][0] if fitting else None

    def _of_one_shape(self, index: Mapping[str, list[str]], stem: str) -> str | None:
        """The first key with this stem, if all models with the stem have one shape."""
        keys = index.get(stem, [])
        shapes = {_outline(self._models[key].architecture) for key in keys}
        return keys[0] if len(shapes) == 1 else None

    def _agrees(self, key: str, parameters: str) -> bool:
        """Whether one of the stated sizes is the model's, or no size is stated.

        `30B, 3B active` states two sizes; `8x7B` states none.
        """
        plain = re.sub(r"\d+\s*[x×]\s*[\d.]+\s*b", "", parameters.lower())
        stated = re.findall(r"(\d[\d,]*(?:\.\d+)?)\s*([mbt])", plain)
        total = self._models[key].architecture.params_total
        ratios = [float(number.replace(",", "")) * _STATED[unit] / total for number, unit in stated]
        return not ratios or any(abs(ratio - 1.0) <= PARAMETERS_AGREE for ratio in ratios)


def compact_name(name: str) -> str:
    """A name reduced to family, version and size: `nvidia/Llama-3.3-70B-Instruct-FP8` → `llama3.3-70b`.

    Separators stay between digits only.
    """
    return _join(_telling_words(name))


def undated_name(name: str) -> str:
    """A compact name without months (`0528`, `2507`) and, where it has a size, without a version."""
    words = [word for word in _telling_words(name) if not _DATE.fullmatch(word)]
    if any(_SIZE.fullmatch(word) for word in words):
        words = [word for word in words if not _VERSION.fullmatch(word)]
    return _join(words)


def _telling_words(name: str) -> list[str]:
    """The words of a name that are no `NOISE`, or all of them where nothing else is left."""
    words = [word for word in re.split(r"[-_\s/:,]+", name.lower().rpartition("/")[2]) if word]
    return [word for word in words if not NOISE.fullmatch(word)] or words


def _join(words: Iterable[str]) -> str:
    return re.sub(r"(?<=\d)-(?!\d)|(?<!\d)-", "", "-".join(words))


def _without_sizes(name: str) -> tuple[str, str]:
    """(a name without its sizes, the first of its sizes): `GLM-4.5 355B-A32B` → (`GLM-4.5`, `355B`)."""
    words = re.split(r"[-_\s]+", name)
    sizes = [word for word in words if _SIZE.fullmatch(word.lower())]
    return "-".join(word for word in words if word not in sizes), sizes[0] if sizes else ""


def find_gpu(
    name: str, instance: str, gpus: Mapping[str, Gpu], instances: Mapping[str, InstanceType]
) -> NameMatch | Gap:
    """The GPU that a published name means, or a gap.

    instance: the instance type in the row's own words. It decides where the name leaves something open.
    """
    card = re.sub(r"(?<!\w)\d{1,3}\s*[X×]\s*|(?<!RT)(?:\s[X×]\s*|[X×])\d+\b", " ", name.upper())  # `8x H100`, `H100x8`
    cards = sorted(set(_CARD.findall(plain_name(card))))
    if len(cards) > 1:
        hint = "a deployment of several cards is not modelled: a row each"
        return Gap("gpu", name.strip(), f"GPU {name.strip()} names several: {', '.join(cards)}", hint)
    if gpu := gpu_called(card, gpus):
        return NameMatch(gpu.key)
    rented = _gpu_of_instance(instance, instances)
    if rented is not None and rented in gpus and (not name.strip() or gpu_assumed(card, gpus)):
        return NameMatch(rented)
    if assumed := gpu_assumed(card, gpus):
        return NameMatch(assumed.key, f"{assumed.key}, form factor not stated")
    stated = name.strip() or "(none stated)"
    hint = _hint(stated, gpus, "add the card to the catalog's gpus/")
    return Gap("gpu", stated, f"GPU {stated} is not in the catalog", hint)


def _gpu_of_instance(instance: str, instances: Mapping[str, InstanceType]) -> str | None:
    """The key of the GPU of an instance type that a text names, such as `ml.g5.12xlarge (2 of 4 GPUs)`."""
    named = re.search(r"([a-z]+\d+[a-z-]*\d*\.\w+)", instance.lower().removeprefix("ml."))
    row = instances.get(named[1]) if named else None
    return row.gpu if row else None


def _hint(name: str, names: Iterable[str], otherwise: str) -> str:
    """The names that are close to a name; `otherwise` when none is close."""
    hint = did_you_mean(name, names)
    return hint if hint.startswith("did") else otherwise


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Keys by stem, from pairs of a stem and a key."""
    keys: dict[str, list[str]] = {}
    for stem, key in pairs:
        if stem and key not in keys.setdefault(stem, []):
            keys[stem].append(key)
    return keys


def _outline(shape: Architecture) -> tuple[int, ...]:
    """What models of one shape share: layers, widths, and parameters to half a billion."""
    return shape.layers, shape.hidden, shape.heads, shape.kv_heads, round(shape.params_total / 5e8)
