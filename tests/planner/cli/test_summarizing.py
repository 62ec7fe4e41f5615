"""`traces summarize`: what it prints, what it writes, and that nothing is half written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from planner.documents.codes import CODES
from planner.domain.traffic import Traffic
from planner.edges.trace_files import parse_summary
from tests.planner import small
from tests.planner.cli.command import spillway

DATA = Path(__file__).resolve().parents[2] / "data" / "traces"


def test_a_summary_is_shown_and_written(tmp_path: Path) -> None:
    out = tmp_path / "chat.trace.json"
    ended = spillway("traces", "summarize", str(DATA / "mooncake.jsonl"), "-o", str(out))
    assert ended.status == 0
    assert ended.out.splitlines()[:2] == ["Trace chat: 6 requests in 3 min 10 s", "read as mooncake: mooncake.jsonl"]
    assert "512 tokens begin nearly every prompt" in ended.out
    assert "· the time of day: times count from an unknown moment" in ended.out
    assert f"wrote {out}" in ended.err
    trace = parse_summary(out.read_text(), "x")
    assert trace.name == "chat"
    (told,) = re.findall("`traffic: (.*)`", ended.err)
    traffic = Traffic.model_validate(yaml.safe_load(told))
    assert traffic.trace == "chat.trace.json"
    assert traffic.requests_per_second is not None
    assert traffic.requests_per_second.mean == pytest.approx(trace.burst.mean_rps, rel=0.01)


def test_without_a_name_nothing_is_written_and_a_dash_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = spillway("traces", "summarize", str(DATA / "vllm-debug.log"))
    assert "nothing is written; -o vllm-debug.trace.json" in shown.err
    assert "output tokens: no row has any" in shown.out
    printed = spillway("traces", "summarize", str(DATA / "otel.jsonl"), "-o", "-")
    assert json.loads(printed.out)["requests"] == 6
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-o", "chat.json"), "TRC002"),
        (("--timezone", "Europe/Berln"), "TRC008"),
        (("--max-bad", "a few"), "TRC009"),
        (("--format", "azzure"), "TRC002"),
        (("--map", "when=a"), "TRC007"),
    ],
)
def test_wrong_options_are_told(arguments: tuple[str, ...], code: str) -> None:
    ended = spillway("traces", "summarize", str(DATA / "azure-2023.csv"), *arguments)
    assert ended.status == 2
    assert f"error[{code}]" in ended.err
    assert code in CODES


def test_bad_rows_are_warnings_up_to_a_share_and_then_leave_the_old_file(tmp_path: Path) -> None:
    log, out = tmp_path / "log.csv", tmp_path / "log.trace.json"
    rows = [f"{second * 1000},{10 if second else 'x'},5" for second in range(150)]
    log.write_text("\n".join(["arrival_ms,input_tokens,output_tokens", *rows]) + "\n")
    ended = spillway("traces", "summarize", str(log), "-o", str(out))
    assert ended.status == 0
    assert "warning[TRC003]: not a request: `x` is no whole number of input tokens" in ended.err
    assert "1 of 150 rows (0.67%) of log.csv cannot be read; they are left out" in ended.err
    before = out.read_bytes()
    refused = spillway("traces", "summarize", str(log), "-o", str(out), "--max-bad", "0.5%")
    assert refused.status == 2
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "log.trace.json"]


def test_a_route_whose_trace_has_no_answers_must_declare_lengths(tmp_path: Path) -> None:
    spillway("traces", "summarize", str(DATA / "vllm-debug.log"), "-o", str(tmp_path / "own.trace.json"))
    text = small.text()
    begin, end = text.index("    tokens:"), text.index("    slo:")
    bare = text[:begin] + text[end:]
    (tmp_path / "own.yaml").write_text(bare.replace("      profile: office-hours", "      trace: own.trace.json", 1))
    ended = spillway("plan", "own", "--environments", str(tmp_path), "--dry-run")
    assert ended.status == 2
    assert "error[TRC010]: the trace own has no output tokens, and the route chat declares none" in ended.err
    assert "own.yaml:" in ended.err
