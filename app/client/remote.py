"""The service behind a URL, over the standard library's HTTP client."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from app import __version__
from app.client import Client, Prediction, Progress
from app.client.address import checked_key, checked_url
from app.client.people import read_events, upload
from app.client.problems import refusal
from app.errors import ServerError, UnknownModel, Unprocessable

DEADLINE_MS = 120_000
NETWORK_GRACE_SECONDS = 30.0
FIELDS = {"accept": "application/json", "user-agent": f"basecast/{__version__}"}


@contextmanager
def connect(url: str, model: str | None, key: str | None = None) -> Iterator[Client]:
    """A client of the service at a URL.

    Args:
        url, key: as of `HttpClient`.
        model: as of `HttpClient.choose`, which says what can go wrong too.
    """
    client = HttpClient(url, key)
    try:
        client.choose(model)
        yield client
    finally:
        client.close()


class HttpClient:
    """A running service, over one connection per thread that is kept alive.

    Args:
        url: where it is, such as `http://127.0.0.1:8000`; a path before its routes is kept.
        key: the API key to show, where the service asks for one.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url = checked_url(url)
        self._fields = FIELDS if key is None else FIELDS | {"authorization": f"Bearer {checked_key(key)}"}
        self._of_thread = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._deadline_ms: int | None = DEADLINE_MS
        self._closed = False
        self.model, self.targets = "", tuple[str, ...]()

    def choose(self, model: str | None) -> None:
        """Predict with `name`, `name@version`, or the only model there is.

        Raises:
            ServerError: the service cannot be reached, or something else answers there.
            UnknownModel: it does not serve that model.
        """
        info = _chosen(self._document("GET", "/models", "models")["models"], model)
        self.model = f"{info['name']}@{info['version']}"  # pinned: a run never mixes two versions
        self.targets = tuple(str(target["name"]) for target in info["targets"])

    def predict(self, sequences: Sequence[str]) -> list[Prediction]:
        request = {"sequences": list(sequences), "priority": "bulk"}
        return [self._prediction(row) for row in self._ask("/predict", request, "predictions")["predictions"]]

    def ask(self, route: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask(route, request, "model")

    def predict_people(self, request: Mapping[str, Any], vcf: Path, progress: Progress) -> dict[str, Any]:
        asked = {**request, "model": self.model}
        try:
            return self._predict_people(asked | {"deadline_ms": DEADLINE_MS}, vcf, progress)
        except Unprocessable as error:
            if all(item.pointer != "/deadline_ms" for item in error.items):
                raise
            return self._predict_people(asked, vcf, progress)  # its own default it is, then

    def _predict_people(self, request: Mapping[str, Any], vcf: Path, progress: Progress) -> dict[str, Any]:
        url, path = self._url.geturl(), self._url.path.rstrip("/") + "/predict/individual"
        try:
            with upload(json.dumps(request).encode(), vcf) as (fields, body):
                connection = self._connection()
                asked = {**self._fields, **fields, "accept": "text/event-stream"}
                response = _ask(connection, path, body, asked)
                if response.status != HTTPStatus.OK:
                    raise _error(url, response, _parsed(response.read()))
                return self._result(read_events(response), progress)
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"{url}: {_reason(error)}") from None
        finally:
            self._connection().close()  # what the service has not read of a file it would take for a request

    def _result(self, events: Iterator[tuple[str, dict[str, Any]]], progress: Progress) -> dict[str, Any]:
        for name, told in events:
            if name == "progress":
                progress(told["done"], told["total"])
            elif name == "result":
                return told
            elif name == "error":
                raise refusal(self._url.geturl(), int(told["status"]), told, told.get("retry_after_ms"))
        raise ServerError(f"{self._url.geturl()}: the connection ended before the answer was there")

    def close(self) -> None:
        """Hang up; a thread that still waits for an answer stops waiting."""
        self._closed = True
        for connection in self._connections:
            if connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _prediction(self, row: Mapping[str, Any]) -> Prediction:
        return Prediction(row["bases"], row["tokens"], tuple(row["values"][target] for target in self.targets))

    def _ask(self, route: str, request: Mapping[str, Any], key: str) -> dict[str, Any]:
        asked = {**request, "model": self.model}
        if self._deadline_ms is not None:
            try:
                timed = asked | {"deadline_ms": self._deadline_ms}
                return self._document("POST", route, key, json.dumps(timed).encode())
            except Unprocessable as error:
                if all(item.pointer != "/deadline_ms" for item in error.items):
                    raise
                self._deadline_ms = None  # more than this service allows; its own default it is, then
        return self._document("POST", route, key, json.dumps(asked).encode())

    def _document(self, method: str, path: str, key: str, body: bytes | None = None) -> dict[str, Any]:
        """Ask, and take the answer, which must hold something under `key`."""
        try:
            response, content = self._exchange(method, self._url.path.rstrip("/") + path, body)
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"{self._url.geturl()}: {_reason(error)}") from None
        document = _parsed(content)
        if response.status != HTTPStatus.OK or not document.get(key):
            raise _error(self._url.geturl(), response, document)
        return document

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connection()
        kept_alive = connection.sock is not None
        try:
            return _send(connection, method, path, body, self._fields)
        except (ConnectionError, http.client.HTTPException):
            connection.close()
            if self._closed or not kept_alive:
                raise
        # The server may hang up on an idle connection at any moment; a prediction may safely be asked for twice.
        return _send(connection, method, path, body, self._fields)

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._of_thread, "connection"):
            secure = self._url.scheme == "https"
            form = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            timeout = DEADLINE_MS / 1000 + NETWORK_GRACE_SECONDS
            self._of_thread.connection = form(str(self._url.hostname), self._url.port, timeout=timeout)
            self._connections.append(self._of_thread.connection)
        connection: http.client.HTTPConnection = self._of_thread.connection
        return connection


def _send(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, fields: Mapping[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    typed = {} if body is None else {"content-type": "application/json"}
    try:
        connection.request(method, path, body, {**fields, **typed})
    except (BrokenPipeError, ConnectionResetError):
        return _early_answer(connection)
    response = connection.getresponse()
    return response, response.read()


def _early_answer(connection: http.client.HTTPConnection) -> tuple[http.client.HTTPResponse, bytes]:
    """What the server said before it hung up on a request of which it did not want the rest.

    Raises:
        ConnectionError: it said nothing.
        HTTPException: what it said is no answer.
    """
    if connection.sock is None:
        raise ConnectionResetError
    try:
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()  # what it has not read of this request, it would take for the next


def _ask(
    connection: http.client.HTTPConnection, path: str, body: Iterator[bytes], fields: Mapping[str, str]
) -> http.client.HTTPResponse:
    """Send a body, or as much of it as the server takes before it answers."""
    try:
        connection.request("POST", path, body, dict(fields))
    except (BrokenPipeError, ConnectionResetError):
        if connection.sock is None:
            raise
    return connection.getresponse()


def _error(url: str, response: http.client.HTTPResponse, problem: Mapping[str, Any]) -> Exception:
    """What the service's problem document says, as the error that the service raised."""
    if "code" not in problem:
        return ServerError(f"{url}: answered {response.status} {response.reason}, but not as a Basecast service does")
    return refusal(url, response.status, problem, _retry_after_ms(response, problem))


def _retry_after_ms(response: http.client.HTTPResponse, problem: Mapping[str, Any]) -> int | None:
    """When to come back: to the millisecond where the document says it, else in the header's whole seconds."""
    if "retry_after_ms" in problem:
        return int(problem["retry_after_ms"])
    seconds = response.headers.get("retry-after", "")
    return int(seconds) * 1000 if seconds.isdecimal() else None


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is `basecast serve` running there?"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or "the connection ended before the answer was there"


def _chosen(models: Sequence[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """The entry of GET /models that is meant, by the rule that the service itself follows."""
    names = ", ".join(f"{model['name']}@{model['version']}" for model in models)
    if name is None and len(models) > 1:
        raise UnknownModel(f"Several models are served there; choose one with --model: {names}.")
    for model in models:
        if name in (None, model["name"], f"{model['name']}@{model['version']}"):
            return model
    raise UnknownModel(f"No model of that name or version is served there; there is {names}.")
