"""Environment files that something went wrong with: never a traceback, always problems with a place, and soon.

The mutations are those that people and programs make: a value of another kind, a number out of all bounds, a key too
much or too little, text cut off or pasted twice, characters that no text has, aliases and tags of YAML.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.documents.environment_file import canonical
from planner.domain.environment import Environment
from planner.edges.workspace import Workspace
from planner.words.diagnostics import Problem, Problems, text_lines

WHOLE = """\
version: 1
platform: {account: "123456789012", region: us-east-1, zones: [use1-az4, use1-az6], kubernetes: "1.36"}
horizon: {start: 2026-12-01, months: 12}
routes:
  chat:
    traffic:
      trace: azure-conv-2023
      profile: office-hours
      timezone: Europe/Berlin
      requests_per_second: {mean: 5}
      users: {concurrent: 563, think_time: 30s}
      growth_per_month: 3%
      seasons: {12: 1.5}
    tokens: {input: {mean: 1155, p95: 4000, max: 32k}, output: {mean: 211, p95: 451}, shared_prefix: 100}
    slo: {ttft_p95: {base: 1200ms, per_1k_input: 300ms}, tpot_p95: 60ms, availability: 99.9%}
    data: internal
    quality: {accept: [gpt-oss-120b, gpt-5.4-mini], source: own evaluation, date: 2026-11-01}
api: {providers: {openai: {limits: {tpm: 2M, rpm: 5k}}}, monthly_budget: $5000}
quotas: {G: 96}
models: {gpt-5.4-mini: {reasoning_tokens: 300, measured: 2026-11-01}}
budget: {monthly: $20000}
"""
VALUES = [
    *(
        "true",
        "null",
        "~",
        "[]",
        "{}",
        "{a: 1}",
        "[1, [2]]",
        '""',
        "' '",
        "-1",
        "-0.0",
        "0",
        "1e3",
        "1e-300",
        "1.0e+400",
    ),
    *(".nan", ".inf", "-.inf", "NaN", "Infinity", "9" * 400, "9" * 5_000, "0." + "0" * 400 + "1", "0x" + "f" * 5_000),
    *("12:30", "010", "1_000", "$1", "$" + "9" * 400, "9" * 400 + "ms", "9" * 300 + "d", "9" * 300 + "%", "1e999k"),
    *("2026-13-01", "0001-01-01", "9999-12-31", "0", "20261201", "2026-12-01T00:00:00Z", "x" * 5_000, '"\\0"'),
    *('"\\ud800"', '"\\u2028"', "\u202e", "\u00e9\u0301", "!!binary aGVsbG8=", "!!set {a}", "!!python/name:os.system"),
    *(
        "&a [*a]",
        "*nowhere",
        "<<: {a: 1}",
        "[" * 500,
        "{a: " * 300,
        "[" + "1," * 500 + "]",
        "../../etc/passwd",
        "/",
    ),
    *(
        "*: x",
        "%",
        "@",
        "`",
        "- a",
        "? a",
        "|",
        ">",
        "'",
        '"',
        "#",
        "\t1",
        "<<<<<<< HEAD",
        "\x00",
        "\x1b[31m",
        "\ufeff",
    ),
    *(
        "Europe",
        "a\x0bb",
        "us-east-1\u00a0",
        "gpt-oss-120b+lora:16",
        "gpt-oss-120b@awq",
        "x@y@z",
        "routes",
        "{a: 1, a: 2}",
    ),
]
"""What may stand in the place of a value."""
PLACES = [index for index, character in enumerate(WHOLE) if character in ":,{}[]\n "]


def problems(folder: Path, content: bytes) -> tuple[Problem, ...]:
    """The problems of a file; none where it is read, and then it is read the same from its own canonical form."""
    (folder / "a.yaml").write_bytes(content)
    began = time.process_time()
    try:
        wanted = Workspace(folder).wanted("a")
    except Problems as raised:
        found, exit_code = raised.problems, raised.exit_code
    else:
        values = json.loads(json.dumps(canonical(wanted.environment)))
        assert Environment.model_validate(values) == wanted.environment
        found, exit_code = (), 0
    assert time.process_time() - began < 5
    assert exit_code == (2 if found else 0)
    list(text_lines(found))
    assert all("\n" not in p.message and len(p.message) < 2_000 for p in found)
    json.dumps([p.message for p in found], ensure_ascii=False).encode()
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The whole file with a few things done to it."""
    text = WHOLE
    for _ in range(draw(st.integers(1, 3))):
        place = min(draw(st.sampled_from(PLACES)), len(text))
        match draw(st.sampled_from(["value", "value", "value", "insert", "cut", "twice", "drop"])):
            case "value":  # the next value in the place of which another one stands
                start = text.find(": ", place) + 2
                end = min((e for c in ",}\n" if (e := text.find(c, start)) >= 0), default=len(text))
                text = text[:start] + draw(st.sampled_from(VALUES)) + text[end:]
            case "insert":
                text = text[:place] + draw(st.sampled_from(VALUES) | st.text(max_size=5)) + text[place:]
            case "cut":
                text = text[:place]
            case "twice":
                text = text[:place] + text[place : place + draw(st.integers(1, 400))] * 2 + text[place:]
            case "drop":
                text = text[:place] + text[place + draw(st.integers(1, 60)) :]
    content = text.encode("utf-8", errors="surrogatepass")
    return draw(
        st.sampled_from([content] * 6 + [content.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + content, content[::2]])
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=mutated())
def test_no_file_ends_with_a_traceback(tmp_path: Path, content: bytes) -> None:
    problems(tmp_path, content)


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_no_value_ends_with_a_traceback_wherever_it_stands(tmp_path: Path, value: str) -> None:
    start = 0
    while (start := WHOLE.find(": ", start) + 2) >= 2:
        end = min(e for c in ",}\n" if (e := WHOLE.find(c, start)) >= 0)
        problems(tmp_path, (WHOLE[:start] + value + WHOLE[end:]).encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe" + WHOLE.encode("utf-16-le"), "is not UTF-8 text"),
        (b"\x80abc", "is not UTF-8 text"),
        (b"a: \x00\n", "the character #x0000 may not stand in it"),
        (b"\0" * 100_000, "may not stand in it"),
        (b"version: 1\n\tplatform: 3\n", "this is not YAML"),
        (WHOLE.encode() + b"x: y\n" * 10_000, "duplicate key `x`"),
        (WHOLE.encode() + b"".join(b"k%d: y\n" % k for k in range(10_000)), "unknown key `k0`"),
        (WHOLE.encode() + b"x: " + b"y" * 400_000, "250,000 are the most that is read"),
        (b"- " * 10_000, "nested deeper than 50 levels"),
        (b"", "missing key `version`"),
        (b"[1, 2]", "an environment is a mapping of keys"),
        (b"3", "an environment is a mapping of keys"),
    ],
)
def test_files_that_are_none_are_told_at_once(tmp_path: Path, content: bytes, message: str) -> None:
    found = problems(tmp_path, content)
    assert any(message in p.message for p in found)
    assert len(found) <= 51
    assert all(p.where is not None for p in found)


def test_a_file_that_came_from_another_system_is_read(tmp_path: Path) -> None:
    assert not problems(tmp_path, b"\xef\xbb\xbf" + WHOLE.encode())
    assert not problems(tmp_path, WHOLE.replace("\n", "\r\n").encode())
