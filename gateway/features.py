"""Fields of a chat completion request, and the features that they need.

This is the vocabulary of `supports` in the policy document. A backend serves a request only when it supports every
feature that the request uses, because a field is never dropped. A field that this module does not know is refused: the
gateway does not forward what it cannot judge, such as a service tier with another price, or a web search.

The sources are OpenAI's chat completions reference and, for the feature `vllm`, vLLM's `ChatCompletionRequest`.
"""

from __future__ import annotations

from collections.abc import Mapping

CORE_FIELDS = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens"})
"""Fields that the gateway itself reads or writes. Every backend has them, some under another name."""

OPTIONAL_PLAIN_FIELDS = frozenset(
    {"temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty", "user"}
)
"""Sampling fields that a backend has unless its `refuses` names them."""

FEATURES: Mapping[str, frozenset[str]] = {
    "tools": frozenset({"tools", "tool_choice", "parallel_tool_calls"}),
    "functions": frozenset({"functions", "function_call"}),
    "response_format": frozenset({"response_format"}),
    "logprobs": frozenset({"logprobs", "top_logprobs"}),
    "logit_bias": frozenset({"logit_bias"}),
    "n": frozenset({"n"}),
    "reasoning_effort": frozenset({"reasoning_effort"}),
    "image": frozenset(),
    "audio": frozenset(),
    "file": frozenset(),
    "vllm": frozenset(
        {
            "add_generation_prompt",
            "allowed_token_ids",
            "bad_words",
            "chat_template_kwargs",
            "continue_final_message",
            "ignore_eos",
            "include_reasoning",
            "include_stop_str_in_output",
            "length_penalty",
            "min_p",
            "min_tokens",
            "repetition_penalty",
            "skip_special_tokens",
            "spaces_between_special_tokens",
            "stop_token_ids",
            "structured_outputs",
            "top_k",
        }
    ),
}
"""Feature -> the request fields that ask for it. Content parts ask for `image`, `audio` and `file`."""

FEATURE_OF_FIELD: Mapping[str, str] = {field: feature for feature, fields in FEATURES.items() for field in fields}

FEATURE_OF_CONTENT_PART: Mapping[str, str | None] = {
    "text": None,
    "refusal": None,
    "image_url": "image",
    "input_audio": "audio",
    "file": "file",
}
"""Type of a message's content part -> the feature that it needs; None where every backend reads it."""

ROUTE_WIDENING_FIELDS = frozenset(
    {
        "api_base",
        "api_key",
        "api_type",
        "api_version",
        "base_model",
        "base_url",
        "context_window_fallback_dict",
        "custom_llm_provider",
        "deployment_id",
        "extra_body",
        "extra_headers",
        "fallbacks",
        "mock_response",
        "model_list",
        "organization",
        "user_config",
    }
)
"""Fields by which clients of other proxies choose the upstream themselves. They are refused with that reason."""
