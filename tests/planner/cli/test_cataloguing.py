"""`catalog add-model`: a configuration becomes a row beside the environments, which is never replaced silently."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from planner.edges.own_catalog import catalog_beside
from planner.edges.workspace import Workspace
from tests.planner.cli.command import Ended, spillway
from tests.planner.documents.model_config.configs import FOLDER

QWEN, GPT_OSS = FOLDER / "Qwen__Qwen2.5-7B-Instruct.json", FOLDER / "openai__gpt-oss-20b.json"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def add(*arguments: str | Path, **variables: str) -> Ended:
    """Run `catalog add-model` in the current folder."""
    return spillway("catalog", "add-model", *map(str, arguments), **variables)


def row(key: str) -> str:
    """The text of an own row of the current folder."""
    return Path(f"environments/catalog/models/{key}.yaml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("checkout")
def test_a_configuration_becomes_a_row_and_says_what_it_could_not_tell() -> None:
    ended = add(QWEN, "--hf-id", "acme/Support-7B", "--revision", COMMIT, "--licence", "Apache-2.0")
    assert ended.status == 0
    for told in ("7,615,616,512", "57,344 bytes a token", "32,768 tokens", "no index", "accept it as `support-7b`"):
        assert told in ended.out
    model = catalog_beside(Path("environments")).models["support-7b"]
    assert (model.hf_id, model.revision, model.licence) == ("acme/Support-7B", COMMIT, "Apache-2.0")
    assert model.gaps() == ()
    assert row("support-7b").endswith("...\n")


@pytest.mark.usefixtures("checkout")
def test_the_same_again_changes_nothing_and_another_row_needs_a_word() -> None:
    first = add(QWEN, "--hf-id", "acme/Support-7B")
    text = row("support-7b")
    again = add(QWEN, "--hf-id", "acme/Support-7B")
    assert (first.status, again.status) == (0, 0)
    assert "unchanged" in again.err
    other = add(GPT_OSS, "--hf-id", "acme/Support-7B")
    assert other.status == 1
    assert "CFG010" in other.err
    assert "-native: bf16" in other.err
    assert "+native: mxfp4" in other.err
    assert row("support-7b") == text
    assert add(GPT_OSS, "--hf-id", "acme/Support-7B", "--replace").status == 0
    assert "native: mxfp4" in row("support-7b")


@pytest.mark.usefixtures("checkout")
def test_a_row_that_stands_for_a_shipped_one_says_so() -> None:
    ended = add(QWEN, "--hf-id", "Qwen/Qwen2.5-7B-Instruct")
    assert ended.status == 0
    assert "it stands for the shipped row of the same key" in ended.out


@pytest.mark.usefixtures("checkout")
def test_own_weights_take_the_shape_of_a_known_model() -> None:
    ended = add("--base", "qwen3-8b", "--weights", "s3://acme-models/support/v3", "--name", "support")
    assert ended.status == 0
    assert "s3://acme-models/support/v3" in ended.out
    model = catalog_beside(Path("environments")).models["support"]
    assert (model.weights, model.max_context) == ("s3://acme-models/support/v3", 40_960)


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "USE003"),
        ((str(QWEN),), "USE003"),
        ((str(QWEN), "--hf-id", "a/B", "--name", "Has Blanks"), "USE003"),
        ((str(QWEN), "--weights", "gs://bucket/prefix"), "USE003"),
        (("--base", "qwen3-8b", "--name", "x"), "USE003"),
        (("--base", "qwen3-8c", "--hf-id", "acme/x"), "CAT006"),
        (("no such file.json",), "IO001"),
        (("neither",), "IO001"),
        ((str(FOLDER / "intfloat__multilingual-e5-base.json"), "--hf-id", "a/b"), "CFG005"),
        ((str(QWEN), "--hf-id", "a/b", "--index", str(QWEN)), "CFG002"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_written(arguments: tuple[str, ...], code: str) -> None:
    ended = add(*arguments, "--format", "json")
    assert ended.status == 2
    assert ended.codes == [code]
    assert not Path("environments/catalog").exists()


def test_a_folder_gives_all_its_files(checkout: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "Acme-FP4"
    folder.mkdir()
    name = "nvidia__Qwen3-235B-A22B-NVFP4"
    for ours, theirs in ((f"{name}.json", "config.json"), (f"{name}.hf_quant_config.json", "hf_quant_config.json")):
        (folder / theirs).write_text((FOLDER / ours).read_text(encoding="utf-8"), encoding="utf-8")
    ended = add(folder, "--hf-id", "acme/Acme-FP4", "--format", "json")
    assert ended.document["row"]["native"] == "nvfp4"
    assert checkout.catalog().models["acme-fp4"].native == "nvfp4"


@dataclass(frozen=True)
class Hub:
    """A hub on loopback. address: where it listens. answers: a body or a status for each path that is not missing."""

    address: str
    answers: dict[str, bytes | int]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that has nothing yet."""
    answers: dict[str, bytes | int] = {}

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path, 404)
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if isinstance(answer, bytes):
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Hub(f"http://127.0.0.1:{server.server_port}", answers)
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("checkout")
def test_a_repository_is_read_with_its_commit(hub: Hub) -> None:
    hub.answers["/acme/Support-7B/resolve/main/config.json"] = QWEN.read_bytes()
    index = {"metadata": {"total_size": 2 * 7_615_616_512}, "weight_map": {}}
    hub.answers[f"/acme/Support-7B/resolve/{COMMIT}/model.safetensors.index.json"] = json.dumps(index).encode()
    ended = add("acme/Support-7B", HF_ENDPOINT=hub.address)
    assert ended.status == 0
    assert "no index" not in ended.out
    assert f"revision: {COMMIT}" in row("support-7b")
    assert "source: huggingface.co/acme/Support-7B config.json at" in row("support-7b").replace('"', "")


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("answer", "why"),
    [(404, "no such file"), (401, "HF_TOKEN"), (403, "licence"), (500, "answered 500"), (b"\xff\xfe", "UTF-8")],
)
def test_a_repository_that_cannot_be_read_says_what_to_do(hub: Hub, answer: bytes | int, why: str) -> None:
    hub.answers["/acme/Support-7B/resolve/main/config.json"] = answer
    ended = add("acme/Support-7B", HF_ENDPOINT=hub.address)
    assert ended.status == 2
    assert "CFG009" in ended.err
    assert why in ended.err
    assert "add-model PATH --hf-id acme/Support-7B" in ended.err


@pytest.mark.usefixtures("checkout")
def test_a_hub_that_is_not_there_or_not_encrypted_is_told() -> None:
    for endpoint, why in (("http://127.0.0.1:9", "cannot be reached"), ("http://hub.example", "no https address")):
        ended = add("acme/Support-7B", HF_ENDPOINT=endpoint)
        assert ended.status == 2
        assert why in ended.err
