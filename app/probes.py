"""Probes and metrics of a process that serves nothing else, on a port of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

from app.api.health import HealthRoutes

STARTING_SECONDS = 0.01


class ProbeServer(uvicorn.Server):
    """Serves beside the work, which is why it leaves signals alone."""

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
    while not (server.started or serving.done()):
        await asyncio.sleep(STARTING_SECONDS)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
