"""The load generator: bodies, the wire, and outcomes against engine twins whose times are known."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.machines import PLAIN_STEP
from twin.engine.clock import EngineClock
from twin.engine.faults import BrokenStreams, ReplicaFaults
from twin.engine.prompt import lengths_of
from twin.engine.replica import EngineReplica
from twin.engine.server import application
from twin.replay.exchange import BrokenAnswer, Connection, TimedAnswer
from twin.replay.generator import ReplayOutcome, Target, replay
from twin.replay.report import percentile
from twin.replay.workload import ReplayWorkload, RouteTraffic, WorkloadFileError, read_workload, request_body

CLOCK = EngineClock(
    version="1.0",
    pool="p",
    model="chat",
    max_model_len=8192,
    max_num_seqs=64,
    max_num_batched_tokens=2048,
    kv_tokens=500_000,
    step=PLAIN_STEP,
)


def workload(*arrivals: tuple[float, str, int, int], **route: Any) -> ReplayWorkload:
    traffic = RouteTraffic.model_validate({"canary": "internal"} | route)
    return ReplayWorkload(version="1.0", routes={"chat": traffic}, arrivals=arrivals)


def replay_on_twin(
    load: ReplayWorkload, speed: float = 5.0, faults: ReplicaFaults | None = None, drain_s: float = 60.0
) -> tuple[list[ReplayOutcome], EngineReplica]:
    async def run() -> tuple[list[ReplayOutcome], EngineReplica]:
        replica = EngineReplica(CLOCK, speed, stream_interval=8)
        runner = web.AppRunner(application(replica), handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            if faults is not None:
                replica.strike(faults)
            target = Target(f"http://127.0.0.1:{runner.addresses[0][1]}")
            return await replay(load, target, speed, drain_s), replica
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_times_are_those_of_real_time_at_any_speed() -> None:
    """1,000 tokens of prefill take 120 ms and 40 more tokens 804 ms, of which a fifth passes on the wall."""
    arrivals = [(index * 1000.0, "chat", 1000, 41) for index in range(6)]
    outcomes, _ = replay_on_twin(workload(*arrivals))
    assert [outcome.arrival_ms for outcome in outcomes] == [arrival[0] for arrival in arrivals]
    for outcome in outcomes:
        assert outcome.ok
        assert outcome.tokens == 41
        assert outcome.ttft_ms is not None
        assert outcome.e2e_ms is not None
        assert 115 <= outcome.ttft_ms < 270  # the rest is loopback and a busy test machine, times five
        assert 915 <= outcome.e2e_ms < 1125
        assert 19.1 <= (outcome.e2e_ms - outcome.ttft_ms) / 40 < 24.0


def test_a_slow_answer_delays_no_other_send() -> None:
    arrivals = [(index * 20.0, "chat", 10, 200) for index in range(30)]
    outcomes, replica = replay_on_twin(workload(*arrivals))
    assert all(outcome.ok for outcome in outcomes)
    assert percentile([outcome.lag_ms for outcome in outcomes], 0.5) < 100
    assert replica.scheduler.generated_tokens == 30 * 200


def test_answers_that_are_not_streamed() -> None:
    outcomes, _ = replay_on_twin(workload((0.0, "chat", 10, 5), stream=False))
    assert outcomes[0].ok
    assert outcomes[0].tokens == 5


def test_a_cut_stream_is_not_ok() -> None:
    for manner in ("reset", "error"):
        cut = ReplicaFaults(cut=BrokenStreams(after_tokens=9, manner=manner))
        outcomes, _ = replay_on_twin(workload((0.0, "chat", 10, 100), (5000.0, "chat", 10, 5)), faults=cut)
        assert [outcome.ok for outcome in outcomes] == [False, True]
        assert outcomes[0].status == 200
        assert outcomes[0].problem


def test_a_refusal_is_on_record() -> None:
    outcomes, _ = replay_on_twin(workload((0.0, "chat", 9000, 5)))
    assert (outcomes[0].ok, outcomes[0].status) == (False, 400)
    assert "maximum context length" in outcomes[0].problem


def test_what_never_ends_is_given_up() -> None:
    outcomes, _ = replay_on_twin(workload((0.0, "chat", 10, 5)), faults=ReplicaFaults(hang=True), drain_s=1.0)
    assert (outcomes[0].ok, outcomes[0].problem) == (False, "unfinished")


def test_no_server_is_an_outcome_not_a_crash() -> None:
    async def run() -> list[ReplayOutcome]:
        server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await replay(workload((0.0, "chat", 10, 5)), Target(f"http://127.0.0.1:{port}"), 10.0, 1.0)

    outcome = asyncio.run(run())[0]
    assert (outcome.ok, outcome.status) == (False, 0)
    assert "cannot connect" in outcome.problem


# -- bodies and files --------------------------------------------------------------------------------------------------


@given(st.integers(1, 30_000), st.integers(1, 5_000), st.floats(1, 8))
def test_a_prompt_has_the_bytes_of_its_tokens(input_tokens: int, output_tokens: int, bytes_per_token: float) -> None:
    traffic = RouteTraffic(canary="restricted", bytes_per_token=bytes_per_token)
    body = json.loads(request_body("chat", traffic, 7, input_tokens, output_tokens))
    prompt = body["messages"][0]["content"]
    wanted = round(input_tokens * bytes_per_token)
    assert len(prompt) == wanted or (wanted < len(prompt) < 100)  # hint and canary need their room
    assert "canary-restricted-" in prompt
    assert body["max_tokens"] >= output_tokens
    lengths = lengths_of(body)
    assert (lengths.prompt_tokens, lengths.output_tokens) == (input_tokens, output_tokens)


def test_canaries_are_unique() -> None:
    traffic = RouteTraffic(canary="public")
    assert len({request_body("chat", traffic, index, 100, 10) for index in range(100)}) == 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arrivals": [[5, "chat", 1, 1], [4, "chat", 1, 1]]}, "in order of time"),
        ({"arrivals": [[5, "code", 1, 1]]}, "unknown routes: code"),
        ({"arrivals": []}, "arrivals"),
        ({"arrivals": [[5, "chat", 0, 1]]}, "arrivals.0.2"),
        ({"routes": {"chat": {"canary": "secret"}}}, "routes.chat.canary"),
    ],
)
def test_a_bad_workload_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    document = {"version": "1.0", "routes": {"chat": {"canary": "public"}}, "arrivals": [[0, "chat", 1, 1]]}
    path = tmp_path / "workload.json"
    path.write_text(json.dumps(document | change))
    with pytest.raises(WorkloadFileError, match=words):
        read_workload(path)


# -- the wire ----------------------------------------------------------------------------------------------------------


class _Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


def receive(pieces: list[bytes], closes: bool = False) -> TimedAnswer:
    async def run() -> TimedAnswer:
        connection = Connection()
        connection.connection_made(_Wire())
        posting = asyncio.ensure_future(connection.post(b"", b""))
        await asyncio.sleep(0)
        for piece in pieces:
            connection.data_received(piece)
        if closes:
            connection.connection_lost(None)
        return await asyncio.wait_for(posting, 1)

    return asyncio.run(run())


EVENTS = [
    b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
    b'data: {"choices":[],"usage":{"completion_tokens":12}}\n\n',
    b"data: [DONE]\n\n",
]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
STREAM = HEAD + b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in EVENTS) + b"0\r\n\r\n"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=20))
def test_an_answer_may_come_in_any_pieces(cuts: list[int]) -> None:
    bounds = [0, *sorted(set(cuts)), len(STREAM)]
    answer = receive([STREAM[start:end] for start, end in itertools.pairwise(bounds)])
    assert answer.status == 200
    assert answer.headers["x-a"] == "1"
    assert answer.tail == b"".join(EVENTS)
    assert answer.completion_tokens == 12
    assert answer.whole


def test_a_keep_alive_comment_is_no_first_event() -> None:
    comment = b": keep-alive\n\n"
    answer = receive([HEAD, b"%x\r\n%s\r\n" % (len(comment), comment), b"0\r\n\r\n"])
    assert answer.first_event_s is None
    assert not answer.whole


@pytest.mark.parametrize("sent", [STREAM[:-5], STREAM[:20], b""])
def test_an_early_end_is_a_broken_answer(sent: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        receive([sent] if sent else [], closes=True)


def test_something_else_than_http_is_a_broken_answer() -> None:
    with pytest.raises(BrokenAnswer, match=r"not HTTP/1\.1"):
        receive([b"SSH-2.0-x\r\n\r\n"])


# -- the program -------------------------------------------------------------------------------------------------------


def test_the_program_writes_a_whole_report(tmp_path: Path) -> None:
    document = {"version": "1.0", "routes": {"chat": {"canary": "public"}}, "arrivals": [[0, "chat", 9, 2]]}
    load, report = tmp_path / "workload.json", tmp_path / "report.json"
    load.write_text(json.dumps(document))
    command = [sys.executable, "-m", "twin.replay", "--workload", str(load), "--out", str(report), "--speed", "100"]
    run = subprocess.run([*command, "--target", "http://127.0.0.1:9"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["requests"] == 1
    written = json.loads(report.read_text())
    row = dict(zip(written["columns"], written["requests"][0], strict=True))
    assert (row["route"], row["ok"], row["status"]) == ("chat", False, 0)
    assert sorted(tmp_path.iterdir()) == sorted([load, report])
    run = subprocess.run([*command, "--target", "https://x"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 2
    assert "is not http://HOST:PORT" in run.stderr
