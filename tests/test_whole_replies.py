"""A reply that is there as a whole is written at once, and its exchange is over."""

import asyncio
import logging

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.whole_replies import ReplyHead, write_whole

USUAL = [(b"date", b"today"), (b"x-content-type-options", b"nosniff")]
FIELDS = [(b"content-length", b"2"), (b"content-type", b"application/json")]


class Wire(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self):
        super().__init__()
        self.written, self.closed = [], False

    def write(self, data):
        self.written.append(bytes(data))

    def close(self):
        self.closed = True


@pytest.fixture
def wire():
    return Wire()


def cycle_on(wire, *, keep_alive=True):
    ended = []
    log = logging.getLogger("test")
    cycle = RequestResponseCycle(
        scope={"method": "POST"},
        transport=wire,
        flow=FlowControl(wire),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=USUAL,
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: ended.append(True),
    )
    return cycle, ended


def test_head_and_body_leave_in_one_write(wire):
    cycle, ended = cycle_on(wire)
    assert write_whole(cycle, ReplyHead(), 200, FIELDS, b"{}")
    assert wire.written == [
        (
            b"HTTP/1.1 200 OK\r\ndate: today\r\nx-content-type-options: nosniff\r\n"
            b"content-length: 2\r\ncontent-type: application/json\r\n\r\n{}"
        )
    ]
    assert (cycle.response_complete, ended, wire.closed) == (True, [True], False)


def test_a_connection_that_is_not_kept_says_so_and_is_closed(wire):
    cycle, _ = cycle_on(wire, keep_alive=False)
    assert write_whole(cycle, ReplyHead(), 422, FIELDS, b"{}")
    assert wire.written[0].endswith(b"\r\nconnection: close\r\n\r\n{}")
    assert wire.closed


@pytest.mark.parametrize("state", ["response_started", "disconnected"])
def test_nothing_is_written_behind_a_reply_that_has_begun_or_to_a_caller_who_has_gone(wire, state):
    cycle, ended = cycle_on(wire)
    setattr(cycle, state, True)
    assert not write_whole(cycle, ReplyHead(), 200, FIELDS, b"{}")
    assert (wire.written, ended) == ([], [])


async def test_a_caller_who_takes_nothing_is_left_to_flow_control(wire):
    cycle, _ = cycle_on(wire)
    cycle.flow.pause_writing()
    assert not write_whole(cycle, ReplyHead(), 200, FIELDS, b"{}")


def test_what_every_reply_has_changes_with_the_time():
    head = ReplyHead()
    assert b"date: today" in head.written(200, USUAL, FIELDS)
    assert b"date: tomorrow" in head.written(200, [(b"date", b"tomorrow")], FIELDS)
