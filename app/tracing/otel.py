"""The form that records, with OpenTelemetry.

A request's spans are made when it ends, from the times that its log line and `Server-Timing` tell too: so the way of a
request holds no trace code, and no clock is read twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer

from app import __version__
from app.tracing import FLAGS, SPAN_ID, TRACE_ID, Facts, RequestTrace, Tracing, continued

EXPORT_SECONDS = 2  # the end of the process waits for it, at most four times
STANDARD_NAMES = {"route": "http.route", "status": "http.response.status_code", "code": "error.type"}
SERVER_ERROR = 500


class OtelTracing(Tracing):
    """Records requests and batches.

    Args:
        provider: where spans go; closed with this.
    """

    recording = True

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("basecast", __version__)

    def begin(self, traceparent: str | None, started: float) -> RequestTrace:
        valid = continued(traceparent) if traceparent else None
        parent = _around(_remote(valid)) if valid else None
        start = _wall_clock_ns(started)
        return OtelRequest(self._tracer, self._tracer.start_span("request", parent, SpanKind.SERVER, start_time=start))

    def batch(self, traceparents: Iterable[str | None], started: float, ended: float, facts: Facts) -> None:
        known = [_remote(traceparent) for traceparent in dict.fromkeys(traceparents) if traceparent]
        requests = [context for context in known if context.trace_flags.sampled]
        if not requests:
            return
        # A span has one parent: the request of the oldest job. The links name all of them.
        self._tracer.start_span(
            "batch",
            _around(requests[0]),
            SpanKind.CONSUMER,
            attributes=_attributes(facts),
            links=[Link(context) for context in requests],
            start_time=_wall_clock_ns(started),
        ).end(_wall_clock_ns(ended))

    def close(self) -> None:
        self._provider.shutdown()


class OtelRequest(RequestTrace):
    """One request's span, and those of its phases below it."""

    __slots__ = ("_span", "_tracer")

    def __init__(self, tracer: Tracer, span: Span) -> None:
        super().__init__(_traceparent(span.get_span_context()))
        self._tracer, self._span = tracer, span

    def end(self, facts: Facts, seconds: Mapping[str, float], began: float | None) -> None:
        ended = time.time_ns()
        if self._span.is_recording():
            self._span.update_name(str(facts["route"]))
            self._span.set_attributes(_attributes(facts))
            if int(str(facts["status"])) >= SERVER_ERROR:
                self._span.set_status(StatusCode.ERROR)
            if began is not None:
                self._add_phases(seconds, _wall_clock_ns(began), ended)
        self._span.end(ended)

    def _add_phases(self, seconds: Mapping[str, float], at: int, ended: int) -> None:
        below = trace.set_span_in_context(self._span)
        for phase, taken in seconds.items():
            span = self._tracer.start_span(phase, below, start_time=at)
            # The sequence that waited longest need not be the one that was computed longest.
            at = min(at + round(taken * 1e9), ended)
            span.end(at)


def connect(endpoint: str | None) -> Tracing:
    """Send to a collector.

    Args:
        endpoint: its base URL, or what OpenTelemetry's environment variables say.

    Raises:
        ImportError: the exporter is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see Raises

    url = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
    resource = Resource.create({SERVICE_NAME: "basecast"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url, timeout=EXPORT_SECONDS)))
    return OtelTracing(provider)


def _traceparent(context: SpanContext) -> str | None:
    if not context.is_valid:  # OTEL_SDK_DISABLED
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def _remote(traceparent: str) -> SpanContext:
    ids = int(traceparent[TRACE_ID], 16), int(traceparent[SPAN_ID], 16)
    return SpanContext(*ids, is_remote=True, trace_flags=TraceFlags(int(traceparent[FLAGS], 16)))


def _around(context: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(context))


def _attributes(facts: Facts) -> dict[str, str | int | float]:
    named = {STANDARD_NAMES.get(name, f"basecast.{name}"): value for name, value in facts.items()}
    return {name: value for name, value in named.items() if isinstance(value, str | int | float)}


def _wall_clock_ns(moment: float) -> int:
    """The time of day of a moment of the monotonic clock."""
    return time.time_ns() - round((time.monotonic() - moment) * 1e9)
