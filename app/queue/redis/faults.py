"""What each failure of Redis means to a caller, and how to go on after it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import Awaitable, Callable

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from app.errors import Overloaded, QueueUnavailable, ServiceError
from app.metrics import Metrics

RETRY_AFTER_MS = 1000
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0
FAILURES = (RedisError, OSError)  # every way in which a connection or a command fails

# Within a script Redis 6.2 wraps the code in a text of its own.
CODE = re.compile(r"\b(OOM|READONLY|MISCONF|NOGROUP|UNBLOCKED|NOPERM|NOAUTH|WRONGPASS)\b")
REASONS = {"OOM": "full", "READONLY": "read_only", "NOAUTH": "authentication", "WRONGPASS": "authentication"}


class Unavailability:
    """Keeps the metrics of Redis, and says what a failure means.

    Args:
        metrics: what to count.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._up, self._errors = metrics.redis_up, metrics.redis_errors

    def answered(self) -> None:
        """Redis answers."""
        self._up.set(1)

    def malformed(self) -> None:
        """Something in Redis could not be read."""
        self._errors["malformed"].inc()

    def failed(self, failure: BaseException) -> ServiceError:
        """Count a failure and turn it into what the caller is told."""
        reason = reason_of(failure)
        self._errors[reason].inc()
        if not isinstance(failure, ResponseError):
            self._up.set(0)
        if reason == "full":
            return Overloaded("The queue's memory is full.", retry_after_ms=RETRY_AFTER_MS)
        return QueueUnavailable("The queue cannot be reached; try again.", retry_after_ms=RETRY_AFTER_MS)


def code_of(failure: BaseException) -> str | None:
    """The code with which Redis refused a command, if it is one of those that matter here."""
    status = getattr(failure, "status_code", None)
    found = CODE.search(f"{status or ''} {failure}")
    return found[1] if found else None


def reason_of(failure: BaseException) -> str:
    """A label for a failure: one of `app.metrics.REDIS_ERRORS`."""
    if any(isinstance(it, AuthenticationError | AuthorizationError) for it in (failure, failure.__cause__)):
        return "authentication"  # one that is met while connecting comes wrapped
    if isinstance(failure, RedisTimeoutError | TimeoutError):
        return "timeout"
    if isinstance(failure, ResponseError):
        return REASONS.get(code_of(failure) or "", "refused")
    return "connection"


async def repeat(
    step: Callable[[], Awaitable[None]], after_failure: Callable[[], Awaitable[None]], faults: Unavailability
) -> None:
    """Repeat a step for ever; after a failure with growing, fully jittered pauses, so that nobody returns in step."""
    longest = FIRST_PAUSE_SECONDS
    while True:
        try:
            await step()
            faults.answered()
            longest = FIRST_PAUSE_SECONDS
        except FAILURES as failure:
            faults.failed(failure)
            await after_failure()
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311
            longest = min(2 * longest, LONGEST_PAUSE_SECONDS)


async def cancelled(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end."""
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
