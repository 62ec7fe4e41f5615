"""Keys that change while the gateway runs: the next request meets the new ones, and a bad file changes nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.document import parse_policy
from gateway.key_files import KeyFiles, KeysInForce, keep_reading
from gateway.keys import beside, new_key
from gateway.upstreams import MissingSecret
from tests.gateway.stage import api, document, pool, restricted, route, run

SPILLING = parse_policy(
    json.dumps(
        document(
            {"near": pool("http://127.0.0.1:9")},
            apis={"far": api("https://far.example", api_key_env="FAR_KEY")},
            chat=route(fallback=["far"]),
            vault=restricted(),
        )
    ).encode()
).policy


def keys_file(folder: Path, *ids: str) -> dict[str, str]:
    """A file with keys of these clients; the keys by ID."""
    made = {id_: new_key(id_, ("chat",)) for id_ in ids}
    entries = {id_: entry[id_].model_dump() for id_, (_, entry) in made.items()}
    (folder / "keys.json").write_text(json.dumps(entries))
    return {id_: key for id_, (key, _) in made.items()}


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    keys_file(tmp_path, "a")
    (tmp_path / "FAR_KEY").write_text("one\n")
    return KeyFiles(SPILLING, tmp_path / "keys.json", tmp_path, {"FAR_KEY": "of the environment"})


def test_a_file_goes_before_the_environment(files: KeyFiles, tmp_path: Path) -> None:
    assert files.read().secrets == {"far": "Bearer one"}
    (tmp_path / "FAR_KEY").unlink()
    assert files.read().secrets == {"far": "Bearer of the environment"}
    without = KeyFiles(SPILLING, None, tmp_path, {})
    with pytest.raises(MissingSecret, match="FAR_KEY"):
        without.read()


def test_no_key_stands_in_a_representation(files: KeyFiles) -> None:
    assert "one" not in repr(files.read())
    assert "of the environment" not in repr(files)


def test_what_changes_is_taken_and_what_is_broken_is_not(
    files: KeyFiles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[KeysInForce] = []

    async def test() -> None:
        reading = asyncio.create_task(keep_reading(files, files.content(), 0.01, taken.append))
        await asyncio.sleep(0.05)
        assert taken == []
        (tmp_path / "keys.json").write_text("{")
        await asyncio.sleep(0.1)
        assert taken == []
        keys = keys_file(tmp_path, "b")
        (tmp_path / "FAR_KEY").write_text("two")
        async with asyncio.timeout(5):
            while not taken or taken[-1].secrets != {"far": "Bearer two"}:
                await asyncio.sleep(0.01)
        held = taken[-1].keys
        assert held is not None
        assert held.client_of(f"Bearer {keys['b']}") is not None
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    run(test())
    assert caplog.text.count("the old ones stay in force") == 1


def test_a_new_key_stands_beside_the_old_ones(tmp_path: Path) -> None:
    keys_file(tmp_path, "a")
    text = (tmp_path / "keys.json").read_text()
    _, entry = new_key("b", ("chat",))
    assert sorted(beside(text, entry)) == ["a", "b"]
    with pytest.raises(ValueError, match="has a key a already"):
        beside(text, new_key("a", ("chat",))[1])
    with pytest.raises(ValueError, match="no keys file"):
        beside("[]", entry)
