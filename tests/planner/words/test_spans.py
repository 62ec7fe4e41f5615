"""YAML that remembers: every key and value has its line and column, also in nested flow and block collections."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from planner.words.diagnostics import Problem, Problems, Span
from planner.words.spans import Document, Path, read

TEXT = """\
# a comment
platform:
  zones: [use1-az4, use1-az6]
routes:
  chat:
    tokens: {input: {mean: 1155, p95: 4000}}
    accept:
      - gpt-oss-120b
      - "gpt-5.4-mini"   # hosted
overrides:
  - pool: a
    min: 1
  - {pool: b}
empty:
"""


def shown(span: Span | None) -> str:
    """The characters that a span points at."""
    assert span is not None
    line = TEXT.splitlines()[span.line - 1]
    assert span.source == line
    return line[span.column - 1 : span.column - 1 + span.length]


@pytest.fixture(scope="module")
def document() -> Document:
    return read(TEXT, "prod.yaml")


@pytest.mark.parametrize(
    ("path", "line", "text"),
    [
        (("platform",), 2, "platform"),
        (("platform", "zones"), 3, "zones"),
        (("routes", "chat", "tokens", "input", "p95"), 6, "p95"),
        (("routes", "chat", "accept"), 7, "accept"),
        (("overrides", 1, "pool"), 13, "pool"),
        (("empty",), 14, "empty"),
    ],
)
def test_keys_know_where_they_stand(document: Document, path: Path, line: int, text: str) -> None:
    span = document.key(path)
    assert shown(span) == text
    assert span is not None
    assert (span.file, span.line) == ("prod.yaml", line)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("platform", "zones"), "[use1-az4, use1-az6]"),
        (("platform", "zones", 1), "use1-az6"),
        (("routes", "chat", "tokens"), "{input: {mean: 1155, p95: 4000}}"),
        (("routes", "chat", "tokens", "input", "p95"), "4000"),
        (("routes", "chat", "accept", 1), '"gpt-5.4-mini"'),
        (("overrides", 0), "pool: a"),
        (("overrides", 1, "pool"), "b"),
    ],
)
def test_values_know_where_they_stand(document: Document, path: Path, text: str) -> None:
    assert shown(document.at(path)) == text


def test_what_is_missing_is_at_its_nearest_ancestor(document: Document) -> None:
    assert shown(document.key(("routes", "chat", "slo", "ttft_p95"))) == "chat"
    assert shown(document.at(("platform", "zones", 7))) == "zones"
    assert shown(document.key(("overrides", 0, "reason"))) == "pool: a"
    assert document.key(("nothing",)) is None


def test_values_are_plain_python(document: Document) -> None:
    assert document.value["routes"]["chat"]["tokens"] == {"input": {"mean": 1155, "p95": 4000}}
    assert document.value["overrides"] == [{"pool": "a", "min": 1}, {"pool": "b"}]
    assert document.value["empty"] is None


def test_dates_and_odd_tags_stay_text() -> None:
    assert read("{start: 2026-12-01, at: 2026-12-01 10:00:00, n: !!int twelve}", "a").value == {
        "start": "2026-12-01",
        "at": "2026-12-01 10:00:00",
        "n": "twelve",
    }


def test_an_empty_file_has_no_keys() -> None:
    assert read("", "a").value == read("# only a comment\n", "a").value == {}
    assert read("", "a").at(()) is None


def test_keys_are_text_also_where_yaml_would_have_something_else() -> None:
    assert read("{yes: 1, 000: 2, 1.5: 3}", "a").value == {"yes": 1, "000": 2, "1.5": 3}


def test_anchors_are_read_where_they_are_used() -> None:
    document = read("a: &slo {x: 1}\nb: *slo\n", "a")
    assert document.value == {"a": {"x": 1}, "b": {"x": 1}}


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(Problems) as raised:
        read(text, "a.yaml")
    assert raised.value.exit_code == 2
    return raised.value.problems


def test_all_duplicate_keys_are_told_with_both_lines() -> None:
    found = problems("a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert [(p.code, p.message, p.where and (p.where.line, p.where.column)) for p in found] == [
        ("ENV002", "duplicate key `c`", (2, 11)),
        ("ENV002", "duplicate key `a`", (3, 1)),
    ]
    assert found[1].hint == "the first one is on line 1; keep one of them"


def test_a_key_that_is_no_text_is_refused() -> None:
    (found,) = problems("? [a, b]\n: 1\n")
    assert (found.code, found.message) == ("ENV002", "a key must be plain text")


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: [1, 2\nb: 3\n", 2, 2),
        ("a: 1\n\tb: 2\n", 2, 1),
        ("a: 'open\n", 2, 1),
        ("a: 1\n---\nb: 2\n", 2, 1),
        ("a: *nowhere\n", 1, 4),
        ("a: !thing 3\n", 1, 4),
        ("ok: 1\na: \x00b\n", 2, 4),
        ("a: &a [*a]\n", 1, 8),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(text: str, line: int, column: int) -> None:
    (found,) = problems(text)
    assert found.code == "ENV001"
    assert "\n" not in found.message
    assert found.where is not None
    assert (found.where.line, found.where.column) == (line, column)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc #:,{}[]-'\"é", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcé ", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), VALUES, max_size=4), st.booleans())
def test_every_scalar_is_found_at_its_span(values: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(values, allow_unicode=True, default_flow_style=flow)
    document = read(text, "a")
    assert document.value == values
    for path, span in document.values.items():
        value: object = document.value
        for step in path:
            value = value[step]  # type: ignore[index]
        if isinstance(value, int) and not isinstance(value, bool):
            assert span.source[span.column - 1 : span.column - 1 + span.length] == str(value)


def test_thousands_of_problems_are_told_as_the_first_ones_and_that_there_are_more() -> None:
    found = problems("a: 1\n" * 10_000)
    assert len(found) == 51
    assert found[-1].message == "from here on there are more problems"


@pytest.mark.parametrize(
    ("text", "code", "message", "line"),
    [
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "ENV002", "merge keys are not read here", 3),
        ('a: "\\0"\n', "ENV004", "this has a character that is no text", 1),
        ('a: "\\ud800"\n', "ENV004", "this has a character that is no text", 1),
        ('"a\\0": 1\n', "ENV004", "this has a character that is no text", 1),
        ('a: "\\UFFFFFFFF"\n', "ENV001", "this is not YAML: Python int too large to convert to C int", 1),
        ("a: 1\nb: " + "x" * 1_001, "ENV004", "this has 1,001 characters; 1,000 are the most that is read", 2),
        ("'" + "x" * 1_001 + "': 1", "ENV004", "this has 1,001 characters", 1),
        ("a: !!binary aGVsbG8=\n", "ENV001", "values of the kind `tag:yaml.org,2002:binary` are not read", 1),
        ("a: 1\nb: !!set {c}\n", "ENV001", "values of the kind `tag:yaml.org,2002:set` are not read", 2),
        ("a: !!python/name:os.system\n", "ENV001", "values of the kind `tag:yaml.org,2002:python/name:os.system`", 1),
    ],
)
def test_what_a_file_of_ours_never_has_is_refused(text: str, code: str, message: str, line: int) -> None:
    (found,) = problems(text)
    assert found.code == code
    assert message in found.message
    assert found.where is not None
    assert found.where.line == line


def test_a_byte_order_mark_and_other_line_ends_change_nothing() -> None:
    assert read("\ufeffa: 1\r\nb: 2\r\n", "a").value == {"a": 1, "b": 2}
    document = read("\ufeffa: 1\nb: 2", "a")
    assert document.keys[("a",)].column == 1


@pytest.mark.parametrize("text", ["9" * 900, "0x" + "f" * 900, "010", "12:30", "0o17", "1:30.5"])
def test_numbers_that_no_reader_would_read_so_stay_text(text: str) -> None:
    assert read(f"a: {text}", "a").value == {"a": text}
