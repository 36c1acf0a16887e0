"""Probes and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from app.errors import ServiceError
from app.metrics import Metrics
from app.predictor import Predictor
from app.worker import Worker

PING_SECONDS = 1.0


class HealthRoutes:
    """The handlers and what they look at.

    Args:
        predictor: its queues are pinged, and it knows whether the process drains.
        workers: each must be alive.
        metrics: exposed at /metrics.
    """

    def __init__(self, predictor: Predictor, workers: Sequence[Worker], metrics: Metrics) -> None:
        self._predictor, self._workers, self._metrics = predictor, workers, metrics

    async def livez(self) -> Response:
        """Whether the process itself works: its event loop turns, for it has answered."""
        return _health({"event_loop": "ok"})

    async def readyz(self) -> Response:
        """Whether requests are taken: models verified, workers alive, queue within reach, not draining."""
        return _health(await self.checks())

    async def metrics(self) -> Response:
        """Everything for Prometheus."""
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def checks(self) -> Mapping[str, str]:
        """Each condition of readiness, `ok` or what is wrong."""
        alive = bool(self._workers) and all(worker.alive for worker in self._workers)
        return {
            "models": "ok",  # none is loaded before its golden examples pass
            "workers": "ok" if alive else "a worker has stopped",
            "queue": await self._queue(),
            "draining": "shutting down" if self._predictor.draining else "ok",
        }

    async def _queue(self) -> str:
        try:
            async with asyncio.timeout(PING_SECONDS):
                for model in self._predictor.models:
                    await model.queue.ping()
        except (ServiceError, TimeoutError):
            return "out of reach"
        return "ok"


def _health(checks: Mapping[str, str]) -> Response:
    healthy = all(state == "ok" for state in checks.values())
    body = {"status": "ok" if healthy else "unavailable", "checks": dict(checks)}
    return JSONResponse(body, 200 if healthy else 503)
