"""The load generator: prepared HTTP requests over keep-alive connections, closed and open loop.

Run as a program on a core of its own. It counts its own CPU time, so that a run in which the
generator was the bottleneck can be told. Prints JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import httptools
import uvloop

MAX_CONNECTIONS = 512


@dataclass(slots=True)
class Tally:
    """What came back.

    Attributes:
        latencies: seconds from when a request was due to its whole reply.
        answered: which requests these were, by their index.
        refused: the same of those that were turned away.
        errors: how many were not answered, for whatever reason.
    """

    latencies: list[float] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    errors: int = 0

    def add(self, index: int, status: int, seconds: float) -> None:
        if status == 200:
            self.latencies.append(seconds)
            self.answered.append(index)
            return
        self.errors += 1
        if status == 503:
            self.refused.append(seconds)


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of each reply."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(exc or ConnectionResetError())

    async def ask(self, request: bytes) -> int:
        """Send a request and return the status of its reply."""
        self._reply = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._reply

    def close(self) -> None:
        """There is nothing more to ask."""
        self._transport.close()


async def closed_loop(
    port: int, requests: Sequence[bytes], concurrency: int, seconds: float, most: int | None = None
) -> Tally:
    """Each caller sends its next request when it has the reply to the last; no more than `most` in all."""
    tally, source = Tally(), itertools.islice(itertools.cycle(enumerate(requests)), most)
    end = time.perf_counter() + seconds

    async def caller() -> None:
        connection = await connect(port)
        for index, request in source:
            start = time.perf_counter()
            tally.add(index, await connection.ask(request), time.perf_counter() - start)
            if time.perf_counter() > end:
                break
        connection.close()

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return tally


async def open_loop(port: int, requests: Sequence[bytes], rate: float, seconds: float) -> Tally:
    """Requests arrive at random (Poisson) whether or not earlier ones are answered; lateness counts as latency."""
    tally, idle = Tally(), [await connect(port) for _ in range(16)]
    tasks = []

    async def ask(index: int, request: bytes, due: float) -> None:
        connection = idle.pop() if idle else await connect(port)
        tally.add(index, await connection.ask(request), time.perf_counter() - due)
        idle.append(connection)

    start = time.perf_counter()
    for due, (index, request) in zip(_arrivals(rate, seconds), itertools.cycle(enumerate(requests)), strict=False):
        await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(index, request, start + due)))
        if len(tasks) - len(tally.latencies) - tally.errors > MAX_CONNECTIONS:
            break  # far beyond saturation; what is measured so far says so
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return tally


def _arrivals(rate: float, seconds: float) -> Iterator[float]:
    chance, due = random.Random(11), 0.0
    while (due := due + chance.expovariate(rate)) < seconds:
        yield due


async def connect(port: int) -> Connection:
    """One keep-alive connection to a server on loopback."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def _run(given: dict[str, Any]) -> dict[str, Any]:
    requests = [request.encode() for request in given["requests"]]
    started, cpu = time.perf_counter(), time.process_time()
    if given["rate"]:
        tally = await open_loop(given["port"], requests, given["rate"], given["seconds"])
    else:
        tally = await closed_loop(given["port"], requests, given["concurrency"], given["seconds"], given.get("most"))
    wall = time.perf_counter() - started
    busy = (time.process_time() - cpu) / wall
    return asdict(tally) | {"seconds": wall, "generator_busy": busy}


if __name__ == "__main__":
    arguments = json.load(sys.stdin)
    os.sched_setaffinity(0, set(arguments["cores"]))
    json.dump(uvloop.run(_run(arguments)), sys.stdout)
