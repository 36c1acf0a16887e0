"""Whatever is wrong with a request, its sender is told so in one form, and the next one is served as ever.

Each row: what is sent, the status, the code. The requests go over a socket as bytes, because clients are too polite.
"""

from __future__ import annotations

import json
import re
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import LiveServer
from tests.raw import Reply, ask, chunk, chunked, get, post

GOOD = post('{"model": "gc", "sequences": ["GGCA"]}')
MALFORMED_JSON = (400, "malformed_json")
MALFORMED = (400, "malformed_request")
INVALID_VALUE = (422, "invalid_value")
INVALID_FIELD = (422, "invalid_field")
INVALID_BASE = (422, "invalid_base")
EMPTY = (422, "empty")
TOO_MANY, TOO_LONG = (422, "too_many"), (422, "too_long")
TOO_LARGE = (413, "body_too_large")
UNSUPPORTED = (415, "unsupported_media_type")
NOT_ACCEPTABLE = (406, "not_acceptable")
UNKNOWN_ROUTE, UNKNOWN_MODEL = (404, "unknown_route"), (404, "unknown_model")
NOT_ALLOWED = (405, "method_not_allowed")
URI_TOO_LONG, HEADERS_TOO_LARGE = (414, "uri_too_long"), (431, "headers_too_large")
FINE = (200, "")


def predict(sequences: str, more: str = "", *fields: str) -> bytes:
    """A request for these sequences, written as JSON."""
    return post(f'{{"model": "gc", "sequences": {sequences}{more}}}', *fields)


def deadline(value: str) -> bytes:
    return predict('["GC"]', f', "deadline_ms": {value}')


BODIES = {
    "no body": (get("/predict", method="POST"), UNSUPPORTED),
    "no body but a type": (post(""), MALFORMED_JSON),
    "braces": (post("{{{"), MALFORMED_JSON),
    "truncated": (post('{"sequences": ["GC"'), MALFORMED_JSON),
    "trailing bytes": (post('{"sequences": ["GC"]} x'), MALFORMED_JSON),
    "two documents": (post('{"sequences": ["GC"]}{"sequences": ["GC"]}'), MALFORMED_JSON),
    "the same key twice": (post('{"model": "gc", "sequences": ["GC"], "model": "gc"}'), MALFORMED_JSON),
    "the same key twice, once escaped": (post(r'{"sequences": ["GC"], "sequence\u0073": []}'), MALFORMED_JSON),
    "byte order mark": (post(b'\xef\xbb\xbf{"sequences": ["GC"]}'), MALFORMED_JSON),
    "UTF-16": (post('{"sequences": ["GC"]}'.encode("utf-16-le")), MALFORMED_JSON),
    "no UTF-8": (post(b'{"sequences": ["\xff\xfe"]}'), MALFORMED_JSON),
    "overlong UTF-8": (post(b'{"sequences": ["\xc0\xaf"]}'), MALFORMED_JSON),
    "control character": (post('{"sequences": ["G\x01C"]}'), MALFORMED_JSON),
    "single quotes": (post("{'sequences': ['GC']}"), MALFORMED_JSON),
    "comment": (post('{"sequences": ["GC"] /* all */}'), MALFORMED_JSON),
    "trailing comma": (post('{"sequences": ["GC",]}'), MALFORMED_JSON),
    "200,000 nested lists": (post("[" * 200_000), MALFORMED_JSON),
    "200,000 nested objects": (post('{"a":' * 200_000), MALFORMED_JSON),
    "21 deep": (predict("[" * 20 + "]" * 20), MALFORMED_JSON),
    "a string": (post('"GC"'), INVALID_FIELD),
    "null": (post("null"), INVALID_FIELD),
    "a list": (post('["GC"]'), INVALID_FIELD),
    "no FASTA": (post("GC\n", path="/predict?model=gc", kind="text/x-fasta"), MALFORMED),
    "FASTA that is no UTF-8": (post(b">a\n\xff", path="/predict?model=gc", kind="text/x-fasta"), MALFORMED),
}
VALUES = {
    "NaN": (deadline("NaN"), INVALID_VALUE),
    "Infinity": (deadline("-Infinity"), INVALID_VALUE),
    "NaN among sequences": (predict("[NaN]"), INVALID_VALUE),
    "1e999": (deadline("1e999"), INVALID_VALUE),
    "huge exponent": (deadline("1e1000000000"), INVALID_VALUE),
    "5,000 digits": (deadline("9" * 5000), INVALID_VALUE),
    "a fraction of 5,000 digits": (deadline("0." + "9" * 5000), INVALID_VALUE),
    "negative": (deadline("-1"), INVALID_VALUE),
    "zero": (deadline("0"), INVALID_VALUE),
    "not whole": (deadline("1000.5"), INVALID_VALUE),
    "a bool for a number": (deadline("true"), INVALID_VALUE),
    "a string for a number": (deadline('"1000"'), INVALID_VALUE),
    "beyond the cap": (deadline("1000000000000"), INVALID_VALUE),
    "half a surrogate pair": (predict(r'["\ud800"]'), INVALID_VALUE),
    "half a surrogate pair in a key": (post(r'{"sequences": ["GC"], "\udfff": 1}'), INVALID_VALUE),
    "NUL in an id": (predict(r'[{"id": "a\u0000", "sequence": "GC"}]'), INVALID_VALUE),
    "line end in an id": (predict(r'[{"id": "a\r\nb", "sequence": "GC"}]'), INVALID_VALUE),
    "empty id": (predict('[{"id": "", "sequence": "GC"}]'), INVALID_VALUE),
    "long id": (predict(json.dumps([{"id": "a" * 257, "sequence": "GC"}])), INVALID_VALUE),
    "a number for a sequence": (predict("[1]"), INVALID_FIELD),
    "unknown priority": (predict('["GC"]', ', "priority": "urgent"'), INVALID_VALUE),
    "a path for a model": (post('{"model": "../../etc/passwd", "sequences": ["GC"]}'), UNKNOWN_MODEL),
    "a URL for a model": (post('{"model": "http://host/", "sequences": ["GC"]}'), UNKNOWN_MODEL),
    "a model of a million letters": (post(json.dumps({"model": "a" * 10**6, "sequences": ["GC"]})), UNKNOWN_MODEL),
}
FIELDS = {
    "unknown field": (predict('["GC"]', ', "surprise": 1'), INVALID_FIELD),
    "__proto__": (predict('["GC"]', ', "__proto__": {"a": 1}'), INVALID_FIELD),
    "constructor": (predict('["GC"]', ', "constructor": {"prototype": {}}'), INVALID_FIELD),
    "missing": (post('{"model": "gc"}'), INVALID_FIELD),
    "null for a list": (predict("null"), INVALID_FIELD),
    "an object for a list": (predict('{"0": "GC"}'), INVALID_FIELD),
    "a list for a sequence": (predict('[["GC"]]'), INVALID_FIELD),
    "10,000 keys": (post(json.dumps({str(key): 1 for key in range(10_000)})), INVALID_FIELD),
    "unknown query": (post('{"sequences": ["GC"]}', path="/predict?x=1"), INVALID_FIELD),
    "the same query twice": (post('{"sequences": ["GC"]}', path="/predict?model=gc&model=gc"), INVALID_FIELD),
}
SEQUENCES = {
    "no sequence": (predict("[]"), EMPTY),
    "an empty sequence": (predict('[""]'), EMPTY),
    "4,097 sequences": (predict(json.dumps(["A"] * 4097)), TOO_MANY),
    "1,001 bases": (predict(json.dumps(["A" * 1001])), TOO_LONG),
    "too many bases in all": (predict(json.dumps(["A" * 1000] * 2001)), TOO_LONG),
    "Cyrillic": (predict('["GC\u0410"]'), INVALID_BASE),
    "full width": (predict('["GC\uff21"]'), INVALID_BASE),
    "right to left": (predict('["GC\u200f"]'), INVALID_BASE),
    "emoji": (predict('["GC\U0001f9ec"]'), INVALID_BASE),
    "dotless i, which is I in upper case": (predict('["GC\u0131"]'), INVALID_BASE),
    "space": (predict('["GC A"]'), INVALID_BASE),
    "line end": (predict(r'["GC\r\nA"]'), INVALID_BASE),
    "NUL": (predict(r'["GC\u0000"]'), INVALID_BASE),
    "FASTA": (predict('[">a GC"]'), INVALID_BASE),
    "gap": (predict('["G-C"]'), INVALID_BASE),
    "a letter that this model does not take": (predict('["GCR"]'), INVALID_BASE),
}
TYPES = {
    "gzip": (predict('["GC"]', "", "Content-Encoding: gzip"), UNSUPPORTED),
    "brotli": (predict('["GC"]', "", "Content-Encoding: br"), UNSUPPORTED),
    "zstd": (predict('["GC"]', "", "Content-Encoding: zstd"), UNSUPPORTED),
    "gzip in a second field": (
        predict('["GC"]', "", "Content-Encoding: identity", "Content-Encoding: gzip"),
        UNSUPPORTED,
    ),
    "wrong type": (post('{"sequences": ["GC"]}', kind="text/plain"), UNSUPPORTED),
    "no type": (post('{"sequences": ["GC"]}', kind=""), UNSUPPORTED),
    "two types": (post('{"sequences": ["GC"]}', "Content-Type: text/x-fasta"), UNSUPPORTED),
    "form": (post("sequences=GC", kind="application/x-www-form-urlencoded"), UNSUPPORTED),
    "multipart": (post("--x--", kind="multipart/form-data; boundary=x"), UNSUPPORTED),
    "UTF-7": (post('{"sequences": ["GC"]}', kind="application/json; charset=utf-7"), UNSUPPORTED),
    "unknown parameter": (post('{"sequences": ["GC"]}', kind="application/json; a=b"), UNSUPPORTED),
    "Accept HTML": (predict('["GC"]', "", "Accept: text/html"), NOT_ACCEPTABLE),
    "Accept garbage": (predict('["GC"]', "", "Accept: ;;;,,,"), NOT_ACCEPTABLE),
    "Accept with a weight that is no number": (predict('["GC"]', "", "Accept: */*;q=NaN"), NOT_ACCEPTABLE),
}
HEADS = {
    "deadline -1": (predict('["GC"]', "", "X-Deadline-Ms: -1"), INVALID_VALUE),
    "deadline NaN": (predict('["GC"]', "", "X-Deadline-Ms: NaN"), INVALID_VALUE),
    "deadline 10^12": (predict('["GC"]', "", "X-Deadline-Ms: 1000000000000"), INVALID_VALUE),
    "deadline in Arabic digits": (predict('["GC"]', "", "X-Deadline-Ms: \u00b2\u00b3"), INVALID_VALUE),
    "traceparent of another form": (get("/livez", "traceparent: 00-0-0-zz"), FINE),
    "traceparent of zeros": (get("/livez", f"traceparent: 00-{'0' * 32}-{'0' * 16}-01"), FINE),
    "traceparent of 30 KB": (get("/livez", f"traceparent: {'f' * 30_000}"), FINE),
    "70 KB in one field": (get("/livez", f"X-A: {'a' * 70_000}"), HEADERS_TOO_LARGE),
    "40 KB in one field": (get("/livez", f"X-A: {'a' * 40_000}"), HEADERS_TOO_LARGE),
    "5,000 fields": (get("/livez", *(f"X-{index}: a" for index in range(5000))), HEADERS_TOO_LARGE),
    "101 fields": (get("/livez", *(f"X-{index}: a" for index in range(101))), HEADERS_TOO_LARGE),
    "Content-Length and Transfer-Encoding": (
        post('{"sequences": ["GC"]}', "Transfer-Encoding: chunked"),
        MALFORMED,
    ),
    "negative Content-Length": (get("/predict", "Content-Length: -1", method="POST"), MALFORMED),
    "Content-Length with a sign": (get("/predict", "Content-Length: +1", method="POST"), MALFORMED),
    "Content-Length in hexadecimal": (get("/predict", "Content-Length: 0x10", method="POST"), MALFORMED),
    "Content-Length beyond 64 bits": (get("/predict", f"Content-Length: {10**20}", method="POST"), MALFORMED),
    "two Content-Lengths": (post("{}", "Content-Length: 3"), MALFORMED),
    "two equal Content-Lengths": (post("{}", "Content-Length: 2"), MALFORMED),
    "bad chunk size": (chunked(b"zz\r\n"), MALFORMED),
    "negative chunk size": (chunked(b"-1\r\n"), MALFORMED),
    "chunk size beyond 64 bits": (chunked(b"f" * 17 + b"\r\n"), MALFORMED),
    "chunk longer than its size": (chunked(b"2\r\n{}}\r\n0\r\n\r\n"), MALFORMED),
    "Transfer-Encoding that is not chunked": (
        get("/predict", "Transfer-Encoding: identity", "Content-Type: application/json", method="POST"),
        MALFORMED,
    ),
    "folded field": (get("/livez", "X-A: a\r\n b"), MALFORMED),
    "space before a colon": (get("/livez", "X-A : a"), MALFORMED),
    "space in a field's name": (get("/livez", "X A: a"), MALFORMED),
    "field without a colon": (get("/livez", "X-A"), MALFORMED),
    "NUL in a field": (get("/livez", "X-A: a\0b"), MALFORMED),
    "bare carriage return in a field": (get("/livez", "X-A: a\rX-B: b"), MALFORMED),
    "version 9.9": (b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n", MALFORMED),
    "no version, as in HTTP/0.9": (b"GET /livez\r\n\r\n", FINE),
    "upgrade to a web socket": (get("/livez", "Connection: Upgrade", "Upgrade: websocket"), FINE),
    "upgrade to HTTP/2": (predict('["GC"]', "", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"), MALFORMED),
    "expectation that is not 100-continue": (predict('["GC"]', "", "Expect: the-unexpected"), FINE),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", MALFORMED),
    "NULs": (b"\x00" * 1000, MALFORMED),
}
PATHS = {
    "dots": (get("/%2e%2e/etc/passwd"), UNKNOWN_ROUTE),
    "plain dots": (get("/../../etc/passwd"), UNKNOWN_ROUTE),
    "backslashes": (get("/..%5c..%5cwindows"), UNKNOWN_ROUTE),
    "two slashes": (get("//"), UNKNOWN_ROUTE),
    "two slashes before a route": (get("//livez"), UNKNOWN_ROUTE),
    "a slash behind a route": (get("/livez/"), UNKNOWN_ROUTE),
    "NUL in a path": (get("/livez%00"), UNKNOWN_ROUTE),
    "line end in a path": (get("/livez%0d%0aX-A:%20b"), UNKNOWN_ROUTE),
    "no UTF-8 in a path": (get("/models/%ff%fe"), UNKNOWN_MODEL),
    "half an escape": (get("/models/%f"), UNKNOWN_MODEL),
    "dots for a model": (get("/models/..%2f..%2fetc"), UNKNOWN_ROUTE),
    "bytes beyond ASCII in a path": (get("/mod\xe9ls"), MALFORMED),
    "10 KB of path": (get("/" + "a" * 10_000), URI_TOO_LONG),
    "10 KB of query": (get("/livez?" + "a" * 10_000), URI_TOO_LONG),
    "host in the request line": (get("http://elsewhere/livez"), FINE),
    "star": (get("*", method="OPTIONS"), UNKNOWN_ROUTE),
    "TRACE": (get("/predict", method="TRACE"), NOT_ALLOWED),
    "PUT": (get("/predict", method="PUT"), NOT_ALLOWED),
    "DELETE": (get("/models/gc", method="DELETE"), NOT_ALLOWED),
    "OPTIONS": (get("/predict", "Origin: http://elsewhere", method="OPTIONS"), NOT_ALLOWED),
    "CONNECT": (get("elsewhere:443", method="CONNECT"), MALFORMED),
    "method of our own": (get("/predict", method="PREDICT"), MALFORMED),
    "method in lower case": (get("/predict", method="post"), MALFORMED),
}
ROWS = BODIES | VALUES | FIELDS | SEQUENCES | TYPES | HEADS | PATHS


@pytest.fixture(scope="module")
def server(toy_models: Path) -> Iterator[LiveServer]:
    """A server that takes at most two million bases a request."""
    with LiveServer.start(toy_models, max_total_bases=2_000_000) as server:
        yield server


@pytest.fixture(autouse=True)
def serves_on(server: LiveServer) -> Iterator[None]:
    """After each row the same process answers as ever."""
    yield
    assert server.process.poll() is None
    reply = ask(server.port, GOOD)
    assert reply.document["predictions"][0]["values"] == {"gc_fraction": 0.75}


def outcome(reply: Reply) -> tuple[int, str]:
    """Status and code, once the form of the reply is checked."""
    assert reply.fields["x-content-type-options"] == "nosniff"
    assert "server" not in reply.fields
    assert "access-control-allow-origin" not in reply.fields
    if reply.status == 200:
        return FINE
    document = reply.document
    assert reply.fields["content-type"] == "application/problem+json"
    assert (document["status"], document["type"]) == (reply.status, f"urn:basecast:problem:{document['code']}")
    assert document["instance"] == f"urn:uuid:{uuid.UUID(reply.fields['x-request-id'])}"
    return reply.status, document["code"]


@pytest.mark.parametrize("row", ROWS)
def test_it_is_refused_as_the_contract_says(server: LiveServer, row: str) -> None:
    request, expected = ROWS[row]
    assert outcome(ask(server.port, request)) == expected


@pytest.mark.parametrize("row", ["TRACE", "PUT", "OPTIONS"])
def test_a_method_that_is_not_allowed_comes_back_with_those_that_are(server: LiveServer, row: str) -> None:
    assert ask(server.port, PATHS[row][0]).fields["allow"] == "POST"


@pytest.mark.parametrize(
    "given", ["", "a b", "<script>alert(1)</script>", "\u00e9", "x" * 65, "x" * 30_000, "a\tb", "%0d"]
)
def test_a_request_id_that_might_do_harm_is_replaced(server: LiveServer, given: str) -> None:
    reply = ask(server.port, get("/livez", f"X-Request-ID: {given}"))
    assert uuid.UUID(reply.fields["x-request-id"])


def test_a_request_id_cannot_bring_a_field_of_its_own(server: LiveServer) -> None:
    reply = ask(server.port, get("/livez", "X-Request-ID: a\r\nX-Evil: b"))
    assert reply.fields["x-request-id"] == "a"
    assert "x-evil" not in reply.fields


LARGE = 100 * 2**20
PART = chunk(b"A" * 65_536)
LARGE_BODIES = {
    "by its length": post(b"A" * 9_000_000),
    "by a length that never comes": get(
        "/predict", f"Content-Length: {LARGE}", "Content-Type: application/json", method="POST"
    ),
    "in chunks": chunked(PART * (LARGE // 65_536)),
}


@pytest.mark.parametrize("row", LARGE_BODIES)
def test_a_body_beyond_the_limit_is_refused_and_costs_no_memory(server: LiveServer, row: str) -> None:
    ask(server.port, GOOD)
    before = server.resident_bytes()
    reply = ask(server.port, LARGE_BODIES[row], seconds=30)
    assert outcome(reply) == TOO_LARGE
    assert reply.fields["connection"] == "close"
    assert server.resident_bytes() - before < 2 * 8 * 2**20


@pytest.mark.parametrize(("body", "first"), [("zz\r\n", "2\r\n{}\r\n"), ("}}", "2\r\n{}")], ids=["size", "end"])
def test_a_body_that_breaks_off_in_the_middle_is_answered_once(server: LiveServer, body: str, first: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as caller:
        before = counted(server)
        caller.sendall(chunked(first.encode()))
        time.sleep(0.1)
        caller.sendall(body.encode())
        received = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 400 ") == 1
    assert received.startswith(b"HTTP/1.1 400 ")
    assert counted(server) - before == Counter({("/predict", "400"): 1})


def test_garbage_behind_a_request_is_not_taken_for_its_answer(server: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as caller:
        caller.sendall(GOOD + b"\x00garbage\r\n\r\n")
        received = b"".join(iter(lambda: caller.recv(65_536), b""))
    assert b" 400 " not in received.partition(b"\r\n")[0]


REFUSED_BY_THE_CONNECTION = {
    "TLS": {("unknown", "400"): 1},
    "70 KB in one field": {("unknown", "431"): 1},
    "bad chunk size": {("/predict", "400"): 1},
}


@pytest.mark.parametrize("row", REFUSED_BY_THE_CONNECTION)
def test_what_the_connection_refuses_is_counted_once(server: LiveServer, row: str) -> None:
    before = counted(server)
    ask(server.port, HEADS[row][0])
    assert counted(server) - before == Counter(REFUSED_BY_THE_CONNECTION[row])


def counted(server: LiveServer) -> Counter[tuple[str, str]]:
    """How many requests were answered by route and status, those for the metrics themselves apart."""
    line = re.compile(r'basecast_requests_total\{code="(\d+)",route="([^"]+)"\} (\S+)')
    found = line.findall(ask(server.port, get("/metrics")).body.decode())
    return Counter({(route, code): int(float(count)) for code, route, count in found if route != "/metrics"})
