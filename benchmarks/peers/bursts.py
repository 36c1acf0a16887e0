"""A lone caller who asks everybody in turn, a few requests each: what is compared lies less than a second apart."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import uvloop

from benchmarks.load import Connection, Tally, connect

Compute = Callable[[Sequence[int]], list[float]]


@dataclass(frozen=True)
class Asked:
    """A server that is alive.

    Attributes:
        requests: one for each sequence, in the order of the sequences.
        awake: within this it can be asked.
    """

    port: int
    requests: Sequence[bytes]
    awake: Callable[[], AbstractContextManager[None]] = nullcontext


def bursts_of(count: int, size: int) -> list[range]:
    """The sequences 0 to `count`, so many at a time."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def ask_in_bursts(
    servers: Sequence[Asked], compute: Compute, bursts: Sequence[Sequence[int]], seed: int
) -> tuple[list[Tally], list[float]]:
    """Each burst by everybody, in an order that is drawn anew each time.

    Args:
        compute: bare ONNX Runtime, which says how many seconds each sequence took.
        seed: of the orders.

    Returns:
        What came back from each server, and the seconds of bare ONNX Runtime, both in the sequences' order.
    """
    return uvloop.run(_ask_all(servers, compute, bursts, random.Random(seed)))


async def _ask_all(
    servers: Sequence[Asked], compute: Compute, bursts: Sequence[Sequence[int]], chance: random.Random
) -> tuple[list[Tally], list[float]]:
    connections = [await connect(server.port) for server in servers]
    tallies, bare = [Tally() for _ in servers], []
    everybody: list[int | None] = [None, *range(len(servers))]
    for burst in bursts:
        for number in chance.sample(everybody, len(everybody)):
            if number is None:
                bare += compute(burst)
            else:
                with servers[number].awake():
                    await _ask(connections[number], servers[number].requests, burst, tallies[number])
    for connection in connections:
        connection.close()
    return tallies, bare


async def _ask(connection: Connection, requests: Sequence[bytes], burst: Sequence[int], tally: Tally) -> None:
    for index in burst:
        start = time.perf_counter()
        tally.add(index, await connection.ask(requests[index]), time.perf_counter() - start)
