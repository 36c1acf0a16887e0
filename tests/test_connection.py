"""Callers who keep a connection busy with nothing: too many header bytes, too few, or a reply they do not take."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import live
from tests.live import LiveServer

LIMITS = "head_seconds=0.6, write_seconds=2, rest_seconds=2, linger_seconds=0.5"
HEAD = b"GET /livez HTTP/1.1\r\nhost: x\r\n"
LIVEZ = HEAD + b"\r\n"


@pytest.fixture(scope="module")
def impatient(toy_models: Path) -> Iterator[LiveServer]:
    """A server that waits for less than a second."""
    short = f"from app.connection import ConnectionLimits\nlimits = ConnectionLimits({LIMITS})\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "PROGRAM", short + live.PROGRAM.replace("_settings()))", "_settings()), limits=limits)"))
        with LiveServer.start(toy_models) as server:
            yield server


def dial(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def read_to_end(caller: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    received = b""
    while part := caller.recv(65_536):
        received += part
    return received


def read_reply(caller: socket.socket) -> tuple[int, bytes]:
    """Status and body of the next reply, and no byte more."""
    reply = http.client.HTTPResponse(caller)
    reply.begin()
    return reply.status, reply.read()


def refusal(reply: bytes) -> tuple[int, str]:
    """Status and code of a problem document, its headers checked."""
    head, _, body = reply.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    document = json.loads(body)
    assert fields["content-type"] == "application/problem+json"
    assert fields["connection"] == "close"
    assert int(fields["content-length"]) == len(body)
    assert document["instance"] == f"urn:uuid:{fields['x-request-id']}"
    assert "date" in fields
    return int(status.split()[1]), document["code"]


def predict(body: bytes, *, fields: bytes = b"") -> bytes:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" + fields
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def send_until_refused(caller: socket.socket, part: bytes) -> None:
    """Send the same again and again until the server hangs up; fails if it takes more than can lie in buffers."""
    for _ in range(20_000_000 // len(part)):
        try:
            caller.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            return
    pytest.fail("the server takes everything")


@pytest.mark.parametrize("part", [b"a: b\r\n" * 10_000, b"b" * 60_000], ids=["many fields", "one field"])
def test_headers_without_end_are_cut_off_and_cost_no_memory(live_server: LiveServer, part: bytes) -> None:
    before = live_server.resident_bytes()
    with dial(live_server) as caller:
        caller.sendall(HEAD + b"x: ")
        send_until_refused(caller, part)
    assert live_server.resident_bytes() - before < 8 * 2**20


@pytest.mark.parametrize("size", [66_000, 200_000, 400_000])
def test_the_caller_gets_to_read_that_his_headers_are_too_large(live_server: LiveServer, size: int) -> None:
    with dial(live_server) as caller:
        caller.sendall(HEAD + b"x: " + b"a" * size)
        started = time.monotonic()
        assert refusal(read_to_end(caller)) == (431, "headers_too_large")
        assert time.monotonic() - started < 3


def test_a_request_line_without_end_is_refused(live_server: LiveServer) -> None:
    with dial(live_server) as caller:
        caller.sendall(b"GET /" + b"a" * 100_000)
        assert refusal(read_to_end(caller)) == (431, "headers_too_large")


def test_each_request_of_a_connection_has_the_whole_allowance(live_server: LiveServer) -> None:
    long = HEAD + b"x: " + b"a" * 30_000 + b"\r\n\r\n"
    with dial(live_server) as caller:
        for _ in range(5):
            for part in (long[:20_000], long[20_000:]):
                caller.sendall(part)
                time.sleep(0.01)
            assert read_reply(caller)[0] == 200


def test_bodies_and_what_follows_them_are_no_headers(live_server: LiveServer) -> None:
    body = json.dumps({"model": "gc", "sequences": ["GGCA"]}).encode() + b" " * 500_000
    with dial(live_server) as caller:
        caller.sendall(predict(body) + LIVEZ[:5])
        assert read_reply(caller)[0] == 200
        caller.sendall(LIVEZ[5:])
        assert read_reply(caller)[0] == 200


def test_trailers_without_end_are_cut_off(live_server: LiveServer) -> None:
    head = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    with dial(live_server) as caller:
        caller.sendall(head + b"2\r\n{}\r\n0\r\n")
        send_until_refused(caller, b"a: b\r\n" * 10_000)
    assert httpx.get(f"{live_server.url}/livez").status_code == 200


@pytest.mark.parametrize("drip", [b"", b"a"], ids=["silent", "dripping"])
def test_a_head_that_does_not_end_is_answered_408(impatient: LiveServer, drip: bytes) -> None:
    started = time.monotonic()
    with dial(impatient) as caller:
        caller.sendall(HEAD)
        for _ in range(4):
            time.sleep(0.1)
            caller.sendall(drip)
        assert refusal(read_to_end(caller)) == (408, "slow_request")
    assert 0.5 < time.monotonic() - started < 2


def test_the_head_of_a_later_request_has_a_time_limit_too(impatient: LiveServer) -> None:
    with dial(impatient) as caller:
        caller.sendall(LIVEZ)
        assert read_reply(caller)[0] == 200
        caller.sendall(HEAD)
        assert refusal(read_to_end(caller)) == (408, "slow_request")


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n"], ids=["nothing", "empty lines"])
def test_a_connection_without_a_request_is_closed_in_silence(impatient: LiveServer, sent: bytes) -> None:
    with dial(impatient) as caller:
        caller.sendall(sent)
        assert read_to_end(caller) == b""


def test_a_connection_between_requests_may_rest(impatient: LiveServer) -> None:
    with dial(impatient) as caller:
        for _ in range(2):
            caller.sendall(LIVEZ)
            assert read_reply(caller)[0] == 200
            time.sleep(1)


def test_a_connection_that_rests_for_too_long_is_closed(impatient: LiveServer) -> None:
    with dial(impatient) as caller:
        caller.sendall(LIVEZ)
        assert read_reply(caller)[0] == 200
        began = time.monotonic()
        assert read_to_end(caller) == b""
        assert 1.9 < time.monotonic() - began < 4


def test_a_head_in_pieces_that_comes_in_time_is_no_fault(impatient: LiveServer) -> None:
    with dial(impatient) as caller:
        for _ in range(3):
            for byte in LIVEZ:
                caller.sendall(bytes([byte]))
                time.sleep(0.002)
            assert read_reply(caller)[0] == 200


def test_a_slow_body_is_not_taken_for_a_slow_head(impatient: LiveServer) -> None:
    request = predict(json.dumps({"model": "gc", "sequences": ["GGCA"]}).encode())
    with dial(impatient) as caller:
        caller.sendall(request[:-10])
        time.sleep(1)
        caller.sendall(request[-10:])
        assert read_reply(caller)[0] == 200


def test_what_follows_an_early_answer_does_not_hold_the_connection(impatient: LiveServer) -> None:
    with dial(impatient) as caller:
        caller.sendall(b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
        assert read_reply(caller)[0] == 404
        caller.sendall(b"a")
        assert read_to_end(caller) == b""


def test_a_late_head_behind_another_request_waits_for_that_ones_answer(impatient: LiveServer) -> None:
    request = predict(json.dumps({"model": "gc", "sequences": ["GGCA"]}).encode())
    with dial(impatient) as caller:
        caller.sendall(request + HEAD[:10])
        time.sleep(0.3)
        caller.sendall(HEAD[10:])
        answers = read_to_end(caller).split(b"HTTP/1.1 ")
        assert [answer[:3] for answer in answers[1:]] == [b"200", b"408"]


def test_replies_that_nobody_takes_are_given_up(impatient: LiveServer) -> None:
    with deaf_caller(impatient.port):
        assert open_connections(impatient) == 1
        deadline = time.monotonic() + 5
        while open_connections(impatient) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert open_connections(impatient) == 0
    assert httpx.get(f"{impatient.url}/livez").status_code == 200


def test_replies_that_are_taken_slowly_arrive_whole(impatient: LiveServer) -> None:
    with deaf_caller(impatient.port) as caller:
        started = time.monotonic()
        while time.monotonic() - started < 3:  # longer than a caller may take nothing
            assert caller.recv(16_384)
            time.sleep(0.01)
        assert open_connections(impatient) == 1


@contextmanager
def deaf_caller(port: int) -> Iterator[socket.socket]:
    """A caller who asks and asks without reading replies, until the server takes no more questions."""
    named = [{"id": f"{index:0250d}", "sequence": "ACGT"} for index in range(4096)]
    question = predict(json.dumps({"model": "gc", "sequences": named}).encode())
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        caller.settimeout(0.8)
        caller.connect(("127.0.0.1", port))
        with pytest.raises(TimeoutError):
            send_until_nothing_moves(caller, question * 30)
        yield caller


def send_until_nothing_moves(caller: socket.socket, data: bytes) -> None:
    """Send within the caller's timeout for each piece; sendall would take it for the whole, moving or not."""
    rest = memoryview(data)
    while rest:
        rest = rest[caller.send(rest) :]


def open_connections(server: LiveServer) -> int:
    """Connections that the kernel holds for the server, its listener apart."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    return sum(row[1].endswith(f":{server.port:04X}") and row[3] == established for row in rows)
