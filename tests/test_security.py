"""A server that asks for keys, seen from outside: what each caller gets, and what every reply carries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from app.access.key_file import read_keys, write_keys
from tests.keys import add_key
from tests.live import LiveServer
from tests.raw import Reply, ask, get, post

BODY = '{"model": "gc", "sequences": ["GGCA"]}'


class Guarded(NamedTuple):
    """A server with its file of keys, and keys by what is the matter with them."""

    server: LiveServer
    file: Path
    keys: dict[str, str]

    def predict(self, key: str, path: str = "/predict") -> Reply:
        return ask(self.server.port, post(BODY, f"Authorization: Bearer {self.keys.get(key, key)}", path=path))


@pytest.fixture(scope="module")
def guarded(toy_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys = {
        "good": add_key(file, "predict"),
        "expired": add_key(file, "predict", expires=datetime(2020, 1, 1, tzinfo=UTC)),
        "for people": add_key(file, "individual", client="clinic"),
        "revoked": add_key(file, "predict", client="gone"),
    }
    write_keys(file, [key for key in read_keys(file) if key.client != "gone"])
    with LiveServer.start(toy_models, api_keys_file=file) as server:
        yield Guarded(server, file, keys)


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("good", 200, None),
        ("expired", 401, "unauthenticated"),
        ("revoked", 401, "unauthenticated"),
        ("bc_../../_x", 401, "unauthenticated"),
        ("x" * 30_000, 401, "unauthenticated"),
        ("", 401, "unauthenticated"),
        ("for people", 403, "forbidden"),
    ],
    ids=lambda value: str(value)[:16],
)
def test_what_a_key_gets(guarded: Guarded, key: str, status: int, code: str | None) -> None:
    reply = guarded.predict(key)
    assert (reply.status, reply.document.get("code")) == (status, code)
    assert ("www-authenticate" in reply.fields) == (status == 401)


@pytest.mark.parametrize("name", ["api_key", "key", "authorization", "access_token"])
def test_a_key_in_the_query_is_none(guarded: Guarded, name: str) -> None:
    reply = ask(guarded.server.port, get(f"/models?{name}={guarded.keys['good']}"))
    assert reply.status == 401


def test_a_body_is_not_read_for_a_stranger(guarded: Guarded) -> None:
    head = get("/predict", "Content-Type: application/json", "Content-Length: 8000000", method="POST")
    assert ask(guarded.server.port, head, seconds=3).status == 401


def test_a_key_never_shows_in_a_reply(guarded: Guarded) -> None:
    for key in guarded.keys:
        reply = guarded.predict(key)
        shown = reply.fields.as_bytes() + reply.body
        assert guarded.keys[key].rpartition("_")[2].encode() not in shown


@pytest.mark.parametrize("path", ["/predict/individual", "/predict/variants"])
@pytest.mark.parametrize("key", ["good", "for people", ""])
def test_what_is_personal_is_kept_out_of_caches_even_when_it_is_refused(guarded: Guarded, path: str, key: str) -> None:
    assert guarded.predict(key, path).fields["cache-control"] == "no-store"


@pytest.mark.parametrize("request_", [get("/livez"), get("/nowhere"), b"\x00\r\n\r\n"], ids=["200", "401", "no HTTP"])
def test_every_reply_is_closed_to_other_sites(guarded: Guarded, request_: bytes) -> None:
    fields = ask(guarded.server.port, request_).fields
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["content-security-policy"] == "frame-ancestors 'none'"
    assert fields["cross-origin-resource-policy"] == "same-origin"
    assert fields["referrer-policy"] == "no-referrer"
    assert "server" not in fields


def test_a_preflight_of_another_site_is_granted_nothing(guarded: Guarded) -> None:
    fields = ("Origin: http://elsewhere", "Access-Control-Request-Method: POST")
    reply = ask(guarded.server.port, get("/predict", *fields, method="OPTIONS"))
    assert reply.status == 401
    assert not [name for name in reply.fields if name.lower().startswith("access-control")]
