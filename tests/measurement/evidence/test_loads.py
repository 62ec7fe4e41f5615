"""How requests were offered and how long they are, in the spellings that sources use."""

from __future__ import annotations

import pytest

from measurement.evidence.loads import QuotedLength, QuotedLoad, quoted_length, quoted_load


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("16 concurrent", QuotedLoad(16, None, None)),
        ("144 concurrent (=batch_size in file)", QuotedLoad(144, None, None)),
        ("1 stream (as published: tokensPerSecond)", QuotedLoad(1, None, None)),
        ("max concurrency 64, inf rate", QuotedLoad(64, None, None)),
        ("batch size 32", QuotedLoad(32, None, None)),
        ("8", QuotedLoad(8, None, None)),
        ("inf rate (offline max load)", QuotedLoad(None, None, None)),
        ("inf rate (1000 ShareGPT prompts)", QuotedLoad(None, None, 1000)),
        ("1000 prompts at once (offline)", QuotedLoad(None, None, 1000)),
        ("4 req/s", QuotedLoad(None, 4.0, None)),
        ("0.5 rps (Poisson)", QuotedLoad(None, 0.5, None)),
        ("120 requests per minute", QuotedLoad(None, 2.0, None)),
        ("4 requests per second, 500 requests", QuotedLoad(None, 4.0, 500)),
        ("2e3 concurrent", QuotedLoad(2000, None, None)),
        ("1,024 users", QuotedLoad(1024, None, None)),
        ("1e1 req/s", QuotedLoad(None, 10.0, None)),
        ("1k prompts at once", QuotedLoad(None, None, 1000)),
        ("-4 req/s", None),
        ("0 req/s", None),
        ("4-8 req/s", None),
        ("4 req/s to 8 req/s", None),
        ("0 concurrent", None),
        ("2.5 concurrent", None),
        ("x16 concurrent", None),
        ("16-64 concurrent", None),
        ("16 to 64 concurrent", None),
        ("16, 32, 64 users", None),
        ("16/64 clients", None),
        ("concurrency 16-64", None),
        ("concurrency 16, 64", None),
        ("concurrency 16 to 64", None),
        ("-5", None),
        ("as usual", None),
        ("", None),
    ],
)
def test_loads(text: str, meant: QuotedLoad | None) -> None:
    assert quoted_load(text, "fixed_concurrency") == meant


def test_no_regime_stands_in_for_a_load_that_is_malformed() -> None:
    assert quoted_load("2-4 concurrent", "batch1") is None
    assert quoted_load("-4 req/s", "saturation") is None


def test_a_regime_tells_the_load_where_the_text_is_silent() -> None:
    assert quoted_load("", "batch1") == QuotedLoad(1, None, None)
    assert quoted_load("", "saturation") == QuotedLoad(None, None, None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1024", QuotedLength(1024.0)),
        ("8k", QuotedLength(8192.0)),
        ("~215.2", QuotedLength(215.2)),
        ("1,024", QuotedLength(1024.0)),
        ("100-300", QuotedLength(200.0, 0.5, 1.5)),
        ("", None),
        ("0", None),
        ("1024 in 128 out", None),
        ("1024 tokens", QuotedLength(1024.0)),
        ("512-1.5k", QuotedLength(1024.0, 0.5, 1.5)),
        ("2e3", QuotedLength(2000.0)),
        ("-5", None),
        ("x5", None),
        ("1.2.3", None),
        ("1-2k", None),
        ("300-100", None),
    ],
)
def test_lengths(text: str, meant: QuotedLength | None) -> None:
    assert quoted_length(text) == meant
