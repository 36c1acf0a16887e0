"""The outermost layer: plain ASGI around everything, because a framework's middleware would cost more than a model.

Each request gets an id and a clock here; hot routes are called directly, the rest goes on to FastAPI. Whatever
escapes becomes a problem document, and every request is counted, logged and traced once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access import Guard
from app.api.body_pace import BodyPace
from app.api.exchange import SCOPE_KEY, Exchange
from app.api.fields import header_fields
from app.api.problems import problem_response
from app.api.replies import Document
from app.api.request_log import PROBES, UNKNOWN, RequestLog
from app.errors import ClientGone, HeadersTooLarge, InternalError, ServiceError, SlowRequest, UriTooLong
from app.line import SCOPE_KEY as LINE
from app.metrics import Metrics
from app.tracing import NO_TRACING, UNTRACED, RequestTrace, Tracing

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

OwnFields = tuple[tuple[bytes, bytes], ...]

USUAL_PACE = BodyPace()
MAX_URI_BYTES = 8192
MAX_HEADER_BYTES = 32_768
MAX_HEADER_FIELDS = 100
# Most answers are quicker than this; only for the others is it worth a task to notice that the caller has gone.
WATCH_AFTER_SECONDS = 0.25

WHOLE = (Response, Document)  # exactly these: what others have of them may be sent piece by piece

PERSONAL = ("/predict/individual", "/predict/variants")
NOT_STORED: OwnFields = ((b"cache-control", b"no-store"),)


class Boundary:
    """ASGI application around the service.

    Args:
        app: FastAPI, for everything that is not hot.
        hot: (method, path) to the handler that is called without routing.
        templates: of the routes of hot paths that are not their own.
        metrics: where requests are counted.
        pace: how fast a body must arrive.
        paces: the same for paths that take larger ones.
        guard: lets callers in; without one everybody is.
        tracing: where traces are recorded.
    """

    def __init__(
        self,
        app: ASGIApp,
        hot: Mapping[tuple[str, str], Handler],
        metrics: Metrics,
        pace: BodyPace = USUAL_PACE,
        guard: Guard | None = None,
        tracing: Tracing = NO_TRACING,
        paces: Mapping[str, BodyPace] | None = None,
        templates: Mapping[str, str] | None = None,
    ) -> None:
        self._app, self._hot, self._metrics, self._tracing = app, hot, metrics, tracing
        self._log, self._templates = RequestLog(), templates or {}
        self._pace, self._paces, self._guard = pace, paces or {}, guard
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        for route in {self._templates.get(path, path) for _, path in hot}:
            metrics.expect(route)

    async def idle(self) -> None:
        """Return when no request is in flight."""
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fields = header_fields(scope["headers"])
        exchange = scope.get(SCOPE_KEY) or Exchange.begin(fields.get("x-request-id"))
        exchange.fields, exchange.line = fields, scope.get(LINE)
        exchange.trace = self._trace(scope["path"], exchange)
        scope[SCOPE_KEY] = exchange
        reply = Reply(exchange, send, NOT_STORED if scope["path"].startswith(PERSONAL) else ())
        self.begin()
        try:
            await self._answer(scope, receive, reply)
        finally:
            self.end(self._route(scope), exchange, reply.status)

    @property
    def busy(self) -> bool:
        """Whether any request is in flight."""
        return self._in_flight > 0

    def begin(self) -> None:
        """A request is in flight from now on."""
        self._in_flight += 1
        self._idle.clear()

    def end(self, route: str, exchange: Exchange, status: int) -> None:
        """It is no more: count it, and write it down."""
        self._in_flight -= 1
        if not self._in_flight:
            self._idle.set()
        self._record(route, exchange, status)

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply) -> None:
        try:
            check_head(scope)
            if self._guard is not None:
                reply.exchange.caller = await self._guard.admit(scope)
            handler = self._hot.get((scope["method"], scope["path"]))
            if handler is None:
                await self._app(scope, receive, reply.send)
            else:
                pace = self._paces.get(scope["path"], self._pace)
                await _call_watched(handler, scope, receive, reply, pace)
        except ServiceError as error:
            await refuse(error, scope, receive, reply)
        except Exception:
            log.exception("unexpected error", extra={"request_id": reply.exchange.request_id})
            await refuse(InternalError(), scope, receive, reply)

    def _trace(self, path: str, exchange: Exchange) -> RequestTrace:
        if path in PROBES:
            return UNTRACED
        return self._tracing.begin(exchange.fields.get("traceparent"), exchange.started)

    def _record(self, route: str, exchange: Exchange, status: int) -> None:
        if exchange.refusal is not None:
            status, exchange.code = exchange.refusal.status, exchange.refusal.problem_code
        self._count(route, exchange, status)
        if not (self._tracing.recording or self._log.takes(route, status)):
            return  # to put the facts together costs more than to count them
        facts = exchange.facts(route, status)
        exchange.trace.end(facts, exchange.seconds, exchange.phases_began)
        self._log.write(route, status, facts)

    def _count(self, route: str, exchange: Exchange, status: int) -> None:
        total = time.monotonic() - exchange.started
        self._metrics.request(route, str(status), total, exchange.seconds)

    def _route(self, scope: Scope) -> str:
        """The route's template, never the path that was asked for."""
        if (scope["method"], scope["path"]) in self._hot:
            return self._templates.get(scope["path"], str(scope["path"]))
        return str(getattr(scope.get("route"), "path", UNKNOWN))


class Reply:
    """The way back to the caller: adds what every reply carries and remembers its status.

    Args:
        exchange: its id and times go along.
        send: takes the reply.
        fields: more header fields for this route.
    """

    def __init__(self, exchange: Exchange, send: Send, fields: OwnFields = ()) -> None:
        self.exchange = exchange
        self.status = ClientGone.status
        self.started = False
        self._send, self._fields = send, fields

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            message["headers"] = [*message["headers"], *self._ours()]
        await self._send(message)

    async def give(self, response: Response, scope: Scope, receive: Receive) -> None:
        """Send a response."""
        if not self.give_now(response):
            await response(scope, receive, self.send)

    def give_now(self, response: Response) -> bool:
        """Send a response at once, if it is there as a whole and the connection can; whether it is sent."""
        line = self.exchange.line
        if line is None or type(response) not in WHOLE:
            return False
        fields = [*response.raw_headers, *self._ours()]
        if not line.reply(response.status_code, fields, bytes(response.body)):
            return False
        self.started, self.status = True, response.status_code
        return True

    def _ours(self) -> OwnFields:
        exchange = self.exchange
        own = (b"x-request-id", exchange.request_id.encode()), (b"server-timing", exchange.server_timing())
        return (*own, *self._fields)


class BodyEnd:
    """A receive channel that knows how much of the body has been read, and when that was its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.reached = False
        self.received_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.reached = not message.get("more_body", False)
        self.received_bytes += len(message.get("body", b""))
        return message


async def _call_watched(handler: Handler, scope: Scope, receive: Receive, reply: Reply, pace: BodyPace) -> None:
    """Call a hot handler; if its body does not arrive, or its caller goes away, it is cancelled."""
    body = BodyEnd(receive)
    watch = Watch(body, receive, reply.exchange, pace)
    try:
        response = await handler(Request(scope, body.receive))
    except asyncio.CancelledError:
        if watch.too_slow:
            raise SlowRequest(watch.too_slow) from None
        if not watch.gone:
            raise
        reply.exchange.code = ClientGone.code
        return  # nobody is there to hear of it; counted as 499
    finally:
        watch.end()
    await reply.give(response, scope, receive)


class Watch:
    """Cancels the current task when its body is late or its caller disconnects.

    Where there is a line, a request whose body is here pays nothing for it; without one, quick requests pay a timer.

    Args:
        body: tells whether the body has arrived.
        receive: tells of a disconnect.
        exchange: when the request began, and its line.
        pace: how fast its body must arrive.
    """

    def __init__(self, body: BodyEnd, receive: Receive, exchange: Exchange, pace: BodyPace) -> None:
        self.gone, self.too_slow = False, ""
        self._body, self._receive, self._started, self._pace = body, receive, exchange.started, pace
        self._line = exchange.line
        self._loop = asyncio.get_running_loop()
        self._request = asyncio.current_task(self._loop)
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if self._line is not None:
            self._line.on_hang_up = self._hung_up
        if self._line is None or not self._line.body_is_here:
            self._look_later()

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(WATCH_AFTER_SECONDS, self._look)

    def _look(self) -> None:
        if self._is_all_here():
            if self._line is None:
                self._task = self._loop.create_task(self._wait_for_disconnect())
        elif fault := self._pace.fault(time.monotonic() - self._started, self._body.received_bytes):
            self.too_slow = fault
            self._cancel()
        else:
            self._look_later()

    def _is_all_here(self) -> bool:
        return self._body.reached or (self._line is not None and self._line.body_is_here)

    def _hung_up(self) -> None:
        if self._is_all_here():  # else whoever reads the body is told
            self.gone = True
            self._cancel()

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._cancel()

    def _cancel(self) -> None:
        if self._request is not None:
            self._request.cancel()

    def end(self) -> None:
        """Stop watching."""
        if self._line is not None:
            self._line.on_hang_up = None
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()


async def refuse(error: ServiceError, scope: Scope, receive: Receive, reply: Reply) -> None:
    """Answer with an error, unless the reply has begun."""
    reply.exchange.code = error.problem_code
    if not reply.started:
        response = problem_response(error, reply.exchange.request_id, scope["path"])
        await response(scope, receive, reply.send)


def check_head(scope: Scope) -> None:
    """Refuse request lines and header fields beyond any use."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URI_BYTES:
        raise UriTooLong(f"Path and query have at most {MAX_URI_BYTES} bytes here.")
    headers = scope["headers"]
    if len(headers) > MAX_HEADER_FIELDS or sum(map(len, chain.from_iterable(headers))) > MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"At most {MAX_HEADER_FIELDS} header fields and {MAX_HEADER_BYTES} bytes of them.")
