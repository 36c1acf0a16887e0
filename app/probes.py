"""Probes and metrics of a process that serves nothing else, on a port of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

from app.api.health import HealthRoutes


class ProbeServer(uvicorn.Server):
    """Serves beside the work, which is why it leaves signals alone.

    Attributes:
        answering: set once it answers.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def answering_probes(health: HealthRoutes, listener: socket.socket) -> AsyncIterator[None]:
    """Answer /livez, /readyz and /metrics meanwhile."""
    app = FastAPI(openapi_url=None)
    for path, handler in (("/livez", health.livez), ("/readyz", health.readyz), ("/metrics", health.metrics)):
        app.add_api_route(path, handler)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="off")
    server = ProbeServer(config)
    serving = asyncio.create_task(server.serve([listener]))
    await server.answering.wait()
    try:
        yield
    finally:
        server.should_exit = True
        await serving
