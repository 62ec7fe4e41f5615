"""Keys: shape, secrecy, and the file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.keys import KeysError, load_keys, new_key


def test_a_new_key_opens_its_entry_only(tmp_path: Path) -> None:
    key, entry = new_key("team-a", ("chat", "code"))
    other, other_entry = new_key("team-b", ("code",))
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({id_: value.model_dump() for id_, value in (entry | other_entry).items()}))
    assert key not in path.read_text()
    keys = load_keys(path)
    client = keys.client_of(f"Bearer {key}")
    assert client is not None
    assert (client.id, client.may_use("chat"), client.may_use("secret")) == ("team-a", True, False)
    swapped = "sk-sw-team-b-" + key.rpartition("-")[2]
    for wrong in (
        None,
        "",
        key,
        f"Basic {key}",
        f"Bearer {key}x",
        f"Bearer {swapped}",
        "Bearer sk-sw-team-a-",
        "Bearer",
    ):
        assert keys.client_of(wrong) is None
    assert keys.client_of(f"bearer  {other}") is not None
    assert keys.routes_unknown_to({"chat": 1}) == ["team-a: code", "team-b: code"]


@pytest.mark.parametrize("id_", ["", "a b", "a/b", "ü", "x" * 65])
def test_ids_have_an_alphabet(id_: str) -> None:
    with pytest.raises(ValueError, match="key ID"):
        new_key(id_, ("chat",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "keys file"),
        ("{", "keys file"),
        ('{"a": {"sha256": "00", "routes": ["chat"]}}', "a.sha256"),
        ('{"a": {"sha256": "%s", "routes": []}}' % ("0" * 64), "a.routes"),
        ('{"a": {"sha256": "%s", "routes": ["c"], "admin": true}}' % ("0" * 64), "a.admin"),
        ('{"a b": {"sha256": "%s", "routes": ["c"]}}' % ("0" * 64), "a b"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(KeysError, match=told):
        load_keys(path)
    with pytest.raises(KeysError, match="No such file"):
        load_keys(tmp_path / "none.json")


def test_the_command_prints_a_key_and_its_entry(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "gateway.keys", "team", "chat"], capture_output=True, text=True, check=True, timeout=30
    )
    path = tmp_path / "keys.json"
    path.write_text(run.stdout)
    client = load_keys(path).client_of("Bearer " + run.stderr.strip())
    assert client is not None
    assert client.routes == frozenset({"chat"})
    assert subprocess.run([sys.executable, "-m", "gateway.keys"], capture_output=True, timeout=30).returncode == 2
