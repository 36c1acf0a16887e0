"""Callers vanish by the hundred: nobody else notices, and nothing waits for them."""

from __future__ import annotations

import json
import signal
import socket
import time

from tests.callers import calling
from tests.faults.place import Place, predict, until, values

VANISHING = 500
AT_ONCE = 50


def _request(bases: str) -> bytes:
    body = json.dumps({"model": "gc", "sequences": [bases], "deadline_ms": 60_000}).encode()
    fields = f"content-type: application/json\r\ncontent-length: {len(body)}"
    return f"POST /predict HTTP/1.1\r\nhost: x\r\n{fields}\r\n\r\n".encode() + body


def _ask_and_vanish(port: int, number: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(_request("ACGT"[number % 4] * (1 + number // 4)))


def test_of_five_hundred_who_vanish_nothing_is_left_and_nobody_hears_anothers_answer(healthy: Place) -> None:
    healthy.worker.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(VANISHING):
            _ask_and_vanish(healthy.api.port, number)
        vanished = time.monotonic()
        with healthy.redis.client() as client:
            until(lambda: sum(client.scard(key) for key in client.scan_iter("{basecast}:x:*")) == VANISHING)
        assert time.monotonic() - vanished < 4  # each within a second; the machine may be busy
    finally:
        healthy.worker.process.send_signal(signal.SIGCONT)
    with calling([healthy.api.port], callers=AT_ONCE // 10) as tally:
        until(lambda: tally.sent >= VANISHING, 60)
    assert dict(tally.ends) == {"answered": tally.sent}
    assert (tally.wrong, tally.doubled) == (0, 0)
    assert values(predict(healthy.api, "GGCA")) == [0.75]
    with healthy.redis.client() as client:
        until(lambda: not any(client.xlen(key) for key in client.scan_iter("{basecast}:q:*")))
