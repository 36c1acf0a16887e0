"""A body that comes too slowly is given up, whatever its sender promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.api.body_pace import BodyPace
from app.api.boundary import Boundary
from app.metrics import Metrics


@pytest.mark.parametrize(
    ("seconds", "received_bytes", "fault"),
    [
        (4.9, 0, ""),
        (5.0, 5 * 1024, ""),
        (5.0, 5 * 1024 - 1, "A body has to arrive with 1024 bytes a second."),
        (29.9, 10**9, ""),
        (30.0, 10**9, "The body did not arrive within 30000 ms."),
    ],
)
def test_a_body_has_a_time_and_after_a_while_a_pace(seconds: float, received_bytes: int, fault: str) -> None:
    assert BodyPace().fault(seconds, received_bytes) == fault


async def _read(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _nowhere(*_: object) -> None:
    raise AssertionError("the hot handler was not called")


@pytest.mark.parametrize(("part", "status"), [(b"A", 408), (b"A" * 200, 200)], ids=["drips", "flows"])
async def test_a_body_that_drips_is_given_up_and_one_that_flows_is_not(part: bytes, status: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield part
            await asyncio.sleep(0.05)

    pace = BodyPace(grace_seconds=0.3, bytes_per_second=500)
    boundary = Boundary(_nowhere, {("POST", "/read"): _read}, Metrics(), pace)
    started = time.monotonic()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=boundary), base_url="http://toy") as client:
        reply = await client.post("/read", content=body())
    assert reply.status_code == status
    assert (time.monotonic() - started < 1) == (status == 408)
