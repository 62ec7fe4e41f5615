"""`spillway`, loaded once: a server forks for each command line, with the files, folder and variables of its caller.

A run of the Action calls a dozen verbs, and each would load the planner for a second. Started as a program with an
address and arguments, this file is the caller, which waits for the exit code.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILES = (0, 1, 2)


def call(address: str, arguments: list[str]) -> int:
    """Let the server run a command line here, and return its exit code."""
    asked = {"arguments": arguments, "folder": os.getcwd(), "variables": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"!"], FILES)
        connection.sendall(json.dumps(asked).encode())
        connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(8) or 70)


def serve(address: str) -> None:
    """Load the planner, say so, and answer until somebody ends this program. Beside the address lies a `tiny` plan."""
    from planner.cli import commenting, comparing, continuous, main, planning, reporting, review  # noqa: F401
    from planner.edges.forges import publishing

    publishing.SETTLING_S = 0.0  # no second run writes here at the same time
    # What draws is loaded too. Nothing is solved here: a fork would lack the threads of the solver.
    folder = Path(address).parent
    reporting.report("tiny", "", folder / "tiny.html", None, folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        os.write(1, b"ready\n")
        while True:
            connection, _ = server.accept()
            with connection:
                _, files, _, _ = socket.recv_fds(connection, 1, len(FILES))
                asked = json.loads(b"".join(iter(lambda: connection.recv(65_536), b"")))  # noqa: B023
                child = os.fork()
                if child == 0:
                    os._exit(_run(main.main, files, asked))
                for file in files:
                    os.close(file)
                connection.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _run(main: object, files: list[int], asked: dict[str, object]) -> int:
    for place, file in zip(FILES, files, strict=True):
        os.dup2(file, place)
        os.close(file)
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["variables"])  # type: ignore[call-overload]
    sys.argv = ["spillway", *asked["arguments"]]  # type: ignore[misc]
    try:
        main()  # type: ignore[operator]
        code: object = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 70
    return code if isinstance(code, int) else 1


@contextmanager
def serving(folder: Path) -> Iterator[Path]:
    """Serve at an address in a folder, which holds the environment `tiny` with its lock, until the block ends."""
    root, address = Path(__file__).resolve().parents[2], folder / "spillway"
    variables = {**os.environ, "PYTHONPATH": str(root), "PYTHONUTF8": "1"}
    command = [
        sys.executable,
        "-c",
        "import sys; from tests.actions import warm; warm.serve(sys.argv[1])",
        str(address),
    ]
    with subprocess.Popen(command, cwd=root, env=variables, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield address
        finally:
            process.kill()


if __name__ == "__main__":
    sys.exit(call(sys.argv[1], sys.argv[2:]))
