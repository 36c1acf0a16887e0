"""A head that was read is known again, and nothing else is taken for it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.api.deadlines import DeadlineLimits
from app.api.express.heads import KnownHead, SharedHeads, know_head
from tests.raw import post

BODY = b'{"sequences":["ACGT"]}'
DEADLINES = DeadlineLimits(default_ms=700, max_ms=5000)


def _scope(head: bytes, **changes: Any) -> dict[str, Any]:
    """What the server makes of a head of whole lines."""
    request, *lines = head.split(b"\r\n")[:-2]
    fields = [line.partition(b":") for line in lines]
    method, path, _ = request.decode().split(" ")
    scope = {
        "method": method,
        "path": path,
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(name.lower(), value.strip()) for name, _, value in fields],
    }
    return scope | changes


def _head(*fields: str, path: str = "/predict", kind: str = "application/json") -> bytes:
    request = post(BODY, *fields, path=path, kind=kind)
    return request[: -len(BODY)]


def _known(*fields: str) -> KnownHead | None:
    head = _head(*fields)
    return know_head(head, len(BODY), _scope(head), DEADLINES)


@pytest.fixture
def known() -> KnownHead:
    head = _known()
    assert head is not None
    return head


def test_a_head_is_known_but_for_the_length_of_its_body(known: KnownHead) -> None:
    assert known.before == b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    assert known.after == b"\r\n\r\n"
    assert known.body_of(post(BODY)) == BODY
    assert known.body_of(post(b"another body")) == b"another body"


def test_fields_after_the_length_belong_to_it() -> None:
    known = _known("Accept: */*", "User-Agent: curl/8", "Connection: Keep-Alive")
    assert known is not None
    assert known.after == b"\r\nAccept: */*\r\nUser-Agent: curl/8\r\nConnection: Keep-Alive\r\n\r\n"


@pytest.mark.parametrize(("fields", "deadline_ms"), [((), 700), (("X-Deadline-Ms: 1500",), 1500)])
def test_the_head_s_deadline_is_known_too(fields: tuple[str, ...], deadline_ms: int) -> None:
    known = _known(*fields)
    assert known is not None
    assert known.deadline_ms == deadline_ms


def test_heads_that_are_nobody_s_own_are_shared() -> None:
    shared = SharedHeads()
    heads = [_known(), _known("User-Agent: curl/8"), _known("Cookie: mine"), _known("Authorization: Basic eA==")]
    for head in heads:
        assert head is not None
        for _ in range(2):
            shared.share(head)
    requests = [post(BODY), post(BODY, "User-Agent: curl/8"), post(BODY, "Cookie: mine"), b"GET / HTTP/1.1\r\n\r\n"]
    found = [shared.of(request) for request in requests]
    assert found == [heads[0], heads[1], None, None]
    assert [head and head.is_ordinary for head in heads] == [True, True, False, False]


def test_the_last_few_are_shared() -> None:
    shared = SharedHeads()
    heads = [KnownHead(b"%d" % number, b"\r\n", 700, is_ordinary=True) for number in range(10, 30)]
    for head in heads:
        shared.share(head)
    assert [shared.of(head.before + b"0\r\n") for head in heads] == [None] * 12 + heads[12:]


@pytest.mark.parametrize(
    "request_",
    [
        post(BODY)[:-1],
        post(BODY) + b"P",
        post(BODY).replace(b"Host: x", b"Host: y"),
        post(BODY).replace(b"22", b"2 2"),
        post(BODY).replace(b"22", b"+22"),
        post(BODY).replace(b"22", b""),
        post(BODY).replace(b"22", b"00000022"),
        post(BODY).replace(b"\r\n\r\n", b"\r\nX-Request-Id: a\r\n\r\n"),
        b"",
    ],
)
def test_whatever_else_is_not_known(known: KnownHead, request_: bytes) -> None:
    assert known.body_of(request_) is None


lengths = st.integers(0, 30).map(lambda number: b"%d" % number) | st.binary(max_size=9)


@given(st.binary(max_size=30), lengths)
def test_a_body_is_found_only_where_the_length_says_so(body: bytes, digits: bytes) -> None:
    known = _known("Accept: */*")
    assert known is not None
    found = known.body_of(known.before + digits + known.after + body)
    is_its_length = re.fullmatch(rb"[0-9]{1,7}", digits) and int(digits) == len(body)
    assert found == (body if is_its_length else None)


@given(st.integers(0, 200), st.integers(0, 3), st.binary(max_size=3))
def test_a_head_that_differs_in_any_byte_is_not_known(place: int, removed: int, put: bytes) -> None:
    known = _known("Accept: */*")
    assert known is not None
    head = known.before + b"4" + known.after
    changed = head[:place] + put + head[place + removed :]
    assume(not re.fullmatch(re.escape(known.before) + rb"[0-9]{1,7}" + re.escape(known.after), changed))
    assert not known.is_all_of(changed)
    assume(not changed.startswith(head))
    assert known.body_of(changed + b"ACGT") is None


def test_a_head_whose_body_is_to_come_is_all_that_is_there(known: KnownHead) -> None:
    assert known.is_all_of(_head())
    assert known.is_all_of(_head().replace(b"22", b"9999999"))
    for other in (post(BODY), _head()[:-1], _head().replace(b"22", b"0"), _head().replace(b"22", b"2a"), b""):
        assert not known.is_all_of(other)


@pytest.mark.parametrize(
    "field",
    [
        "X-Request-Id: mine",  # another each time
        "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
        "Upgrade: h2c",
        "Connection: close",
        "Connection: keep-alive, Upgrade",
        "Content-Encoding: gzip",
        "Accept: text/csv",
        "Accept: image/png",
        "X-Deadline-Ms: soon",
        "X-Deadline-Ms: 1",
        "Content-Length: 22",  # twice
        "X-Long: " + "a" * 5000,
    ],
)
def test_a_head_that_wants_more_takes_the_long_way(field: str) -> None:
    assert _known(field) is None


@pytest.mark.parametrize(
    "changes",
    [{"method": "PUT"}, {"path": "/predict/individual"}, {"query_string": b"model=gc"}, {"http_version": "1.0"}],
)
def test_another_route_takes_the_long_way(changes: dict[str, Any]) -> None:
    assert know_head(_head(), len(BODY), _scope(_head(), **changes), DEADLINES) is None


def test_a_body_of_another_kind_takes_the_long_way() -> None:
    head = _head(kind="text/x-fasta")
    assert know_head(head, len(BODY), _scope(head), DEADLINES) is None


def test_a_length_that_was_not_the_body_s_is_not_learned_from() -> None:
    assert know_head(_head(), len(BODY) + 1, _scope(_head()), DEADLINES) is None


def test_a_length_that_goes_on_in_the_next_line_is_not_learned_from() -> None:
    head = _head().replace(b"22\r\n", b"22\r\n 2\r\n")
    assert know_head(head, len(BODY), _scope(_head()), DEADLINES) is None
