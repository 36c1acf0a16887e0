"""Requests with bytes turned, dropped and doubled: never an error of ours, and the process lives.

The changes come from a seed, so that a failure can be had again.
"""

from __future__ import annotations

import http.client
import random
import socket
from contextlib import suppress

import pytest

from tests.live import LiveServer
from tests.raw import ask, chunk, chunked, get, post

BODY = '{"model": "gc", "sequences": ["GGCA", {"id": "a", "sequence": "TT"}], "deadline_ms": 9000}'
SEEDS = (
    post(BODY, "Accept: text/csv;q=0.5, */*;q=0.1", "X-Deadline-Ms: 5000", "X-Request-ID: a.b"),
    post(">a b\nGGCA\n>c\nTT\n", path="/predict?model=gc&priority=bulk", kind="text/x-fasta"),
    chunked(chunk(BODY[:20].encode()), chunk(BODY[20:].encode()), chunk(b"")),
    get("/models/gc@1.0.0", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    get("/livez") + get("/readyz", "Connection: close"),
)
MORSELS = (
    *(b"\0", b"\r\n", b"\r\n\r\n", b" ", b":", b"%00", b"\xff", b"\xed\xa0\x80", b'"', b"{", b"[", b"}", b"]", b"NaN"),
    *(b"-1", b"1e999", b"9" * 30, b"\\ud800", b"A" * 5000, b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n"),
)
ROUNDS = 10
REQUESTS = 40
SECONDS = 0.5  # most broken requests wait for an end that never comes; none may be answered with a 5xx until then


def mutated(request: bytes, chance: random.Random) -> bytes:
    """The request after one to four changes."""
    changed = bytearray(request)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(changed))
        end = min(len(changed), start + chance.choice((1, 1, 2, 8, 40)))
        kept = bytes(changed[start:end])
        changed[start:end] = chance.choice(
            (b"", kept * 2, kept[::-1], bytes([chance.randrange(256)]), chance.choice(MORSELS), kept.swapcase())
        ) or (b"" if len(changed) > end - start else b"A")
    return bytes(changed)


def statuses(port: int, request: bytes) -> list[int]:
    """The status of each answer that comes before the time is up."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as caller:
        found = []
        with suppress(OSError, http.client.HTTPException):
            caller.sendall(request)
            caller.shutdown(socket.SHUT_WR)
            while True:
                reply = http.client.HTTPResponse(caller)
                reply.begin()
                reply.read()
                found.append(reply.status)
        return found


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_no_change_to_a_request_makes_it_an_error_of_ours(live_server: LiveServer, seed: int) -> None:
    chance, answered = random.Random(seed), 0
    for _ in range(REQUESTS):
        request = mutated(chance.choice(SEEDS), chance)
        found = statuses(live_server.port, request)
        assert all(status < 500 for status in found), request
        answered += bool(found)
    assert answered > REQUESTS / 4  # it does read them
    assert live_server.process.poll() is None
    assert ask(live_server.port, post(BODY)).status == 200
