"""The HTTP server process: uvicorn, drained before it stops."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from prometheus_client import start_http_server

from app.connection import Connection, ConnectionLimits
from app.errors import Draining
from app.fuse import exit_at_once
from app.garbage import keep_what_is_there
from app.huge_pages import settle_on_huge_pages
from app.main import Service

log = logging.getLogger(__name__)

# No answer is a page of an application: nothing in it may be sniffed, framed, embedded, or told to where links lead.
SECURITY_HEADERS = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
]
# How long callers have, once everything is answered, to take the last replies.
LAST_REPLIES_SECONDS = 2
LAST_ANSWERS_SECONDS = 0.5
TICKS_PER_LOOK = 5  # of uvicorn's main loop, which ticks ten times a second


class DrainingServer(uvicorn.Server):
    """On the first SIGTERM or SIGINT new requests get 503 and those in flight are answered; only then it stops.

    On the second it does not wait for results: what is still queued is answered with 503.

    Args:
        service: what is served.
        limits: what its callers may do to a connection.
        serving: called once it takes connections.
    """

    def __init__(
        self,
        service: Service,
        limits: ConnectionLimits = Connection.limits,
        serving: Callable[[], None] = lambda: None,
    ) -> None:
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                service.app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                headers=SECURITY_HEADERS,
                proxy_headers=False,  # nothing here depends on who asks from where
                http=Connection.within(limits, service.metrics, service.express),
                ws="none",
                lifespan="on",
                # Only for tasks that outlive their connections, which is not meant to happen.
                timeout_graceful_shutdown=LAST_REPLIES_SECONDS + 1,
            )
        )
        self._service = service
        self._serving = serving
        self._drain: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._service.backend.fuse.then(self._give_up)
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        settle_on_huge_pages()
        await super().startup(sockets)
        keep_what_is_there()
        self._serving()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_LOOK == 0:
            now = time.monotonic()
            for connection in self._connections():
                connection.hang_up_if_stalled(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(LAST_REPLIES_SECONDS, self._abort_connections)
        await super().shutdown(sockets)

    def _abort_connections(self) -> None:
        for connection in self._connections():
            connection.transport.abort()

    def _connections(self) -> list[Connection]:
        return [connection for connection in self.server_state.connections if isinstance(connection, Connection)]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Not handed on to uvicorn: it would close the listener at once and end with the signal's exit status.
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._drain_or_hurry)

    def _give_up(self) -> None:
        """Nothing can be computed here any more: answer everybody, then end, whatever the threads do."""
        threading.Timer(LAST_ANSWERS_SECONDS, exit_at_once).start()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._service.predictor.abandon, Draining(retry_after_ms=1000))

    def _drain_or_hurry(self) -> None:
        if self._drain is None:
            log.info("draining")
            self._drain = asyncio.ensure_future(self._drain_and_exit())
        else:
            self._hurry.set()

    async def _drain_and_exit(self) -> None:
        drained, hurried = asyncio.ensure_future(self._service.drain()), asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((drained, hurried), return_when=asyncio.FIRST_COMPLETED)
        for waiting in (drained, hurried):
            waiting.cancel()
        for model in self._service.predictor.models:
            for queue in model.queues:
                await queue.close()  # as draining does, had it been left to end
        self.should_exit = True


def serve(
    service: Service,
    sockets: list[socket.socket] | None = None,
    limits: ConnectionLimits = Connection.limits,
    serving: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM; returns when every request in flight has been answered.

    Args:
        service: what is served.
        sockets: bound ones to listen on, instead of the host and port of the settings.
        limits: what callers may do to a connection.
        serving: called once connections are taken.

    Raises:
        SettingsError: the queue loses requests, or is too old.
    """
    settings = service.settings
    asyncio.run(service.backend.preflight())
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, settings.host, service.metrics.registry)
    DrainingServer(service, limits, serving).run(sockets)
