"""Reading the document: bytes, duplicates, digests."""

import hashlib
from pathlib import Path

import pytest

from gateway.document import PolicyError, load_policy, parse_policy

SAMPLE = Path(__file__).parent / "data" / "policy.json"


def test_the_digest_is_of_the_very_bytes() -> None:
    text = SAMPLE.read_bytes()
    assert load_policy(SAMPLE).digest == "sha256:" + hashlib.sha256(text).hexdigest()
    assert parse_policy(text + b"\n").digest != parse_policy(text).digest
    assert parse_policy(text + b"\n").policy == parse_policy(text).policy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "not a JSON document"),
        (b"[1]", "must be a JSON object"),
        (b'{"version": "1.0", "version": "1.0"}', "key given twice: version"),
        (b"<<<<<<< HEAD\n{}", "not a JSON document"),
        (b'{"version": "9.3"}', "9.3 is of another major; this gateway reads 1.x"),
    ],
)
def test_what_is_no_document(text: bytes, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert told in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.json is refused:\n  cannot be read: No such file"):
        load_policy(tmp_path / "none.json")
