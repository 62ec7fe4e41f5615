"""Memory against what engines printed and makers published: weights, activations, caches. Tables name their sources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.domain.models import Quantization
from planner.edges.catalog_files import load_catalog
from planner.performance.memory import (
    GIB,
    OVERHEAD_PARALLEL_GIB,
    OVERHEAD_SINGLE_GIB,
    MemoryFit,
    NoFit,
    activation_bytes,
    cache_bytes,
    expert_bytes,
    memory_fit,
    memory_share,
    overhead_bytes,
    state_bytes,
    weights_bytes,
)

CATALOG = load_catalog()


def precision(key: str, form: str) -> Quantization:
    found = CATALOG.models[key].precision(form)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("key", "form", "ranks", "printed_gib", "within"),
    [
        ("llama-3.1-8b-instruct", "bf16", 1, 14.9889, 0.001),  # vllm pull request 17122, L40S
        ("llama-3-8b-instruct", "bf16", 1, 14.96, 0.001),  # vllm pull request 10511, H100
        ("llama-3-8b-instruct", "bf16", 2, 7.48, 0.001),
        ("llama-3.3-70b-instruct", "fp8", 2, 33.88, 0.001),
        ("llama-3.2-11b-vision-instruct", "bf16", 1, 19.9073, 0.002),  # vllm issue 10569
        ("qwen2.5-32b-instruct", "bf16", 2, 30.7098, 0.007),  # vllm issue 15815, L40S
        ("qwen3-30b-a3b", "bf16", 4, 14.2474, 0.003),  # vllm issue 17327
        ("gemma-3-1b-it", "bf16", 1, 1.9134, 0.02),  # vllm issue 14696: two rotary tables
        ("gemma-3-27b-it", "bf16", 4, 13.1664, 0.03),  # vllm issue 16378: the table of positions is 8 × as long
    ],
)
def test_weights_are_what_the_engine_printed(
    key: str, form: str, ranks: int, printed_gib: float, within: float
) -> None:
    found = weights_bytes(CATALOG.models[key], precision(key, form), ranks) / GIB
    assert found == pytest.approx(printed_gib, rel=within)


@pytest.mark.parametrize(
    ("gpu", "printed_gib"),
    [("A100-80GB", 65.97), ("H100", 64.38)],  # vllm issues 23278 (Marlin) and 33155 (Triton)
)
def test_mxfp4_experts_are_padded_to_the_kernel_s_blocks(gpu: str, printed_gib: float) -> None:
    form = precision("gpt-oss-120b", "mxfp4")
    found = weights_bytes(CATALOG.models["gpt-oss-120b"], form, 1, gpu=CATALOG.gpus[gpu]) / GIB
    assert found == pytest.approx(printed_gib, rel=0.004)


def test_int8_weights_are_what_the_engine_printed() -> None:
    """Llama 3.1 70B in W8A8 takes 67.7229 GiB on one GPU (vllm pull request 12569)."""
    model = CATALOG.models["llama-3.1-70b-instruct"]
    assert weights_bytes(model, Quantization("int8", "int8", "int8", None), 1) / GIB == pytest.approx(67.72, rel=0.002)


@pytest.mark.parametrize(
    ("key", "form", "file_gigabytes", "within"),
    [
        ("gpt-oss-120b", "mxfp4", 65.28, 0.005),  # 60.8 GiB on the model card
        ("gpt-oss-20b", "mxfp4", 13.74, 0.005),  # 12.8 GiB
        ("minimax-m2.5", "fp8-block", 230.0, 0.01),
        ("deepseek-v4-flash", "mxfp4", 160.0, 0.05),  # the page's 158 GB, with one more layer
        ("mistral-small-4", "nvfp4", 72.0, 0.06),  # vLLM's recipe: about 72 GB
    ],
)
def test_weights_are_as_large_as_the_files(key: str, form: str, file_gigabytes: float, within: float) -> None:
    model = CATALOG.models[key]
    found = weights_bytes(model, precision(key, form), 1)
    assert found / 1e9 == pytest.approx(file_gigabytes, rel=within)


@pytest.mark.parametrize(
    ("key", "ranks", "kv", "bytes_per_token"),
    [
        ("llama-3.1-8b-instruct", 1, "bf16", 2 * 8 * 128 * 2 * 32),
        ("llama-3.1-70b-instruct", 4, "bf16", 2 * 2 * 128 * 2 * 80),
        ("llama-3.1-405b-instruct", 8, "fp8", 2 * 1 * 128 * 1 * 126),
        ("mistral-7b-instruct-v0.3", 1, "bf16", 131_072),
        ("mixtral-8x7b-instruct", 2, "bf16", 2 * 4 * 128 * 2 * 32),
        ("phi-4", 1, "bf16", 2 * 10 * 128 * 2 * 40),
        ("qwen3-32b", 1, "bf16", 2 * 8 * 128 * 2 * 64),
        ("qwen3-30b-a3b", 8, "bf16", 2 * 1 * 128 * 2 * 48),  # four heads on eight ranks: each is held twice
        ("qwen3-235b-a22b", 4, "bf16", 48_128),  # vllm issue 21348 prints 178,880 tokens in 8.1 GiB
        ("minimax-m2.5", 4, "fp8", 2 * 2 * 128 * 1 * 62),
        ("gpt-oss-120b", 1, "bf16", 2 * 8 * 64 * 2 * 18),
        ("gpt-oss-20b", 8, "bf16", 2 * 1 * 64 * 2 * 12),
        ("gemma-2-9b-it", 1, "bf16", 2 * 8 * 256 * 2 * 21),
        ("gemma-3-27b-it", 2, "bf16", 2 * 8 * 128 * 2 * 10),
        ("gemma-4-26b-a4b", 8, "bf16", 2 * 1 * 512 * 2 * 5),  # two global heads of 512 on eight ranks
        ("deepseek-v3", 8, "bf16", 576 * 2 * 61),  # one latent, whole on every rank
        ("deepseek-r1", 8, "fp8", 576 * 61),
        ("kimi-k2-instruct", 8, "fp8", 576 * 61),
        ("deepseek-v3.2", 8, "fp8", (656 + 132) * 61),  # fp8_ds_mla entries, and an indexer's keys
        ("glm-5.2", 8, "bf16", 1152 * 78 + 132 * 21),  # three of four layers take the choice of one before
        ("qwen3.5-27b", 1, "bf16", 65_536),
        ("qwen3.5-397b-a17b", 8, "bf16", 2 * 1 * 256 * 2 * 15),
        ("qwen3-next-80b-a3b-instruct", 2, "bf16", 2 * 1 * 256 * 2 * 12),
        ("kimi-k3", 8, "bf16", 1152 * 24),
        ("nemotron-3-nano-30b-a3b", 2, "bf16", 2 * 1 * 128 * 2 * 6),
        ("starcoder2-15b", 1, "bf16", 0),
    ],
)
def test_a_token_takes_exactly_its_bytes(key: str, ranks: int, kv: str, bytes_per_token: float) -> None:
    shape = CATALOG.models[key].architecture
    assert kv in ("bf16", "fp8")
    growing, _ = cache_bytes(shape, ranks, "fp8" if kv == "fp8" else "bf16")
    assert growing == bytes_per_token


@pytest.mark.parametrize(
    ("key", "kv", "window", "bytes_per_token"),
    [
        ("gemma-3-27b-it", "bf16", 1024, 2 * 16 * 128 * 2 * 52),
        ("gemma-2-27b-it", "fp8", 4096, 2 * 16 * 128 * 1 * 23),
        ("gpt-oss-120b", "bf16", 128, 2 * 8 * 64 * 2 * 18),
        ("starcoder2-15b", "bf16", 4096, 2 * 4 * 128 * 2 * 40),
        ("muse-spark-open-816b-a42b", "bf16", 2048, 2 * 16 * 64 * 2 * 46),
        ("deepseek-v4-flash", "fp8", 128, 584 * 43),
    ],
)
def test_windows_take_exactly_their_bytes(key: str, kv: str, window: int, bytes_per_token: float) -> None:
    shape = CATALOG.models[key].architecture
    _, windowed = cache_bytes(shape, 1, "fp8" if kv == "fp8" else "bf16")
    assert shape.sliding_window == window
    assert windowed == pytest.approx(bytes_per_token)


def test_a_million_tokens_of_deepseek_v4_pro_take_what_vllm_published() -> None:
    """9.62 GiB in 16 bit, 8.7 times less than a cache like V3.2's (vLLM's blog on DeepSeek V4, 2026-04-24)."""
    growing, windowed = cache_bytes(CATALOG.models["deepseek-v4-pro"].architecture, 8, "bf16")
    assert (growing * 2**20 + windowed * 128) / GIB == pytest.approx(9.62, abs=0.01)
    assert 61 * (1152 + 2 * 128) / growing == pytest.approx(8.7, abs=0.05)


@pytest.mark.parametrize(
    ("key", "bytes_per_sequence"),
    [
        ("qwen3.5-27b", 48 * (48 * 128 * 128 * 4 + (2 * 16 * 128 + 48 * 128) * 3 * 2)),  # state in 32 bit
        ("qwen3-next-80b-a3b-instruct", 36 * (32 * 128 * 128 * 2 + 8192 * 3 * 2)),  # in 16 bit
        ("nemotron-3-nano-30b-a3b", 23 * (64 * 64 * 128 * 4 + (4096 + 2 * 8 * 128) * 3 * 2)),
        ("kimi-k3", 69 * (96 * 128 * 128 * 4 + 3 * 96 * 128 * 3 * 2)),
    ],
)
def test_a_linear_attention_state_is_what_the_engine_allocates(key: str, bytes_per_sequence: int) -> None:
    """`gated_delta_net_state_shape`, `mamba2_state_shape` and `kda_state_shape` of vLLM's mamba_utils."""
    assert state_bytes(CATALOG.models[key].architecture) == bytes_per_sequence


@pytest.mark.parametrize(
    ("key", "measured_gib"), [("llama-3.3-70b-instruct", 4.8), ("qwen3-32b", 5.6), ("gpt-oss-120b", 7.4)]
)
def test_activations_on_h100_are_those_measured(key: str, measured_gib: float) -> None:
    """1,024 sequences: the sampler's warm-up takes 38 to 40 bytes for each of their words."""
    shape = CATALOG.models[key].architecture
    found = activation_bytes(shape, 1, 1024, 2048)
    assert found / GIB == pytest.approx(measured_gib, rel=0.02)
    assert 38 <= measured_gib * GIB / (1024 * shape.vocab) <= 40


def test_activation_of_a_hybrid_is_the_one_measured() -> None:
    """2.21 GiB at 256 sequences and 2,048 tokens of a 64-layer hybrid with 248,320 words (vllm issue 52872)."""
    shape = replace(CATALOG.models["qwen3.5-27b"].architecture, vision=None)
    assert activation_bytes(shape, 1, 256, 2048) / GIB == pytest.approx(2.21, rel=0.05)


@pytest.mark.parametrize(
    ("share", "weights_gib", "cache_gib"),
    [
        (0.95, 64.38, 3.33),  # Triton kernels
        (0.95, 65.97, 1.71),  # vllm issue 27508, Marlin kernels
        (0.9, 65.97, -2.14),  # vllm issue 23278, Marlin kernels: refused
    ],
)
def test_what_gpt_oss_takes_beside_its_weights_is_what_three_logs_leave(
    share: float, weights_gib: float, cache_gib: float
) -> None:
    """The logs are of one H100, 1,024 sequences, and a vLLM that had the CUDA graphs outside the share."""
    offered = share * CATALOG.gpus["H100"].memory_bytes / GIB
    shape = CATALOG.models["gpt-oss-120b"].architecture
    found = (activation_bytes(shape, 1, 1024, 8192) + overhead_bytes(1)) / GIB
    assert found == pytest.approx(offered - weights_gib - cache_gib, rel=0.03)


def gpt_oss_on_one_h100(share: float | None) -> MemoryFit | NoFit:
    """The largest batch that vLLM takes by itself, with a context of 16,384 tokens."""
    return memory_fit(
        CATALOG.models["gpt-oss-120b"],
        precision("gpt-oss-120b", "mxfp4"),
        CATALOG.gpus["H100"],
        tensor_parallel_size=1,
        max_num_seqs=1024,
        max_model_len=16384,
        gpu_memory_utilization=share,
    )


def test_gpt_oss_loads_on_one_h100_with_1024_sequences() -> None:
    """It keeps 3.33 GiB at a share of 0.95. At 0.9 vLLM refused it too (vllm issue 23278)."""
    answer = gpt_oss_on_one_h100(0.95)
    assert isinstance(answer, MemoryFit)
    assert answer.kv_budget_bytes / GIB == pytest.approx(3.33, abs=0.3)
    assert isinstance(gpt_oss_on_one_h100(None), MemoryFit)
    assert isinstance(gpt_oss_on_one_h100(0.9), NoFit)


def test_the_cache_is_the_one_that_vllm_took_before_it_reserved_graphs() -> None:
    """Gemma 3 4B on a B200 at 0.9: 160.53 GiB less 8.58, 9.96 and 0.07 (vllm pull request 21489; graphs took 0.65)."""
    answer = memory_fit(
        CATALOG.models["gemma-3-4b-it"],
        precision("gemma-3-4b-it", "bf16"),
        CATALOG.gpus["B200"],
        tensor_parallel_size=1,
        max_num_seqs=1024,
        max_model_len=4096,
        gpu_memory_utilization=0.9,
    )
    assert isinstance(answer, MemoryFit)
    assert answer.kv_budget_bytes / GIB == pytest.approx(160.53 - 8.58 - 9.96 - 0.07, rel=0.01)


@pytest.mark.parametrize(
    ("gpu", "share"), [("T4", 0.84), ("L4", 0.9), ("A10G", 0.9), ("A100-40GB", 0.92), ("L40S", 0.92), ("H100", 0.92)]
)
def test_a_small_gpu_gets_a_smaller_share(gpu: str, share: float) -> None:
    """0.9 was vLLM's default on every GPU while the graphs lay outside the share."""
    assert memory_share(CATALOG.gpus[gpu]) == share


def test_the_graphs_that_logs_report_fit_beside_every_share() -> None:
    """Up to 0.9 GiB of graphs on one GPU, 2.4 GiB where GPUs are large, and 0.7 GiB before the engine starts."""
    for gpu in CATALOG.gpus.values():
        beside = (1.0 - memory_share(gpu)) * gpu.memory_bytes / GIB
        assert beside >= 0.9 + 0.7 + (1.5 if gpu.memory_gb >= 40 else 0.0)


def test_a_fit_says_what_lies_beside_the_share() -> None:
    answer = gpt_oss_on_one_h100(None)
    assert isinstance(answer, MemoryFit)
    parts = answer.weights_bytes + answer.activation_bytes + answer.overhead_bytes + answer.kv_budget_bytes
    assert parts + answer.beside_bytes == pytest.approx(CATALOG.gpus["H100"].memory_bytes)
    assert answer.beside_bytes / GIB == pytest.approx(0.08 * 79.18, rel=0.001)


def test_memory_outside_the_allocator_is_the_one_measured() -> None:
    assert pytest.approx(0.13, abs=0.05) == OVERHEAD_SINGLE_GIB
    assert pytest.approx(0.55, abs=0.06) == OVERHEAD_PARALLEL_GIB


def test_an_image_costs_memory_that_text_alone_does_not() -> None:
    """The tower is loaded, its activations peak with the largest image, and its output waits for the prompt."""
    model = CATALOG.models["qwen3.5-27b"]
    blind = replace(model, architecture=replace(model.architecture, vision=None))
    vision = model.architecture.vision
    assert vision is not None
    form = precision(model.key, "bf16")
    assert weights_bytes(model, form, 2) - weights_bytes(blind, form, 2) == vision.params
    small, large = (activation_bytes(model.architecture, 1, 16, tokens) for tokens in (2048, 16384))
    assert small - activation_bytes(blind.architecture, 1, 16, 2048) >= 2 * 5120 * 16384  # the largest image's tokens
    assert large >= small


def test_expert_parallelism_keeps_experts_whole_and_rounds_up() -> None:
    model = CATALOG.models["deepseek-v3"]
    shape, form = model.architecture, precision("deepseek-v3", "fp8-block")
    whole = expert_bytes(shape, form, 1)
    assert expert_bytes(shape, form, 8, 8) == expert_bytes(shape, form, 8) == whole / 8
    assert expert_bytes(shape, form, 8, 16) == whole / 16  # TP 8 on two data-parallel ranks
    assert expert_bytes(shape, form, 1, 48) == whole * 6 / 256  # 5⅓ experts a rank: one holds six
    more = weights_bytes(model, form, 8, 16) - weights_bytes(model, form, 8, 8)
    assert more == pytest.approx(-whole / 16)


@pytest.mark.parametrize(
    ("key", "form", "ranks", "spread", "says"),
    [
        ("minimax-m2.5", "fp8-block", 8, 1, "whole groups of 128"),  # its makers: TP 4, or TP 8 with EP
        ("qwen2.5-72b-instruct", "awq", 8, 1, "whole groups of 128"),  # 29,568 / 8 is no multiple of 128
        ("qwen3-32b", "bf16", 2, 2, "no experts"),
        ("qwen3-30b-a3b", "bf16", 4, 6, "no multiple of TP 4"),
        ("qwen3.5-27b", "bf16", 32, 1, "attention heads"),
        ("llama-3.2-11b-vision-instruct", "bf16", 1, 1, "V0 engine"),
    ],
)
def test_what_ranks_cannot_share_says_why(key: str, form: str, ranks: int, spread: int, says: str) -> None:
    answer = memory_fit(
        CATALOG.models[key],
        precision(key, form),
        CATALOG.gpus["B200"],
        tensor_parallel_size=ranks,
        max_num_seqs=64,
        max_model_len=4096,
        expert_parallel_size=spread,
    )
    assert isinstance(answer, NoFit)
    assert says in answer.reason


@pytest.mark.parametrize(("ranks", "spread"), [(4, 1), (8, 8), (2, 8)])
def test_minimax_fits_where_its_makers_say(ranks: int, spread: int) -> None:
    answer = memory_fit(
        CATALOG.models["minimax-m2.5"],
        precision("minimax-m2.5", "fp8-block"),
        CATALOG.gpus["H100"],
        tensor_parallel_size=ranks,
        max_num_seqs=64,
        max_model_len=32768,
        expert_parallel_size=spread,
    )
    assert isinstance(answer, MemoryFit)


def test_parts_that_a_checkpoint_keeps_weigh_two_bytes() -> None:
    """Kimi K2.5 in NVFP4: attention in 16 bit, dense and shared networks in 4, experts in 4."""
    model = CATALOG.models["kimi-k2.5"]
    kept, flat = precision("kimi-k2.5", "nvfp4"), Quantization("nvfp4", "nvfp4", "nvfp4", None)
    attention = 61 * 101_124_096
    more = weights_bytes(model, kept, 8) - weights_bytes(model, flat, 8)
    assert more == pytest.approx(attention * (2 - 0.5625) / 8, rel=0.001)


def test_a_page_of_a_hybrid_s_cache_is_half_empty() -> None:
    """vLLM pages attention as coarsely as the state: a short sequence of Qwen3.5-27B holds 48 states and 8 more."""
    answer = memory_fit(
        CATALOG.models["qwen3.5-27b"],
        precision("qwen3.5-27b", "bf16"),
        CATALOG.gpus["H100"],
        tensor_parallel_size=2,
        max_num_seqs=64,
        max_model_len=4096,
    )
    assert isinstance(answer, MemoryFit)
    assert answer.state_bytes * 2 == pytest.approx(state_bytes(CATALOG.models["qwen3.5-27b"].architecture) * 56 / 48)
