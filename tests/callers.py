"""Callers who ask all the time, and know what the right answer is."""

from __future__ import annotations

import collections
import http.client
import json
import random
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

SHED = {"overloaded", "queue_unavailable", "draining"}
CALL_SECONDS = 30.0  # well past the deadline that callers set: who hears nothing until then is lost


@dataclass
class Tally:
    """What became of requests.

    Attributes:
        ends: how often each way to end was met: `answered`, the code of a problem document, or `unheard`.
        wrong: answered with another value than that of its sequence, or with somebody else's id.
        doubled: more than one reply came.
        refusal_ms: how long each refusal took.
        answer_ms: how long each answer took.
    """

    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    wrong: int = 0
    doubled: int = 0
    refusal_ms: list[float] = field(default_factory=list)
    answer_ms: list[float] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.ends.total()

    @property
    def answered(self) -> int:
        return self.ends["answered"]

    @property
    def shed(self) -> int:
        return sum(self.ends[code] for code in SHED)

    @property
    def expired(self) -> int:
        return self.ends["deadline_exceeded"]

    @property
    def lost(self) -> int:
        """Asked, and never heard of again."""
        return self.ends["unheard"]

    @property
    def failed(self) -> int:
        """Every other end."""
        return self.sent - self.answered - self.shed - self.expired - self.lost


class Caller:
    """One keep-alive connection at a time, with at most one request in flight.

    Args:
        ports: API processes, to one of which each connection is opened.
        tally: shared with other callers.
        seed: of the sequences.
        deadline_ms: of each request.
        sequences: of each request, at most.
    """

    def __init__(self, ports: Sequence[int], tally: Tally, seed: int, deadline_ms: int, sequences: int = 1) -> None:
        self._ports, self._tally, self._deadline_ms, self._sequences = ports, tally, deadline_ms, sequences
        self._chance = random.Random(seed)
        self._connection: http.client.HTTPConnection | None = None

    def ask(self) -> None:
        """Ask once, wait for the end, and count it."""
        bases = ["".join(self._chance.choices("ACGT", k=self._chance.randint(1, 40))) for _ in range(self._sequences)]
        asked = {f"{self._chance.getrandbits(64):x}": it for it in bases}
        began = time.monotonic()
        try:
            status, document = self._exchange(asked)
        except (OSError, http.client.HTTPException):
            self.close()
            self._tally.ends["unheard"] += 1
            return
        milliseconds = (time.monotonic() - began) * 1000
        if status == 200:
            self._tally.ends["answered"] += 1
            self._tally.answer_ms.append(milliseconds)
            self._tally.wrong += not _is_right(document, asked)
        else:
            self._tally.ends[document["code"]] += 1
            self._tally.refusal_ms.append(milliseconds)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, asked: dict[str, str]) -> tuple[int, dict]:
        connection = self._ready_connection()
        sequences = [{"id": name, "sequence": bases} for name, bases in asked.items()]
        body = json.dumps({"model": "gc", "sequences": sequences, "deadline_ms": self._deadline_ms})
        connection.request("POST", "/predict", body, {"content-type": "application/json"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())

    def _ready_connection(self) -> http.client.HTTPConnection:
        """The one from last time, unless the server has closed it; there must be nothing more on it."""
        rested = self._connection.sock if self._connection is not None else None
        if rested is not None and select.select([rested], [], [], 0)[0]:
            self._tally.doubled += bool(rested.recv(1))
            rested = None
        if rested is None or self._connection is None:
            self.close()
            self._connection = self._open()
        return self._connection

    def _open(self) -> http.client.HTTPConnection:
        """A connection to an API process that takes it, as a load balancer would find one."""
        ports = list(self._ports)  # which a test may change meanwhile
        for port in self._chance.sample(ports, len(ports)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)
            try:
                connection.connect()
            except ConnectionRefusedError:
                continue
            return connection
        raise ConnectionRefusedError


def _is_right(document: dict, asked: dict[str, str]) -> bool:
    answered = {row["id"]: row["values"]["gc_fraction"] for row in document["predictions"]}
    return answered.keys() == asked.keys() and all(abs(answered[name] - gc(asked[name])) < 1e-5 for name in asked)


def gc(sequence: str) -> float:
    """What `gc` answers."""
    return (sequence.count("G") + sequence.count("C")) / len(sequence)


@contextmanager
def calling(
    ports: Sequence[int],
    callers: int = 4,
    deadline_ms: int = 10_000,
    pause_seconds: float = 0.0,
    seed: int = 1,
    keep_alive: bool = True,
) -> Iterator[Tally]:
    """So many callers ask meanwhile; at the end each waits for the answer to his last request.

    Without `keep_alive` each request goes to one of the ports as they are then, which a test may change.
    """
    tally, ended = Tally(), threading.Event()

    def ask_on(number: int) -> None:
        caller = Caller(ports, tally, seed * 1000 + number, deadline_ms, sequences=1 + number % 3)
        while not ended.wait(pause_seconds):
            caller.ask()
            if not keep_alive:
                caller.close()
        caller.close()

    threads = [threading.Thread(target=ask_on, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield tally
    finally:
        ended.set()
        for thread in threads:
            thread.join()
