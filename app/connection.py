"""One HTTP connection, within limits of its own.

The application sees a request only when its head is there. What comes before that, and what a caller leaves in the
buffers after it, is bounded here: uvicorn takes any number of header bytes, and waits for ever in both directions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api.exchange import SCOPE_KEY, Exchange
from app.api.express.heads import LONGEST_HEAD_BYTES, KnownHead
from app.api.express.requests import SCOPE, ExpressRequests, LongWay
from app.api.problems import problem_response
from app.api.request_log import UNKNOWN, RequestLog
from app.errors import HeadersTooLarge, MalformedRequest, ServiceError, SlowRequest
from app.joined_writes import JoinedWrites
from app.line import SCOPE_KEY as LINE
from app.line import Line, ReplyHead
from app.metrics import Metrics

if TYPE_CHECKING:
    from starlette.types import Receive, Send
    from uvicorn._types import HTTPScope

log = logging.getLogger(__name__)

END_OF_HEAD = b"\r\n\r\n"
# A body that is sent apart follows its head at once; whatever comes later is worth no wait.
HOLD_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How much a caller may send that is no body, and how long it may keep the server waiting.

    Attributes:
        head_bytes: request line and header fields; also whatever else comes between two bodies.
        head_seconds: from when a connection opens, or a head begins, to the end of the head.
        write_seconds: how long the caller may take nothing of a reply that is ready.
        rest_seconds: how long a connection may rest between two requests.
        linger_seconds: how long what still comes is read, and ignored, after a refusal.
        linger_bytes: how much of it.
    """

    head_bytes: int = 65_536
    head_seconds: float = 10.0
    write_seconds: float = 30.0
    rest_seconds: float = 75.0
    linger_seconds: float = 1.0
    linger_bytes: int = 1_048_576


class Track(NamedTuple):
    """What requests have that go by the short way; one serves all of a connection, for each ends before the next.

    Attributes:
        cycle: uvicorn's state of the exchange.
        line: to its caller.
        long_way: to the same, if it has to be.
    """

    cycle: RequestResponseCycle
    line: Line
    long_way: LongWay


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, for callers who may mean no good.

    A request that arrives in one piece costs a few attribute accesses here and no timer. One whose head is known goes
    by the short way (`app.api.express`), past uvicorn's parser.
    """

    limits = ConnectionLimits()
    metrics: Metrics | None = None
    express: ExpressRequests | None = None
    head = ReplyHead()

    # On the class, because uvicorn calls a constructor whose signature is its own business.
    _lines: Sequence[Line] = ()
    _known_head: KnownHead | None = None
    _new_head = b""  # of the request that comes in, to be known when it is here
    _track: Track | None = None
    _held_head = b""
    _holding: asyncio.TimerHandle | None = None
    _in_head = False
    _idle_bytes = 0  # since the last that ended a head or belonged to a body
    _refused = False
    _timer: asyncio.TimerHandle | None = None
    _unsent_bytes = 0
    _last_taken = 0.0
    _resting_since: float | None = None  # by the loop's clock; None while a request is on its way

    @classmethod
    def within(
        cls, limits: ConnectionLimits, metrics: Metrics, express: ExpressRequests | None = None
    ) -> type[Connection]:
        """The class whose connections have these limits, count here what they refuse, and know a short way."""
        return type(cls.__name__, (cls,), {"limits": limits, "metrics": metrics, "express": express})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type] # it stands in for one
        self._start_timer()
        self._resting_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._let_go()
        super().connection_lost(exc)
        for line in self._lines:
            line.hang_up()

    def data_received(self, data: bytes) -> None:
        if self._held_head:
            data = self._let_go() + data
        elif not self._is_between_requests():
            self._parse(data)
            return
        if self.express is not None:
            if self._goes_express(self.express, data):
                return
            end = data.find(END_OF_HEAD, 0, LONGEST_HEAD_BYTES)
            self._new_head = data[: end + len(END_OF_HEAD)] if end >= 0 else b""
        self._parse(data)

    def _is_between_requests(self) -> bool:
        """Whether what comes now begins a request, and goes on with neither a head nor a body answered early."""
        return self._resting_since is not None and not self._in_head and not getattr(self.cycle, "more_body", False)

    def _parse(self, data: bytes) -> None:
        self._resting_since = None
        self._idle_bytes += len(data)
        if self._refused:
            self._ignore()
            return
        super().data_received(data)
        if self._new_head and self.express is not None:
            self._know_head(self.express)
        if not self._is_over() and (self._idle_bytes or self.cycle.response_complete):
            self._check_idle_bytes()

    def _know_head(self, express: ExpressRequests) -> None:
        """Remember the head of the request whose last byte has come, if it is a usual one and nothing else came."""
        if getattr(self.cycle, "more_body", True):  # None before the first request
            return
        if not self._in_head and not self.pipeline:
            scope = cast("MutableMapping[str, Any]", self.cycle.scope)
            self._known_head = express.know(self._new_head, len(self.cycle.body), scope) or self._known_head
        self._new_head = b""

    def _goes_express(self, express: ExpressRequests, data: bytes) -> bool:
        """Begin a request by the short way, past the parser, which is between two messages and stays there.

        Many clients send a head and its body apart; then it is begun when the body comes.
        """
        head, body = self._recognised(express, data)
        if head is None or self.flow.write_paused or self._is_over():
            return False
        if body is None:
            return self._hold(head, data)
        request = express.read(head, body, self)
        if request is None:
            return False
        self._stop_timer()
        self._resting_since = None
        self._track = self._track or self._new_track()
        self.cycle, line, long_way = self._track
        self._clear(self.cycle)
        self._lines = [line]
        request.begin(line, long_way)
        return True

    def _recognised(self, express: ExpressRequests, data: bytes) -> tuple[KnownHead | None, bytes | None]:
        """The head of a request, if it is known, and the body, if it is here."""
        head = self._known_head
        if head is not None and (body := head.body_of(data)) is not None:
            return head, body
        if head is None or not head.begins(data):
            head = express.head_of(data)
        return head, None if head is None else head.body_of(data)

    def _clear(self, cycle: RequestResponseCycle) -> None:
        """Let a cycle be that of another request."""
        cycle.default_headers = self.server_state.default_headers
        cycle.response_started = cycle.response_complete = False
        cycle.chunked_encoding, cycle.expected_content_length = None, 0

    def _hold(self, head: KnownHead, data: bytes) -> bool:
        """Keep a head from the parser until its body is here, but not for long; whether it is one."""
        if not head.is_all_of(data):
            return False
        self._held_head, self._resting_since = data, None
        self._holding = self.loop.call_later(HOLD_SECONDS, self._parse_held)
        return True

    def _let_go(self) -> bytes:
        """What was held."""
        held, self._held_head = self._held_head, b""
        if self._holding is not None:
            self._holding.cancel()
        return held

    def _parse_held(self) -> None:
        self._parse(self._let_go())

    def _new_track(self) -> Track:
        cycle = RequestResponseCycle(
            scope=cast("HTTPScope", dict(SCOPE)),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        line = Line(cycle, cast("JoinedWrites", self.transport), self.head)
        return Track(cycle, line, LongWay(cast("Receive", cycle.receive), cast("Send", cycle.send), self._spawn))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what belongs to a request, as uvicorn runs the application."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._spawned)

    def _spawned(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a reply failed", exc_info=error)
            self.transport.close()  # nobody is to wait for it

    def shutdown(self) -> None:
        if self._held_head:
            self._parse_held()  # a request has begun, which is answered
        super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's, for what its parser does not take
        if self._is_answering() and self.cycle.more_body:
            self._refuse_in_place("The body is not framed as HTTP/1.1 has it.")
        else:
            self._in_head = True  # whatever it is, it stands where a head belongs
            self._refuse(MalformedRequest("This is not HTTP/1.1, or its parts contradict each other."))

    def _unsupported_upgrade_warning(self) -> None:  # uvicorn's; in place of two lines in the log
        if self.scope["method"] not in ("GET", "HEAD", "OPTIONS"):  # the parser lets the body fall
            self._refuse_in_place("Only HTTP/1.1 is spoken here: send the request without Upgrade.")

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()
        self._idle_bytes = 0
        line = Line(self.cycle, cast("JoinedWrites", self.transport), self.head)
        cast("MutableMapping[str, Any]", self.scope)[LINE] = line  # uvicorn's type has room for its own keys only
        self._lines = [*(earlier for earlier in self._lines if earlier.is_open), line]

    def on_body(self, body: bytes) -> None:
        self._idle_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        self._new_head = b""  # it is known by now, or was none to be known
        if self.pipeline:
            super().on_response_complete()
            return
        # As uvicorn does, but for its timer of every pause between two requests: who rests is seen now and then.
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._resting_since = self.loop.time()

    def hang_up_if_stalled(self, now: float) -> None:
        """End the connection if its caller rests, or takes nothing of a reply, for too long; to be called now and then.

        Looking at the buffer from time to time costs requests nothing. uvicorn's flow control would not do: it does
        not notice a rest below the high-water mark, for which even a closed transport waits without end.
        """
        unsent = self.transport.get_write_buffer_size()
        if not self._unsent_bytes or unsent < self._unsent_bytes:
            self._last_taken = now
        self._unsent_bytes = unsent
        if unsent and now - self._last_taken >= self.limits.write_seconds:
            self.transport.abort()
        elif not unsent and self._resting_since is not None:
            self._end_rest(now - self._resting_since)

    def _end_rest(self, seconds: float) -> None:
        if seconds >= self.limits.rest_seconds:
            self.transport.close()

    def _check_idle_bytes(self) -> None:
        """After a read that brought no request on: header lines so far, trailers, or what follows a reply."""
        if self._idle_bytes > self.limits.head_bytes:
            self._refuse(HeadersTooLarge(f"Request line and headers have at most {self.limits.head_bytes} bytes here."))
        elif self._timer is None and (self._in_head or not self._is_answering()):
            self._start_timer()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.limits.head_seconds, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        if self._is_answering():
            self._start_timer()  # a head behind another request: the answer to that one comes first
        elif self._in_head:
            self._refuse(SlowRequest(f"The header fields did not arrive within {self.limits.head_seconds:g} s."))
        else:
            self.transport.close()

    def _is_over(self) -> bool:
        return self._refused or self.transport.is_closing()

    def _is_answering(self) -> bool:
        return not getattr(self.cycle, "response_complete", True)  # None before the first request

    def _refuse(self, error: ServiceError) -> None:
        """Answer in place of the application and hang up, without an answer if another one would be taken for it."""
        self._stop_timer()
        if self._is_answering() or not self._in_head:
            self.transport.close()
            return
        self._answer_headless(error)

    def _refuse_in_place(self, detail: str) -> None:
        """Answer the current request in place of the application, which has been called, unless that has begun to."""
        self._stop_timer()
        if self.cycle.response_started or self.pipeline:
            self.transport.close()
            return
        scope = cast("MutableMapping[str, Any]", self.cycle.scope)  # uvicorn's type has room for its own keys only
        exchange: Exchange = scope.setdefault(SCOPE_KEY, Exchange.begin(None))
        exchange.refusal = MalformedRequest(detail)  # the application counts and logs the request, once
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        self._answer(exchange.refusal, exchange)

    def _answer_headless(self, error: ServiceError) -> None:
        exchange = Exchange.begin(None)
        exchange.code = error.problem_code
        RequestLog().write(UNKNOWN, error.status, exchange.facts(UNKNOWN, error.status))
        if self.metrics is not None:
            self.metrics.headless(str(error.status))
        self._answer(error, exchange)

    def _answer(self, error: ServiceError, exchange: Exchange) -> None:
        self._refused, self._idle_bytes = True, 0
        self.transport.write(self._document(error, exchange))
        # To close with bytes unread resets the connection, and the caller would lose the answer.
        self.transport.write_eof()
        self._timer = self.loop.call_later(self.limits.linger_seconds, self.transport.abort)

    def _ignore(self) -> None:
        if self._idle_bytes > self.limits.linger_bytes:
            self.transport.abort()

    def _document(self, error: ServiceError, exchange: Exchange) -> bytes:
        reply = problem_response(error, exchange.request_id)
        reply.headers["x-request-id"] = exchange.request_id
        reply.headers["connection"] = "close"
        fields = (*self.server_state.default_headers, *reply.raw_headers)
        lines = [b"%s: %s\r\n" % field for field in fields]
        return b"".join((STATUS_LINE[error.status], *lines, b"\r\n", reply.body))
