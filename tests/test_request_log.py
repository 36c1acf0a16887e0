"""Each request is one line: what we know of it, and nothing that it said."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.terminal import LogLines
from tests.test_api_boundary import Caller

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def _post(client: httpx.AsyncClient, *sequences: str, **headers: str) -> httpx.Response:
    return await client.post("/predict", json={"model": "gc", "sequences": sequences}, headers=headers)


def _requests(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "request"]


async def test_an_answered_request(log_lines: LogLines, client: httpx.AsyncClient) -> None:
    await _post(client, "GGC", "AT", **{"x-request-id": "run-7", "traceparent": TRACEPARENT})
    [line] = _requests(log_lines())
    told = {name: value for name, value in line.items() if name != "ts" and not name.startswith("ms_")}
    assert told == {
        "level": "info",
        "event": "request",
        "request_id": "run-7",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "route": "/predict",
        "status": 200,
        "model": "gc@1.0.0",
        "sequences": 2,
        "tokens": 5,
    }
    times = {name: line[name] for name in line if name.startswith("ms_")}
    assert list(times) == ["ms_total", "ms_parse", "ms_tokenize", "ms_queue", "ms_compute"]
    assert 0 < times["ms_compute"] < times["ms_total"]


async def test_a_refused_request_tells_its_code(log_lines: LogLines, client: httpx.AsyncClient) -> None:
    await _post(client, "GGX")
    await client.get("/models/none")
    await client.get("/nowhere")
    told = [(line["route"], line["status"], line["code"]) for line in _requests(log_lines())]
    assert told == [
        ("/predict", 422, "invalid_base"),
        ("/models/{name}", 404, "unknown_model"),
        ("unknown", 404, "unknown_route"),
    ]


async def test_a_failure_of_ours_is_a_warning(log_lines: LogLines, client: httpx.AsyncClient) -> None:
    await _post(client, "NN")
    [line] = _requests(log_lines())
    assert (line["level"], line["status"], line["code"]) == ("warning", 500, "non_finite_output")


@pytest.mark.parametrize("probe", ["/livez", "/readyz", "/metrics"])
async def test_probes_are_for_those_who_debug(log_lines: LogLines, client: httpx.AsyncClient, probe: str) -> None:
    await client.get(probe)
    [line] = log_lines()
    assert (line["level"], line["route"]) == ("debug", probe)


async def test_a_caller_who_goes_leaves_a_line(log_lines: LogLines, request: pytest.FixtureRequest) -> None:
    service, caller = request.getfixturevalue("service"), Caller()
    service.app._hot = {("GET", "/endless"): _endless}
    asking = asyncio.create_task(caller.get(service.app, "/endless"))
    await asyncio.sleep(0.05)
    caller.gone.set()
    await asking
    [line] = _requests(log_lines())
    assert (line["status"], line["code"]) == (499, "client_gone")


async def _endless(request: Any) -> Any:
    await request.body()
    await asyncio.sleep(60)
