"""The HTTP server process: uvicorn, drained before it stops."""

from __future__ import annotations

import asyncio
import logging
import socket
from types import FrameType

import uvicorn
from prometheus_client import start_http_server

from app.main import Service

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 75


class DrainingServer(uvicorn.Server):
    """On the first SIGTERM or SIGINT new requests get 503 and those in flight are answered; only then it stops.

    Args:
        service: what is served.
    """

    def __init__(self, service: Service) -> None:
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                service.app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                http="httptools",
                ws="none",
                lifespan="on",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self._service = service
        self._drain: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Not handed on to uvicorn: it would close the listener at once and end with the signal's exit status.
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_drain)

    def _begin_drain(self) -> None:
        if self._drain is None:
            log.info("draining")
            self._drain = asyncio.ensure_future(self._drain_and_exit())

    async def _drain_and_exit(self) -> None:
        await self._service.drain()
        self.should_exit = True


def serve(service: Service, sockets: list[socket.socket] | None = None) -> None:
    """Serve until SIGTERM; returns when every request in flight has been answered.

    Args:
        service: what is served.
        sockets: bound ones to listen on, instead of the host and port of the settings.
    """
    settings = service.settings
    if settings.metrics_port is not None:
        start_http_server(settings.metrics_port, settings.host, service.metrics.registry)
    DrainingServer(service).run(sockets)
