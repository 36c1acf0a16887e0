"""Traces: where a request spent its time, told to an OpenTelemetry collector if one is named.

Without one nothing is recorded, but a caller's trace still goes on to the worker and into the logs. Only the trace's
identity travels, as W3C `traceparent`; a `tracestate` is the caller's own text and ends here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping

from app.errors import SettingsError

log = logging.getLogger(__name__)

Facts = Mapping[str, object]

_IDS = "(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
# Versions to come may append fields; version 00 may not (https://www.w3.org/TR/trace-context/#versioning-of-traceparent).
TRACEPARENT = re.compile(f"(?:00-{_IDS}|(?!00|ff)[0-9a-f]{{2}}-{_IDS}(?:-.*)?)")
TRACE_ID, SPAN_ID, FLAGS = slice(3, 35), slice(36, 52), slice(53, 55)


class RequestTrace:
    """One request's place in a trace; here nothing of it is recorded.

    Args:
        traceparent: what the worker continues; valid, of version 00.
    """

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str | None = None) -> None:
        self.traceparent = traceparent

    @property
    def trace_id(self) -> str | None:
        return self.traceparent and self.traceparent[TRACE_ID]

    def end(self, facts: Facts, seconds: Mapping[str, float], began: float | None) -> None:
        """The request is answered.

        Args:
            facts: what the log tells of it.
            seconds: time in each phase; they followed one another.
            began: when the first of them began, in seconds of the monotonic clock.
        """


class Tracing:
    """Records nothing, at the cost of a call."""

    recording = False

    def begin(self, traceparent: str | None, started: float) -> RequestTrace:  # noqa: ARG002 - for those who record
        """Begin a request's trace, or go on with the caller's.

        Args:
            traceparent: the header as it came; one that is not valid is ignored.
            started: when the request did, in seconds of the monotonic clock.
        """
        return RequestTrace(continued(traceparent)) if traceparent else UNTRACED

    def batch(self, traceparents: Iterable[str | None], started: float, ended: float, facts: Facts) -> None:
        """Record a batch that a worker has run for the requests with these traces."""

    def close(self) -> None:
        """Send what is recorded and not yet sent."""


UNTRACED = RequestTrace()
NO_TRACING = Tracing()


def continued(traceparent: str) -> str | None:
    """The header in version 00, with no flag but `sampled`; None if it is not valid."""
    if not TRACEPARENT.fullmatch(traceparent):
        return None
    return f"00{traceparent[2:53]}{int(traceparent[FLAGS], 16) & 1:02x}"


def open_tracing(endpoint: str | None = None) -> Tracing:
    """Record, and send to a collector by OTLP over HTTP.

    Args:
        endpoint: base URL of the collector; without it OpenTelemetry's own environment variables say where.

    Raises:
        SettingsError: an endpoint is given, and OpenTelemetry is not installed.
    """
    try:
        from app.tracing.otel import connect  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        if endpoint is not None:
            raise SettingsError(
                "otlp_endpoint is set, but OpenTelemetry is not installed: add the extra otel"
            ) from None
        log.warning("OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: no traces")
        return NO_TRACING
    return connect(endpoint)
