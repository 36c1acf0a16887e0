"""How the client talks to Redis: every setting explicit, since the defaults repeat commands and wait too long.

A blocking read that the library repeats leaves entries with nobody; an addition that it repeats is there twice. So it
repeats nothing, and whoever gave the command decides.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.errors import SettingsError

CONNECT_SECONDS = 1.0

SETTINGS: dict[str, Any] = {
    "protocol": 2,  # the shapes of replies that this package reads
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_timeout": None,  # a channel bounds each exchange as a whole
    "retry": Retry(NoBackoff(), 0),
    "retry_on_error": [],
    "health_check_interval": 0,
}
# A machine that vanished is noticed by these, where there is a network between.
KEEPALIVE = {"socket_keepalive": True}


class Connector:
    """Makes connections to one Redis.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py reads it.

    Raises:
        SettingsError: the URL cannot be read; the message does not repeat it, since it may hold a password.
    """

    def __init__(self, url: str) -> None:
        network = {} if url.startswith("unix://") else KEEPALIVE
        try:
            self._pool = ConnectionPool.from_url(url, **SETTINGS, **network)
        except (ValueError, TypeError) as error:
            raise SettingsError("queue: not a redis://, rediss:// or unix:// URL") from error

    def connection(self) -> AbstractConnection:
        """A connection of its own, not yet open."""
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        return connection
