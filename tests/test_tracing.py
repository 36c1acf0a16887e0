"""Traces: a request and its phases, continued through the queue into the worker; nothing where nobody asked."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app.main import create_service
from app.settings import Settings
from app.tracing import NO_TRACING, Tracing, continued
from app.tracing.otel import OtelTracing
from tests.conftest import http_to

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
OPENTELEMETRY = ("opentelemetry.sdk", "opentelemetry.exporter")
UNSAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-00"


class Recorded:
    """A tracing whose spans stay in memory."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.tracing: Tracing = OtelTracing(provider)

    def spans(self, name: str = "") -> list[ReadableSpan]:
        return [span for span in self._memory.get_finished_spans() if name in ("", span.name)]

    def one(self, name: str) -> ReadableSpan:
        [span] = self.spans(name)
        return span


def _ids(span: ReadableSpan) -> tuple[int, int]:
    return span.context.trace_id, span.context.span_id


async def _ask(recorded: Recorded, models: Path, *sequences: str, **headers: str) -> httpx.Response:
    service = create_service(Settings(models=models / "gc", threads=1), recorded.tracing)
    async with http_to(service) as client:
        return await client.post("/predict", json={"sequences": sequences}, headers=headers)


@pytest.mark.parametrize(
    ("header", "valid"),
    [
        (TRACEPARENT, TRACEPARENT),
        (UNSAMPLED, UNSAMPLED),
        (f"00-{TRACE_ID}-{PARENT_ID}-ff", TRACEPARENT),  # flags we do not know are dropped
        (f"cc-{TRACE_ID}-{PARENT_ID}-01", TRACEPARENT),  # a version to come
        (f"cc-{TRACE_ID}-{PARENT_ID}-01-more", TRACEPARENT),
        (f"{TRACEPARENT}-more", None),
        (f"ff-{TRACE_ID}-{PARENT_ID}-01", None),
        (f"00-{'0' * 32}-{PARENT_ID}-01", None),
        (f"00-{TRACE_ID}-{'0' * 16}-01", None),
        (TRACEPARENT.upper(), None),
        (f"cc-{TRACE_ID}-{PARENT_ID}-01more", None),
        (f"{TRACEPARENT}\n", None),
        ("GATTACA", None),
        ("", None),
    ],
)
def test_a_traceparent_is_valid_or_ignored(header: str, valid: str | None) -> None:
    assert continued(header) == valid


def test_without_a_collector_a_trace_still_goes_on_to_the_worker() -> None:
    trace = NO_TRACING.begin(TRACEPARENT, 0.0)
    assert (trace.traceparent, trace.trace_id) == (TRACEPARENT, TRACE_ID)
    assert NO_TRACING.begin(None, 0.0).trace_id is None
    assert NO_TRACING.begin("nonsense", 0.0).trace_id is None


async def test_a_request_has_a_span_for_each_phase(toy_models: Path) -> None:
    recorded = Recorded()
    await _ask(recorded, toy_models, "GGC", "AT", traceparent=TRACEPARENT)
    request = recorded.one("/predict")
    assert request.context.trace_id == int(TRACE_ID, 16)
    assert request.parent is not None
    assert request.parent.span_id == int(PARENT_ID, 16)
    phases = [span for span in recorded.spans() if span.name in ("parse", "tokenize", "queue", "compute")]
    assert len(phases) == 4
    assert {span.parent and span.parent.span_id for span in phases} == {request.context.span_id}
    for earlier, later in pairwise(phases):
        assert earlier.start_time <= earlier.end_time == later.start_time
    assert request.start_time <= phases[0].start_time
    assert phases[-1].end_time <= request.end_time


async def test_a_span_tells_what_the_log_tells(toy_models: Path) -> None:
    recorded = Recorded()
    response = await _ask(recorded, toy_models, "GGC", "AT")
    told = dict(recorded.one("/predict").attributes or {})
    assert told["basecast.request_id"] == response.headers["x-request-id"]
    assert (told["http.route"], told["http.response.status_code"]) == ("/predict", 200)
    assert (told["basecast.sequences"], told["basecast.tokens"]) == (2, 5)


async def test_a_batch_belongs_to_the_trace_of_its_request(toy_models: Path) -> None:
    recorded = Recorded()
    await _ask(recorded, toy_models, "GG", "AT", traceparent=TRACEPARENT)
    request, batch = recorded.one("/predict"), recorded.one("batch")
    assert (batch.context.trace_id, batch.parent and batch.parent.span_id) == _ids(request)
    assert [(link.context.trace_id, link.context.span_id) for link in batch.links] == [_ids(request)]
    assert (batch.attributes or {})["basecast.sequences"] == 2


def test_a_batch_of_several_requests_is_linked_to_each_once() -> None:
    recorded = Recorded()
    others = [f"00-{digit * 32}-{digit * 16}-01" for digit in "ab"]
    recorded.tracing.batch([others[0], None, others[1], others[0], UNSAMPLED], 1.0, 1.5, {"tokens": 7})
    batch = recorded.one("batch")
    assert [f"{link.context.trace_id:032x}" for link in batch.links] == ["a" * 32, "b" * 32]
    assert f"{batch.context.trace_id:032x}" == "a" * 32
    assert round((batch.end_time - batch.start_time) / 1e6) == 500


@pytest.mark.parametrize("traceparents", [[], [None], [UNSAMPLED, None]])
def test_a_batch_that_nobody_traces_is_not_recorded(traceparents: list[str | None]) -> None:
    recorded = Recorded()
    recorded.tracing.batch(traceparents, 1.0, 2.0, {})
    assert recorded.spans() == []


async def test_a_bad_traceparent_begins_a_new_trace(toy_models: Path) -> None:
    recorded = Recorded()
    response = await _ask(recorded, toy_models, "GG", traceparent="00-GATTACA-01", tracestate="vendor=GATTACA")
    assert response.status_code == 200
    assert recorded.one("/predict").parent is None
    assert "GATTACA" not in "".join(span.to_json() for span in recorded.spans())


async def test_what_the_caller_does_not_sample_is_not_recorded(toy_models: Path) -> None:
    recorded = Recorded()
    await _ask(recorded, toy_models, "GG", traceparent=UNSAMPLED)
    assert recorded.spans() == []


async def test_a_refused_request_has_the_phases_it_went_through(toy_models: Path) -> None:
    recorded = Recorded()
    await _ask(recorded, toy_models, "NX")
    assert [span.name for span in recorded.spans()] == ["parse", "/predict"]
    assert (recorded.one("/predict").attributes or {})["error.type"] == "invalid_base"
    assert recorded.one("/predict").status.status_code is StatusCode.UNSET  # the caller's fault, not ours


async def test_a_failure_of_ours_is_an_error(toy_models: Path) -> None:
    recorded = Recorded()
    await _ask(recorded, toy_models, "NN")
    assert recorded.one("/predict").status.status_code is StatusCode.ERROR


async def test_probes_are_not_traced(toy_models: Path) -> None:
    recorded = Recorded()
    async with http_to(create_service(Settings(models=toy_models, threads=1), recorded.tracing)) as client:
        for probe in ("/livez", "/readyz", "/metrics"):
            await client.get(probe)
    assert recorded.spans() == []


def _without_opentelemetry(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    hidden = f"import sys; sys.modules |= dict.fromkeys({OPENTELEMETRY})\n"
    command = [sys.executable, "-c", hidden + program]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_the_service_needs_no_opentelemetry(toy_models: Path) -> None:
    program = f"""
from app.main import create_service
from app.settings import load_settings
create_service(load_settings(models={str(toy_models)!r}, threads=1))
"""
    variable = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert _without_opentelemetry(program, **environment).stderr == ""
    warned = _without_opentelemetry(program, **environment, **variable)
    assert (warned.returncode, "OpenTelemetry is not installed: no traces" in warned.stderr) == (0, True)
    refused = _without_opentelemetry(program, **environment, BASECAST_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert (refused.returncode, "SettingsError: otlp_endpoint is set" in refused.stderr) == (1, True)
