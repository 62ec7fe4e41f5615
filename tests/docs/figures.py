"""The figures that docs/performance.md and docs/catalog.md quote, computed from the files that they speak of.

A document holds them between `<!-- NAME: generated … -->` marks; `test_figures.py` compares, and writes them anew with
UPDATE_GOLDEN=1. Ages are counted to the day of the price snapshot, so that the clock changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

from measurement.evidence import predict
from measurement.evidence.fit import UNKNOWNS, vector
from measurement.files.fit_files import load_measurements
from planner.decision.answer import routes
from planner.decision.candidates import replicas
from planner.domain.catalog import Catalog
from planner.domain.prices import MAX_AGE_DAYS, Price
from planner.edges.catalog_files import load_catalog
from planner.edges.performance_files import load_coefficients
from planner.edges.trace_files import shipped_trace, shipped_traces
from planner.performance import admission, capacity, capacity_search, memory
from planner.performance.coefficients import Coefficients
from planner.performance.engine import scheduler
from planner.performance.roofline import ideal_step, step_clock
from tests.docs.markdown import table_lines

PARTS: dict[str, dict[str, Callable[[], list[str]]]] = {
    "docs/performance.md": {
        "coefficients": lambda: coefficients(load_coefficients()),
        "engines": lambda: engines(load_coefficients()),
        "provenance": lambda: provenance(load_coefficients(), load_catalog()),
        "residuals": lambda: residuals(load_coefficients()),
        "bursts": lambda: bursts(),
        "assumptions": lambda: assumptions(load_catalog()),
        "example": lambda: example(load_coefficients(), load_catalog()),
    },
    "docs/catalog.md": {
        "contents": lambda: contents(load_catalog()),
        "instances": lambda: instances(load_catalog()),
        "ages": lambda: ages(load_catalog()),
        "gaps": lambda: gaps(load_catalog()),
        "providers": lambda: providers(load_catalog()),
    },
}

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
    "latency_nvlink": "ms of one all-reduce at 900 GB/s; the less the faster the NVLink",
    "latency_pcie": "ms of one of its TP − 1 hops over PCIe",
    "bandwidth_nvlink": "share of the link's rate, NVLink",
    "bandwidth_pcie": "share of the link's rate, PCIe",
    "socket_crossing": "of that share, what is left where more than four GPUs on PCIe cross the sockets",
}
ENGINE_READING = {
    "step_": "step of {} over vLLM's",
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


def engines(fitted: Coefficients) -> list[str]:
    """How engines differ from the one that is planned with, and how many rows say so."""
    counted = Counter(row.engine_key for row in load_measurements())
    rows = [
        (
            f"`{key}`",
            name,
            str(counted[key]),
            f"{fitted.engines[key].step_factor:.2f} ×",
            f"{fitted.engines[key].entry_ms:.0f} ms",
            f"{fitted.engines[key].entry_ms_per_request:.2f} ms",
        )
        for key, name in ENGINES.items()
    ]
    columns = ["key", "engine", ">published rows", ">step over vLLM's", ">entry", ">for each other in flight"]
    return table_lines(columns, rows)


def provenance(fitted: Coefficients, catalog: Catalog) -> list[str]:
    """Which GPUs were measured, and the margin that each gets."""
    published = Counter(row.gpu for row in load_measurements())
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
    clock = step_clock(ideal_step(model.architecture, model.precisions()[0], gpu, 1), fitted)
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
    loading = f"{admission.START_SECONDS:g} s + weights at {admission.LOAD_BYTES_PER_SECOND / 1e9:g} GB/s"
    minutes, least = capacity_search.CYCLE_MINUTES, capacity_search.LEAST_REQUESTS
    tolerance = f"found to {capacity_search.TOLERANCE - 1:.0%}"
    simulated = f"{minutes} minutes again and again, {least:,} requests at the rate that it starts from, {tolerance}"
    spread = f"{predict.SPREAD[0]:.2f} to {predict.SPREAD[1]:.2f} × the mean, independent of each other"
    rows = [
        ("share of requests that keeps each target", f"{capacity.PERCENTILE:.0%}", "`performance/capacity.py`"),
        ("what is simulated", simulated, "`performance/capacity_search.py`"),
        ("lengths of a benchmark that says nothing of theirs", spread, "`performance/evidence/predict.py`"),
        ("share of GPU memory for the engine", f"{memory.GPU_MEMORY_UTILIZATION:g}", "`performance/memory.py`"),
        ("CUDA graphs", f"{memory.CUDA_GRAPHS_GIB:g} GiB a GPU", "`performance/memory.py`"),
        ("usable memory of a GPU", f"0.993 × what is reported; measured: {measured}", "`catalog/data/gpus/`"),
        ("batch caps that are tried", ", ".join(map(str, replicas.CAPS)), "`decision/replicas.py`"),
        (
            "tokens of a step (`max_num_batched_tokens`)",
            f"8,192 from {scheduler.LARGE_GPU_GB} GB of GPU memory, else 2,048",
            "`performance/engine/scheduler.py`",
        ),
        ("start of a replica", loading, "`performance/admission.py`"),
        ("bytes of text a token", f"{routes.BYTES_PER_TOKEN:g}", "`decision/routes.py`"),
        (
            "patience before a stream spills",
            f"{routes.PATIENCE:g} × the TTFT target of a p95 prompt",
            "`decision/routes.py`",
        ),
        ("shape of a week", "four named profiles", "`domain/demand.py`"),
    ]
    return table_lines(["what", "value", "in `planner/`"], rows)


def contents(catalog: Catalog) -> list[str]:
    """How many rows there are of what."""
    prices = Counter(price.kind for price in catalog.prices.rows.values())
    listed = sum(api.status == "listed" for api in catalog.apis)
    measured = sorted(catalog.all_gpus.keys() - catalog.gpus.keys())
    rows = [
        ("GPUs that can be rented", "`gpus/KEY.yaml`", str(len(catalog.gpus)), ", ".join(sorted(catalog.gpus))),
        ("GPUs that others measured", "`gpus/KEY.yaml`", str(len(measured)), ", ".join(measured)),
        ("instance types", "`instances/FAMILY.yaml`", str(len(catalog.instances)), _families(catalog)),
        (
            "open-weight models",
            "`models/KEY.yaml`",
            str(len(catalog.models)),
            "by exact shape, precision and licence",
        ),
        ("API providers", "`providers/KEY.yaml`", str(len(catalog.providers)), ", ".join(sorted(catalog.providers))),
        ("hosted models", "the same", str(len(catalog.apis)), f"{listed} listed, the others gone"),
        (
            "prices",
            f"`prices/{catalog.prices.name}/KIND/GROUP.yaml`",
            str(len(catalog.prices.rows)),
            ", ".join(f"{count} {kind}" for kind, count in sorted(prices.items())),
        ),
        ("traces", "`traces/*.json`", str(len(shipped_traces())), ", ".join(shipped_traces())),
    ]
    return table_lines(["what", "file", ">rows", "which"], rows)


def instances(catalog: Catalog) -> list[str]:
    """What of each family is sold where, with a price."""
    rows = []
    for family in sorted({row.family for row in catalog.instances.values()}):
        offered = catalog.offerings.of_family(family)
        cells = []
        for region in catalog.regions:
            here = offered.in_region(region)
            unpriced = len(here) - len(here.available())
            cells.append(f"{len(here.available())}" + (f" ({unpriced} without a price)" if unpriced else ""))
        rows.append((f"`{family}`", ", ".join(gpu.key for gpu in offered.gpus()), *cells))
    return table_lines(["family", "GPU", *(f">{region}" for region in catalog.regions)], rows)


def ages(catalog: Catalog) -> list[str]:
    """How old the prices of each kind are on the day of their snapshot."""
    on = date.fromisoformat(catalog.prices.name)
    rows = []
    for kind in sorted({price.kind for price in catalog.prices.rows.values()}):
        known = [price for price in catalog.prices.rows.values() if price.kind == kind]
        days = sorted(price.age_days(on) for price in known)
        old = sum(age > MAX_AGE_DAYS[kind] for age in days)
        disputed = sum(price.disputed is not None for price in known)
        stands_in = sum(price.stands_in is not None for price in known)
        rows.append(
            (
                kind,
                str(len(known)),
                f"{days[0]} / {days[len(days) // 2]} / {days[-1]}",
                f"{old} (limit {MAX_AGE_DAYS[kind]})",
                str(stands_in),
                str(disputed),
                _sources(known),
            )
        )
    columns = ["prices", ">rows", ">youngest / median / oldest, days", ">too old", ">stand in", ">disputed", "sources"]
    return table_lines(columns, rows)


def gaps(catalog: Catalog) -> list[str]:
    """What is not known, counted."""
    models, hosts, apis = list(catalog.models.values()), list(catalog.providers.values()), list(catalog.apis)
    unnamed = Counter(name for model in models for name, origin in model.quantizations.items() if origin is None)
    unmeasured = [gpu for gpu in catalog.gpus.values() if gpu.memory_provenance != "measured"]
    told = [str(row) for row in (*catalog.rows.values(), *catalog.price_rows.values())]
    rows = [
        ("models without a pinned revision", sum(m.revision is None for m in models), len(models)),
        ("models without a verified licence", sum(m.licence is None for m in models), len(models)),
        *((f"models whose {name} weights nobody has named", unnamed[name], len(models)) for name in sorted(unnamed)),
        ("GPUs whose memory was not measured", len(unmeasured), len(catalog.gpus)),
        ("providers whose place is not verified", sum(p.residency is None for p in hosts), len(hosts)),
        ("providers that train on requests, or may", sum(p.trains_on_data is not False for p in hosts), len(hosts)),
        ("hosted models that may think before they answer", sum(a.reasoning is not False for a in apis), len(apis)),
        (
            "rows with a figure from memory alone (they say *remembered*)",
            sum("remembered" in row for row in told),
            len(told),
        ),
        ("hosted models without a stated context", sum(a.context_tokens is None for a in apis), len(apis)),
    ]
    return table_lines(["gap", ">rows", ">of"], [(name, str(count), str(total)) for name, count, total in rows])


def providers(catalog: Catalog) -> list[str]:
    """What is known of each provider's handling of requests."""
    words = {True: "yes", False: "no", None: "not verified"}
    counts = Counter(api.provider for api in catalog.apis)
    rows = [
        (
            key,
            str(counts[key]),
            ", ".join(row.residency) if row.residency else "not verified",
            words[row.trains_on_data],
            words[row.hipaa],
        )
        for key, row in sorted(catalog.providers.items())
    ]
    return table_lines(["provider", ">models", "processes in", "trains on requests", "HIPAA"], rows)


def _families(catalog: Catalog) -> str:
    return ", ".join(sorted({row.family for row in catalog.instances.values()}))


def _sources(known: Sequence[Price]) -> str:
    """The collections behind some prices, the most frequent first."""
    names = Counter(price.source.split(" ")[0].split("@")[0].rstrip(";") for price in known)
    return ", ".join(f"{name} ({count})" for name, count in sorted(names.items(), key=lambda pair: (-pair[1], pair[0])))
