"""The conditions that probes ask for: each answers `ok`, or what is wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from app.errors import ServiceError
from app.fuse import Fuse

OK = "ok"
# Probes come from everywhere and often; what they ask of others is asked once a second.
CACHED_SECONDS = 1.0
PATIENCE_SECONDS = 1.0

Check = Callable[[], Awaitable[str]]


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


def every_model_served(names: Mapping[str, str], workers: Callable[[str], int]) -> Check:
    """For each model there is a live worker.

    Args:
        names: of the models, by the digests of their bundles.
        workers: how many there are for a digest.
    """

    async def check() -> str:
        missing = [name for digest, name in names.items() if not workers(digest)]
        return f"no live worker for {', '.join(missing)}" if missing else OK

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


def cached(check: Check, clock: Callable[[], float] = time.monotonic) -> Check:
    """The same condition, looked at once a second at most."""
    known: tuple[float, str] | None = None

    async def look() -> str:
        nonlocal known
        if known is None or clock() - known[0] >= CACHED_SECONDS:
            known = clock(), await check()
        return known[1]

    return look
