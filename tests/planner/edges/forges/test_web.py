"""HTTP towards a forge: patience within bounds, a token that goes nowhere else, and errors that say what to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from planner.edges.forges.conversation import ForgeError
from planner.edges.forges.web import MOST_WAIT_S, Web, is_safe

TOKEN = "very-secret-token"


@dataclass
class Server:
    """A server that gives the answers of a list, one a call: (status, headers, body). The last one is repeated."""

    port: int = 0
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    calls: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def web(self, waits: list[float] | None = None) -> Web:
        waited = [] if waits is None else waits
        return Web(self.root, ("Authorization", f"Bearer {TOKEN}"), wait=waited.append, now=lambda: 1000.0)

    def gives(self, *answers: tuple[int, dict[str, str], object]) -> None:
        texts = ((s, h, b if isinstance(b, bytes) else json.dumps(b).encode()) for s, h, b in answers)
        self.answers = list(texts)
        self.calls.clear()


def started() -> tuple[Server, ThreadingHTTPServer]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.calls.append((self.command, self.path, self.headers.get("Authorization")))
            status, headers, body = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return state, server


@pytest.fixture
def server() -> Iterator[Server]:
    state, listening = started()
    yield state
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def other() -> Iterator[Server]:
    state, listening = started()
    yield state
    listening.shutdown()
    listening.server_close()


def refused(call: Any) -> ForgeError:
    with pytest.raises(ForgeError) as caught:
        call()
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(caught.value.__cause__)
    return caught.value


def test_a_limit_of_rate_is_waited_for(server: Server) -> None:
    waits: list[float] = []
    server.gives((429, {"Retry-After": "3"}, {}), (403, {"Retry-After": "7"}, {}), (200, {}, {"ok": 1}))
    assert server.web(waits).post("x", {}).value == {"ok": 1}
    assert waits == [3.0, 7.0]


def test_the_time_of_a_reset_is_waited_for(server: Server) -> None:
    waits: list[float] = []
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1009"}
    server.gives((403, headers, {}), (200, {}, []))
    server.web(waits).get("x")
    assert waits == [10.0]


def test_no_run_waits_longer_than_the_bound(server: Server) -> None:
    waits: list[float] = []
    server.gives((403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4600"}, {"message": "API rate limit"}))
    error = refused(lambda: server.web(waits).get("x"))
    assert "API rate limit; it asks to wait 3601 s" in error.message
    assert waits == []
    server.gives((429, {"Retry-After": "25"}, {}))
    refused(lambda: server.web(waits).get("x"))
    assert sum(waits) <= MOST_WAIT_S


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_server_is_asked_again_when_that_is_harmless(server: Server, status: int) -> None:
    waits: list[float] = []
    server.gives((status, {}, b""), (200, {}, []))
    assert server.web(waits).get("x").value == []
    assert waits == [1.0]


@pytest.mark.parametrize("status", [0, 502, 504])
def test_what_makes_something_new_is_not_repeated_when_the_answer_is_lost(server: Server, status: int) -> None:
    server.gives((status, {}, b""))
    error = refused(lambda: server.web().post("x", {}))
    assert error.is_unsure
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_not_repeated(server: Server, status: int) -> None:
    server.gives((status, {}, {"message": "no", "errors": [{"message": "too long"}, "blank"]}))
    error = refused(lambda: server.web().put("x", {}))
    assert (error.status, len(server.calls), error.is_unsure) == (status, 1, False)
    assert error.message.endswith(f"answers {status}: no; too long; blank")


def test_a_token_goes_to_no_other_address(server: Server, other: Server) -> None:
    other.gives((200, {}, []))
    for status in (301, 302, 307, 308):
        server.gives((status, {"Location": f"{other.root}/stolen"}, b""))
        assert "its token does not go" in refused(lambda: server.web().get("x")).message
    server.gives((200, {"Link": f'<{other.root}/stolen>; rel="next"'}, []))
    assert "its token does not go" in refused(lambda: list(server.web().pages("x"))).message
    assert other.calls == []


def test_a_redirect_within_the_address_is_followed_for_reading_alone(server: Server) -> None:
    server.gives((301, {"Location": "/repositories/1/x"}, b""), (200, {}, [1]))
    assert server.web().get("x").value == [1]
    assert server.calls == [("GET", "/x", f"Bearer {TOKEN}"), ("GET", "/repositories/1/x", f"Bearer {TOKEN}")]
    server.gives((307, {"Location": "/repositories/1/x"}, b""))
    assert "was the repository renamed?" in refused(lambda: server.web().post("x", {})).message


def test_all_pages_are_read_and_no_endless_list(server: Server) -> None:
    link = f'<{server.root}/x?page=1>; rel="first", <{server.root}/x?page=2>; rel="next"'
    server.gives((200, {"Link": link}, [1]), (200, {}, [2]))
    assert [answer.value for answer in server.web().pages("x")] == [[1], [2]]
    server.gives((200, {"Link": link}, [1]))
    assert "more than 200 pages" in refused(lambda: list(server.web().pages("x"))).message


def test_a_page_for_signing_in_is_a_refused_token(server: Server) -> None:
    server.gives((203, {"Content-Type": "text/html"}, b"<html>Sign in</html>"))
    assert refused(lambda: server.web().get("x")).status == 401


def test_an_answer_that_is_no_json(server: Server) -> None:
    server.gives((200, {}, b"<html>a proxy</html>"))
    assert "answers with no JSON" in refused(lambda: server.web().get("x")).message


def test_deleting_what_is_gone_is_no_error(server: Server) -> None:
    server.gives((404, {}, {}))
    server.web().delete("x")


def test_nobody_listens() -> None:
    waits: list[float] = []
    web = Web("http://127.0.0.1:9", ("Authorization", TOKEN), wait=waits.append)
    error = refused(lambda: web.get("x"))
    assert "127.0.0.1:9 cannot be reached" in error.message
    assert sum(waits) <= MOST_WAIT_S


@pytest.mark.parametrize("token", ["secret\n", "secret\r\nX-Evil: 1", "sécret", ""])
def test_a_token_with_other_characters_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ForgeError) as caught:
        Web("https://api.github.com", ("Authorization", f"Bearer {token}"))
    assert "secret" not in str(caught.value)


def test_a_token_is_not_shown() -> None:
    with pytest.raises(ForgeError, match=r"git\.example") as caught:
        Web("http://robot:s3cret@git.example", ("Authorization", TOKEN))
    assert "s3cret" not in str(caught.value)
    assert TOKEN not in repr(Web("https://api.github.com", ("Authorization", TOKEN)))


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://github.example/api/v3", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://github.example/api/v3", False),
        ("ftp://github.example", False),
        ("github.example", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_addresses(address: str, safe: bool) -> None:
    assert is_safe(address) is safe
    if not safe:
        with pytest.raises(ForgeError, match="no https address"):
            Web(address, ("Authorization", TOKEN))
