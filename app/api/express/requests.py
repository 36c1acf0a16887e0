"""A usual request, answered without a task of its own: its bytes begin it, and the last of its answers ends it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Send

from app.api.boundary import Boundary, Reply, refuse
from app.api.deadlines import DeadlineLimits
from app.api.exchange import Exchange
from app.api.express.bodies import KnownBodies
from app.api.express.heads import METHOD, PATH, KnownHead, Scope, SharedHeads, know_head
from app.api.replies import numbered_response
from app.batching import Answer
from app.errors import ClientGone, InternalError, ServiceError
from app.express import Asked, Express, Journey
from app.flights import Ending
from app.line import Line
from app.predictor import Predictions

log = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], None]
LONGEST_BODY_BYTES = 65_536
SCOPE: Scope = {"type": "http", "method": METHOD, "path": PATH}  # as much of it as an answer needs


class LongWay(NamedTuple):
    """How a request is answered that cannot be at once.

    Attributes:
        receive, send: as ASGI has them.
        spawn: runs what waits for these.
    """

    receive: Receive
    send: Send
    spawn: Spawn


class ExpressRequests:
    """Takes usual requests.

    Args:
        express: predicts for them.
        boundary: counts and logs them, as all others.
        max_body_bytes: that a request may have.
        deadlines: its limits.
    """

    def __init__(self, express: Express, boundary: Boundary, max_body_bytes: int, deadlines: DeadlineLimits) -> None:
        self.express, self.boundary, self._deadlines = express, boundary, deadlines
        self._max_body_bytes = min(max_body_bytes, LONGEST_BODY_BYTES)
        self._bodies = KnownBodies(express.max_sequences)
        self._heads = SharedHeads()
        self._last = 0  # the connection whose request was read last

    def know(self, head: bytes, body_bytes: int, scope: Scope) -> KnownHead | None:
        """The head of a request that is here as a whole, if another with the same head could be taken here."""
        known = know_head(head, body_bytes, scope, self._deadlines)
        if known is not None:
            self._heads.share(known)
        return known

    def head_of(self, request: bytes) -> KnownHead | None:
        """The head that a request begins with, if another connection has had it."""
        return self._heads.of(request)

    def read(self, head: KnownHead, body: bytes, connection: object) -> ExpressRequest | None:
        """The request, which is to begin; None if it has to take the long way.

        Args:
            connection: that it came by.
        """
        if len(body) > self._max_body_bytes:
            return None
        exchange = Exchange.begin(None)
        try:
            question = self._bodies.read(body)
            if question is None:
                return None
            parsed = self.express.now()
            asked = self.express.read(question.model, question.sequences)
        except ServiceError:
            return None  # the long way says why
        if asked is None:
            return None
        exchange.sequences = len(asked.encoded)
        exchange.seconds = {"parse": parsed - exchange.started}
        lone = id(connection) == self._last and not self.boundary.busy
        self._last = id(connection)
        return ExpressRequest(self, exchange, asked, exchange.started + head.deadline_ms / 1000, lone=lone)


class ExpressRequest:
    """One of them; answered by its line.

    Args:
        requests: what it is one of.
        exchange: its clock.
        asked: its sequences.
        deadline: seconds of the clock.
        lone: nobody else asks, and the usual request before it came by the same connection.
    """

    __slots__ = ("_asked", "_deadline", "_exchange", "_journey", "_lone", "_long_way", "_reply", "_requests")

    _long_way: LongWay
    _reply: Reply

    def __init__(
        self, requests: ExpressRequests, exchange: Exchange, asked: Asked, deadline: float, *, lone: bool
    ) -> None:
        self._requests, self._exchange, self._asked = requests, exchange, asked
        self._deadline, self._lone = deadline, lone
        self._journey: Journey | None = None

    def begin(self, line: Line, long_way: LongWay) -> None:
        """Ask, and answer once there is an answer."""
        self._exchange.line, self._long_way = line, long_way
        self._reply = Reply(self._exchange, long_way.send)
        line.on_hang_up = self._hung_up
        self._requests.boundary.begin()
        try:
            self._journey = self._requests.express.begin(self._asked, self._deadline, self._told, lone=self._lone)
        except ServiceError as error:
            self._told(error)
        except Exception:
            log.exception("unexpected error", extra={"request_id": self._exchange.request_id})
            self._stop_listening()
            self._refuse(InternalError())

    def _told(self, ending: Ending) -> None:
        """Nothing may be raised from here: whoever tells has others to tell."""
        self._stop_listening()
        if isinstance(ending, ServiceError):
            self._requests.express.count_failed(self._asked)
            self._refuse(ending)
            return
        try:
            is_sent = self._answer(ending)
        except Exception:
            log.exception("unexpected error", extra={"request_id": self._exchange.request_id})
            self._refuse(InternalError())
            return
        if is_sent:
            self._end(self._reply.status)

    def _answer(self, answers: Sequence[Answer]) -> bool:
        """Whether the reply is sent; else it will be."""
        predictions = self._requests.express.predictions(self._asked, answers, self._exchange.seconds)
        response = self._response(predictions)
        is_sent = self._reply.give_now(response)
        self._requests.express.count(predictions)
        if not is_sent:
            self._long_way.spawn(self._give(response))
        return is_sent

    def _stop_listening(self) -> None:
        """From now on it is of no interest whether the caller hangs up: the request ends in any case."""
        if self._exchange.line is not None:
            self._exchange.line.on_hang_up = None

    def _response(self, predictions: Predictions) -> Response:
        self._exchange.model = predictions.model.manifest.versioned_name
        self._exchange.tokens = sum(predictions.tokens)
        return numbered_response(predictions)

    async def _give(self, response: Response) -> None:
        try:
            await response(SCOPE, self._long_way.receive, self._reply.send)
        finally:
            self._end(self._reply.status)

    def _refuse(self, error: ServiceError) -> None:
        self._long_way.spawn(self._give_error(error))

    async def _give_error(self, error: ServiceError) -> None:
        try:
            await refuse(error, SCOPE, self._long_way.receive, self._reply)
        finally:
            self._end(self._reply.status)

    def _hung_up(self) -> None:
        """Nobody is there to hear of it; counted as 499."""
        self._stop_listening()
        self._exchange.code = ClientGone.code
        self._end(ClientGone.status)

    def _end(self, status: int) -> None:
        if self._journey is not None:
            self._requests.express.end(self._journey)
        self._requests.boundary.end(PATH, self._exchange, status)
