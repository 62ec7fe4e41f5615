"""Open-weight models: the precisions in which they run, and what their licence allows. `architecture` has their shapes.

Nothing here knows a GPU. A model names the precision that its maker publishes. Its other precisions are
`Quantization`s. Those that change the weights for good (AWQ, GPTQ) need their own entry in a route's accept list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from planner.domain.architecture import Architecture
from planner.domain.engine import ModelClass, StatedMinimum, Version
from planner.domain.engine_flags import EngineFlags, Gate
from planner.domain.gaps import Gap

WeightFormat = Literal["bf16", "fp16", "fp8", "fp8-block", "int8", "awq", "gptq", "mxfp4", "nvfp4", "int4-qat"]
"""How weights are stored. `fp8` has one scale for a tensor or a channel, `fp8-block` one for a block of 128 × 128
(DeepSeek), `nvfp4` one for 16 weights, and `mxfp4` and `int4-qat` one for 32. Models in `int4-qat` (Kimi) were trained
in 4-bit integers."""

DraftMethod = Literal["mtp", "eagle3"]
"""How draft tokens are made, as vLLM's `--speculative-config` spells it. `mtp`: by a layer for multi-token prediction
that the model was trained with. `eagle3`: by a small model that was trained for it later (EAGLE-3)."""

OWN_ENTRY: frozenset[str] = frozenset({"awq", "gptq", "int8", "nvfp4"})
"""Formats that a route must accept by name (`MODEL@awq`), because a calibrated copy answers differently."""

EXPERTS_ONLY: frozenset[str] = frozenset({"mxfp4", "int4-qat"})
"""Native formats of routed experts alone. All other weights are bf16 unless the model's recipe says otherwise."""

ModelPart = Literal["attention", "attention-inputs", "shared-experts"]
"""Weights that a quantized checkpoint may leave as they were. `attention-inputs`: all projections but that of the
output."""


_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
REPOSITORY = re.compile(rf"{_NAME}/{_NAME}")
"""The form of a repository on Hugging Face, `OWNER/NAME`. It becomes a part of addresses and of access policies."""
WEIGHTS_ADDRESS = re.compile(
    r"s3://(?=[^/]{3,63}/)(?![0-9]+(?:\.[0-9]+){3}/)[a-z0-9](?:[a-z0-9-]|\.(?!\.))*[a-z0-9]"
    r"(?:/[A-Za-z0-9._-]+)+/?"
)
"""The form of the place of own weights, `s3://BUCKET/PREFIX`. The bucket is named by AWS's rule. It becomes a part of
access policies, where `*`, `?` and `${…}` would admit more than the place itself."""


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint stores the weights that are no routed experts.

    dense: format of these weights.
    kept: parts of them that stay in 16 bit.
    """

    dense: WeightFormat
    kept: tuple[ModelPart, ...] = ()


@dataclass(frozen=True)
class Quantization:
    """One way to run a model. Embedding and output head are always in 16 bit.

    name: its name in accept lists, after the `@`.
    dense: format of the weights that are no routed experts.
    experts: format of the routed experts, which may differ (gpt-oss: bf16 with mxfp4 experts).
    checkpoint: repository that holds these weights; None when nobody has named it (a gap).
    at_load: whether the engine quantizes the native checkpoint while it loads, so that no other one is needed.
    kept: parts of the dense weights that stay in 16 bit.
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


@dataclass(frozen=True, kw_only=True)
class LicenceTerms:
    """What a licence forbids, as far as it can be held against a plan. What it asks beside that stays text.

    non_commercial: whether commercial use needs another licence.
    excluded_places: places whose companies get no rights.
    most_monthly_users: most monthly active users of whoever uses the model without a licence of its own; None without
    such a limit.
    hosting_needs_permission: whether to offer the model to others as a service needs a permission.
    source, as_of: where this was read, and the day that the source states.
    """

    non_commercial: bool = False
    excluded_places: tuple[str, ...] = ()
    most_monthly_users: int | None = None
    hosting_needs_permission: bool = False
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class TokenFigures:
    """What somebody measured of a model's tokens.

    tokenizer_ratio: its tokens of a text ÷ those of Llama 3's tokenizer; None = not measured.
    reasoning_tokens: tokens that it thinks for one answer; None = not measured.
    source, as_of: where these figures were read, and the day that the source states.
    """

    source: str
    as_of: str
    tokenizer_ratio: float | None = None
    reasoning_tokens: float | None = None


@dataclass(frozen=True, kw_only=True)
class Drafter:
    """What proposes the next tokens of a model, so that one step verifies several (speculative decoding).

    method: how it makes them.
    num_speculative_tokens: tokens that it proposes in one step, K.
    accepted: proposed tokens that the model takes over in one step on average, from 0 to K; the token that the model
    adds itself is not in it.
    measured: on what text that was measured, and by whom.
    checkpoint: repository of its weights; None where they are a part of the model's own checkpoint.
    params: weights of a drafter with a checkpoint of its own, without embedding and head; None where not known. A
    built-in layer is counted from the shape of the model.
    layers: its layers.
    source, as_of: where the acceptance was read, and the day that the source states.
    """

    method: DraftMethod
    num_speculative_tokens: int
    accepted: float
    measured: str
    source: str
    as_of: str
    checkpoint: str | None = None
    params: int | None = None
    layers: int = 1

    @property
    def word(self) -> str:
        """Return its word in names, like `mtp1`."""
        return f"{self.method}{'-' if self.method[-1].isdigit() else ''}{self.num_speculative_tokens}"

    def contradiction(self) -> tuple[str, str] | None:
        """Return (column, what is wrong with it); None when the columns fit together."""
        if self.num_speculative_tokens < 1:
            return "num_speculative_tokens", "a drafter proposes at least 1 token"
        if not 0.0 <= self.accepted <= self.num_speculative_tokens:
            most = self.num_speculative_tokens
            return "accepted", f"{self.accepted:g} of {most} proposed tokens cannot be accepted: 0 to {most}"
        if self.layers < 1:
            return "layers", "a drafter has at least 1 layer"
        if self.method == "eagle3" and self.checkpoint is None:
            return "method", "an EAGLE-3 drafter has a checkpoint of its own: state `checkpoint`"
        if self.method == "mtp" and self.checkpoint is None and self.params is not None:
            return "params", "the built-in layer is counted from the shape of the model: leave `params` out"
        return None


@dataclass(frozen=True, kw_only=True)
class ScaledPositions:
    """Rotary positions that are stretched by YaRN, so that a model reads more than it was trained on.

    The engine stretches short prompts as well, which changes answers a little. So such a model is another entry.

    rope_type: the method.
    factor: how much longer the context becomes.
    original_max_position_embeddings: the context that is stretched, tokens.
    rope_theta: base of the rotary frequencies, as the configuration has it.
    """

    rope_type: Literal["yarn"]
    factor: float
    original_max_position_embeddings: int
    rope_theta: float


@dataclass(frozen=True, kw_only=True)
class Model:
    """One open-weight model.

    key: name in accept lists.
    hf_id: repository of its maker.
    revision: commit of `hf_id` that is deployed; None is a gap, and then the newest commit is deployed.
    architecture: its shape.
    native: name of the precision that its maker publishes.
    quantizations: other precision → its repository, or `at-load`, or None where nobody has named one.
    max_context: most tokens of prompt and answer together.
    licence: its licence; None = not verified (a gap).
    licence_limits: what the licence forbids or asks for, as text.
    licence_terms: the part of it that plans obey; None when it forbids nothing, or nobody has read it.
    openness: whether only the weights are open, or data and code too.
    released: month of its release; None = not known.
    source, as_of: where these facts were read, and the day that the source states.
    note: what else a reader should know.
    recipes: precision → how it stores the weights that are no routed experts, where its name does not say so.
    not_served: why the engine that we deploy does not run the model; empty when it does.
    same_shape: published names of other models with the same layers and widths, which run alike. A `*` at the end
    stands for any text.
    tokens: how it counts tokens and how much it thinks, where that was measured.
    overflows_fp16: whether vLLM refuses it in fp16, because its activations overflow it.
    weights: where a team's own weights lie, `s3://BUCKET/PREFIX`; None where they come from `hf_id`.
    drafters: what may propose its next tokens, each with a published acceptance.
    positions: how the engine must scale positions; None = as the configuration says.
    model_class: the class by which the engine runs it; None = not known.
    engine_minimum: the first release of the engine that serves it, where its class does not tell; None = not stated.
    engine_flags: what the engine must be told of it; None = not known.
    gated: that `hf_id` asks for the licence before it gives its files; None where it does not, or nobody has looked.
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
    released: str | None
    source: str
    as_of: str
    note: str = ""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    not_served: str = ""
    same_shape: tuple[str, ...] = ()
    licence_terms: LicenceTerms | None = None
    tokens: TokenFigures | None = None
    overflows_fp16: bool = False
    weights: str | None = None
    drafters: tuple[Drafter, ...] = ()
    positions: ScaledPositions | None = None
    model_class: ModelClass | None = None
    engine_minimum: StatedMinimum | None = None
    engine_flags: EngineFlags | None = None
    gated: Gate | None = None

    def precisions(self) -> tuple[Quantization, ...]:
        """Return all ways to run it: the native one first, then the others by name."""
        first = self._quantization(self.native, self.native, self.hf_id)
        return (first, *(self._derived(name) for name in sorted(self.quantizations)))

    def precision(self, name: str) -> Quantization | None:
        """Return the precision of that name; None when the model does not come in it."""
        return next((way for way in self.precisions() if way.name == name), None)

    def gaps(self) -> tuple[Gap, ...]:
        """Return what is not known of this model."""
        gaps = []
        if self.revision is None and self.weights is None:
            gaps.append(
                Gap("revision", self.key, f"no revision is pinned for {self.hf_id}", "pin the commit that you tested")
            )
        if self.licence is None:
            gaps.append(
                Gap(
                    "model",
                    self.key,
                    f"the licence of {self.key} is not verified",
                    "read it and note it in the catalog",
                )
            )
        if self.engine_flags is None or self.engine_flags.tool_call_parser is None:
            message = f"no parser of calls of tools is known for {self.key}: `tool_choice: auto` is not offered"
            hint = "state `engine_flags.tool_call_parser` in its row, as its maker names it for vLLM"
            gaps.append(Gap("tools", self.key, message, hint))
        return tuple(gaps)

    @property
    def gated_licence(self) -> str | None:
        """Return the licence that must be accepted before the files of `hf_id` can be read; None where none must."""
        return (self.licence or "its licence") if self.gated else None

    def malformed(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield (place, what is wrong) for each column that has another form than what it names.

        Places of weights reach access policies.
        """
        if self.engine_minimum is not None:
            try:
                Version.of(self.engine_minimum.version)
            except ValueError as error:
                yield ("engine_minimum", "version"), str(error)
        if self.weights is not None and not WEIGHTS_ADDRESS.fullmatch(self.weights):
            yield ("weights",), f"{self.weights!r} is no place of weights: write s3://BUCKET/PREFIX"
        if self.revision is not None and not re.fullmatch(_NAME, self.revision):
            yield ("revision",), f"{self.revision!r} is no commit: write its hexadecimal digits"
        own_name = self.weights is not None and re.fullmatch(_NAME, self.hf_id)  # weights that are in no repository
        repositories: dict[tuple[str | int, ...], str | None] = {
            ("hf_id",): None if own_name else self.hf_id,
            **{("quantizations", name): way for name, way in self.quantizations.items() if way != "at-load"},
            **{("drafters", at, "checkpoint"): drafter.checkpoint for at, drafter in enumerate(self.drafters)},
        }
        for place, repository in repositories.items():
            if repository is not None and not REPOSITORY.fullmatch(repository):
                yield place, f"{repository!r} is no repository: write OWNER/NAME, as Hugging Face names it"

    def _derived(self, name: str) -> Quantization:
        origin = self.quantizations[name]
        if origin == "at-load":
            return replace(self._quantization(name, _FORMATS[name], self.hf_id), at_load=True)
        return self._quantization(name, _FORMATS[name], origin)

    def _quantization(self, name: str, form: WeightFormat, checkpoint: str | None) -> Quantization:
        recipe = self.recipes.get(name) or Recipe("bf16" if form in EXPERTS_ONLY else form)
        return Quantization(name, recipe.dense, form, checkpoint, kept=recipe.kept)


_FORMATS: dict[str, WeightFormat] = {name: name for name in get_args(WeightFormat)}


def split_entry(entry: str) -> tuple[str, str | None]:
    """Split an accept-list entry like `llama-3.3-70b-instruct@awq` into (model, quantization or None)."""
    model, at, quantization = entry.partition("@")
    return model, quantization if at else None
