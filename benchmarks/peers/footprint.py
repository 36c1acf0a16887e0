"""What the service takes when nobody asks: time to start, memory, idle CPU."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import SERVER_CORE
from benchmarks.peers.contestants import ours
from benchmarks.peers.plan import Workload

IDLE_SECONDS = 10.0
ROUNDS = 3


@dataclass(frozen=True)
class Footprint:
    """One set of bundles, served in one process.

    Attributes:
        idle_share: of a core, while nobody asks.
    """

    name: str
    ready_seconds: float
    resident_bytes: int
    idle_share: float


def footprint(name: str, models: Path, logs: Path, python: Path) -> Footprint:
    """Start the service, leave it alone for a while, and look."""
    service = ours(logs, python)[0]
    with service.start(Workload(name, models, ()), {SERVER_CORE}) as server:
        cpu = server.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        idle = (server.cpu_seconds() - cpu) / IDLE_SECONDS
        return Footprint(name, server.start_seconds, server.resident_bytes(), idle)


def footprints(models: Path, alone: str, logs: Path, python: Path) -> tuple[list[Footprint], list[Footprint]]:
    """One bundle by itself, and all of them, in turn."""
    pairs = [
        (
            footprint(f"`{alone}` alone", models / alone, logs, python),
            footprint("Every shipped bundle", models, logs, python),
        )
        for _ in range(ROUNDS)
    ]
    return [one for one, _ in pairs], [every for _, every in pairs]
