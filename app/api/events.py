"""Server-sent events: progress while an answer is computed, then the answer, or the problem that ended it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.exchange import Exchange, exchange_of
from app.errors import ClientGone, InternalError, ServiceError, problem

log = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"

Report = Callable[[dict[str, Any]], None]
Work = Callable[[Report], Awaitable[bytes]]


class EventResponse(Response):
    """A reply that reports on work while it is done; a caller who goes away ends the work.

    Args:
        work: told where to report to; its result is the last event's JSON.
    """

    media_type = EVENT_STREAM

    def __init__(self, work: Work) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        events: asyncio.Queue[bytes | None] = asyncio.Queue()
        working = asyncio.create_task(self._report(events, exchange_of(scope)))
        leaving = asyncio.create_task(_gone(receive, working))
        try:
            while (event := await events.get()) is not None:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            for task in (working, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _report(self, events: asyncio.Queue[bytes | None], exchange: Exchange) -> None:
        try:
            result = await self._work(lambda told: events.put_nowait(_event("progress", to_json(told))))
            events.put_nowait(_event("result", result))
        except asyncio.CancelledError:
            exchange.code = ClientGone.code
            raise
        except ServiceError as error:
            events.put_nowait(_failure(error, exchange))
        except Exception:
            log.exception("unexpected error", extra={"request_id": exchange.request_id})
            events.put_nowait(_failure(InternalError(), exchange))
        finally:
            events.put_nowait(None)


async def _gone(receive: Receive, working: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    working.cancel()


def _failure(error: ServiceError, exchange: Exchange) -> bytes:
    exchange.code = error.problem_code
    return _event("error", to_json(problem(error, exchange.request_id)))


def _event(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
