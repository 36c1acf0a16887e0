"""What travels through Redis comes out as it went in, and what cannot be read is refused."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from app.batching import Answer, Job
from app.errors import DeadlineExceeded, NonFiniteOutput, OutOfMemory, ServiceError, UnknownRoute
from app.queue.redis.wire import (
    DTYPES,
    ERRORS,
    VERSION,
    Malformed,
    WorkerPace,
    pack_pace,
    pack_reply,
    pack_request,
    unpack_pace,
    unpack_reply,
    unpack_request,
)

ID = bytes(range(16))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

ids = st.sampled_from(DTYPES).flatmap(lambda dtype: np_st.arrays(dtype, st.integers(1, 40)))


def _job(row: np.ndarray, traceparent: str | None = None) -> Job:
    return Job(row, 0.0, 10.0, "interactive", traceparent)


@given(ids, st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1), st.sampled_from([None, TRACE]))
def test_a_request_comes_out_as_it_went_in(row: np.ndarray, request_id: bytes, ttl_ms: int, trace: str | None) -> None:
    request = unpack_request(pack_request(request_id, _job(row, trace), ttl_ms, "ab12"))
    assert (request.id, request.ttl_ms, request.api_process, request.traceparent) == (request_id, ttl_ms, "ab12", trace)
    assert request.ids.dtype == row.dtype
    assert request.ids.tobytes() == row.tobytes()


def test_ids_travel_in_little_endian_whatever_they_were() -> None:
    packed = pack_request(ID, _job(np.array([1, 258], dtype=">i8")), 1000, "ab12")
    assert packed.endswith(bytes([1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]))
    assert unpack_request(packed).ids.tolist() == [1, 258]


def test_a_request_to_the_byte() -> None:
    packed = pack_request(ID, _job(np.array([7, 8], dtype=np.uint8)), 0x0102, "ab12")
    # version, dtype, 4 letters of process, no trace, ttl, id, process, ids
    assert packed == bytes([1, 0, 4, 0, 2, 1, 0, 0]) + ID + b"ab12" + bytes([7, 8])


def test_a_trace_that_is_none_does_not_travel() -> None:
    assert unpack_request(pack_request(ID, _job(np.zeros(1, np.uint8), "x" * 300), 1, "ab12")).traceparent is None


values = np_st.arrays(np.dtype("<f4"), st.integers(1, 20))
seconds = st.floats(0, 1e6, width=32)


@given(values, seconds, seconds)
def test_an_answer_comes_out_as_it_went_in(row: np.ndarray, queue_seconds: float, compute_seconds: float) -> None:
    reply = unpack_reply(pack_reply(ID, Answer(row, queue_seconds, compute_seconds)))
    assert reply.id == ID
    assert isinstance(reply.outcome, Answer)
    assert reply.outcome.values.tobytes() == row.tobytes()
    assert reply.outcome[1:] == (queue_seconds, compute_seconds)


@given(st.sampled_from(list(ERRORS.values())), st.sampled_from([None, 1, 60_000]))
def test_an_error_comes_out_as_what_it_is(error: type[ServiceError], retry_after_ms: int | None) -> None:
    outcome = unpack_reply(pack_reply(ID, error(retry_after_ms=retry_after_ms))).outcome
    assert type(outcome) is error
    assert outcome.retry_after_ms == retry_after_ms


def test_an_error_that_workers_never_tell_of_is_a_bug() -> None:
    outcome = unpack_reply(pack_reply(ID, UnknownRoute())).outcome
    assert isinstance(outcome, ServiceError)
    assert outcome.code == "internal"


def test_a_message_of_a_worker_does_not_travel() -> None:
    assert b"secret" not in pack_reply(ID, NonFiniteOutput("secret"))


request = pack_request(ID, _job(np.array([1, 2], dtype=np.uint16)), 1000, "ab12")
BAD_REQUESTS = {
    "empty": b"",
    "another version": bytes([VERSION + 1]) + request[1:],
    "unknown dtype": request[:1] + bytes([99]) + request[2:],
    "process that is another key": request.replace(b"ab12", b"}:x!"),
    "no ids": request[:-4],
    "last id cut off": request[:-1],
}


@pytest.mark.parametrize("packed", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_refused(packed: bytes) -> None:
    with pytest.raises(Malformed):
        unpack_request(packed)


answer = pack_reply(ID, Answer(np.array([1.5], np.float32), 0.0, 0.0))
failure = pack_reply(ID, DeadlineExceeded())
BAD_REPLIES = {
    "empty": b"",
    "another version": bytes([VERSION + 1]) + answer[1:],
    "neither answer nor failure": answer[:17] + bytes([9]) + answer[18:],
    "no values": answer[:-4],
    "values cut off": answer[:-1],
    "unknown code": failure + b"!",
    "cut off": failure[:20],
}


@pytest.mark.parametrize("packed", BAD_REPLIES.values(), ids=BAD_REPLIES)
def test_a_bad_reply_is_refused(packed: bytes) -> None:
    with pytest.raises(Malformed):
        unpack_reply(packed)


@given(st.binary(max_size=80))
def test_no_bytes_break_the_reader(packed: bytes) -> None:
    for unpack in (unpack_request, unpack_reply, unpack_pace):
        with contextlib.suppress(Malformed):
            unpack(packed)


def test_an_error_keeps_when_to_return() -> None:
    assert unpack_reply(pack_reply(ID, OutOfMemory(retry_after_ms=1500))).outcome.retry_after_ms == 1500


@given(seconds, seconds)
def test_a_pace_comes_out_as_it_went_in(tokens_per_second: float, batch_seconds: float) -> None:
    pace = WorkerPace("5eed5eed5eed", tokens_per_second, batch_seconds, "machine-17-ab12")
    assert unpack_pace(pack_pace(pace)) == pace


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_pace_that_is_no_number_is_refused(number: float) -> None:
    with pytest.raises(Malformed, match="no number"):
        unpack_pace(pack_pace(WorkerPace("5eed5eed5eed", number, 1.0, "machine")))
