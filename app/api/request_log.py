"""The log line of each request."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from app.logs import event_log

PROBES = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
UNKNOWN = "unknown"  # the route of a request that asked for none of ours
SERVER_ERROR = 500


class RequestLog:
    """Writes one line for each request that is answered; logging must be configured before."""

    def __init__(self) -> None:
        self._log = event_log()

    def takes(self, route: str, status: int) -> bool:
        """Whether a line is written for such an answer."""
        return self._log.is_enabled_for(_level(route, status))

    def write(self, route: str, status: int, facts: Mapping[str, object]) -> None:
        """Write what `Exchange.facts` tells."""
        self._log.log(_level(route, status), "request", **facts)


def _level(route: str, status: int) -> int:
    if route in PROBES:  # several a minute, from machines that remember the answer themselves
        return logging.DEBUG
    return logging.WARNING if status >= SERVER_ERROR else logging.INFO
