"""The tables of docs/performance.md, from the fitted coefficients, the catalog, the traces and the code's constants."""

from __future__ import annotations

from collections import Counter

from measurement.evidence import reports
from measurement.evidence.fit import UNKNOWNS, vector
from measurement.files.fit_files import load_measurements
from planner.decision.answer import routes
from planner.decision.candidates import replicas
from planner.domain.catalog import Catalog
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.edges.trace_files import shipped_trace, shipped_traces
from planner.performance import capacity, capacity_search, loading, memory
from planner.performance.coefficients import Coefficients
from planner.performance.engine import defaults
from planner.performance.roofline import ideal_step, step_clock
from tools.figures.marks import table_lines

READING = {
    "dense_bandwidth": "share of the memory bandwidth: weights that every token touches",
    "dense_packed_bandwidth": "the same for 4-bit weights, unpacked on the way",
    "expert_bandwidth": "the same for routed experts",
    "expert_fp4_bandwidth": "the same for routed experts in mxfp4 and nvfp4",
    "expert_int4_bandwidth": "the same for routed experts in AWQ and GPTQ",
    "kv_bandwidth": "the same for the KV cache",
    "compute_16bit": "share of the peak in 16 bit",
    "compute_fp8": "share of the peak in fp8 (int8 too)",
    "compute_fp4": "share of the peak in fp4",
    "expert_compute": "of that share, what grouped products of wide experts reach",
    "expert_half_width": "inner width of an expert on one rank at which they reach half of that",
    "attention": "share of the 16-bit peak in attention of prompts",
    "power_exponent": "how the share of the peak falls with the watts for each FLOP/s, below an H100's",
    "overhead_ms": "ms of every step",
    "overhead_per_layer_ms": "ms a layer",
    "overhead_per_sequence_ms": "ms a decoding sequence",
    "eager_ms_per_layer": "ms a layer more without CUDA graphs",
    "latency_nvlink": "ms of one all-reduce at 900 GB/s; the less the faster the NVLink",
    "latency_pcie": "ms of one of its TP − 1 hops over PCIe",
    "bandwidth_nvlink": "share of the link's rate, NVLink",
    "bandwidth_pcie": "share of the link's rate, PCIe",
    "socket_crossing": "of that share, what is left where more than four GPUs on PCIe cross the sockets",
}
ENGINE_READING = {
    "step_": "step of {} over vLLM's",
    "server_": "ms of one server process for a token that it streams, {}",
    "entry_": "ms from arrival to the first step on an idle engine, {}",
    "entry_each_": "ms more for every other request in flight, {}",
}
ENGINES = {
    "vllm": "vLLM",
    "vllm<0.6": "vLLM before 0.6",
    "vllm<0.6 offline": "vLLM before 0.6 without its server",
    "trt-llm": "TensorRT-LLM",
    "trt-llm<1.0": "TensorRT-LLM before 1.0",
    "sglang": "SGLang",
    "tgi": "TGI",
}


def parts() -> dict[str, list[str]]:
    """The generated parts of the document."""
    fitted, catalog = load_coefficients(), load_catalog()
    return {
        "coefficients": coefficients(fitted),
        "engines": engines(fitted, catalog),
        "provenance": provenance(fitted, catalog),
        "residuals": residuals(fitted),
        "bursts": bursts(),
        "assumptions": assumptions(catalog),
        "example": example(fitted, catalog),
    }


def reading(name: str) -> str:
    """What an unknown of the fit is."""
    if name in READING:
        return READING[name]
    prefix = max((each for each in ENGINE_READING if name.startswith(each)), key=len)
    return ENGINE_READING[prefix].format(ENGINES[name.removeprefix(prefix)])


def coefficients(fitted: Coefficients) -> list[str]:
    """Every fitted number with what was expected of it and its range; those at an end of it are marked."""
    rows = []
    for unknown, value in zip(UNKNOWNS, vector(fitted), strict=True):
        at_end = min(value - unknown.least, unknown.most - value) < 0.01 * (unknown.most - unknown.least)
        shown = f"{value:,.0f}" if value >= 100 or value < 1e-9 else f"{value:.3g}"
        shown += " (end of its range)" if at_end else ""
        expected, span = f"{unknown.expected:g} ± {unknown.width:g}", f"{unknown.least:g} to {unknown.most:g}"
        rows.append((f"`{unknown.name}`", shown, expected, span, reading(unknown.name)))
    return table_lines(["coefficient", ">fitted", ">expected", ">range", "what it is"], rows)


def engines(fitted: Coefficients, catalog: Catalog) -> list[str]:
    """How engines differ from the one that is planned with, and how many rows say so."""
    counted = Counter(row.engine_key for row in load_measurements(catalog))
    rows = [
        (
            f"`{key}`",
            name,
            str(counted[key]),
            f"{fitted.engines[key].step_factor:.2f} ×",
            f"{fitted.engines[key].entry_ms:.0f} ms",
            f"{fitted.engines[key].entry_ms_per_request:.2f} ms",
            f"{fitted.engines[key].server_ms_per_token:.3f} ms",
        )
        for key, name in ENGINES.items()
    ]
    heads = [">published rows", ">step over vLLM's", ">entry", ">for each other in flight", ">a streamed token"]
    return table_lines(["key", "engine", *heads], rows)


def provenance(fitted: Coefficients, catalog: Catalog) -> list[str]:
    """Which GPUs were measured, and the margin that each gets."""
    published = Counter(row.gpu for row in load_measurements(catalog))
    rows = [
        (
            gpu,
            str(published[gpu]),
            str(fitted.measured_rows.get(gpu, 0)),
            fitted.provenance(gpu),
            f"{fitted.margin(gpu):.2f} ×",
        )
        for gpu in sorted(catalog.gpus)
    ]
    return table_lines(["GPU", ">published rows", ">fitted, of vLLM", "provenance", ">margin on step time"], rows)


def residuals(fitted: Coefficients) -> list[str]:
    """Quantiles of actual/predicted of rows that no fit saw."""
    rows = [
        (kind, metric, str(told.rows), f"{told.p10:.2f}", f"{told.p50:.2f}", f"{told.p90:.2f}")
        for kind, metrics in sorted(fitted.residuals.items())
        for metric, told in sorted(metrics.items())
    ]
    return table_lines(["residuals", "figure", ">rows", ">p10", ">p50", ">p90"], rows)


def bursts() -> list[str]:
    """What each shipped trace says of arrivals."""
    rows = []
    for name in shipped_traces():
        trace = shipped_trace(name)
        burst = trace.burst
        rows.append(
            (
                f"`{name}`",
                f"{trace.requests:,}",
                f"{trace.duration_s / 60:.0f} min",
                f"{burst.mean_rps:.2f}/s",
                f"{burst.p95_300s:.2f}",
                f"{burst.peak_60s:.2f}",
                f"{burst.interarrival_cv:.1f}",
            )
        )
    columns = ["trace", ">requests", ">length", ">mean", ">p95 of 300 s ÷ mean", ">60 s peak ÷ mean", ">CV of the gaps"]
    return table_lines(columns, rows)


def example(fitted: Coefficients, catalog: Catalog) -> list[str]:
    """One class, its clock and a few steps, before any margin."""
    model, gpu = catalog.models["gpt-oss-120b"], catalog.gpus["H100"]
    ideal = ideal_step(model.architecture, model.precisions()[0], gpu, 1, context_tokens=2048.0)
    clock = step_clock(ideal, fitted)
    held = 1155 + 211 / 2
    rows = [
        (f"{sequences} decoding", f"{clock.step_ms(sequences, sequences * held):.2f} ms") for sequences in (1, 32, 128)
    ]
    rows.append(
        ("128 decoding and a prompt of 1,155 tokens", f"{clock.step_ms(128, 128 * held, 1155, 1155 / 2):.2f} ms")
    )
    return table_lines(["one step of gpt-oss-120b (mxfp4) on one H100", ">takes"], rows)


def assumptions(catalog: Catalog) -> list[str]:
    """Constants that no measurement stands behind, by the module that holds them."""
    measured = ", ".join(sorted(key for key, gpu in catalog.gpus.items() if gpu.memory_provenance == "measured"))
    most = f"{loading.STREAM_BYTES_PER_SECOND / 1e9:.2g} GB/s"
    started = f"{loading.START_SECONDS:g} s + weights at the GPU's share of the network's lasting rate, at most {most}"
    minutes, least = capacity_search.CYCLE_MINUTES, capacity_search.LEAST_REQUESTS
    tolerance = f"found to {capacity_search.TOLERANCE - 1:.0%}"
    simulated = f"{minutes} minutes again and again, {least:,} requests at the rate that it starts from, {tolerance}"
    tried = ", ".join(map(str, replicas.BATCHED_TOKENS))
    shares = {key: memory.memory_share(gpu) for key, gpu in sorted(catalog.gpus.items())}
    smaller = ", ".join(f"{share:g} on {key}" for key, share in shares.items() if share < memory.GPU_MEMORY_UTILIZATION)
    tokens = {key: defaults.default_batched_tokens(gpu) for key, gpu in sorted(catalog.gpus.items())}
    taken = "; ".join(
        f"{each:,} on {', '.join(key for key, default in tokens.items() if default == each)}"
        for each in sorted(set(tokens.values()), reverse=True)
    )
    spread = f"{reports.SPREAD[0]:.2f} to {reports.SPREAD[1]:.2f} × the mean, independent of each other"
    kept_back = f"{capacity_search.KEPT_BACK:.0%} of those that a target allows"
    rows = [
        ("share of requests that keeps each target", f"{capacity.PERCENTILE:.0%}", "`planner/performance/capacity.py`"),
        ("what is simulated", simulated, "`planner/performance/capacity_search.py`"),
        ("misses that are kept back", kept_back, "`planner/performance/capacity_search.py`"),
        ("lengths of a benchmark that says nothing of theirs", spread, "`measurement/evidence/reports.py`"),
        (
            "share of GPU memory for the engine",
            f"{memory.GPU_MEMORY_UTILIZATION:g}, or less so that {memory.BESIDE_SHARE_GIB:g} GiB stay for CUDA "
            f"graphs and the driver: {smaller}",
            "`planner/performance/memory.py`",
        ),
        ("usable memory of a GPU", f"0.993 × what is reported; measured: {measured}", "`planner/catalog/data/gpus/`"),
        ("batch caps that are tried", ", ".join(map(str, replicas.CAPS)), "`planner/decision/candidates/replicas.py`"),
        (
            "tokens of a step (`max_num_batched_tokens`)",
            f"the default of vLLM {defaults.PINNED_VERSION} ({taken}); another one of {tried} where the "
            f"closed form says that it serves {replicas.GAIN - 1:.0%} more",
            "`planner/decision/candidates/replicas.py`",
        ),
        ("start of a replica", started, "`planner/performance/loading.py`"),
        ("bytes of text a token", f"{routes.BYTES_PER_TOKEN:g}", "`planner/decision/answer/routes.py`"),
        (
            "patience before a stream spills",
            f"{routes.PATIENCE:g} × the TTFT target of a p95 prompt",
            "`planner/decision/answer/routes.py`",
        ),
        ("shape of a week", "four named profiles", "`planner/domain/demand.py`"),
    ]
    return table_lines(["what", "value", "in"], rows)
