"""What a Redis must be like before anything is entrusted to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

from redis.exceptions import NoPermissionError, ResponseError

from app.errors import ServiceError, SettingsError
from app.queue.redis.channel import Channel
from app.queue.redis.connection import Connector
from app.queue.redis.faults import FAILURES
from app.queue.redis.writer import Writer

log = logging.getLogger(__name__)

OLDEST = (6, 2)
INSPECTION_SECONDS = 30.0
ON_DISK = "which writes what people ask to Redis's disk"


async def preflight(url: str) -> None:
    """Look at a server before the process depends on it; one that does not answer is waited for later.

    Raises:
        SettingsError: the URL cannot be read, or the server is too old or throws away what others still need.
    """
    channel = Channel(Connector(url))
    try:
        with contextlib.suppress(*FAILURES):
            await check_server(channel)
    finally:
        await channel.close()


async def check_server(channel: Channel) -> None:
    """Look at the server's version, at what it does when its memory is full, and at whether it keeps anything.

    Raises:
        SettingsError: it is too old, throws away what others still need, or writes what is queued to its disk.
        redis.exceptions.RedisError, OSError: it does not answer.
    """
    try:
        (reply,) = await channel.ask([("INFO",)])
    except NoPermissionError:
        log.warning("this Redis user may not ask for INFO; version and maxmemory-policy are not checked")
        return
    if fault := fault_of(reply) or await _snapshots(channel):
        raise SettingsError(f"queue: {fault}")


async def _snapshots(channel: Channel) -> str | None:
    """INFO does not tell when snapshots are written; a user of docker/redis/users.acl may not ask."""
    try:
        (reply,) = await channel.ask([("CONFIG", "GET", "save")])
    except ResponseError:
        return None
    return f"save is on, {ON_DISK}; set it to an empty string" if any(reply[1:]) else None


async def inspect_forever(writer: Writer) -> None:
    """Look again now and then, until cancelled: a server can be replaced, and its settings changed, while it is used.

    What is found is logged and no more: those that already depend on the server are better served badly than not.
    """
    while True:
        await asyncio.sleep(INSPECTION_SECONDS * random.uniform(0.5, 1))  # noqa: S311
        with contextlib.suppress(ServiceError):
            if fault := fault_of(await writer.command("INFO")):
                log.error("the queue is not safe", extra={"reason": fault})


def fault_of(info: bytes) -> str | None:
    """What is wrong with a server, by its reply to INFO; none if nothing is."""
    said = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    version = said.get("redis_version", "0")
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        return f"Redis {version} is too old; use 6.2 or newer"
    policy = said.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return f"maxmemory-policy is {policy}, which loses requests; set it to noeviction"
    if said.get("aof_enabled", "0") != "0":
        return f"appendonly is on, {ON_DISK}; set it to no"
    return None
