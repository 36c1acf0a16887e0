"""Asking a service behind a URL, where anything may answer."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.client import Prediction
from app.client.remote import HttpClient, connect
from app.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    Overloaded,
    ServerError,
    UnknownModel,
)
from tests.keys import add_key
from tests.live import LiveServer, free_port

MODELS = {"models": [{"name": "toy", "version": "1.0.0", "targets": [{"name": "level"}]}]}
ANSWER = {"predictions": [{"id": "0", "bases": 4, "tokens": 4, "values": {"level": 0.5}}]}
Reply = tuple[int, dict[str, str], Any]


class Script(ThreadingHTTPServer):
    """A server that answers POST /predict with the given replies, one after the other."""

    daemon_threads = True

    def __init__(self, replies: Sequence[Reply], models: Any = MODELS) -> None:
        super().__init__(("127.0.0.1", 0), ScriptHandler)
        self.replies, self.models = list(replies), models
        self.requests: list[dict[str, Any]] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class ScriptHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Script

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self._answer(200, {}, self.server.models)

    def do_POST(self) -> None:
        self.server.requests.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self._answer(*self.server.replies.pop(0))

    def _answer(self, status: int, headers: dict[str, str], document: Any) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if "hang up" in headers.get("x-then", ""):
            self.close_connection = True

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    """Starts a scripted server."""
    started: list[Script] = []

    def start(*replies: Reply, models: Any = MODELS) -> Script:
        server = Script(replies, models)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def problem(status: int, code: str, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
    return status, headers or {}, {"code": code, "detail": f"What {code} says.", **fields}


def ask(server: Script) -> list[Prediction]:
    with connect(server.url, None) as client:
        return client.predict(["ACGT"])


def test_a_run_is_pinned_to_one_version_and_gives_way_to_others(script: Callable[..., Script]) -> None:
    server = script((200, {}, ANSWER))
    assert ask(server) == [Prediction(4, 4, (0.5,))]
    expected = {"model": "toy@1.0.0", "sequences": ["ACGT"], "priority": "bulk", "deadline_ms": 120_000}
    assert server.requests == [expected]


def test_one_connection_serves_many_requests(script: Callable[..., Script]) -> None:
    server = script(*[(200, {}, ANSWER)] * 5)
    with connect(server.url, "toy") as client:
        for _ in range(5):
            client.predict(["ACGT"])
    assert server.connections == 1


def test_a_connection_that_the_server_closed_is_opened_again(script: Callable[..., Script]) -> None:
    server = script((200, {"x-then": "hang up"}, ANSWER), (200, {}, ANSWER))
    with connect(server.url, "toy") as client:
        client.predict(["ACGT"])
        assert client.predict(["ACGT"]) == [Prediction(4, 4, (0.5,))]


def test_a_service_with_shorter_deadlines_is_asked_without_one(script: Callable[..., Script]) -> None:
    fault = {"pointer": "/deadline_ms", "code": "invalid_value", "detail": "Too long."}
    server = script(problem(422, "invalid_value", errors=[fault]), (200, {}, ANSWER))
    ask(server)
    assert "deadline_ms" not in server.requests[1]


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (problem(503, "overloaded"), Overloaded, "overloaded says"),
        (problem(504, "deadline_exceeded"), DeadlineExceeded, "deadline_exceeded says"),
        (problem(413, "body_too_large"), BodyTooLarge, "body_too_large says"),
        (problem(404, "unknown_model"), UnknownModel, "unknown_model says"),
        (problem(500, "inference_failed"), ServerError, "inference_failed says"),
        ((502, {}, b"<html>Bad gateway</html>"), ServerError, "answered 502 Bad Gateway, but not as a Basecast"),
        ((200, {}, b"<html>Welcome</html>"), ServerError, "answered 200 OK, but not as a Basecast"),
        ((200, {}, {"predictions": []}), ServerError, "not as a Basecast"),
    ],
)
def test_each_answer_becomes_the_error_it_tells(
    script: Callable[..., Script], reply: Reply, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(script(reply))


@pytest.mark.parametrize(
    ("headers", "fields", "milliseconds"),
    [({"retry-after": "7"}, {}, 7000), ({"retry-after": "7"}, {"retry_after_ms": 6500}, 6500), ({}, {}, None)],
)
def test_when_to_come_back_is_read_from_document_or_header(
    script: Callable[..., Script], headers: dict[str, str], fields: dict[str, int], milliseconds: int | None
) -> None:
    with pytest.raises(Overloaded) as busy:
        ask(script(problem(503, "overloaded", headers, **fields)))
    assert busy.value.retry_after_ms == milliseconds


def test_a_server_that_is_not_there_is_told_with_its_url() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServerError, match=f"{url}: connection refused"), connect(url, None):
        pass


def test_a_server_that_hangs_up_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ServerError, match=r"connection ended|reset"), connect(url, None):
            pass
        thread.join()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "http://a:b:c", "http://user:secret@host"])
def test_what_is_no_url_of_a_service_is_refused_unechoed(url: str) -> None:
    with pytest.raises(ServerError, match="must look like") as refused, connect(url, None):
        pass
    assert "secret" not in str(refused.value)


def test_among_several_models_one_must_be_named(live_server: LiveServer) -> None:
    with pytest.raises(UnknownModel, match=r"choose one with --model: gc@1\.0\.0, mean-id@1\.0\.0"):
        connect(live_server.url, None).__enter__()
    with pytest.raises(UnknownModel, match=r"there is gc@1\.0\.0"):
        connect(live_server.url, "gc@2.0.0").__enter__()
    with connect(live_server.url, "gc@1.0.0") as client:
        assert client.targets == ("gc_fraction",)


def test_an_answer_that_comes_while_the_request_is_still_sent_is_read() -> None:
    document = json.dumps({"code": "body_too_large", "detail": "Send less."}).encode()
    reply = b"HTTP/1.1 413 Too large\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(document), document)
    with raw_server(reply) as url:
        client = HttpClient(url)
        client.model = "toy@1.0.0"
        with pytest.raises(BodyTooLarge, match="Send less"):
            client.predict(["A" * 60_000_000])
        client.close()


def test_a_server_that_hangs_up_while_the_request_is_still_sent_is_told() -> None:
    with raw_server(b"") as url:
        client = HttpClient(url)
        with pytest.raises(ServerError, match=r"connection ended|reset|Broken pipe"):
            client.predict(["A" * 60_000_000])
        client.close()


@contextmanager
def raw_server(reply: bytes) -> Iterator[str]:
    """Answers the first bytes of a request, takes no more and hangs up; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            caller = listener.accept()[0]
            with caller:
                caller.recv(65_536)
                caller.sendall(reply)
                time.sleep(0.2)  # the reply is there before the reset that closing with bytes unread sends

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_a_key_is_shown_where_the_service_asks_for_one(toy_models: Path, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.toml", "predict")
    with LiveServer.start(toy_models / "gc", api_keys_file=tmp_path / "keys.toml") as server:
        with connect(server.url, None, f"{key}\n") as client:
            assert client.predict(["GGCA"]) == [Prediction(4, 4, (0.75,))]
        with pytest.raises(ServerError, match="Send a valid API key"), connect(server.url, None):
            pass


@pytest.mark.parametrize("key", ["", "bc_a\r\nX-Evil: b", "\u00e9"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(key: str) -> None:
    with pytest.raises(ServerError, match=r"^the API key must look like bc_<id>_<secret>$"):
        HttpClient("http://127.0.0.1:1", key)
