"""Workloads from the outside: they start, say what is wrong, and end with whoever started them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from twin.addresses import Addresses
from twin.workloads import Workloads, WorkloadsError


class _Nothing(BaseHTTPRequestHandler):
    """An API server that holds nothing."""

    def do_GET(self) -> None:
        body = b'{"items": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def kubeconfig(folder: Path, port: int) -> Path:
    """The kubeconfig of an API server on loopback, in clear text."""
    document = {
        "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(document))
    return path


@contextmanager
def empty_cluster(folder: Path) -> Iterator[Path]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kubeconfig(folder, server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def test_where_nothing_is_ready_nothing_serves(tmp_path: Path) -> None:
    with empty_cluster(tmp_path) as config, Workloads(config, tmp_path / "run", {}) as running:
        assert running.serving() == {}
        assert running.problems() == {}
        with pytest.raises(WorkloadsError, match="nothing that is ready serves port 80 of Service gateway/gateway"):
            running.forward("gateway", "gateway", 80)


def test_the_program_ends_with_its_starter(tmp_path: Path) -> None:
    """A starter that is gone, however it went, has closed its end of the pipe."""
    (tmp_path / "clocks.json").write_text("{}")
    with empty_cluster(tmp_path) as config:
        command = ["--kubeconfig", str(config), "--folder", str(tmp_path), "--clocks", str(tmp_path / "clocks.json")]
        with subprocess.Popen(
            [sys.executable, "-m", "twin.workloads", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"
            assert program.poll() is None
            program.stdin.close()
            assert program.wait(timeout=30) == 0


def test_a_cluster_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config = kubeconfig(tmp_path, closed.getsockname()[1])
        with pytest.raises(WorkloadsError, match="the API server does not answer"):
            Workloads(config, tmp_path / "run", {})


def test_an_address_whose_ports_are_taken_is_passed_over() -> None:
    first, second = Addresses(), Addresses()
    taken = first.take([8000])
    assert taken.startswith("127.")
    assert first.take([8000]) != taken
    with socket.socket() as listening:
        listening.bind((taken, 8000))
        listening.listen()
        assert second.take([8000]) != taken
