"""Which API providers and hosted models the shipped catalog holds, and how the gateway speaks to them."""

from __future__ import annotations

from typing import Any

PROVIDERS = {  # key -> (raw name in the price table, raw name in the policy table, OpenAI-compatible address, prefix)
    "anthropic": ("Anthropic", "Anthropic API", "https://api.anthropic.com/v1", ""),
    "bedrock": ("AWS Bedrock", "AWS Bedrock", "https://bedrock-runtime.{region}.amazonaws.com/openai/v1", ""),
    "deepinfra": ("DeepInfra", "DeepInfra", "https://api.deepinfra.com/v1/openai", "deepinfra/"),
    "deepseek": ("DeepSeek", "DeepSeek API", "https://api.deepseek.com/v1", ""),
    "fireworks": ("Fireworks AI", "Fireworks AI", "https://api.fireworks.ai/inference/v1", "fireworks_ai/"),
    "google": (
        "Google Gemini API",
        "Google Gemini API (paid)",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "gemini/",
    ),
    "groq": ("Groq", "Groq", "https://api.groq.com/openai/v1", "groq/"),
    "mistral": ("Mistral", "Mistral La Plateforme", "https://api.mistral.ai/v1", "mistral/"),
    "openai": ("OpenAI", "OpenAI API", "https://api.openai.com/v1", ""),
    "together": ("Together AI", "Together AI", "https://api.together.xyz/v1", "together_ai/"),
}
HIPAA = {"anthropic": True, "bedrock": True}
RESIDENCY = {"bedrock": ["us"]}
"""Verified only. Bedrock is pinned to the region that is called, and this catalog holds regions of the US."""

READ = "2026-11-29"
"""Day on which pages that state no day were read."""
BATCHES: dict[str, dict[str, Any]] = {
    "anthropic": {
        "window_hours": 24,
        "source": "platform.claude.com docs batch-processing: a batch ends within 24 hours, and what is not done then "
        "expires",
        "as_of": "2026-11",
    },
    "openai": {
        "window_hours": 24,
        "source": "help.openai.com/en/articles/9197833 Batch API FAQ: requests are processed within 24 hours, and "
        "what a batch has not done by then is cancelled; batches have limits of their own",
        "as_of": "2026-11",
    },
}
"""Within which time a provider states that a batch is done. One that is absent is planned at its plain prices."""
PROMPT_CACHING: dict[str, dict[str, Any]] = {
    "anthropic": {
        "kind": "explicit",
        "minimum_tokens": None,
        "step_tokens": 1,
        "source": "platform.claude.com docs cli-sdks-libraries/libraries/openai-sdk: not available through the "
        "compatible layer",
        "as_of": "2025",
    },
    "deepseek": {
        "kind": "automatic",
        "minimum_tokens": None,
        "step_tokens": 1,
        "source": "api-docs.deepseek.com guides/kv_cache; it states no shortest prefix",
        "as_of": READ,
    },
    "fireworks": {
        "kind": "automatic",
        "minimum_tokens": None,
        "step_tokens": 1,
        "source": "docs.fireworks.ai guides/prompt-caching; it states no shortest prefix",
        "as_of": READ,
    },
    "google": {
        "kind": "automatic",
        "minimum_tokens": 4096,
        "step_tokens": 1,
        "minimum_by_model": {"gemini-2.5-flash": 2048, "gemini-2.5-pro": 2048},
        "source": "ai.google.dev gemini-api docs/caching, implicit caching; models that it does not list take its "
        "longest minimum",
        "as_of": "2026-10-13",
    },
    "groq": {
        "kind": "automatic",
        "minimum_tokens": None,
        "step_tokens": 1,
        "source": "console.groq.com docs/prompt-caching; no shortest prefix was read there",
        "as_of": READ,
    },
    "mistral": {
        "kind": "explicit",
        "minimum_tokens": None,
        "step_tokens": 1,
        "source": "docs.mistral.ai prompt-caching: requests carry `prompt_cache_key`",
        "as_of": READ,
    },
    "openai": {
        "kind": "automatic",
        "minimum_tokens": 1024,
        "step_tokens": 128,
        "source": "openai/openai-cookbook examples/Prompt_Caching_201.ipynb (models before GPT-5.6); "
        "developers.openai.com guides/prompt-caching: GPT-5.6 and later bill cache writes",
        "as_of": READ,
    },
}
"""How providers recognise prompts that they computed before. Those that are not named: not known."""

RENAMES = {"openai": {"max_tokens": "max_completion_tokens"}}
"""Provider -> field of a request as OpenAI's older models spell it -> as this provider wants it."""
FEATURES = {"json-schema": ["response_format"], "tools": ["functions", "tools"], "vision": ["image"]}
"""What a model can do, in the words of the price lists -> what a request may then ask for, in the gateway's words."""

FIREWORKS = "accounts/fireworks/models/"
APIS = {  # provider -> slug -> id on the wire
    "anthropic": {
        "claude-3.5-sonnet": "claude-3-5-sonnet-20241022",
        "claude-haiku-4.5": "claude-haiku-4-5-20251001",
        "claude-haiku-5.5": "claude-haiku-5-5",
        "claude-opus-5.5": "claude-opus-5-5",
        "claude-sonnet-4.5": "claude-sonnet-4-5-20250929",
        "claude-sonnet-4.6": "claude-sonnet-4-6",
        "claude-sonnet-5.5": "claude-sonnet-5-5",
    },
    "bedrock": {
        "claude-haiku-4.5": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "claude-haiku-5.5": "us.anthropic.claude-haiku-5-5",
        "deepseek-v3.2": "us.deepseek.v3.2",
        "gemma-3-27b-it": "google.gemma-3-27b-it",
        "gpt-oss-120b": "openai.gpt-oss-120b-1:0",
        "gpt-oss-20b": "openai.gpt-oss-20b-1:0",
        "llama-3.1-70b-instruct": "us.meta.llama3-1-70b-instruct-v1:0",
        "llama-3.1-8b-instruct": "us.meta.llama3-1-8b-instruct-v1:0",
        "llama-3.3-70b-instruct": "us.meta.llama3-3-70b-instruct-v1:0",
        "nova-lite": "us.amazon.nova-lite-v1:0",
        "nova-micro": "us.amazon.nova-micro-v1:0",
        "nova-pro": "us.amazon.nova-pro-v1:0",
        "qwen3-235b-a22b-instruct-2507": "qwen.qwen3-235b-a22b-2507-v1:0",
        "qwen3-32b": "qwen.qwen3-32b-v1:0",
        "qwen3-next-80b-a3b-instruct": "qwen.qwen3-next-80b-a3b",
    },
    "deepinfra": {
        "deepseek-v3.1": "deepseek-ai/DeepSeek-V3.1",
        "gemma-3-27b-it": "google/gemma-3-27b-it",
        "gpt-oss-120b": "openai/gpt-oss-120b",
        "llama-3.1-8b-instruct": "meta-llama/Meta-Llama-3.1-8B-Instruct",
        "llama-3.3-70b-instruct": "meta-llama/Llama-3.3-70B-Instruct",
        "mistral-small-3.2": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
        "mixtral-8x7b-instruct": "mistralai/Mixtral-8x7B-Instruct-v0.1",
        "qwen2.5-72b-instruct": "Qwen/Qwen2.5-72B-Instruct",
        "qwen3-235b-a22b-instruct-2507": "Qwen/Qwen3-235B-A22B-Instruct-2507",
        "qwen3-32b": "Qwen/Qwen3-32B",
        "qwen3.6-27b": "Qwen/Qwen3.6-27B",
        "qwen3.6-35b-a3b": "Qwen/Qwen3.6-35B-A3B",
    },
    "deepseek": {"deepseek-v4-flash": "deepseek-v4-flash", "deepseek-v4-pro": "deepseek-v4-pro"},
    "fireworks": {
        "deepseek-v3.2": FIREWORKS + "deepseek-v3p2",
        "glm-4.5-air": FIREWORKS + "glm-4p5-air",
        "glm-4.6": FIREWORKS + "glm-4p6",
        "gpt-oss-20b": FIREWORKS + "gpt-oss-20b",
        "llama-3.1-8b-instruct": FIREWORKS + "llama-v3p1-8b-instruct",
        "llama-3.3-70b-instruct": FIREWORKS + "llama-v3p3-70b-instruct",
        "mixtral-8x22b-instruct": FIREWORKS + "mixtral-8x22b-instruct",
        "qwen3-235b-a22b-instruct-2507": FIREWORKS + "qwen3-235b-a22b-instruct-2507",
        "qwen3-30b-a3b-instruct-2507": FIREWORKS + "qwen3-30b-a3b-instruct-2507",
        "qwen3-32b": FIREWORKS + "qwen3-32b",
    },
    "google": {
        "gemini-1.5-pro": "gemini-1.5-pro",
        "gemini-2.5-flash": "gemini-2.5-flash",
        "gemini-2.5-flash-lite": "gemini-2.5-flash-lite",
        "gemini-2.5-pro": "gemini-2.5-pro",
        "gemini-3.1-flash-lite": "gemini-3.1-flash-lite",
        "gemini-3.5-flash-lite": "gemini-3.5-flash-lite",
        "gemini-3.8-flash": "gemini-3.8-flash",
    },
    "groq": {
        "gpt-oss-120b": "openai/gpt-oss-120b",
        "gpt-oss-20b": "openai/gpt-oss-20b",
        "llama-3.1-8b-instruct": "llama-3.1-8b-instant",
        "llama-3.3-70b-instruct": "llama-3.3-70b-versatile",
    },
    "mistral": {
        "codestral-2508": "codestral-2508",
        "ministral-8b-2512": "ministral-8b-2512",
        "mistral-large-3": "mistral-large-2512",
        "mistral-medium-3.5": "mistral-medium-2604",
        "mistral-small-4": "mistral-small-2603",
    },
    "openai": {
        "gpt-4": "gpt-4",
        "gpt-4-turbo": "gpt-4-turbo",
        "gpt-4.1": "gpt-4.1",
        "gpt-4.1-mini": "gpt-4.1-mini",
        "gpt-4.1-nano": "gpt-4.1-nano",
        "gpt-4o": "gpt-4o",
        "gpt-4o-mini": "gpt-4o-mini",
        "gpt-5": "gpt-5",
        "gpt-5-mini": "gpt-5-mini",
        "gpt-5.1": "gpt-5.1",
        "gpt-5.2": "gpt-5.2",
        "gpt-5.4": "gpt-5.4",
        "gpt-5.4-mini": "gpt-5.4-mini",
        "gpt-5.4-nano": "gpt-5.4-nano",
        "gpt-5.6-luna": "gpt-5.6-luna",
        "gpt-5.6-terra": "gpt-5.6-terra",
        "gpt-6-luna": "gpt-6-luna",
        "gpt-6.1-sol": "gpt-6.1-sol",
        "gpt-6.1-terra": "gpt-6.1-terra",
        "o3": "o3",
    },
    "together": {
        "deepseek-v3": "deepseek-ai/DeepSeek-V3",
        "glm-4.6": "zai-org/GLM-4.6",
        "gpt-oss-120b": "openai/gpt-oss-120b",
        "kimi-k2-instruct": "moonshotai/Kimi-K2-Instruct",
        "llama-3.3-70b-instruct": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "mistral-7b-instruct-v0.3": "mistralai/Mistral-7B-Instruct-v0.3",
        "qwen2.5-72b-instruct": "Qwen/Qwen2.5-72B-Instruct",
        "qwen2.5-7b-instruct": "Qwen/Qwen2.5-7B-Instruct-Turbo",
    },
}
