"""With a file of keys, who has none stays outside, and who has one gets what it was made for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.access.key_ring import KeyRing
from app.api.access import FAILURES_PER_MINUTE, PROBES, Guard
from app.errors import QuotaExceeded, Unauthenticated
from app.limits.memory import MemoryRateLimiter
from app.main import create_service
from app.settings import Settings
from tests.conftest import http_to
from tests.keys import add_key, bearer
from tests.terminal import LogLines

ASK = {"model": "gc", "sequences": ["GGCA", "TT"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


@pytest.fixture
def key(path: Path) -> str:
    return add_key(path, "predict")


@pytest_asyncio.fixture
async def guarded(toy_models: Path, path: Path, key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A service that asks for keys, on an address that others reach."""
    settings = Settings(models=toy_models, threads=1, host="0.0.0.0", api_keys_file=path)
    async with http_to(create_service(settings)) as client:
        yield client


async def test_a_key_opens_what_its_scope_says(guarded: httpx.AsyncClient, key: str) -> None:
    reply = await guarded.post("/predict", json=ASK, headers=bearer(key))
    assert [row["values"]["gc_fraction"] for row in reply.json()["predictions"]] == [0.75, 0.0]
    assert (await guarded.get("/models", headers=bearer(key))).status_code == 200
    refused = await guarded.post("/predict/individual", json={}, headers=bearer(key))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_the_scope_for_people_opens_that_and_nothing_else(toy_models: Path, path: Path) -> None:
    people = bearer(add_key(path, "individual"))
    async with http_to(create_service(Settings(models=toy_models, threads=1, api_keys_file=path))) as client:
        let_in = await client.post("/predict/individual", json={}, headers=people)
        assert let_in.status_code not in (401, 403)
        assert (await client.post("/predict", json=ASK, headers=people)).status_code == 403
        assert (await client.get("/models", headers=people)).status_code == 403


@pytest.mark.parametrize(
    "path_", ["/predict", "/models", "/models/gc", "/metrics", "/docs", "/openapi.json", "/x", "/"]
)
async def test_everything_needs_a_key(guarded: httpx.AsyncClient, path_: str) -> None:
    reply = await guarded.get(path_)
    assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")
    assert reply.headers["www-authenticate"] == 'Bearer realm="basecast"'


async def test_except_the_probes(guarded: httpx.AsyncClient) -> None:
    assert {(await guarded.get(path)).status_code for path in PROBES} == {200}


@pytest.mark.parametrize("path_", ["/docs", "/openapi.json"])
async def test_and_the_documentation_where_only_this_machine_reaches_it(
    toy_models: Path, path: Path, key: str, path_: str
) -> None:
    async with http_to(create_service(Settings(models=toy_models, threads=1, api_keys_file=path))) as client:
        assert (await client.get(path_)).status_code == 200
        assert (await client.get("/models")).status_code == 401


async def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(toy_models: Path, path: Path, key: str) -> None:
    expired = add_key(path, "predict", expires=datetime(2020, 1, 1, tzinfo=UTC))
    wrong: list[dict[str, str]] = [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": key},
        {"authorization": f"Basic {key}"},
        {"x-api-key": key},
        bearer("bc_00000000_" + "0" * 43),
        bearer(key[:-1] + ("0" if key[-1] != "0" else "1")),
        bearer(key + "0"),
        bearer(key.upper()),
        bearer(expired),
        bearer("\u00e9" * 10),
    ]
    settings = Settings(models=toy_models, threads=1, host="0.0.0.0", api_keys_file=path)
    async with http_to(create_service(settings)) as client:
        replies = [
            await client.get("/models", headers=[(name, value.encode("latin-1")) for name, value in fields.items()])
            for fields in wrong
        ]
        replies.append(await client.get("/models", params={"authorization": f"Bearer {key}", "api_key": key}))
        twice = [("authorization", f"Bearer {key}"), ("authorization", "Bearer x")]
        replies.append(await client.get("/models", headers=twice))
    seen = {(reply.status_code, reply.headers["www-authenticate"], _without_id(reply)) for reply in replies}
    assert len(seen) == 1
    assert seen.pop()[0] == 401


def _without_id(reply: httpx.Response) -> str:
    return str(reply.json() | {"instance": ""})


async def test_the_scheme_s_name_may_be_written_in_either_case(guarded: httpx.AsyncClient, key: str) -> None:
    assert (await guarded.get("/models", headers={"authorization": f"bearer {key}"})).status_code == 200


async def test_a_key_s_requests_and_sequences_are_counted(toy_models: Path, path: Path) -> None:
    frugal = bearer(add_key(path, "predict", requests_per_minute=3, sequences_per_minute=3))
    other = bearer(add_key(path, "predict", client="other"))
    async with http_to(create_service(Settings(models=toy_models, threads=1, api_keys_file=path))) as client:
        assert (await client.post("/predict", json=ASK, headers=frugal)).status_code == 200
        spent = await client.post("/predict", json=ASK, headers=frugal)  # a third sequence is left, not a fourth
        assert (spent.status_code, spent.json()["code"], spent.headers["retry-after"]) == (429, "quota", "20")
        assert "3 sequences a minute" in spent.json()["detail"]
        assert (await client.get("/models", headers=frugal)).status_code == 200
        spent = await client.get("/models", headers=frugal)
        assert "3 requests a minute" in spent.json()["detail"]
        assert (await client.post("/predict", json=ASK, headers=other)).status_code == 200


async def test_the_log_names_the_key_by_its_id_and_never_shows_it(
    log_lines: LogLines, guarded: httpx.AsyncClient, key: str
) -> None:
    await guarded.post("/predict", json=ASK, headers=bearer(key))
    await guarded.post("/predict", json=ASK, headers=bearer("x"))
    lines = log_lines()
    told = [(line.get("key_id"), line["status"]) for line in lines if line["event"] == "request"]
    assert told == [(key.split("_")[1], 200), (None, 401)]
    assert key.split("_")[2] not in str(lines)


async def _admit(guard: Guard, address: str, **headers: str) -> None:
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    await guard.admit({"path": "/models", "headers": fields, "client": (address, 1)})


async def test_who_fails_often_is_told_to_wait_but_locks_nobody_out(path: Path, key: str) -> None:
    guard = Guard(KeyRing(path), MemoryRateLimiter())
    for _ in range(FAILURES_PER_MINUTE):
        with pytest.raises(Unauthenticated):
            await _admit(guard, "2001:db8::1")
    with pytest.raises(QuotaExceeded) as refused:
        await _admit(guard, "2001:db8::2")  # the same network
    assert refused.value.headers() == {"retry-after": "1"}
    with pytest.raises(Unauthenticated):
        await _admit(guard, "2001:db8:0:1::1")
    with pytest.raises(Unauthenticated):
        await _admit(guard, "192.0.2.7")
    await _admit(guard, "2001:db8::1", authorization=f"Bearer {key}")
