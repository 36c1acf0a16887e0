"""Everything that a process tells Redis, on one connection: the commands of one turn of the event loop in one write."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import AuthenticationError, BusyLoadingError, NoScriptError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from app.errors import QueueUnavailable, ServiceError
from app.queue.redis.channel import Argument, Channel, Command
from app.queue.redis.faults import FAILURES, Unavailability, cancelled, code_of
from app.queue.redis.scripts import Script

MOST_CALLS = 256


class Call:
    """A command on its way, and the future of its reply; nobody needs to wait for it."""

    __slots__ = ("arguments", "future", "script")

    def __init__(self, arguments: Command, script: Script | None, future: asyncio.Future[Any] | None) -> None:
        self.arguments, self.script, self.future = arguments, script, future

    def answer(self, reply: object) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # whoever was cancelled meanwhile will not look


class Writer:
    """Sends commands in the order in which they are given.

    A caller that goes away never takes the connection with it: the reply is read all the same.

    Args:
        channel: its own.
        faults: what failures mean.
    """

    def __init__(self, channel: Channel, faults: Unavailability) -> None:
        self._channel, self._faults = channel, faults
        self._outbox: list[Call] = []
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._is_read_only = False

    def start(self) -> None:
        """Begin to send; needs a running event loop."""
        self._task = asyncio.create_task(self._send_forever())

    @property
    def alive(self) -> bool:
        """Whether what is given will be sent."""
        return self._task is not None and not self._task.done()

    def command(self, *arguments: Argument) -> asyncio.Future[Any]:
        """Send a command; its reply, or the `ServiceError` that its failure means."""
        return self._post(arguments, None)

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> asyncio.Future[Any]:
        """Run a script, whether or not Redis knows it yet."""
        return self._post(("EVALSHA", script.sha1, len(keys), *keys, *arguments), script)

    def tell(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> None:
        """Run a script whose outcome nobody waits for."""
        if not self._closed:
            self._outbox.append(Call(("EVALSHA", script.sha1, len(keys), *keys, *arguments), script, None))
            self._wanted.set()

    async def close(self) -> None:
        """Send what was given so far, then end."""
        if self.alive:
            with contextlib.suppress(ServiceError):
                await self.command("PING")
        self._closed = True
        await cancelled(self._task)
        await self._channel.close()
        self._fail((), QueueUnavailable("The queue is closed."))

    def _post(self, arguments: Command, script: Script | None) -> asyncio.Future[Any]:
        call = Call(arguments, script, asyncio.get_running_loop().create_future())
        assert call.future is not None  # noqa: S101
        if self._closed or (self._task is not None and self._task.done()):
            call.fail(QueueUnavailable("The queue is closed."))
        else:
            self._outbox.append(call)
            self._wanted.set()
        return call.future

    async def _send_forever(self) -> None:
        while True:
            await self._wanted.wait()
            calls = deque(self._outbox[:MOST_CALLS])
            self._outbox = self._outbox[MOST_CALLS:]
            if not self._outbox:
                self._wanted.clear()
            try:
                await self._send(calls)
            except FAILURES as failure:
                self._fail(calls, self._faults.failed(failure))

    def _fail(self, calls: Iterable[Call], error: ServiceError) -> None:
        """Fail these calls, and those that came meanwhile, so that nobody waits for one timeout after another."""
        meanwhile, self._outbox = self._outbox, []
        self._wanted.clear()
        for call in (*calls, *meanwhile):
            call.fail(error)

    async def _send(self, calls: deque[Call]) -> None:
        """Send and answer; what a connection that had died unnoticed left unanswered is sent once more on a new one."""
        was_open = self._channel.is_open
        try:
            await self._exchange(calls)
        except (AuthenticationError, BusyLoadingError, TimeoutError):
            raise
        except (RedisConnectionError, OSError):
            if not was_open:
                raise
            await self._exchange(calls)

    async def _exchange(self, calls: deque[Call]) -> None:
        await self._channel.exchange(
            [call.arguments for call in calls], lambda reply: self._received(calls.popleft(), reply)
        )
        if self._is_read_only:  # somewhere there is a new primary, which this connection will not find
            self._is_read_only = False
            await self._channel.close()

    def _received(self, call: Call, reply: object) -> None:
        self._faults.answered()  # before whoever waits for the reply looks
        if not isinstance(reply, ResponseError):
            call.answer(reply)
        elif isinstance(reply, NoScriptError) and call.script is not None:
            call.arguments = ("EVAL", call.script.source, *call.arguments[2:])
            self._outbox.append(call)
            self._wanted.set()
        else:
            self._is_read_only |= code_of(reply) == "READONLY"
            call.fail(self._faults.failed(reply))
