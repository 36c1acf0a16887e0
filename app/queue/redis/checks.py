"""What a Redis must be like before anything is entrusted to it."""

from __future__ import annotations

import contextlib
import logging

from redis.exceptions import NoPermissionError

from app.errors import SettingsError
from app.queue.redis.channel import Channel
from app.queue.redis.connection import Connector
from app.queue.redis.faults import FAILURES

log = logging.getLogger(__name__)

OLDEST = (6, 2)


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
    """Look at the server's version and at what it does when its memory is full.

    Raises:
        SettingsError: it is too old, or throws away what others still need.
        redis.exceptions.RedisError, OSError: it does not answer.
    """
    try:
        (reply,) = await channel.ask([("INFO",)])
    except NoPermissionError:
        log.warning("this Redis user may not ask for INFO; version and maxmemory-policy are not checked")
        return
    info = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
    version = info.get("redis_version", "0")
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise SettingsError(f"queue: Redis {version} is too old; use 6.2 or newer")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise SettingsError(f"queue: maxmemory-policy is {policy}, which loses requests; set it to noeviction")
