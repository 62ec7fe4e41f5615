"""A revision comes into the bucket whole, proven and once, whatever breaks on the way."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import urllib.error
from email.message import Message
from typing import Any

import boto3
import pytest

from tests.weights.conftest import BUCKET, ServedHub
from twin.hub.world import STRANGER, TOKEN, Repository
from weights import copying
from weights.__main__ import main
from weights.amazon import Bucket, StoreError
from weights.copying import Differing, copy
from weights.hub import Hub, HubError, Refused, _judged
from weights.manifest import NAME, Manifest

MODEL = "acme/small"
PREFIX = f"{MODEL}/main"
PART = 5 << 20
"""Shortest part that S3 takes, bytes."""
LARGE = random.Random(7).randbytes(2 * PART + 77)
FILES = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": LARGE,
    "model-00002-of-00002.safetensors": b"short weights",
    "tokenizer.json": b'{"a": 1}',
    "templates/tool.jinja": b"{{ x }}",
    "pytorch_model.bin": b"another form",
    "original/consolidated.00.pth": b"another form",
    "consolidated.safetensors": b"doubled",
    "empty.txt": b"",
}
COPIED = sorted(set(FILES) - {"pytorch_model.bin", "original/consolidated.00.pth", "consolidated.safetensors"})


@pytest.fixture
def model(hub: ServedHub) -> Repository:
    """A repository with one commit on `main`."""
    repository = hub.add(MODEL, Repository())
    repository.commit(FILES, "main")
    return repository


def run(
    hub: ServedHub, s3: Any, asked: str = "main", token: str | None = None, told: list[str] | None = None
) -> Manifest:
    """A copy that does not wait."""
    lines = told if told is not None else []
    bucket = Bucket(BUCKET, PREFIX, s3)
    return copy(Hub(token, hub.address), bucket, MODEL, asked, lines.append, lambda _: None, PART)


def contents(s3: Any) -> dict[str, bytes]:
    """All objects below the prefix, by name."""
    rows = s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return {
        row["Key"].removeprefix(f"{PREFIX}/"): s3.get_object(Bucket=BUCKET, Key=row["Key"])["Body"].read()
        for row in rows
    }


def test_all_files_come_whole_and_the_manifest_names_them(hub: ServedHub, s3: Any, model: Repository) -> None:
    manifest = run(hub, s3)
    held = contents(s3)
    assert {name: held[name] for name in COPIED} == {name: FILES[name] for name in COPIED}
    assert sorted(held) == sorted([*COPIED, NAME])
    assert manifest.commit == model.revisions["main"]
    assert {file.name: file.sha256 for file in manifest.files} == {
        name: hashlib.sha256(FILES[name]).hexdigest() for name in COPIED
    }
    assert Manifest.parse(held[NAME].decode()) == manifest


def test_the_large_file_is_put_together_of_parts(hub: ServedHub, s3: Any, model: Repository) -> None:
    run(hub, s3)
    told = s3.head_object(Bucket=BUCKET, Key=f"{PREFIX}/model-00001-of-00002.safetensors")
    assert told["ETag"].strip('"').endswith("-3")
    assert told["Metadata"] == {"sha256": hashlib.sha256(LARGE).hexdigest()}


def test_a_second_run_asks_the_hub_nothing(hub: ServedHub, s3: Any, model: Repository) -> None:
    first = run(hub, s3)
    hub.world.requests.clear()
    told: list[str] = []
    assert run(hub, s3, told=told) == first
    assert run(hub, s3, asked=first.commit) == first
    assert hub.world.requests == []
    assert "is complete" in told[0]


def test_a_branch_that_moves_on_does_not_change_a_copy(hub: ServedHub, s3: Any, model: Repository) -> None:
    first = run(hub, s3)
    model.commit({**FILES, "config.json": b'{"new": 1}'}, "main")
    assert run(hub, s3) == first
    s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/config.json")
    assert run(hub, s3).commit == first.commit
    assert contents(s3)["config.json"] == b"{}"


@pytest.mark.parametrize("broken", ["gone", "another content", "no manifest", "a strange manifest"])
def test_what_is_missing_is_copied_again_and_the_rest_is_kept(
    hub: ServedHub, s3: Any, model: Repository, broken: str
) -> None:
    run(hub, s3)
    lost = "model-00002-of-00002.safetensors"
    if broken == "gone":
        s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{lost}")
    elif broken == "another content":
        s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{lost}", Body=b"SHORT weights")
    elif broken == "no manifest":
        s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{NAME}")
    else:
        s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{NAME}", Body=b'{"format": 1, "files": 3}')
    hub.world.requests.clear()
    run(hub, s3)
    assert contents(s3)[lost] == FILES[lost]
    asked = [path for path, _ in hub.world.requests if "resolve" in path]
    assert not [path for path in asked if path.endswith("00001-of-00002.safetensors")], "it was there"


def test_a_broken_connection_goes_on_where_it_broke(hub: ServedHub, s3: Any, model: Repository) -> None:
    name = "model-00001-of-00002.safetensors"
    model.cuts[name] = [3_000_000, 0, 4_000_000, 0, 0]
    told: list[str] = []
    run(hub, s3, told=told)
    assert contents(s3)[name] == LARGE
    assert len([line for line in told if "goes on at byte" in line]) == 5


def test_a_connection_that_yields_nothing_ends_the_run_and_leaves_no_upload(
    hub: ServedHub, s3: Any, model: Repository
) -> None:
    model.cuts["model-00001-of-00002.safetensors"] = [6_000_000, *[0] * 20]
    with pytest.raises(HubError):
        run(hub, s3)
    assert NAME not in contents(s3)
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    model.cuts.clear()
    run(hub, s3)
    assert contents(s3)["model-00001-of-00002.safetensors"] == LARGE


@pytest.mark.parametrize(
    "name", ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
)
def test_content_with_another_digest_never_comes_to_be(hub: ServedHub, s3: Any, model: Repository, name: str) -> None:
    model.spoilt.add(name)
    with pytest.raises(Differing, match=name):
        run(hub, s3)
    assert not {name, NAME} & set(contents(s3))
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_the_token_reaches_the_hub_and_no_other_host(hub: ServedHub, s3: Any, model: Repository) -> None:
    model.gated = True
    run(hub, s3, token=TOKEN)
    bearing = {path.startswith("/content/"): known for path, known in hub.world.requests}
    assert bearing == {False: True, True: False}


def test_a_gated_model_without_access_says_what_to_do(hub: ServedHub, s3: Any, model: Repository) -> None:
    model.gated = True
    with pytest.raises(
        Refused, match=r"accept its licence at https://huggingface.co/acme/small, and name a token's secret"
    ):
        run(hub, s3)
    with pytest.raises(Refused, match="ask for access there with the account of the token in the secret"):
        run(hub, s3, token=STRANGER)


def test_what_a_person_must_mend_is_refused(hub: ServedHub, s3: Any, model: Repository) -> None:
    with pytest.raises(Refused, match="Invalid rev id: v9"):
        run(hub, s3, asked="v9")
    hub.world.repositories.clear()
    with pytest.raises(Refused, match="is not found"):
        run(hub, s3)
    hub.add(MODEL, Repository()).commit({"config.json": b"{}", "pytorch_model.bin": b"x"}, "main")
    with pytest.raises(Refused, match="no safetensors"):
        run(hub, s3)


@pytest.fixture
def program(hub: ServedHub, s3: Any, model: Repository, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program's command line, without pauses."""
    monkeypatch.setattr(copying, "PAUSES_SECONDS", (0.0,))
    return lambda *more: main([MODEL, "main", f"s3://{BUCKET}/{PREFIX}", "--hub", hub.address, *more])


def test_the_program_takes_the_token_from_its_secret(program: Any, model: Repository, s3: Any) -> None:
    model.gated = True
    boto3.client("secretsmanager").create_secret(Name="hub-token", SecretString=f"{TOKEN}\n")
    assert program("--token-secret", "hub-token") == 0
    assert json.loads(contents(s3)[NAME])["repository"] == MODEL


def test_the_programs_exit_tells_what_helps(
    program: Any, model: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    model.cuts["config.json"] = [0] * 9
    assert program() == 1
    model.cuts.clear()
    model.gated = True
    assert program() == 3
    assert "weights: acme/small is gated" in capsys.readouterr().err


def test_a_token_that_nobody_has_ends_the_first_attempt(
    program: Any, hub: ServedHub, model: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another attempt would hear the same: 401 for the token, whether it is needed or not."""
    manager = boto3.client("secretsmanager")
    manager.create_secret(Name="hub-token", SecretString="hf_twim")
    assert program("--token-secret", "hub-token") == 3
    told = capsys.readouterr().err
    assert "the Hub does not know the token in secret hub-token (Invalid credentials" in told
    assert "put a token of https://huggingface.co/settings/tokens that is valid into secret hub-token" in told
    assert len(hub.world.requests) == 1
    hub.world.repositories.clear()
    manager.put_secret_value(SecretId="hub-token", SecretString=TOKEN)
    assert program("--token-secret", "hub-token") == 3
    assert "there is none of this name, or the token in secret hub-token may not see it" in capsys.readouterr().err


def test_a_secret_that_is_not_there_ends_the_first_attempt(
    program: Any, hub: ServedHub, model: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program("--token-secret", "nowhere") == 3
    assert "there is no secret nowhere with a value: put a token of Hugging Face" in capsys.readouterr().err
    boto3.client("secretsmanager").create_secret(Name="blank", SecretString=" ")
    assert program("--token-secret", "blank") == 3
    assert "secret blank is empty" in capsys.readouterr().err
    assert hub.world.requests == []


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (
            403,
            {"X-Error-Message": "enable access to public gated repositories"},
            "may not read acme/small .enable access",
        ),
        (403, {"X-Error-Code": "GatedRepo"}, "acme/small is gated"),
        (401, {}, "does not know the token in secret t"),
        (404, {"X-Error-Code": "RepoNotFound"}, "acme/small is not found"),
        (418, {}, "the Hub answered 418"),
    ],
)
def test_what_is_final_is_told_apart(status: int, headers: dict[str, str], says: str) -> None:
    assert re.search(says, str(refused(status, headers)))
    assert isinstance(refused(status, headers), Refused)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_time_mends_is_tried_again(status: int) -> None:
    assert isinstance(refused(status, {}), HubError)


def refused(status: int, headers: dict[str, str]) -> Exception:
    """What a copy makes of an answer of the Hub to a request with a token."""
    fields = Message()
    for name, value in headers.items():
        fields[name] = value
    error = urllib.error.HTTPError("https://huggingface.co", status, "", fields, io.BytesIO())
    return _judged(error, MODEL, "secret t")


def test_an_unreachable_bucket_is_said(hub: ServedHub, s3: Any, model: Repository) -> None:
    with pytest.raises(StoreError, match="NoSuchBucket"):
        copy(Hub(None, hub.address), Bucket("nowhere", PREFIX, s3), MODEL, "main", print)
    with pytest.raises(HubError, match="cannot be reached"):
        Hub(None, "http://127.0.0.1:9").revision(MODEL, "main")
