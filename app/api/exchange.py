"""One request on its way through the process: its id, its clock, the times of its phases."""

from __future__ import annotations

import random
import re
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from app.api.access import Caller
from app.api.fields import Fields
from app.errors import ServiceError
from app.line import Line
from app.tracing import UNTRACED, RequestTrace

SCOPE_KEY = "basecast.exchange"
_random = random.Random()  # noqa: S311 - seeded by the kernel, once
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class Exchange:
    """What travels beside a request.

    Attributes:
        started: seconds of the monotonic clock.
        fields: the request's header fields.
        line: to the caller, where what serves HTTP has one.
        seconds: time spent in each phase so far.
        phases_began: when the first phase did; the others followed one another.
        trace: the request's place in a trace.
        caller: who asks, where that is asked.
        code: of the problem document, if it was refused.
        model: the one that answers, with its version.
        sequences, tokens: how many were asked for, and read.
        refusal: what the connection answered in the application's place, because the body broke off.
    """

    request_id: str
    started: float
    fields: Fields = field(default_factory=dict)
    line: Line | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    phases_began: float | None = None
    trace: RequestTrace = UNTRACED
    caller: Caller | None = None
    code: str | None = None
    model: str | None = None
    sequences: int | None = None
    tokens: int | None = None
    refusal: ServiceError | None = None

    @classmethod
    def begin(cls, given_id: str | None) -> Exchange:
        """Start the clock; the caller's id is kept if it is harmless, else replaced."""
        known = given_id is not None and REQUEST_ID.fullmatch(given_id)
        return cls(given_id if given_id and known else _new_id(), time.monotonic())

    def facts(self, route: str, status: int) -> dict[str, object]:
        """What the log and the trace tell of a request that is answered: what we know of it, nothing it said."""
        told = {
            "request_id": self.request_id,
            "trace_id": self.trace.trace_id,
            "key_id": None if self.caller is None else self.caller.key.id,
            "route": route,
            "status": status,
            "code": self.code,
            "ms_total": _ms(time.monotonic() - self.started),
            **{f"ms_{phase}": _ms(seconds) for phase, seconds in self.seconds.items()},
            "model": self.model,
            "sequences": self.sequences,
            "tokens": self.tokens,
        }
        return {name: value for name, value in told.items() if value is not None}

    def server_timing(self) -> bytes:
        """The value of the Server-Timing header, in milliseconds."""
        total = time.monotonic() - self.started
        milliseconds = [seconds * 1000 for seconds in self.seconds.values()]
        return _timing_template(tuple(self.seconds)) % (*milliseconds, total * 1000)


@lru_cache(maxsize=64)
def _timing_template(phases: tuple[str, ...]) -> bytes:
    return ", ".join(f"{phase};dur=%.3f" for phase in (*phases, "total")).encode()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _new_id() -> str:
    """Written as a UUID; it must only be unlikely to come twice, so it need not be the kernel's randomness."""
    digits = f"{_random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """The exchange that the boundary has put into an ASGI scope."""
    exchange: Exchange = scope[SCOPE_KEY]
    return exchange
