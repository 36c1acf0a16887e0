"""The line to one caller: his body at once, his reply at once, and word when he hangs up."""

import asyncio

import pytest

from app.line import ReplyHead
from tests.calls import FIELDS, USUAL, Call

REPLY = (
    b"HTTP/1.1 200 OK\r\ndate: today\r\nx-content-type-options: nosniff\r\n"
    b"content-length: 2\r\ncontent-type: application/json\r\n\r\n{}"
)


def test_head_and_body_of_a_reply_leave_in_one_write():
    call = Call()
    assert call.reply()
    assert call.wire.written == [REPLY]
    assert (call.line.is_open, call.ended, call.wire.closed) == (False, 1, False)


def test_a_connection_that_is_not_kept_says_so_and_is_closed():
    call = Call(keep_alive=False)
    assert call.reply(422)
    assert call.wire.written[0].endswith(b"\r\nconnection: close\r\n\r\n{}")
    assert call.wire.closed


@pytest.mark.parametrize("state", ["response_started", "disconnected"])
def test_nothing_is_written_behind_a_reply_that_has_begun_or_to_a_caller_who_has_gone(state):
    call = Call()
    setattr(call.cycle, state, True)
    assert not call.reply()
    assert (call.wire.written, call.ended) == ([], 0)


async def test_a_caller_who_takes_nothing_is_left_to_flow_control():
    call = Call()
    call.cycle.flow.pause_writing()
    assert not call.reply()


def test_a_reply_without_its_body_takes_the_usual_way():
    assert not Call(method="HEAD").reply()


def test_what_every_reply_has_changes_with_the_time():
    head = ReplyHead()
    assert b"date: today" in head.written(200, USUAL, FIELDS)
    assert b"date: tomorrow" in head.written(200, [(b"date", b"tomorrow")], FIELDS)


async def test_a_body_that_is_here_is_taken_at_once_and_then_only_the_end_can_be_received():
    call = Call()
    call.arrives(b'{"sequences":', more=True)
    assert (call.line.body_is_here, call.line.take_body()) == (False, None)
    call.arrives(b'["ACGT"]}')
    assert call.line.take_body() == b'{"sequences":["ACGT"]}'
    receiving = asyncio.ensure_future(call.cycle.receive())
    await asyncio.sleep(0)
    assert not receiving.done()
    call.cycle.disconnected = True
    call.cycle.message_event.set()
    assert await receiving == {"type": "http.disconnect"}


def test_nobody_takes_the_body_of_a_caller_who_has_gone():
    call = Call()
    call.arrives(b"{}")
    call.cycle.disconnected = True
    assert call.line.take_body() is None


def test_who_asked_hears_of_a_caller_who_hangs_up_before_his_reply_and_not_after():
    heard = []
    call = Call()
    call.line.hang_up()
    call.line.on_hang_up = lambda: heard.append("early")
    call.line.hang_up()
    call.reply()
    call.line.hang_up()
    assert heard == ["early"]
