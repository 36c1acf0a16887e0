"""Probes and metrics."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from app.checks import Check
from app.metrics import Metrics


class HealthRoutes:
    """The handlers and what they look at.

    Args:
        live: conditions under which the process can be mended by nothing but a new one.
        ready: conditions under which it does its work.
        metrics: exposed at /metrics.
    """

    def __init__(self, live: Mapping[str, Check], ready: Mapping[str, Check], metrics: Metrics) -> None:
        self._live, self._ready, self._metrics = live, ready, metrics

    async def livez(self) -> Response:
        """Whether the process itself works: its event loop turns, for it has answered, and no batch hangs."""
        return _health({"event_loop": "ok"} | await _states(self._live))

    async def readyz(self) -> Response:
        """Whether requests are taken: models verified, workers alive, queue within reach, not draining."""
        return _health(await _states(self._ready))

    async def metrics(self) -> Response:
        """Everything for Prometheus."""
        return Response(generate_latest(self._metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _states(checks: Mapping[str, Check]) -> dict[str, str]:
    return {name: await check() for name, check in checks.items()}


def _health(checks: Mapping[str, str]) -> Response:
    healthy = all(state == "ok" for state in checks.values())
    body = {"status": "ok" if healthy else "unavailable", "checks": dict(checks)}
    return JSONResponse(body, 200 if healthy else 503)
