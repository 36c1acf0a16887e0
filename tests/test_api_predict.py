"""POST /predict: what it answers, and how it refuses."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.main import create_service
from app.settings import Settings
from tests.conftest import http_to

JSON = {"content-type": "application/json"}
FASTA = {"content-type": "text/x-fasta"}


async def _post(client: httpx.AsyncClient, document: object, **headers: str) -> httpx.Response:
    return await client.post("/predict", json=document, headers=headers)


async def _raw(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    return await client.post("/predict", content=body, headers=JSON | headers)


def _items(response: httpx.Response) -> list[tuple[str, str]]:
    return [(item["pointer"], item["code"]) for item in response.json()["errors"]]


async def test_the_answer_is_that_of_the_contract(client: httpx.AsyncClient) -> None:
    response = await _post(client, {"model": "gc", "sequences": ["GGCA", {"id": "mine", "sequence": "gguu"}]})
    assert response.status_code == 200
    document = response.json()
    assert document["predictions"] == [
        {"id": "0", "bases": 4, "tokens": 4, "values": {"gc_fraction": 0.75}},
        {"id": "mine", "bases": 4, "tokens": 4, "values": {"gc_fraction": 0.5}},
    ]
    model = document["model"]
    assert (model["name"], model["version"], model["licence"]) == ("gc", "1.0.0", "Apache-2.0")
    assert model["targets"] == [{"name": "gc_fraction", "unit": "1", "scale": "linear", "higher_means": "more"}]


async def test_values_show_the_digits_of_float32_and_no_more(client: httpx.AsyncClient) -> None:
    response = await _post(client, {"model": "mean-id", "sequences": ["A"]})  # (1 + 4 + 2) / 3
    assert '"mean_id":2.333333,' in response.text


async def test_fasta_is_read(client: httpx.AsyncClient) -> None:
    body = b">first some words\nGG\nCA\n>second\r\nTTTT\r\n>\nC"
    response = await client.post("/predict?model=gc&priority=bulk", content=body, headers=FASTA)
    assert [(row["id"], row["values"]["gc_fraction"]) for row in response.json()["predictions"]] == [
        ("first", 0.75),
        ("second", 0.0),
        ("2", 1.0),
    ]


async def test_csv_is_written(client: httpx.AsyncClient) -> None:
    sequences = [{"id": 'a "quoted", id', "sequence": "GC"}, {"id": "b", "sequence": "AT"}]
    response = await _post(client, {"model": "gc", "sequences": sequences}, accept="text/csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(response.text))) == [
        ["id", "bases", "tokens", "gc_fraction"],
        ['a "quoted", id', "2", "2", "1.0"],
        ["b", "2", "2", "0.0"],
    ]


async def test_ndjson_is_written(client: httpx.AsyncClient) -> None:
    response = await _post(client, {"model": "gc", "sequences": ["GC", "AT"]}, accept="application/x-ndjson")
    assert [json.loads(line)["values"]["gc_fraction"] for line in response.text.splitlines()] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("accept", "answer"),
    [
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv; charset=utf-8"),
        ("text/*", "text/csv; charset=utf-8"),
        ("application/json;q=nonsense, application/x-ndjson", "application/x-ndjson"),
        ("application/json;q=0, */*", "text/csv; charset=utf-8"),
    ],
)
async def test_the_best_media_type_the_caller_accepts_is_written(
    client: httpx.AsyncClient, accept: str, answer: str
) -> None:
    response = await _post(client, {"model": "gc", "sequences": ["GC"]}, accept=accept)
    assert response.headers["content-type"] == answer


async def test_a_caller_who_accepts_only_html_gets_406(client: httpx.AsyncClient) -> None:
    response = await _post(client, {"model": "gc", "sequences": ["GC"]}, accept="text/html")
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{{{",
        b'{"sequences": ["GC"',
        b'{"sequences": ["GC"]} trailing',
        b'{"sequences": ["GC"], "sequences": ["AT"]}',
        b'{"model": "gc", "sequences": [{"id": "a", "id": "b", "sequence": "GC"}]}',
        b'\xef\xbb\xbf{"sequences": ["GC"]}',
        '{"sequences": ["GC"]}'.encode("utf-16"),
        b'{"sequences": ["\xff\xfe"]}',
        b"[" * 200_000,
        b'{"sequences": ' + b"[" * 25 + b"]" * 25 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_what_is_no_json_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    response = await _raw(client, body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(
    "text",
    ['"sequences": [NaN]', '"sequences": ["GC"], "deadline_ms": Infinity', '"sequences": ["GC"], "deadline_ms": 1e999',
     '"sequences": ["GC"], "deadline_ms": ' + "9" * 5000, '"sequences": ["GC"], "deadline_ms": true',
     '"sequences": ["GC"], "deadline_ms": "1000"', '"sequences": ["GC"], "deadline_ms": 1000.5',
     '"sequences": ["GC"], "deadline_ms": -1', '"sequences": ["GC"], "deadline_ms": 1000000000000',
     '"sequences": ["GC"], "priority": "urgent"', r'"sequences": ["\ud800"]',
     r'"sequences": [{"id": "a\u0000b", "sequence": "GC"}]', '"sequences": [{"id": "", "sequence": "GC"}]',
     '"sequences": [{"id": 7, "sequence": "GC"}]'],
    ids=lambda text: text[:48],
)  # fmt: skip
async def test_a_value_out_of_bounds_is_invalid_value(client: httpx.AsyncClient, text: str) -> None:
    response = await _raw(client, f'{{"model": "gc", {text}}}'.encode())
    assert (response.status_code, response.json()["code"]) == (422, "invalid_value")


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"model": "gc"}, "/sequences"),
        ({"model": "gc", "sequences": None}, "/sequences"),
        ({"model": "gc", "sequences": {"0": "GC"}}, "/sequences"),
        ({"model": "gc", "sequences": ["GC"], "surprise": 1}, ""),
        ({"model": "gc", "sequences": ["GC"], "__proto__": {}}, ""),
        ({"model": ["gc"], "sequences": ["GC"]}, "/model"),
        ({"model": "gc", "sequences": ["GC", None]}, "/sequences/1"),
        ({"model": "gc", "sequences": [{"sequence": "GC"}]}, "/sequences/0/id"),
        ({"model": "gc", "sequences": [{"id": "a"}]}, "/sequences/0/sequence"),
        ({"model": "gc", "sequences": [{"id": "a", "sequence": "GC", "x": 1}]}, "/sequences/0"),
        ({"model": "gc", "sequences": [{"id": "a", "sequence": "GC", "item": 1}]}, "/sequences/0"),
        ({"model": "gc", "sequences": ["GC"], "item": 1}, ""),
        (["GC"], ""),
        ("GC", ""),
    ],
)
async def test_a_request_of_the_wrong_shape_is_invalid_field(
    client: httpx.AsyncClient, document: object, pointer: str
) -> None:
    response = await _post(client, document)
    assert response.status_code == 422
    assert _items(response) == [(pointer, "invalid_field")]


@pytest.mark.parametrize(
    ("sequences", "code"),
    [
        ([], "empty"),
        ([""], "empty"),
        (["A" * 1001], "too_long"),
        (["A"] * 4097, "too_many"),
        (["AC GT"], "invalid_base"),
    ],
    ids=["no sequence", "empty sequence", "long sequence", "many sequences", "bad base"],
)
async def test_sequences_out_of_bounds_are_422(client: httpx.AsyncClient, sequences: list[str], code: str) -> None:
    response = await _post(client, {"model": "gc", "sequences": sequences})
    assert (response.status_code, response.json()["code"]) == (422, code)


async def test_a_refusal_never_repeats_what_was_sent(client: httpx.AsyncClient) -> None:
    canary = "CANARYX"
    bodies: list[Any] = [
        {"model": canary, "sequences": ["GC"]},
        {"model": "gc", "sequences": [canary]},
        {"model": "gc", "sequences": ["GC"], canary: 1},
        {"model": "gc", "sequences": [{"id": "a", canary: 1}]},
        {"model": "gc", "sequences": ["GC"], "priority": canary},
        {"model": "gc", "sequences": [[canary]]},
    ]
    for body in bodies:
        response = await _post(client, body)
        assert response.status_code in (404, 422)
        assert canary not in response.text


async def test_an_unknown_model_is_404_and_the_known_are_named(client: httpx.AsyncClient) -> None:
    response = await _post(client, {"model": "nope", "sequences": ["GC"]})
    assert (response.status_code, response.json()["code"]) == (404, "unknown_model")
    assert "gc@1.0.0" in response.json()["detail"]


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("text/plain", None),
        ("", None),
        ("application/json; charset=utf-7", None),
        ("multipart/form-data; boundary=x", None),
        ("application/json", "gzip"),
        ("application/json", "br"),
    ],
)
async def test_bodies_of_other_types_or_encodings_are_415(
    client: httpx.AsyncClient, content_type: str, encoding: str | None
) -> None:
    headers = {"content-type": content_type} | ({"content-encoding": encoding} if encoding else {})
    response = await client.post("/predict", content=b'{"sequences": ["GC"]}', headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


async def test_utf8_may_be_said_out_loud(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json; charset=UTF-8"}
    response = await client.post("/predict", content=b'{"model": "gc", "sequences": ["GC"]}', headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("name", [b"a\x00b", b"\x1b[31m", b"n" * 257])
async def test_names_of_fasta_records_follow_the_rules_of_ids(client: httpx.AsyncClient, name: bytes) -> None:
    response = await client.post("/predict?model=gc", content=b">ok\nGC\n>" + name + b"\nGC\n", headers=FASTA)
    assert response.status_code == 422
    assert _items(response) == [("/sequences/1", "invalid_value")]


@pytest.mark.parametrize("body", [b"", b"GGCC\n", b"words\n>a\nGC", b">a\n\xff"])
async def test_what_is_no_fasta_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/predict?model=gc", content=body, headers=FASTA)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("model=gc&x=1", "invalid_field"),
        ("model=gc&model=gc", "invalid_field"),
        ("model=gc&priority=0", "invalid_value"),
    ],
)
async def test_query_parameters_are_checked(client: httpx.AsyncClient, query: str, code: str) -> None:
    response = await client.post(f"/predict?{query}", content=b">a\nGC\n", headers=FASTA)
    assert (response.status_code, response.json()["code"]) == (422, code)


@pytest.mark.parametrize("deadline", ["-1", "0", "9", "NaN", "1e3", "120001", "1000000000000", "", "\u0661\u0660"])
async def test_a_deadline_header_out_of_bounds_is_422(client: httpx.AsyncClient, deadline: str) -> None:
    response = await client.post(
        "/predict", json={"model": "gc", "sequences": ["GC"]}, headers=[(b"x-deadline-ms", deadline.encode())]
    )
    assert (response.status_code, response.json()["code"]) == (422, "invalid_value")


async def test_the_body_field_wins_over_the_deadline_header(slow_models: Path) -> None:
    document = {"model": "slow", "sequences": ["GC"], "deadline_ms": 20_000}
    async with http_to(create_service(Settings(models=slow_models, threads=1))) as client:
        response = await _post(client, document, **{"x-deadline-ms": "10"})
        assert response.status_code == 200


async def test_a_deadline_that_passes_is_504(slow_models: Path) -> None:
    async with http_to(create_service(Settings(models=slow_models, threads=1))) as client:
        response = await _post(client, {"model": "slow", "sequences": ["GC"], "deadline_ms": 20})
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
    assert response.json()["retryable"]


async def test_a_value_that_is_not_finite_is_an_error_of_its_item(client: httpx.AsyncClient) -> None:
    response = await _post(client, {"model": "gc", "sequences": ["GC", "NN"]})
    assert response.status_code == 500
    assert _items(response) == [("/sequences/1", "non_finite_output")]


async def test_server_timing_tells_where_the_time_went(client: httpx.AsyncClient) -> None:
    response = await _post(client, {"model": "gc", "sequences": ["GC"]})
    phases = [part.split(";")[0] for part in response.headers["server-timing"].split(", ")]
    assert phases == ["parse", "tokenize", "queue", "compute", "total"]


@pytest_asyncio.fixture
async def small_client(toy_models: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A service with one model that takes bodies of at most 1,000 bytes within 50 ms."""
    settings = Settings(models=toy_models / "gc", threads=1, max_body_bytes=1000, body_timeout_ms=50)
    async with http_to(create_service(settings)) as client:
        yield client


async def test_a_field_of_the_body_wins_over_the_query(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict?model=gc", json={"sequences": ["GC"]})
    assert response.json()["model"]["name"] == "gc"
    response = await client.post("/predict?model=gc", json={"model": "mean-id", "sequences": ["GC"]})
    assert response.json()["model"]["name"] == "mean-id"


async def test_a_body_too_large_by_its_length_is_413(small_client: httpx.AsyncClient) -> None:
    response = await _post(small_client, {"sequences": ["A" * 1000]})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["connection"] == "close"


async def test_a_body_too_large_without_a_length_is_413(small_client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"A" * 100

    response = await small_client.post("/predict", content=chunks(), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


async def test_the_only_model_needs_no_name(small_client: httpx.AsyncClient) -> None:
    assert (await _post(small_client, {"sequences": ["GC"]})).status_code == 200


async def test_a_body_that_does_not_arrive_is_408(small_client: httpx.AsyncClient) -> None:
    async def dawdle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    response = await small_client.post("/predict", content=dawdle(), headers=JSON)
    assert (response.status_code, response.json()["code"]) == (408, "slow_request")


async def test_a_body_of_a_million_faults_is_refused_at_once(client: httpx.AsyncClient) -> None:
    started = time.monotonic()
    response = await _raw(client, b'{"model": "gc", "sequences": [' + b"1," * 1_000_000 + b"1]}")
    assert (response.status_code, response.json()["code"]) == (422, "too_many")
    assert time.monotonic() - started < 2


async def test_a_body_that_is_long_to_parse_keeps_nobody_waiting(client: httpx.AsyncClient) -> None:
    body = b'{"model": "gc", "sequences": [' + b"{}," * 2_000_000 + b"{}]}"
    asked = asyncio.create_task(_raw(client, body))
    turns = 0
    while not asked.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert (await asked).json()["code"] == "too_many"
    assert turns > 5


async def test_at_most_twenty_faults_are_listed(client: httpx.AsyncClient) -> None:
    response = await _post(client, {"model": "gc", "sequences": [1] * 100})
    assert len(response.json()["errors"]) == 20


async def test_a_path_with_a_slash_too_many_is_no_redirect(client: httpx.AsyncClient) -> None:
    response = await client.post("/predict/", json={"model": "gc", "sequences": ["GC"]})
    assert (response.status_code, response.json()["code"]) == (404, "unknown_route")
