"""What every request meets before and after its handler: ids, limits, counts, the unexpected."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.api.boundary import WATCH_AFTER_SECONDS, Boundary, Handler
from app.api.exchange import exchange_of
from app.errors import Overloaded
from app.line import SCOPE_KEY as LINE
from app.main import Service
from app.metrics import Metrics
from tests.calls import Call


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("fell through")(scope, receive, send)


def _client(**hot: Handler) -> tuple[httpx.AsyncClient, Metrics]:
    metrics = Metrics()
    boundary = Boundary(_nothing, {("GET", f"/{path}"): handler for path, handler in hot.items()}, metrics)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=boundary), base_url="http://toy"), metrics


async def _fine(_: Request) -> Response:
    return PlainTextResponse("fine")


async def test_every_reply_carries_an_id_and_a_time() -> None:
    client, _ = _client(fine=_fine)
    response = await client.get("/fine")
    assert uuid.UUID(response.headers["x-request-id"])
    assert re.fullmatch(r"total;dur=\d+\.\d{3}", response.headers["server-timing"])


async def test_a_harmless_request_id_is_kept() -> None:
    client, _ = _client(fine=_fine)
    response = await client.get("/fine", headers={"x-request-id": "run-7.sample_3"})
    assert response.headers["x-request-id"] == "run-7.sample_3"


@pytest.mark.parametrize("given", ["", "a b", "<script>", "é", "x" * 65, "a\tb"])
async def test_any_other_request_id_is_replaced(given: str) -> None:
    client, _ = _client(fine=_fine)
    response = await client.get("/fine", headers=[(b"x-request-id", given.encode())])
    assert uuid.UUID(response.headers["x-request-id"])


async def test_what_is_not_hot_goes_on_to_the_framework() -> None:
    client, _ = _client(fine=_fine)
    assert (await client.get("/else")).text == "fell through"
    assert (await client.post("/fine")).text == "fell through"


async def test_errors_of_ours_become_problems() -> None:
    async def full(_: Request) -> Response:
        raise Overloaded(retry_after_ms=2500)

    client, _ = _client(full=full)
    response = await client.get("/full")
    assert (response.status_code, response.headers["retry-after"]) == (503, "3")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["instance"] == f"urn:uuid:{response.headers['x-request-id']}"


async def test_the_unexpected_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: Request) -> Response:
        raise ValueError("a secret")

    client, _ = _client(broken=broken)
    with caplog.at_level(logging.ERROR):
        response = await client.get("/broken")
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert "a secret" in caplog.text


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/fine", {}, 200),
        ("/fine?" + "x" * 8200, {}, 414),
        ("/" + "x" * 8200, {}, 414),
        ("/fine", {"x-big": "x" * 40_000}, 431),
        ("/fine", {f"x-{index}": "1" for index in range(120)}, 431),
    ],
    ids=["usual", "long query", "long path", "large field", "many fields"],
)
async def test_heads_beyond_any_use_are_refused(path: str, headers: Mapping[str, str], status: int) -> None:
    client, _ = _client(fine=_fine)
    response = await client.get(path, headers=headers)
    assert response.status_code == status


async def test_requests_are_counted_by_route_and_status_never_by_path() -> None:
    client, metrics = _client(fine=_fine)
    await client.get("/fine")
    await client.get("/fine")
    await client.get("/anything/else")
    value = metrics.registry.get_sample_value
    assert value("basecast_requests_total", {"route": "/fine", "code": "200"}) == 2
    assert value("basecast_requests_total", {"route": "unknown", "code": "200"}) == 1
    assert value("basecast_request_seconds_count", {"route": "/fine"}) == 2


class Caller:
    """An ASGI caller that sends a whole request and disconnects when told to."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.sent: list[Any] = []
        self._asked = False

    async def receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def get(self, boundary: Boundary, path: str) -> None:
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await boundary(scope, self.receive, self.send)


async def test_a_handler_ends_soon_after_its_caller_has_gone() -> None:
    ended = asyncio.Event()

    async def endless(request: Request) -> Response:
        await request.body()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return PlainTextResponse("too late")

    metrics, caller = Metrics(), Caller()
    boundary = Boundary(_nothing, {("GET", "/endless"): endless}, metrics)
    asking = asyncio.create_task(caller.get(boundary, "/endless"))
    await asyncio.sleep(0.05)
    caller.gone.set()
    async with asyncio.timeout(1):
        await ended.wait()
        await asking
    assert caller.sent == []
    assert metrics.registry.get_sample_value("basecast_requests_total", {"route": "/endless", "code": "499"}) == 1


async def test_who_hangs_up_on_a_line_is_noticed_at_once_and_by_nobody_who_waits_for_it() -> None:
    call, ended = Call(), asyncio.Event()
    call.arrives(b"{}")

    async def endless(request: Request) -> Response:
        assert exchange_of(request.scope).line is call.line
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return PlainTextResponse("too late")

    metrics = Metrics()
    boundary = Boundary(_nothing, {("GET", "/endless"): endless}, metrics)
    scope = {"type": "http", "method": "GET", "path": "/endless", "query_string": b"", "headers": [], LINE: call.line}
    asking = asyncio.create_task(boundary(scope, call.cycle.receive, call.cycle.send))
    await asyncio.sleep(WATCH_AFTER_SECONDS * 1.5)
    assert len(asyncio.all_tasks()) == 2  # this test and the request
    call.cycle.disconnected = True
    call.line.hang_up()
    async with asyncio.timeout(1):
        await ended.wait()
        await asking
    assert call.wire.written == []
    assert metrics.registry.get_sample_value("basecast_requests_total", {"route": "/endless", "code": "499"}) == 1


async def test_a_caller_who_goes_in_the_middle_of_his_body_is_counted_as_gone(service: Service) -> None:
    messages = [{"type": "http.request", "body": b'{"model"', "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}
    await service.app(scope, receive, send)
    assert sent[0]["status"] == 499
    counted = service.metrics.registry.get_sample_value
    assert counted("basecast_requests_total", {"route": "/predict", "code": "499"}) == 1


async def test_a_slow_answer_still_reaches_a_caller_who_stays() -> None:
    async def slow(request: Request) -> Response:
        await request.body()
        await asyncio.sleep(0.4)
        return PlainTextResponse("here")

    caller = Caller()
    await caller.get(Boundary(_nothing, {("GET", "/slow"): slow}, Metrics()), "/slow")
    assert [message["type"] for message in caller.sent] == ["http.response.start", "http.response.body"]


async def test_idle_waits_for_the_last_request() -> None:
    release = asyncio.Event()

    async def held(_: Request) -> Response:
        await release.wait()
        return PlainTextResponse("done")

    boundary, caller = Boundary(_nothing, {("GET", "/held"): held}, Metrics()), Caller()
    asking = asyncio.create_task(caller.get(boundary, "/held"))
    await asyncio.sleep(0)
    idle = asyncio.create_task(boundary.idle())
    await asyncio.sleep(0.01)
    assert not idle.done()
    release.set()
    await asyncio.gather(asking, idle)


async def test_unknown_paths_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    missing = await client.get("/%2e%2e/etc/passwd")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_route")
    wrong = await client.put("/predict")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "POST")


async def test_a_bug_behind_the_framework_is_a_problem_too(service: Service) -> None:
    async def broken() -> None:
        raise ValueError("a secret")

    service.predictor.model = broken  # type: ignore[assignment,method-assign]
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=service.app), base_url="http://toy")
    response = await client.get("/models/gc")
    assert (response.status_code, response.json()["code"]) == (500, "internal")
