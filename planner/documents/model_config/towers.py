"""What only images use: the tower that sees them and the projection to the text model, weight by weight.

Each kind of tower has its own formula, from its public modelling code. Of a kind that is not here the weights are not
known, unless an index of the checkpoint says how many there are beside those of the text model.

    attention      4·h² (with biases + 4·h)
    feed-forward   2·h·w + w + h, or 3·h·w where it is gated
    LayerNorm      2·h
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from planner.documents.model_config.keys import Keys
from planner.domain.architecture import Vision


@dataclass(frozen=True)
class Sight:
    """The parts of a configuration that speak of images.

    tower: its vision part.
    root: the whole configuration.
    hidden: width of the text model.
    """

    tower: Keys
    root: Keys
    hidden: int


def vision(root: Keys, keys: Keys, hidden: int) -> Vision | None:
    """Read the tower; None where the model sees no images, or where its tower is not known (see `unread_senses`)."""
    found = _tower(root)
    if found is None or (known := _KINDS.get(_kind(root, found))) is None:
        return None
    return known(Sight(found, root, hidden))


def unread_senses(root: Keys, keys: Keys) -> list[str]:
    """Return the parts for images and sound whose weights are not counted, by their keys."""
    names = ("vision_config", "audio_config", "vision_tower", "img_processor", "sound_config", "speech_config")
    place = root.part("thinker_config") or root
    there = [name for name in names if place.holds(name)]
    found = _tower(root)
    if found is not None and _kind(root, found) in _KINDS:
        there.remove("vision_config")
    elif not there and any(name.endswith("ForConditionalGeneration") for name in root.words("architectures") or ()):
        there.append("vision_config")  # the class has one, and the file leaves it out
    return there


def _tower(root: Keys) -> Keys | None:
    place = root.part("thinker_config") or root
    return place.part("vision_config") if isinstance(place.plain("vision_config"), dict) else None


def _kind(root: Keys, tower: Keys) -> str:
    """Return the kind of a tower: that of the whole model where it says more than the tower's own."""
    whole = str(root.plain("model_type") or "")
    return whole if whole in _KINDS else str(tower.plain("model_type") or "")


def _layers(h: int, w: int, *, gated: bool = False, biased: bool = True, norms: int = 4) -> int:
    """Count the weights of one layer. norms: vectors as wide as the tower."""
    attention = 4 * h * h + (4 * h if biased else 0)
    network = (3 if gated else 2) * h * w + (((2 if gated else 1) * w + h) if biased else 0)
    return attention + network + norms * h


def _merged(h: int, side: int, out: int, norm: int) -> int:
    """Count the weights of a projection that joins side × side patches: norm, two products with biases."""
    joined = h * side * side
    return norm + joined * joined + joined + joined * out + out


def _qwen3(sight: Sight) -> Vision:
    tower = sight.tower
    h, w, depth = tower.need("hidden_size"), tower.need("intermediate_size"), tower.need("depth")
    patch, side, out = tower.need("patch_size"), tower.need("spatial_merge_size"), tower.need("out_hidden_size")
    pixels = tower.need("in_channels", "in_chans") * tower.need("temporal_patch_size") * patch * patch
    joined = h * side * side
    params = pixels * h + h + tower.need("num_position_embeddings") * h + depth * _layers(h, w)
    params += _merged(h, side, out, 2 * h)
    params += len(tower.numbers("deepstack_visual_indexes") or ()) * _merged(h, side, out, 2 * joined)
    return Vision(params, h, w, 16_384, side * side)


def _qwen2_5(sight: Sight) -> Vision:
    tower = sight.tower
    h, w, depth = tower.need("hidden_size"), tower.need("intermediate_size"), tower.need("depth")
    patch, side, out = tower.need("patch_size"), tower.need("spatial_merge_size"), tower.need("out_hidden_size")
    pixels = tower.need("in_channels", "in_chans") * tower.need("temporal_patch_size") * patch * patch
    params = pixels * h + depth * _layers(h, w, gated=True, norms=2) + _merged(h, side, out, h)
    return Vision(params, h, w, 16_384, side * side)


def _qwen2(sight: Sight) -> Vision:
    tower = sight.tower
    h, depth, out = tower.need("embed_dim"), tower.need("depth"), tower.need("hidden_size")
    ratio, side = tower.need("mlp_ratio"), tower.need("spatial_merge_size")
    pixels = tower.need("in_chans", "in_channels") * tower.need("temporal_patch_size") * tower.need("patch_size") ** 2
    params = pixels * h + depth * _layers(h, ratio * h) + _merged(h, side, out, 2 * h)
    return Vision(params, h, ratio * h, 16_384, side * side)


def _gemma3(sight: Sight) -> Vision:
    tower = sight.tower
    h, w, depth = tower.need("hidden_size"), tower.need("intermediate_size"), tower.need("num_hidden_layers")
    patches = (tower.need("image_size") // tower.need("patch_size")) ** 2
    tokens = sight.root.need("mm_tokens_per_image") if sight.root.holds("mm_tokens_per_image") else 256
    params = 3 * tower.need("patch_size") ** 2 * h + h + patches * h + depth * _layers(h, w) + 2 * h
    params += _layers(h, w, norms=3) if tower.flag("vision_use_head", default=True) else 0
    return Vision(params + h * sight.hidden + h, h, w, tokens, max(1, patches // tokens))


def _clip(sight: Sight) -> Vision:
    tower, text = sight.tower, sight.hidden
    h, w, depth = tower.need("hidden_size"), tower.need("intermediate_size"), tower.need("num_hidden_layers")
    patches = (tower.need("image_size") // tower.need("patch_size")) ** 2
    params = h + 3 * tower.need("patch_size") ** 2 * h + (patches + 1) * h + 4 * h + depth * _layers(h, w)
    return Vision(params + h * text + text + text * text + text, h, w, patches, 1)


def _pixtral(sight: Sight) -> Vision:
    tower, text = sight.tower, sight.hidden
    h, w, depth = tower.need("hidden_size"), tower.need("intermediate_size"), tower.need("num_hidden_layers")
    patch, image = tower.need("patch_size"), tower.need("image_size")
    side = sight.root.count("spatial_merge_size") or 1
    params = 3 * patch * patch * h + h + depth * _layers(h, w, gated=True, biased=False, norms=2)
    params += h + h * side * side * h + h * text + text * text
    if sight.root.flag("multimodal_projector_bias"):
        params += 2 * text
    return Vision(params, h, w, (image // (patch * side)) ** 2, side * side)


def _kimi(sight: Sight) -> Vision:
    tower = sight.tower
    h, w = tower.need("vt_hidden_size", "hidden_size"), tower.need("vt_intermediate_size", "intermediate_size")
    places = tower.need("init_pos_emb_height", "pos_emb_height") * tower.need("init_pos_emb_width", "pos_emb_width")
    side = 2
    params = 3 * tower.need("patch_size") ** 2 * h + h + places * h
    params += tower.need("vt_num_hidden_layers", "num_hidden_layers") * _layers(h, w) + 2 * h
    return Vision(params + _merged(h, side, sight.hidden, 2 * h), h, w, 4096, side * side)


def _llama4(sight: Sight) -> Vision:
    tower = sight.tower
    h, w, depth = tower.need("hidden_size"), tower.need("intermediate_size"), tower.need("num_hidden_layers")
    patch = tower.need("patch_size")
    patches = (tower.need("image_size") // patch) ** 2
    middle, out = tower.need("projector_input_dim"), tower.need("projector_output_dim")
    params = 3 * patch * patch * h + h + (patches + 1) * h + 4 * h + depth * _layers(h, w)
    params += w * middle + middle * out + tower.need("vision_output_dim") * sight.hidden
    return Vision(params, h, w, 17 * patches // 4, 4)  # 16 tiles and the whole image


def _gemma4(sight: Sight) -> Vision:
    tower = sight.tower
    h, w, depth = tower.need("hidden_size"), tower.need("intermediate_size"), tower.need("num_hidden_layers")
    head, pixels = tower.need("head_dim"), 3 * tower.need("patch_size") ** 2
    params = 2 * tower.need("position_embedding_size") * h + pixels * h + h * sight.hidden
    params += depth * (_layers(h, w, gated=True, biased=False) + 2 * head)
    params += 2 * h if tower.flag("standardize") else 0
    side = tower.need("pooling_kernel_size")
    return Vision(params, h, w, tower.need("default_output_length"), side * side)


def _glm4(sight: Sight) -> Vision:
    tower = sight.tower
    h, w, depth = tower.need("hidden_size"), tower.need("out_hidden_size"), tower.need("depth")
    side, inner = tower.need("spatial_merge_size"), tower.need("intermediate_size")
    patch = tower.need("patch_size")
    pixels = tower.need("in_channels") * tower.need("temporal_patch_size") * patch * patch
    patches = (tower.need("image_size") // patch) ** 2
    params = pixels * h + h + patches * h + 2 * h + side * side * h * w + w
    params += depth * (4 * h * h + 3 * h * w + 2 * h)
    params += w * w + 2 * w + 3 * w * inner
    return Vision(params, h, inner, 16_384, side * side)


_KINDS: Mapping[str, Callable[[Sight], Vision]] = {
    "gemma3": _gemma3,
    "gemma4": _gemma4,
    "glm4v": _glm4,
    "glm4v_moe": _glm4,
    "glmga": _glm4,
    "kimi_k25": _kimi,
    "llama4": _llama4,
    "llava": _clip,
    "mistral3": _pixtral,
    "qwen2_5_vl": _qwen2_5,
    "qwen2_vl": _qwen2,
    "qwen3_5": _qwen3,
    "qwen3_5_moe": _qwen3,
    "qwen3_vl": _qwen3,
    "qwen3_vl_moe": _qwen3,
}
"""Towers by the `model_type` of the whole model, or of the tower."""
