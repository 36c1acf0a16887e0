"""What travels through Redis, to the byte: little-endian, no pickle, no JSON, a version first.

request   B version  B dtype  B bytes of the API process's name  B bytes of the traceparent  I ttl (ms)  16s id
          then that name, the traceparent, the ids
reply     B version  16s id  B 0  f queue seconds  f compute seconds   then float32 values
          B version  16s id  B 1  I retry after (ms, 0 for none)       then the code of the error
pace      12s digest of the bundle  f tokens a second  f seconds of a batch   then the worker's name
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.batching import Answer, Job, Outcome
from app.encoding import Ids
from app.errors import (
    DeadlineExceeded,
    Draining,
    InferenceFailed,
    InternalError,
    NonFiniteOutput,
    OutOfMemory,
    Overloaded,
    QueueUnavailable,
    ServiceError,
)

VERSION = 1
ID_BYTES = 16
MAX_TTL_MS = 2**32 - 1

REQUEST = struct.Struct("<BBBBI16s")
REPLY = struct.Struct("<B16sB")
ANSWER = struct.Struct("<ff")
FAILURE = struct.Struct("<I")
PACE = struct.Struct("<12sff")
IS_ANSWER, IS_FAILURE = 0, 1

DTYPES = tuple(map(np.dtype, ("<u1", "<u2", "<u4", "<i4", "<i8", "<f4")))
DTYPE_MARKS = {dtype: mark for mark, dtype in enumerate(DTYPES)}
PROCESS_NAME = re.compile(rb"[0-9a-f]{1,32}")
TRACEPARENT = re.compile(r"[0-9a-f-]{1,64}", re.ASCII)

TOLD_BY_WORKERS: tuple[type[ServiceError], ...] = (
    DeadlineExceeded,
    Draining,
    InferenceFailed,
    InternalError,
    NonFiniteOutput,
    OutOfMemory,
    Overloaded,
    QueueUnavailable,
)
ERRORS = {error.code: error for error in TOLD_BY_WORKERS}


class Malformed(ValueError):
    """Bytes from Redis that this version cannot read."""


@dataclass(frozen=True, slots=True)
class Request:
    """One job as it travels.

    Attributes:
        id: 16 bytes.
        ttl_ms: how long after it was added its answer is wanted.
        api_process: who waits for the reply.
    """

    id: bytes
    ids: Ids
    ttl_ms: int
    api_process: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One outcome as it travels."""

    id: bytes
    outcome: Outcome


class WorkerPace(NamedTuple):
    """How fast a worker is under load, as it travels beside its replies.

    Attributes:
        digest: the first letters of the bundle's.
        batch_seconds: of one batch.
    """

    digest: str
    tokens_per_second: float
    batch_seconds: float
    worker: str


def pack_request(request_id: bytes, job: Job, ttl_ms: int, api_process: str) -> bytes:
    """The bytes of a job."""
    ids = job.ids.astype(job.ids.dtype.newbyteorder("<"), copy=False)
    trace = job.traceparent if job.traceparent and TRACEPARENT.fullmatch(job.traceparent) else ""
    name, trace_bytes = api_process.encode(), trace.encode()
    ttl_ms = min(max(ttl_ms, 0), MAX_TTL_MS)
    head = REQUEST.pack(VERSION, DTYPE_MARKS[ids.dtype], len(name), len(trace_bytes), ttl_ms, request_id)
    return b"".join((head, name, trace_bytes, ids.tobytes()))


def unpack_request(packed: bytes) -> Request:
    """The job in these bytes.

    Raises:
        Malformed: they are of another version, or not whole.
    """
    if len(packed) < REQUEST.size or packed[0] != VERSION:
        raise Malformed("a request of another version, or cut off")
    _, mark, name_bytes, trace_bytes, ttl_ms, request_id = REQUEST.unpack_from(packed)
    trace_start = REQUEST.size + name_bytes
    start = trace_start + trace_bytes
    name = packed[REQUEST.size : trace_start]
    if mark >= len(DTYPES) or not PROCESS_NAME.fullmatch(name) or len(packed) <= start:
        raise Malformed("a request with an unknown dtype or process, or without ids")
    if (len(packed) - start) % DTYPES[mark].itemsize:
        raise Malformed("a request whose last id is cut off")
    traceparent = packed[trace_start:start].decode("ascii", "replace") or None
    ids = np.frombuffer(packed, dtype=DTYPES[mark], offset=start)
    return Request(request_id, ids, ttl_ms, name.decode(), traceparent)


def pack_reply(request_id: bytes, outcome: Outcome) -> bytes:
    """The bytes of an outcome."""
    if isinstance(outcome, Answer):
        head = REPLY.pack(VERSION, request_id, IS_ANSWER)
        return head + ANSWER.pack(*outcome[1:]) + outcome.values.astype("<f4", copy=False).tobytes()
    code = outcome.code if outcome.code in ERRORS else InternalError.code
    head = REPLY.pack(VERSION, request_id, IS_FAILURE)
    return head + FAILURE.pack(outcome.retry_after_ms or 0) + code.encode()


def unpack_reply(packed: bytes) -> Reply:
    """The outcome in these bytes.

    Raises:
        Malformed: they are of another version, not whole, or tell of an unknown error.
    """
    if len(packed) < REPLY.size + FAILURE.size or packed[0] != VERSION:
        raise Malformed("a reply of another version, or cut off")
    _, request_id, kind = REPLY.unpack_from(packed)
    if kind == IS_ANSWER:
        return Reply(request_id, _unpack_answer(packed))
    if kind == IS_FAILURE:
        return Reply(request_id, _unpack_failure(packed))
    raise Malformed("a reply that is neither an answer nor a failure")


def _unpack_answer(packed: bytes) -> Answer:
    start = REPLY.size + ANSWER.size
    if len(packed) <= start or (len(packed) - start) % 4:
        raise Malformed("an answer whose values are cut off")
    queue_seconds, compute_seconds = ANSWER.unpack_from(packed, REPLY.size)
    return Answer(np.frombuffer(packed, dtype="<f4", offset=start), queue_seconds, compute_seconds)


def _unpack_failure(packed: bytes) -> ServiceError:
    (retry_after_ms,) = FAILURE.unpack_from(packed, REPLY.size)
    error = ERRORS.get(packed[REPLY.size + FAILURE.size :].decode("ascii", "replace"))
    if error is None:
        raise Malformed("a failure with an unknown code")
    return error(retry_after_ms=retry_after_ms or None)


def pack_pace(pace: WorkerPace) -> bytes:
    """The bytes of a worker's pace."""
    return PACE.pack(pace.digest.encode(), pace.tokens_per_second, pace.batch_seconds) + pace.worker.encode()


def unpack_pace(packed: bytes) -> WorkerPace:
    """The pace in these bytes.

    Raises:
        Malformed: they are not whole, or no finite numbers.
    """
    if len(packed) <= PACE.size:
        raise Malformed("a pace that is cut off")
    digest, tokens_per_second, batch_seconds = PACE.unpack_from(packed)
    if not (math.isfinite(tokens_per_second) and math.isfinite(batch_seconds)):
        raise Malformed("a pace that is no number")
    worker = packed[PACE.size :].decode("ascii", "replace")
    return WorkerPace(digest.decode("ascii", "replace"), tokens_per_second, batch_seconds, worker)
