"""Models that a plan cannot host, each with its reason: what they are, or which part of them we cannot price."""

from __future__ import annotations

from collections.abc import Mapping

from planner.documents.model_config.families import FAMILIES, SAME_AS
from planner.documents.model_config.keys import Keys
from planner.domain.gaps import did_you_mean

ENCODER = "an encoder: it makes vectors of texts and answers none"
ENCODER_DECODER = "an encoder–decoder, which vLLM does not run"
STATE_SPACE = "a state-space model of a kind that our performance model does not know"
SPEECH = "a model of speech, which answers no text requests"
IMAGES = "a model of images, which answers no text requests"

_BY_TYPE: Mapping[str, str] = {
    **dict.fromkeys(
        [
            "albert",
            "bert",
            "camembert",
            "deberta",
            "deberta-v2",
            "distilbert",
            "electra",
            "ernie",
            "eurobert",
            "gte",
            "mobilebert",
            "modernbert",
            "mpnet",
            "new",
            "nomic_bert",
            "roberta",
            "xlm",
            "xlm-roberta",
            "xlm-roberta-xl",
            "jina_embeddings_v3",
            "esm",
            "clip",
            "siglip",
            "siglip2",
            "blip",
        ],
        ENCODER,
    ),
    **dict.fromkeys(
        [
            "bart",
            "blenderbot",
            "encoder-decoder",
            "florence2",
            "led",
            "longt5",
            "m2m_100",
            "marian",
            "mbart",
            "mt5",
            "nllb-moe",
            "pegasus",
            "pix2struct",
            "prophetnet",
            "switch_transformers",
            "t5",
            "t5gemma",
            "umt5",
            "vision-encoder-decoder",
        ],
        ENCODER_DECODER,
    ),
    **dict.fromkeys(
        ["bark", "parakeet", "speecht5", "wav2vec2", "whisper", "seamless_m4t", "musicgen", "moshi", "dia", "csm"],
        SPEECH,
    ),
    **dict.fromkeys(["falcon_mamba", "mamba", "mamba2", "plamo2", "rwkv", "rwkv5", "rwkv6", "xlstm"], STATE_SPACE),
    **dict.fromkeys(
        ["jamba", "zamba", "zamba2"],
        "Mamba layers of a kind that our performance model does not know, or shared layers",
    ),
    "recurrent_gemma": "recurrent units (RG-LRU), which our performance model does not know",
    **dict.fromkeys(
        ("mllama", "mllama_text_model"),
        "cross-attention to images (Llama 3.2 Vision), which vLLM dropped with its V0 engine (pull request 24907)",
    ),
    "lfm2": "layers of short convolutions, which our performance model does not know",
    "lfm2_moe": "layers of short convolutions, which our performance model does not know",
    "minimax": "lightning attention, which our performance model does not know",
    "minimax_text_01": "lightning attention, which our performance model does not know",
    "multi_modality": "a model that also draws images (Janus), whose parts our catalog cannot say",
    "phi3small": "block-sparse attention (Phi-3 small), which our performance model does not know",
    "gemma3n": "AltUp and LAuReL layers (Gemma 3n), which our performance model does not know",
    "gemma3n_text": "AltUp and LAuReL layers (Gemma 3n), which our performance model does not know",
    "inkling": "short convolutions and relative positions (Inkling), which our performance model does not know",
    "inkling_text": "short convolutions and relative positions (Inkling), which our performance model does not know",
    "qwen4_exp": "n-gram embeddings and hyper-connections (Qwen 4), which our performance model does not know",
    "qwen4_exp_text": "n-gram embeddings and hyper-connections (Qwen 4), which our performance model does not know",
    "embedding_gemma2": "an embedding model: it makes vectors of texts and answers none",
    "arctic": "dense layers with residual experts (Arctic), which our catalog cannot say",
    "openelm": "layers of different widths (OpenELM), which our catalog cannot say",
    "ernie4_5_vl_moe": "two kinds of experts, for text and for images, which our catalog cannot say",
    "ernie4_5_vl_moe_text": "two kinds of experts, for text and for images, which our catalog cannot say",
    "longcat_flash": "experts that compute nothing (LongCat), which our catalog cannot say",
    "diffusion_gemma": "a diffusion model of text, which our performance model does not know",
    "llada": "a diffusion model of text, which our performance model does not know",
    "dream": "a diffusion model of text, which our performance model does not know",
}
_BY_CLASS: tuple[tuple[str, str], ...] = (
    ("ForSequenceClassification", "a classifier or reward model: vLLM pools it, and it answers no text"),
    ("ForTokenClassification", "a classifier of tokens: vLLM pools it, and it answers no text"),
    ("RewardModel", "a reward model: vLLM pools it, and it answers no text"),
    ("ForMaskedLM", ENCODER),
    ("ForMultipleChoice", ENCODER),
    ("ForQuestionAnswering", ENCODER),
    ("ForSpeechSeq2Seq", SPEECH),
    ("Transformer2DModel", IMAGES),
    ("UNet2DConditionModel", IMAGES),
)
"""Ends of the names of classes."""
ANSWERS = "serve it elsewhere, or accept a model that answers"
HOSTED = "accept a hosted copy of it, or another model"
ADD_BY_HAND = "write its row by hand beside the environments, in catalog/models/, if you know its shape"


def refusals(root: Keys, keys: Keys, family: str | None) -> None:
    """Note why a model cannot be planned with, if it cannot.

    root: the whole configuration.
    keys: its text model.
    family: the family of the text model; None where we do not read it.
    """
    before = len(root.notes.problems)
    classes = root.words("architectures") or []
    for end, what in _BY_CLASS:
        for name in classes:
            if name.endswith(end):
                root.lacks("architectures", f"`{name}` is {what}", ANSWERS)
    types = [part.plain("model_type") for part in (root, keys)]
    for part, kind in zip((root, keys), types, strict=True):
        if isinstance(kind, str) and kind in _BY_TYPE and len(root.notes.problems) == before:
            what = _BY_TYPE[kind]
            hint = ANSWERS if what.startswith(("a ", "an ")) else HOSTED
            part.lacks("model_type", f"`{kind}` is not planned with: {_sentence(what)}", hint)
    if len(root.notes.problems) > before:
        return
    if root.plain("is_encoder_decoder") is True:
        root.lacks("is_encoder_decoder", f"the model is {ENCODER_DECODER}", ADD_BY_HAND)
    elif "_class_name" in root.value and not keys.holds("vocab_size"):
        root.lacks(
            "_class_name", f"`{root.plain('_class_name')}` is part of a diffusion pipeline: {IMAGES}", ADD_BY_HAND
        )
    elif classes and family is not None and all(_bare(name) for name in classes):
        what = "has no output head: it makes vectors, and answers no text"
        root.lacks("architectures", f"`{classes[0]}` {what}", ANSWERS)
    elif family is None:
        _unknown(root, keys, classes)


def _bare(name: str) -> bool:
    """Return whether a class has no head. ChatGLM's has one all the same."""
    return name.endswith("Model") and not name.endswith("LMHeadModel") and name != "ChatGLMModel"


def _unknown(root: Keys, keys: Keys, classes: list[str]) -> None:
    named = keys.plain("model_type") or root.plain("model_type")
    if named is None and not classes:
        message = "neither `architectures` nor `model_type` is there, so that nobody knows what the sizes mean"
        root.note("CFG002", message, (), "take the whole `config.json` of the model")
        return
    place = "model_type" if named is not None else "architectures"
    what = named if named is not None else classes[0]
    hint = did_you_mean(str(what), [*FAMILIES, *SAME_AS])
    part = keys if keys.plain("model_type") is not None else root
    part.lacks(place, f"models of the class `{what}` are not read yet", f"{hint}; else {ADD_BY_HAND}")


def _sentence(what: str) -> str:
    return f"it is {what}" if what.startswith(("a ", "an ")) else f"it has {what}"
