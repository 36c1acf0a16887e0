"""A real process over a real socket: order under load, deadlines, draining, callers who vanish."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import random
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.live import LiveServer
from tests.processes import until
from tests.test_connection import deaf_caller
from tests.toy import write_endless_bundle

# One client for all, for each reads the certificates of the whole world when it is made, and a connection a request:
# on a slow machine sixteen of them would still be reading when the server has gone.
CALLER = httpx.Client(verify=False, timeout=30, limits=httpx.Limits(max_keepalive_connections=0))


def _predict(url: str, sequences: list[str], model: str = "gc") -> httpx.Response:
    return CALLER.post(f"{url}/predict", json={"model": model, "sequences": sequences})


def _ask_slow(
    server: LiveServer, callers: concurrent.futures.Executor, requests: int
) -> list[concurrent.futures.Future[httpx.Response]]:
    """So many requests of four sequences, no two as long, once the server has all of them."""
    lists = [["G" * length for length in range(first, 4 * requests + 1, requests)] for first in range(1, requests + 1)]
    asked = [callers.submit(_predict, server.url, sequences, "slow") for sequences in lists]
    # Two are in a worker's hands at most, so it is more only if the last request's are among them.
    until(lambda: sum(_slow_sequences(server)) > 4 * (requests - 1))
    return asked


def _slow_sequences(server: LiveServer) -> tuple[float, float]:
    """How many for the slow model wait and how many it has computed."""
    text = CALLER.get(f"{server.url}/metrics").text
    names = ("basecast_queue_jobs", "basecast_batch_sequences_sum")
    waiting, computed = (float(text.partition(f'\n{name}{{model="slow"}} ')[2].split()[0]) for name in names)
    return waiting, computed


def _is_draining(server: LiveServer) -> bool:
    return CALLER.get(f"{server.url}/readyz").status_code == 503


def _head(port: int, body: bytes) -> bytes:
    head = f"POST /predict HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def test_every_caller_gets_the_answers_to_his_own_sequences(live_server: LiveServer) -> None:
    def ask(seed: int) -> None:
        chance = random.Random(seed)
        sequences = ["".join(chance.choices("ACGT", k=chance.randint(1, 60))) for _ in range(chance.randint(1, 20))]
        answered = _predict(live_server.url, sequences).json()["predictions"]
        gc = [(sequence.count("G") + sequence.count("C")) / len(sequence) for sequence in sequences]
        assert [round(row["values"]["gc_fraction"], 5) for row in answered] == [round(value, 5) for value in gc]

    with concurrent.futures.ThreadPoolExecutor(8) as callers:
        list(callers.map(ask, range(60)))


def test_a_lone_caller_whose_batch_hangs_brings_the_process_to_its_end(tmp_path: Path) -> None:
    """He is computed for on the event loop, so nobody can tell him why."""
    write_endless_bundle(tmp_path)
    with LiveServer.start(tmp_path, watchdog_ms=1000) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as caller:
            for sequence in (*["ACGT"] * 3, "T" * 20):
                body = json.dumps({"sequences": [sequence]}).encode()
                caller.sendall(_head(server.port, body))
                received = caller.recv(65_536)
                assert sequence != "ACGT" or b" 200 " in received
            assert received == b"" or b" 503 " in received  # where the last before took long, a thread hangs
        assert server.exit_status() == 70


def test_a_body_far_too_large_costs_no_memory(live_server: LiveServer) -> None:
    before = live_server.resident_bytes()
    chunk = b"A" * 65_536

    def endless() -> object:
        for _ in range(1600):  # 100 MiB, if anybody would take them
            yield chunk

    try:
        headers = {"content-type": "application/json"}
        response = httpx.post(f"{live_server.url}/predict", content=endless(), headers=headers, timeout=30)
        assert response.status_code == 413
    except httpx.TransportError:
        pass  # the server has closed the connection while we still wrote
    assert live_server.resident_bytes() - before < 2 * 8 * 2**20
    assert _predict(live_server.url, ["GC"]).status_code == 200


def test_a_client_that_sends_everything_before_it_listens_sees_why_it_was_refused(live_server: LiveServer) -> None:
    caller = http.client.HTTPConnection("127.0.0.1", live_server.port, timeout=20)
    caller.request("POST", "/predict", b"A" * 9_000_000, {"content-type": "application/json"})
    answer = caller.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "body_too_large")
    caller.close()


def test_requests_that_are_no_http_do_not_disturb_others(live_server: LiveServer) -> None:
    garbage = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x00" * 1000,
    ]
    for request in garbage:
        with socket.create_connection(("127.0.0.1", live_server.port), timeout=5) as caller:
            caller.sendall(request)
            answer = caller.recv(65_536)
            assert answer == b"" or b" 400 " in answer.splitlines()[0]
    assert _predict(live_server.url, ["GC"]).status_code == 200


def test_callers_who_vanish_leave_nothing_behind(slow_models: Path) -> None:
    body = json.dumps({"model": "slow", "sequences": ["GC"], "deadline_ms": 60_000}).encode()
    with LiveServer.start(slow_models) as server:
        blockers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        for index, blocker in enumerate(blockers):
            sequence = "G" * (index + 1)
            blocker.sendall(_head(server.port, body.replace(b"GC", sequence.encode())))
        for length in range(3, 23):
            with socket.create_connection(("127.0.0.1", server.port)) as caller:
                caller.sendall(_head(server.port, body.replace(b"GC", b"A" * length)))
                time.sleep(0.005)
        time.sleep(0.6)
        counted = httpx.get(f"{server.url}/metrics").text
        assert 'basecast_queue_jobs{model="slow"} 0.0' in counted
        assert _predict(server.url, ["GC"]).json()["predictions"][0]["values"] == {"gc_fraction": 1.0}
        for blocker in blockers:
            blocker.close()


def test_sigterm_answers_what_is_in_flight_and_ends_with_zero(slow_models: Path) -> None:
    with LiveServer.start(slow_models) as server, concurrent.futures.ThreadPoolExecutor(3) as callers:
        asked = _ask_slow(server, callers, 3)
        server.terminate()
        until(lambda: _is_draining(server))
        refused = _predict(server.url, ["GC"])
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert [future.result().status_code for future in asked] == [200, 200, 200]
        assert server.exit_status() == 0


def test_a_caller_who_does_not_read_his_replies_does_not_hold_up_the_end(toy_models: Path) -> None:
    with LiveServer.start(toy_models, drain_ms=300) as server, deaf_caller(server.port) as caller:
        started = time.monotonic()
        server.terminate()
        assert server.exit_status() == 0
        assert 1.5 < time.monotonic() - started < 5  # it was given a chance
        assert caller.recv(1024).startswith(b"HTTP/1.1 200 OK")


def test_a_caller_in_the_middle_of_a_body_does_not_hold_up_the_end(toy_models: Path) -> None:
    with LiveServer.start(toy_models, drain_ms=200) as server, socket.socket() as caller:
        caller.connect(("127.0.0.1", server.port))
        caller.sendall(_head(server.port, b"[" * 100)[:-50])
        time.sleep(0.2)
        server.terminate()
        assert server.exit_status(5) == 0


@pytest.mark.parametrize(("second", "is_later"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_a_second_signal_cuts_draining_short_with_an_answer_for_everybody(
    slow_models: Path, second: signal.Signals, is_later: bool
) -> None:
    with LiveServer.start(slow_models) as server, concurrent.futures.ThreadPoolExecutor(6) as callers:
        asked = _ask_slow(server, callers, 6)
        server.terminate()
        if is_later:  # two of one kind that come together are one
            until(lambda: _is_draining(server))
        server.process.send_signal(second)
        statuses = [future.result().status_code for future in asked]
        assert set(statuses) <= {200, 503}
        assert 503 in statuses
        assert server.exit_status(5) == 0


def test_draining_ends_after_its_time_with_an_answer_for_everybody(slow_models: Path) -> None:
    with LiveServer.start(slow_models, drain_ms=200) as server, concurrent.futures.ThreadPoolExecutor(6) as callers:
        asked = _ask_slow(server, callers, 6)
        server.terminate()
        statuses = [future.result().status_code for future in asked]
        assert set(statuses) <= {200, 503}
        assert 503 in statuses
        assert server.exit_status() == 0


def test_an_overloaded_queue_turns_away_at_once_and_says_when_to_return(slow_models: Path) -> None:
    with LiveServer.start(slow_models, max_queue_tokens=40) as server:
        with concurrent.futures.ThreadPoolExecutor(12) as callers:
            asked = [callers.submit(_predict, server.url, ["G" * length], "slow") for length in range(10, 22)]
            responses = [future.result() for future in asked]
        turned_away = [response for response in responses if response.status_code == 503]
        assert turned_away
        assert all(int(response.headers["retry-after"]) >= 1 for response in turned_away)
        assert all(response.json()["code"] == "overloaded" for response in turned_away)
        assert {response.status_code for response in responses} == {200, 503}


def test_a_batch_that_never_ends_is_told_to_everybody_and_ends_the_process(tmp_path: Path) -> None:
    write_endless_bundle(tmp_path)
    with LiveServer.start(tmp_path, watchdog_ms=300) as server:
        hung = _predict(server.url, ["T" * 11], "endless")
        assert (hung.status_code, hung.json()["code"]) == (503, "draining")
        assert server.exit_status() == 70


def test_what_is_too_much_at_once_is_refused_quickly(slow_models: Path) -> None:
    with (
        LiveServer.start(slow_models, max_sequences_in_flight=8, default_deadline_ms=60_000) as server,
        concurrent.futures.ThreadPoolExecutor(1) as caller,
    ):
        # One request holds all eight places until the last of its sequences is computed.
        taken = caller.submit(_predict, server.url, ["G" * length for length in range(1, 9)], "slow")
        while 'basecast_queue_jobs{model="slow"} 0.0' in CALLER.get(f"{server.url}/metrics").text:
            assert not taken.done()
        refused = [_predict(server.url, ["GC"]) for _ in range(11)]
        assert taken.result().status_code == 200
    overloaded = [response for response in refused if response.status_code == 503]
    assert overloaded
    assert all(int(response.headers["retry-after"]) >= 1 for response in overloaded)
    assert sorted(map(_total_ms, overloaded))[len(overloaded) // 2] < 50


def _total_ms(response: httpx.Response) -> float:
    return float(response.headers["server-timing"].partition("total;dur=")[2])


def test_metrics_can_have_a_port_of_their_own(toy_models: Path) -> None:
    from tests.live import free_port

    port = free_port()
    with LiveServer.start(toy_models, metrics_port=port) as server:
        assert "basecast_ready 1.0" in httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert httpx.get(f"{server.url}/metrics").status_code == 404


def test_a_bundle_that_cannot_be_trusted_ends_the_start(tmp_path: Path) -> None:
    from tests.toy import write_toy_bundle

    (write_toy_bundle(tmp_path) / "model.onnx").write_bytes(b"altered")
    server = LiveServer._launch(tmp_path, {})
    assert server.exit_status(60) != 0
    assert "SHA-256 differs" in server.process.communicate()[0]
