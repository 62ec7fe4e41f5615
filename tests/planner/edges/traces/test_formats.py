"""Every format gives the same six requests; what each does not tell is said and nothing else."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.account import Usage
from gateway.exchange import Exchange
from planner.edges.trace_files import dump_summary, load_trace, parse_summary
from planner.edges.traces.blocks import blocks
from planner.edges.traces.layouts import FORMATS, TraceOptions, layout_of, options_of
from planner.edges.traces.summarize import TraceReading, summarize
from planner.words.diagnostics import Problem, Problems

DATA = Path(__file__).resolve().parents[3] / "data" / "traces"
REQUESTS = (
    (0, 700, 120),
    (3750, 512, 64),
    (31250, 900, 80),
    (64875, 600, 30),
    (129750, 1100, 200),
    (190500, 4100, 512),
)
"""(ms after the first, input, output) of the requests in every file of the folder."""
BEGIN_US = 1_794_819_600_250_000  # 2026-11-16 09:00:00.25 UTC
MAPPINGS = {
    "own.csv": "at=when,input=n_in,output=n_out,session=who",
    "own.jsonl": "at=at.ms,input=usage.prompt,output=usage.completion,session=user.id",
}
TOLD = {
    "azure-2023.csv": ("azure", ("no-prefix", "no-day")),
    "azure-2024.csv": ("azure", ("no-prefix", "no-day")),
    "burstgpt.csv": ("burstgpt", ("no-hashes", "no-date")),
    "litellm.jsonl": ("litellm", ("no-hashes", "no-day")),
    "litellm-spend.csv": ("litellm", ("no-hashes", "no-day")),
    "mooncake.jsonl": ("mooncake", ("no-date",)),
    "otel.jsonl": ("otel", ("no-hashes", "no-day")),
    "own.csv": ("csv", ("no-hashes", "no-day")),
    "own.jsonl": ("jsonl", ("no-hashes", "no-day")),
    "vllm.log": ("vllm", ("no-day",)),
    "vllm-debug.log": ("vllm", ("no-outputs", "no-day")),
}
"""File → its format, and the codes of what it does not tell."""


def read(path: Path, form: str = "", mapping: str = "", zone: str = "", max_bad: float = 0.0) -> TraceReading:
    """Summarise one file."""
    return summarize([path], options_of(form, mapping, ZoneInfo(zone) if zone else None), "t", max_bad)


def problems_of(*paths: Path, form: str = "", mapping: str = "", max_bad: float = 0.0) -> tuple[Problem, ...]:
    """What is wrong with files that cannot be summarised."""
    with pytest.raises(Problems) as caught:
        summarize(paths, options_of(form, mapping, None), "t", max_bad)
    assert caught.value.exit_code == 2
    return caught.value.problems


def test_every_file_of_the_folder_is_tried() -> None:
    assert {path.name for path in DATA.iterdir()} == set(TOLD)
    assert {form for form, _ in TOLD.values()} | {"gateway"} == set(FORMATS)


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_format_is_told_and_read(name: str, zipped: bool, tmp_path: Path) -> None:
    path = DATA / name
    if zipped:
        path = tmp_path / f"{name}.gz"
        path.write_bytes(gzip.compress((DATA / name).read_bytes()))
    reading = read(path, mapping=MAPPINGS.get(name, ""))
    trace = reading.trace
    form, unknown = TOLD[name]
    assert reading.formats == {path.name: form}
    assert trace.unknown == unknown
    assert (reading.bad_rows, reading.warnings) == (0, ())
    told = [(at, i, o) for at, i, o in trace.excerpt.requests]
    wanted = [(at, i, 0 if "no-outputs" in unknown else o) for at, i, o in REQUESTS]
    if form == "vllm":  # whole seconds
        assert [row[1:] for row in told] == [row[1:] for row in wanted]
        assert all(abs(a[0] - b[0]) <= 1000 for a, b in zip(told, wanted, strict=True))
    else:
        assert told == wanted
    assert parse_summary(dump_summary(trace), "x") == trace


@pytest.mark.parametrize("name", TOLD)
def test_a_format_can_be_forced(name: str) -> None:
    form, _ = TOLD[name]
    assert read(DATA / name, form, MAPPINGS.get(name, "")).trace.requests == len(REQUESTS)
    wrong = next(other for other in ("vllm", "azure") if other != form)
    (problem,) = problems_of(DATA / name, form=wrong)
    assert problem.code == "TRC002"


@pytest.mark.parametrize(
    "name", ["azure-2023.csv", "litellm.jsonl", "litellm-spend.csv", "otel.jsonl", "own.csv", "own.jsonl"]
)
def test_moments_are_moments(name: str) -> None:
    layout = layout_of(DATA / name, options_of("", MAPPINGS.get(name, ""), None))
    (block,) = blocks(DATA / name, layout.quotes)
    assert layout.dated
    assert abs(int(layout.batch(block).at_us.min()) - BEGIN_US) <= 1


def test_prefixes_and_sessions() -> None:
    hashes = read(DATA / "mooncake.jsonl").trace.prefix
    assert hashes is not None
    # Block 1 begins all six prompts, and five found it. Prompts of `a` found 388 and 512 tokens of block 2, 76 of 13.
    total = sum(row[1] for row in REQUESTS)
    assert hashes.shared_tokens == 512
    assert hashes.session_share == pytest.approx((5 * 512 + 388 + 512 + 76 - 6 * 512) / (total - 6 * 512), abs=1e-6)
    ids = read(DATA / "vllm.log").trace.prefix
    assert ids is not None
    assert ids.measured == "hashes"
    # Prompts of `a` and `b` grow: 700 of 900, 900 of 1,100, 512 of 600 were sent, in whole blocks of 16.
    assert ids.session_share == pytest.approx((700 // 16 * 16 + 900 // 16 * 16 + 512) / total, abs=1e-3)
    sessions = read(DATA / "otel.jsonl").trace.prefix
    assert sessions is not None
    # 700 + 120 of 900, 512 + 64 of 600, 900 + 80 of 1,100.
    assert sessions.session_share == pytest.approx((820 + 576 + 980) / total, abs=1e-6)


def test_failed_requests_are_left_out_and_counted() -> None:
    assert read(DATA / "litellm.jsonl").left_out == {"failed requests": 1}
    assert read(DATA / "litellm-spend.csv").left_out == {"failed requests": 1}
    assert read(DATA / "otel.jsonl").left_out == {"lines without a span that used input tokens": 1}


def test_an_info_log_of_a_newer_vllm_has_arrivals_alone(tmp_path: Path) -> None:
    lines = [line for line in (DATA / "vllm-debug.log").read_text().splitlines() if not line.startswith("DEBUG")]
    path = tmp_path / "info.log"
    path.write_text("\n".join(lines) + "\n")
    (problem,) = problems_of(path)
    assert problem.code == "TRC005"
    assert "VLLM_LOGGING_LEVEL=DEBUG" in problem.message


def test_the_gateways_own_audit_is_read(tmp_path: Path) -> None:
    lines = []
    for at_ms, inputs, outputs in REQUESTS:
        exchange = Exchange(request_id="never shown", started_s=1000.0, input_tokens=inputs + 9)
        failed = exchange.open_attempt("pool/chat", None)
        failed.ended_s, failed.outcome = 1000.2, "cut_off"
        served = exchange.open_attempt("api/some", None)
        served.ended_s, served.outcome, served.usage = (
            1001.5,
            "ok",
            Usage(input_tokens=inputs, cached_tokens=0, output_tokens=outputs),
        )
        exchange.ended_s, exchange.status, exchange.outcome = 1001.5, 200, "ok"
        lines.append(exchange.audit_line(BEGIN_US / 1e6 + at_ms / 1000 + 1.5))
    refused = Exchange(request_id="r", started_s=1000.0)
    refused.ended_s, refused.status, refused.outcome = 1000.1, 429, "refused"
    lines.append(refused.audit_line(BEGIN_US / 1e6 + 200))
    path = tmp_path / "audit.log"
    path.write_text("\n".join(lines) + "\n")
    reading = read(path)
    assert reading.formats == {"audit.log": "gateway"}
    assert reading.left_out == {"requests that no backend answered": 1}
    assert [row[1:] for row in reading.trace.excerpt.requests] == [row[1:] for row in REQUESTS]
    assert reading.trace.duration_s == pytest.approx(190.5, abs=0.01)
    assert "never shown" not in dump_summary(reading.trace)


def test_local_times_take_the_zone_that_is_given(tmp_path: Path) -> None:
    """A day of local hours in Berlin, without a zone: in UTC its noon is at 11."""
    path = tmp_path / "day.csv"
    rows = [
        f"2026-11-16 {hour:02}:{minute:02}:00,100,10"
        for hour in range(24)
        for minute in range(0, 60, 2 if hour == 12 else 10)
    ]
    path.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]) + "\n")
    naive, zoned = read(path).trace, read(path, zone="Europe/Berlin").trace
    assert naive.week.index(max(naive.week)) == 12
    assert zoned.week.index(max(zoned.week)) == 11
    assert "no-zone" in naive.unknown
    assert "no-zone" not in zoned.unknown


def test_an_environment_names_a_log_or_a_summary(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "chat.csv.gz", "wb") as file:
        shutil.copyfileobj((DATA / "azure-2024.csv").open("rb"), file)
    trace = load_trace("chat.csv.gz", tmp_path)
    assert (trace.name, trace.requests) == ("chat", 6)
    (tmp_path / "chat.trace.json").write_text(dump_summary(trace))
    assert load_trace("chat.trace.json", tmp_path) == trace


def test_a_summary_holds_no_text_and_no_ids() -> None:
    for name in TOLD:
        text = dump_summary(read(DATA / name, mapping=MAPPINGS.get(name, "")).trace)
        assert not {"never read", "prompt;", "chatcmpl", "t-a", "id-0"} & set(text.split('"'))
        fields = json.loads(text)
        assert {"messages", "sessions", "chains"} & set(fields) == set()


def test_options_are_checked() -> None:
    for mapping in ("at=a", "when=a,input=b", "at=,input=b", "at"):
        with pytest.raises(Problems) as caught:
            options_of("", mapping, None)
        assert caught.value.problems[0].code == "TRC007"
    with pytest.raises(Problems) as caught:
        options_of("azur", "", None)
    assert "azure" in caught.value.problems[0].hint
    assert options_of("", "at=ts:ns,input=a", None) == TraceOptions("", {"at": "ts", "input": "a"}, "ns")
