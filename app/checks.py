"""The conditions that probes ask for: each answers `ok`, or what is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from app.errors import ServiceError
from app.fuse import Fuse

OK = "ok"
# Probes come from everywhere and often; what they ask of others is asked once a second.
CACHED_SECONDS = 1.0
PATIENCE_SECONDS = 1.0

Check = Callable[[], Awaitable[str]]


class Alive(Protocol):
    """Something that works until it does not."""

    @property
    def alive(self) -> bool:
        """Whether it works."""


def always_ok() -> Check:
    """A condition that holds as soon as the process answers at all."""

    async def check() -> str:
        return OK

    return check


def fuse_is_whole(fuse: Fuse) -> Check:
    """No batch hangs and the device works."""

    async def check() -> str:
        return fuse.reason or OK

    return check


def workers_alive(workers: Sequence[Alive]) -> Check:
    """Every worker of this process takes jobs."""

    async def check() -> str:
        return OK if workers and all(worker.alive for worker in workers) else "a worker has stopped"

    return check


def not_draining(draining: Callable[[], bool]) -> Check:
    """The process is not about to end."""

    async def check() -> str:
        return "shutting down" if draining() else OK

    return check


def in_reach(ping: Callable[[], Awaitable[None]]) -> Check:
    """Whatever is pinged answers within a second."""

    async def check() -> str:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await ping()
        except (ServiceError, TimeoutError):
            return "out of reach"
        return OK

    return cached(check)


def every_model_served(models: Mapping[str, str], served: Callable[[], Awaitable[Collection[str]]]) -> Check:
    """For each model there is a live worker somewhere.

    Args:
        models: digest of each bundle to the model's name.
        served: the digests for which there are workers.
    """

    async def check() -> str:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found = await served()
        except (ServiceError, TimeoutError):
            return "not known"
        missing = [name for digest, name in models.items() if digest not in found]
        return f"no live worker for {', '.join(missing)}" if missing else OK

    return cached(check)


def cached(check: Check, clock: Callable[[], float] = time.monotonic) -> Check:
    """The same condition, looked at once a second at most."""
    known: tuple[float, str] | None = None

    async def look() -> str:
        nonlocal known
        if known is None or clock() - known[0] >= CACHED_SECONDS:
            known = clock(), await check()
        return known[1]

    return look
