"""Names of models and GPUs as sources spell them, and the catalog rows that they mean.

A model is found by its repository, by its name without organisation, format and tuning (`nvidia/Llama-3.3-70B-
Instruct-FP8` is the shape of `llama-3.3-70b-instruct`), by the names that the catalog gives to models of the same
shape, by the base that a fine-tune names in parentheses or at its end, and at last without date and version, where
every model left has one shape. What is found by other than its own name must agree with the number of parameters that
the row states. A GPU is found by `planner.domain.gpu_names`. Nothing is guessed: an unknown name is a `Gap`.
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
"""Words of a name that change neither layers nor widths: organisation, tuning, weight format."""
_DATE = re.compile(r"(0[1-9]|1[0-2])([0-2]\d|3[01])|2[3-6](0[1-9]|1[0-2])")
_VERSION = re.compile(r"v\d+(\.\d+)*")
_SIZE = re.compile(r"\d+(\.\d+)?[bm]|\d+x\d+b|a\d+b")
_STATED = {"m": 1e6, "b": 1e9, "t": 1e12}
PARAMETERS_AGREE = 0.2
"""Largest share by which the stated number of parameters may differ from that of a model found by another name."""

_CARD = re.compile(r"\b(?:G?[BH]\d{2,3}|A\d{1,3}|L\d{1,2}|T4|V100|MI\d+|RTX ?(?:PRO)? ?\d+)[A-Z]?\b")
"""Any card in such a name, known or not."""


@dataclass(frozen=True, slots=True)
class Named:
    """A catalog row that a name means. assumed: what the name left open, in words."""

    key: str
    assumed: str = ""


class Shapes:
    """The catalog's models, found by any published name; answers are remembered, because rows repeat names."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models
        self._found: dict[tuple[str, str], Named | Gap] = {}

    def named(self, name: str, parameters: str = "") -> Named | Gap:
        """The model that a published name means, or a gap. `parameters`: the row's own words, like `70.6B`."""
        asked = (name, parameters)
        if asked not in self._found:
            self._found[asked] = self._look_up(name, parameters)
        return self._found[asked]

    def family(self, key: str) -> str:
        """The shortest key among the models of the same shape, which run alike whatever they were trained for."""
        return self._families[_outline(self._models[key].architecture)]

    @cached_property
    def _families(self) -> dict[tuple[int, ...], str]:
        keys = sorted(self._models, key=lambda key: (len(key), key), reverse=True)  # so that the shortest comes last
        return {_outline(self._models[key].architecture): key for key in keys}

    @cached_property
    def _exact(self) -> dict[str, str]:
        return {spelling.lower(): key for key, m in sorted(self._models.items()) for spelling in (m.hf_id, key)}

    @cached_property
    def _compact(self) -> dict[str, list[str]]:
        return _index((compact(spelling), key) for spelling, key in self._exact.items())

    @cached_property
    def _same_shape(self) -> dict[str, tuple[str, bool]]:
        """Compact name → (model of the same shape, whether more may follow the name)."""
        return {
            compact(name.rstrip("*")): (key, name.endswith("*"))
            for key, model in sorted(self._models.items())
            for name in model.same_shape
        }

    @cached_property
    def _undated(self) -> dict[str, list[str]]:
        return _index((compact(spelling, undated=True), key) for spelling, key in self._exact.items())

    def _look_up(self, name: str, parameters: str) -> Named | Gap:
        outside, inside = re.sub(r"\(.*?\)", " ", name).strip(), re.findall(r"\((.*?)\)", name)
        exact = self._exact.get(outside.lower()) or self._one(self._compact, compact(outside))
        if exact is not None and not self._agrees(exact, parameters):
            return Gap(
                "model",
                outside,
                f"model {outside} has {self._models[exact].architecture.params_total / 1e9:.3g}B parameters, "
                f"{parameters.strip()} are stated",
                "correct the name or the number of parameters",
            )
        if exact is not None:
            return Named(exact)
        for spelling in (outside, *inside):
            key = self._relative(spelling)
            if key is not None and self._agrees(key, parameters):
                return Named(key)
        rest, size = _unsized(outside)
        key = self._one(self._compact, compact(rest)) if size else None
        if key is not None and self._agrees(key, size):
            return Named(key)
        return Gap(
            "model",
            outside,
            f"model {outside} is not in the catalog",
            _near(outside.rpartition("/")[2].lower(), self._models, "add it to the catalog's models/"),
        )

    def _relative(self, spelling: str) -> str | None:
        """A model of the same shape under another name: the catalog's, without date and version, or a name's ending."""
        short = compact(spelling)
        found = self._one(self._compact, short) or self._alike(short)
        found = found or self._one(self._undated, compact(spelling, undated=True))
        if found is None:
            endings = [stem for stem in self._compact if _SIZE.search(stem) and short.endswith(stem)]
            found = self._one(self._compact, max(endings, key=len)) if endings else None
        return found

    def _alike(self, short: str) -> str | None:
        """The model that the catalog says has the shape of this compact name; the longest of its names counts."""
        fitting = [
            name for name, (_, more) in self._same_shape.items() if short == name or (more and short.startswith(name))
        ]
        return self._same_shape[max(fitting, key=len)][0] if fitting else None

    def _one(self, index: Mapping[str, list[str]], stem: str) -> str | None:
        """The first model of a stem, when all that share the stem have one shape."""
        keys = index.get(stem, [])
        shapes = {_outline(self._models[key].architecture) for key in keys}
        return keys[0] if len(shapes) == 1 else None

    def _agrees(self, key: str, parameters: str) -> bool:
        """Whether a size that is stated, of all or (`30B, 3B active`) of some, is the model's; `8x7B` tells none."""
        plain = re.sub(r"\d+\s*[x×]\s*[\d.]+\s*b", "", parameters.lower())
        stated = re.findall(r"(\d[\d,]*(?:\.\d+)?)\s*([mbt])", plain)
        total = self._models[key].architecture.params_total
        ratios = [float(number.replace(",", "")) * _STATED[unit] / total for number, unit in stated]
        return not ratios or any(abs(ratio - 1.0) <= PARAMETERS_AGREE for ratio in ratios)


def compact(name: str, undated: bool = False) -> str:
    """A name reduced to family, version and size: `nvidia/Llama-3.3-70B-Instruct-FP8` → `llama3.3-70b`.

    Separators stay between digits only. Undated: without months (`0528`, `2507`) and, beside a size, versions.
    """
    words = [word for word in re.split(r"[-_\s/:,]+", name.lower().rpartition("/")[2]) if word]
    words = [word for word in words if not NOISE.fullmatch(word)] or words
    if undated:
        words = [word for word in words if not _DATE.fullmatch(word)]
        if any(_SIZE.fullmatch(word) for word in words):
            words = [word for word in words if not _VERSION.fullmatch(word)]
    return re.sub(r"(?<=\d)-(?!\d)|(?<!\d)-", "", "-".join(words))


def _unsized(name: str) -> tuple[str, str]:
    """A name without its sizes, and the first of them: `GLM-4.5 355B-A32B` → (`GLM-4.5`, `355B`)."""
    words = re.split(r"[-_\s]+", name)
    sizes = [word for word in words if _SIZE.fullmatch(word.lower())]
    return "-".join(word for word in words if word not in sizes), sizes[0] if sizes else ""


def gpu_named(name: str, instance: str, gpus: Mapping[str, Gpu], instances: Mapping[str, InstanceType]) -> Named | Gap:
    """The GPU that a published name means, among `gpus`; the instance type decides where the name is silent."""
    card = re.sub(r"(?<!\w)\d+\s*[X×]\s*|(?<!RT)(?:\s[X×]\s*|[X×])\d+\b", " ", name.upper())  # `8x H100`, `H100x8`
    cards = sorted(set(_CARD.findall(plain_name(card))))
    if len(cards) > 1:
        hint = "a deployment of several cards is not modelled: a row each"
        return Gap("gpu", name.strip(), f"GPU {name.strip()} names several: {', '.join(cards)}", hint)
    if found := gpu_called(card, gpus):
        return Named(found.key)
    rented = _rented(instance, instances)
    if rented is not None and rented in gpus and (not name.strip() or gpu_assumed(card, gpus)):
        return Named(rented)
    if assumed := gpu_assumed(card, gpus):
        return Named(assumed.key, f"{assumed.key}, form factor not stated")
    said = name.strip() or "(none stated)"
    return Gap(
        "gpu", said, f"GPU {said} is not in the catalog", _near(said, gpus, "add the card to the catalog's gpus/")
    )


def _rented(instance: str, instances: Mapping[str, InstanceType]) -> str | None:
    """The GPU of an instance type that a text names: `ml.g5.12xlarge (2 of 4 GPUs)`."""
    found = re.search(r"([a-z]+\d+[a-z-]*\d*\.\w+)", instance.lower().removeprefix("ml."))
    row = instances.get(found[1]) if found else None
    return row.gpu if row else None


def _near(name: str, known: Iterable[str], otherwise: str) -> str:
    """Neighbours of a name, or what to do about a name that has none."""
    hint = did_you_mean(name, known)
    return hint if hint.startswith("did") else otherwise


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for stem, key in pairs:
        if stem and key not in found.setdefault(stem, []):
            found[stem].append(key)
    return found


def _outline(shape: Architecture) -> tuple[int, ...]:
    return shape.layers, shape.hidden, shape.heads, shape.kv_heads, round(shape.params_total / 5e8)
