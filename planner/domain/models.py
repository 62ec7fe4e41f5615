"""Open-weight models: the precisions that they run in, and what their licence allows. `architecture` has their shapes.

Nothing here knows a GPU. A model names the precision that its maker publishes; other precisions are `Quantization`s,
and those that change the weights for good (AWQ, GPTQ) need their own entry in a route's accept list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from planner.domain.architecture import Architecture
from planner.domain.gaps import Gap

WeightFormat = Literal["bf16", "fp16", "fp8", "fp8-block", "int8", "awq", "gptq", "mxfp4", "nvfp4", "int4-qat"]
"""How weights are stored. `fp8` has one scale a tensor or channel, `fp8-block` one per 128 × 128 block (DeepSeek);
`nvfp4` one per 16 weights, `mxfp4` and `int4-qat` (4-bit integers that the model was trained in: Kimi) one per 32."""

OWN_ENTRY: frozenset[str] = frozenset({"awq", "gptq", "int8", "nvfp4"})
"""Formats that a route must accept by name (`MODEL@awq`): a calibrated copy answers differently."""

EXPERTS_ONLY: frozenset[str] = frozenset({"mxfp4", "int4-qat"})
"""Native formats of routed experts alone; the rest is bf16 unless the model's recipe says otherwise."""

ModelPart = Literal["attention", "attention-inputs", "shared-experts"]
"""Weights that a quantized checkpoint may leave as they were. `attention-inputs`: all projections but the output's."""


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint stores what is no routed expert.

    dense: format of these weights.
    kept: parts of them that stay 16 bit.
    """

    dense: WeightFormat
    kept: tuple[ModelPart, ...] = ()


@dataclass(frozen=True)
class Quantization:
    """One way to run a model. Embedding and output head are 16 bit in every one of them.

    name: its name in accept lists, after the `@`.
    dense: format of what is no routed expert.
    experts: format of the routed experts, which may differ (gpt-oss: bf16 with mxfp4 experts).
    checkpoint: repository that holds these weights; None when nobody has named it (a gap).
    at_load: whether the engine quantizes the native checkpoint while it loads, so that no other one is needed.
    kept: parts of the dense weights that stay 16 bit.
    """

    name: str
    dense: WeightFormat
    experts: WeightFormat
    checkpoint: str | None
    at_load: bool = False
    kept: tuple[ModelPart, ...] = ()

    @property
    def own_entry(self) -> bool:
        """Whether a route must accept it by name."""
        return self.name in OWN_ENTRY


@dataclass(frozen=True)
class Model:
    """One open-weight model.

    key: name in accept lists.
    hf_id: repository of its maker.
    revision: commit of `hf_id` that is deployed; None is a gap, and the newest is taken.
    architecture: its shape.
    native: name of the precision that its maker publishes.
    quantizations: other precisions → their repository, `at-load`, or None where nobody has named one.
    max_context: most tokens of prompt and answer together.
    licence: its licence; None = not verified (a gap).
    licence_limits: what the licence forbids or asks for.
    openness: whether only the weights are open, or data and code too.
    released: month of its release.
    source, as_of: where these facts were read, and the day that the source states.
    note: what a reader should know beside.
    recipes: by precision, how it stores what is no routed expert, where the name of the precision does not say so.
    not_served: why the engine that we deploy does not run it; empty when it does.
    same_shape: published names of other models with the same layers and widths, which run alike; a `*` at the end
    stands for whatever follows.
    """

    key: str
    hf_id: str
    revision: str | None
    architecture: Architecture
    native: WeightFormat
    quantizations: Mapping[str, str | None]
    max_context: int
    licence: str | None
    licence_limits: str
    openness: Literal["open-weights", "truly-open"]
    released: str
    source: str
    as_of: str
    note: str = ""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    not_served: str = ""
    same_shape: tuple[str, ...] = ()

    def precisions(self) -> tuple[Quantization, ...]:
        """All ways to run it, the native one first, the others by name."""
        first = self._way(self.native, self.native, self.hf_id)
        return (first, *(self._other(name) for name in sorted(self.quantizations)))

    def precision(self, name: str) -> Quantization | None:
        """The precision of that name, or None when the model does not come in it."""
        return next((way for way in self.precisions() if way.name == name), None)

    def gaps(self) -> tuple[Gap, ...]:
        """What is not known of this model."""
        found = []
        if self.revision is None:
            found.append(
                Gap("model", self.key, f"no revision is pinned for {self.hf_id}", "pin the commit that you tested")
            )
        if self.licence is None:
            found.append(
                Gap(
                    "model",
                    self.key,
                    f"the licence of {self.key} is not verified",
                    "read it and note it in the catalog",
                )
            )
        return tuple(found)

    def _other(self, name: str) -> Quantization:
        origin = self.quantizations[name]
        if origin == "at-load":
            return replace(self._way(name, _FORMATS[name], self.hf_id), at_load=True)
        return self._way(name, _FORMATS[name], origin)

    def _way(self, name: str, form: WeightFormat, checkpoint: str | None) -> Quantization:
        recipe = self.recipes.get(name) or Recipe("bf16" if form in EXPERTS_ONLY else form)
        return Quantization(name, recipe.dense, form, checkpoint, kept=recipe.kept)


_FORMATS: dict[str, WeightFormat] = {name: name for name in get_args(WeightFormat)}


def split_entry(entry: str) -> tuple[str, str | None]:
    """An accept-list entry → (model, quantization or None): `llama-3.3-70b-instruct@awq`."""
    model, at, quantization = entry.partition("@")
    return model, quantization if at else None
