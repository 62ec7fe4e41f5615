"""A model that is being added to the catalog, for the terminal: what was derived, and what could not be told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType

from planner.domain.architecture import Architecture
from planner.domain.engine import ENGINE
from planner.domain.engine_minimum import EngineMinimum
from planner.domain.models import Model
from planner.faces.layout import names, sentences
from planner.faces.prose import Prose
from planner.faces.tables import FoldingTable

GIB = 2**30


def model_view(
    model: Model, weights_bytes: Sequence[tuple[str, float]], told: Sequence[str], minimum: EngineMinimum | None
) -> Iterator[RenderableType]:
    """Yield what a row says.

    weights_bytes: bytes of the weights on one GPU, by precision.
    told: what was assumed, what the checkpoint holds beside, and what is not known, as sentences.
    minimum: the first release of the engine that is known to serve it; None where none is known.
    """
    shape = model.architecture
    rows = [
        ("parameters", f"{shape.params_total:,}, of which {shape.params_active:,} multiply each token"),
        *([("images", f"{shape.vision.params:,} parameters that only they use")] if shape.vision else []),
        ("layers", _layers(shape)),
        ("KV cache", _cache(shape)),
        *((f"weights in {name}", f"{size / GIB:.1f} GiB") for name, size in weights_bytes),
        ("context", f"{model.max_context:,} tokens"),
        *([("served from", f"{ENGINE} {minimum.version} on ({minimum.because})")] if minimum else []),
        ("licence", model.licence or "not read: plans warn of it; state it with --licence"),
        (
            "weights from",
            model.weights or f"{model.hf_id} at {model.revision or 'the newest commit, which plans warn of'}",
        ),
    ]
    yield FoldingTable(f"Model {model.key}", (*names("what"), *sentences("is")), rows, has_head=False)
    if told:
        yield Group(Prose("To know:"), *(Prose(sentence, first="· ", rest="  ") for sentence in told))


def _layers(shape: Architecture) -> str:
    kinds = [
        (shape.full_layers, f"with {shape.attention} attention to the whole context"),
        (shape.sliding_layers, f"with a window of {shape.sliding_window} tokens"),
        (shape.linear_layers, f"with a state of constant size ({shape.linear.kind if shape.linear else ''})"),
    ]
    words = ", ".join(f"{number} {what}" for number, what in kinds if number)
    experts = shape.experts
    routed = f"; {shape.moe_layers} take {experts.experts_per_token} of {experts.experts} experts" if experts else ""
    return f"{shape.layers}: {words}{routed}"


def _cache(shape: Architecture) -> str:
    parts = []
    if shape.kv_bytes_per_token_growing:
        parts.append(f"{shape.kv_bytes_per_token_growing:,} bytes a token")
    if shape.kv_bytes_per_token_windowed:
        parts.append(f"{shape.kv_bytes_per_token_windowed:,} bytes for each token of the window")
    return " and ".join(parts) + " in 16 bit" if parts else "none that grows"
