"""`catalog add-model`: a configuration becomes a row beside the environments, which is never replaced silently."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from planner.edges import model_sources
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
    assert [gap.kind for gap in model.gaps()] == ["tools"]
    assert row("support-7b").endswith("...\n")


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("GptOssForCausalLM", "vLLM 0.10.1 on (class GptOssForCausalLM)"),
        ("LaterForCausalLM", "no release that was read has its class LaterForCausalLM"),
        ("", "the class of its configuration is not known"),
    ],
)
def test_a_row_keeps_its_class_and_says_from_which_engine_on_it_is_served(tmp_path: Path, name: str, told: str) -> None:
    config = json.loads(GPT_OSS.read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": [name] if name else []}), "utf-8")
    ended = add(tmp_path / "config.json", "--hf-id", "acme/Support-20B", COLUMNS="200")
    assert ended.status == 0
    assert told in ended.out
    model_class = catalog_beside(Path("environments")).models["support-20b"].model_class
    assert (model_class.name if model_class else "") == name
    assert add(tmp_path / "config.json", "--hf-id", "acme/Support-20B").status == 0


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
    own = Path("environments/catalog/models/qwen2.5-7b-instruct.yaml")
    refused = add(QWEN, "--hf-id", "Qwen/Qwen2.5-7B-Instruct")
    assert (refused.status, own.exists()) == (1, False)
    assert "`qwen2.5-7b-instruct` is a shipped model" in refused.err
    ended = add(QWEN, "--hf-id", "Qwen/Qwen2.5-7B-Instruct", "--replace")
    assert (ended.status, own.exists()) == (0, True)
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
        ((str(QWEN), "--name", "x", "--weights", "s3://team-bucket/*"), "USE003"),
        ((str(QWEN), "--name", "x", "--weights", "s3://team-bucket/${aws:username}"), "USE003"),
        ((str(QWEN), "--name", "x", "--weights", "s3://team-bucket"), "USE003"),
        ((str(QWEN), "--hf-id", "acme/*"), "USE003"),
        (("--base", "qwen3-8b", "acme/a b", "--name", "x"), "USE003"),
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


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("key", ["acme-chat", "qwen3-8b"])
def test_an_own_row_is_no_base_because_plans_take_the_shape_of_a_shipped_one(key: str) -> None:
    """Both a row that only the own catalog has, and one that stands for a shipped row of another shape."""
    assert add(QWEN, "--hf-id", "acme/Chat", "--name", key, "--replace").status == 0
    ended = add("--base", key, "--hf-id", "acme/Support", "--format", "json")
    assert (ended.status, ended.codes) == (2, ["USE003"])
    assert "own catalog" in ended.document["problems"][0]["message"]
    assert not Path("environments/catalog/models/support.yaml").exists()
    assert catalog_beside(Path("environments")).models[key].max_context == 32_768


@pytest.mark.usefixtures("checkout")
def test_a_row_that_stands_for_its_own_base_can_be_written_again() -> None:
    for licence in ("", "MIT"):
        ended = add("--base", "qwen3-8b", "--hf-id", "acme/x", "--name", "qwen3-8b", "--licence", licence, "--replace")
        assert ended.status == 0
    assert catalog_beside(Path("environments")).models["qwen3-8b"].max_context == 40_960


@pytest.mark.usefixtures("checkout")
def test_a_licence_with_an_emoji_is_read_as_it_was_written() -> None:
    licence = "Acme \N{ROCKET} licence: \u2028 \x7f \x85 caf\u00e9"
    assert add(QWEN, "--hf-id", "acme/Support-7B", "--licence", licence).status == 0
    assert catalog_beside(Path("environments")).models["support-7b"].licence == licence
    assert "\N{ROCKET}" in row("support-7b")


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
    """A hub on loopback.

    address: where it listens.
    answers: for each path that is not missing a body, a status, the address of a redirect, or the wait before each of
    ten bytes, seconds.
    keys: the key that came with each path that was asked for; None without.
    """

    address: str
    answers: dict[str, bytes | int | str | float]
    keys: dict[str, str | None]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that has nothing yet."""
    answers: dict[str, bytes | int | str | float] = {}
    keys: dict[str, str | None] = {}

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path, 404)
            keys[self.path] = self.headers["Authorization"]
            self.send_response(answer if isinstance(answer, int) else 302 if isinstance(answer, str) else 200)
            if isinstance(answer, str):
                self.send_header("Location", answer)
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if isinstance(answer, bytes):
                self.wfile.write(answer)
            with suppress(OSError):  # whoever asked may have gone
                for wait_s in [answer] * 10 if isinstance(answer, float) else []:
                    time.sleep(wait_s)
                    self.wfile.write(b" ")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Hub(f"http://127.0.0.1:{server.server_port}", answers, keys)
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
    plain = ("hub.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "[::1")
    unsafe = [(f"http://{host}", "no https address") for host in plain]
    for endpoint, why in (("http://127.0.0.1:9", "cannot be reached"), ("https://", "no https address"), *unsafe):
        ended = add("acme/Support-7B", HF_ENDPOINT=endpoint)
        assert ended.status == 2
        assert why in ended.err


@pytest.mark.usefixtures("checkout")
def test_a_redirect_is_followed_with_the_key_on_the_hub_itself_and_without_it_elsewhere(hub: Hub) -> None:
    asked, moved, elsewhere = (
        "/acme/Support-7B/resolve/main/config.json",
        "/moved/config.json",
        "/elsewhere/config.json",
    )
    hub.answers[asked] = moved
    hub.answers[moved] = hub.address.replace("127.0.0.1", "localhost") + elsewhere
    hub.answers[elsewhere] = QWEN.read_bytes()
    assert add("acme/Support-7B", HF_ENDPOINT=hub.address, HF_TOKEN="hf_key\n").status == 0
    assert (hub.keys[asked], hub.keys[moved], hub.keys[elsewhere]) == ("Bearer hf_key", "Bearer hf_key", None)


@pytest.mark.usefixtures("checkout")
def test_a_redirect_to_an_address_without_encryption_is_refused(hub: Hub) -> None:
    hub.answers["/acme/Support-7B/resolve/main/config.json"] = "http://hub.example/config.json?secret"
    ended = add("acme/Support-7B", HF_ENDPOINT=hub.address)
    assert ended.status == 2
    assert "redirects to http://hub.example, which is no https address" in ended.err.replace("\n", " ")


@pytest.mark.usefixtures("checkout")
def test_a_revision_is_one_part_of_the_address(hub: Hub) -> None:
    hub.answers["/acme/Support-7B/resolve/refs%2Fpr%2F1%3Fa/config.json"] = QWEN.read_bytes()
    assert add("acme/Support-7B", "--revision", "refs/pr/1?a", HF_ENDPOINT=hub.address).status == 0


@pytest.mark.usefixtures("checkout")
def test_a_hub_that_sends_a_byte_now_and_then_ends_the_wait(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_sources, "FETCH_S", 0.3)
    hub.answers["/acme/Support-7B/resolve/main/config.json"] = 0.1
    ended = add("acme/Support-7B", HF_ENDPOINT=hub.address)
    assert ended.status == 2
    assert "longer than 0.3 s" in ended.err
