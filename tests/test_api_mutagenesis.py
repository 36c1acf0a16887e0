"""POST /predict/mutagenesis: what it answers, and how it refuses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.main import Service, create_service
from tests.conftest import http_to
from tests.people import settings_of, write_window_bundle
from tests.toy import write_toy_bundle

PATH = "/predict/mutagenesis"


@pytest_asyncio.fixture
async def people(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP to a service with a reference: chr1 is 50 A and 50 C; `gc`, and `gc-window` of ten bases around a TSS."""
    write_toy_bundle(tmp_path / "models")
    write_window_bundle(tmp_path / "models")
    async with http_to(create_service(settings_of(tmp_path, tmp_path / "models"))) as client:
        yield client


async def ask(client: httpx.AsyncClient, accept: str = "application/json", **document: Any) -> httpx.Response:
    return await client.post(PATH, json={"model": "gc"} | document, headers={"accept": accept})


def items(response: httpx.Response) -> list[tuple[str, str]]:
    return [(item["pointer"], item["code"]) for item in response.json()["errors"]]


async def test_the_answer_is_a_matrix_of_position_by_base(client: httpx.AsyncClient) -> None:
    response = await ask(client, sequence="GGCA", start=2, end=4)
    assert response.status_code == 200
    document = response.json()
    assert document.pop("model")["name"] == "gc"
    assert document == {
        "positions": [2, 3],
        "remaining": 0,
        "reference": "CA",
        "alphabet": "ACGT",
        "centred": False,
        "reference_values": {"gc_fraction": 0.75},
        "values": {"gc_fraction": [[0.5, 0.75, 0.75, 0.5], [0.75, 1.0, 1.0, 0.75]]},
    }


async def test_some_positions_of_many_tell_how_many_remain(client: httpx.AsyncClient) -> None:
    document = (await ask(client, sequence="GGCA", start=1, most_positions=2)).json()
    assert (document["positions"], document["remaining"], document["reference"]) == ([1, 2], 1, "GC")
    assert (await ask(client, sequence="GGCA", most_positions=0)).status_code == 422


async def test_centred_rows_lose_the_mean_of_their_substitutions(client: httpx.AsyncClient) -> None:
    document = (await ask(client, sequence="AT", start=0, end=1, centre=True)).json()
    assert document["centred"]
    assert document["reference_values"] == {"gc_fraction": 0.0}
    (row,) = document["values"]["gc_fraction"]  # 0.5, 0.5 and 0 have a mean of 1/3
    assert row == pytest.approx([0, 1 / 6, 1 / 6, -1 / 3])


async def test_csv_has_a_row_for_each_base_at_each_position(client: httpx.AsyncClient) -> None:
    response = await ask(client, "text/csv", sequence="AG", start=1)
    assert list(csv.reader(io.StringIO(response.text))) == [
        ["position", "reference", "base", "gc_fraction"],
        ["1", "G", "A", "0.0"],
        ["1", "G", "C", "0.5"],
        ["1", "G", "G", "0.5"],
        ["1", "G", "T", "0.0"],
    ]


async def test_ndjson_has_a_line_for_each_position(client: httpx.AsyncClient) -> None:
    response = await ask(client, "application/x-ndjson", sequence="AG", start=1)
    assert [json.loads(line) for line in response.text.splitlines()] == [
        {"position": 1, "reference": "G", "values": {"gc_fraction": [0, 0.5, 0.5, 0]}}
    ]


async def test_an_interval_of_the_reference_says_what_was_read(people: httpx.AsyncClient) -> None:
    document = (await ask(people, interval="chr1:41-50", start=49, end=50)).json()
    window = document["window"]
    assert (window["contig"], window["start"], window["end"], window["strand"]) == ("chr1", 40, 50, "+")
    assert window["refget"].startswith("SQ.")
    assert (document["positions"], document["reference"]) == ([49], "A")
    assert document["values"] == {"gc_fraction": [[0.0, 0.1, 0.1, 0.0]]}


async def test_an_interval_can_be_an_object_under_any_name_of_its_contig(people: httpx.AsyncClient) -> None:
    interval = {"contig": "1", "start": 40, "end": 50}
    document = (await ask(people, interval=interval, start=49, strand="-")).json()
    assert (document["window"]["contig"], document["window"]["strand"]) == ("chr1", "-")
    assert document["values"] == {"gc_fraction": [[0.0, 0.1, 0.1, 0.0]]}


async def test_a_model_with_a_window_reads_it_around_the_interval_and_changes_the_interval(
    people: httpx.AsyncClient,
) -> None:
    document = (await ask(people, model="gc-window", interval="chr1:49-52")).json()
    assert (document["window"]["start"], document["window"]["end"]) == (45, 55)
    assert (document["positions"], document["reference"]) == ([48, 49, 50, 51], "AACC")
    assert document["values"]["gc_fraction"][0] == [0.5, 0.6, 0.6, 0.5]
    assert document["values"]["gc_fraction"][3] == [0.4, 0.5, 0.5, 0.4]


async def test_a_gene_is_read_in_its_window(people: httpx.AsyncClient) -> None:
    document = (await ask(people, model="gc-window", gene="PLUS", start=44, end=45)).json()
    assert document["window"] | {"refget": ""} == {
        "contig": "chr1",
        "start": 38,
        "end": 48,
        "strand": "+",
        "anchor": 44,
        "refget": "",
    }
    assert document["positions"] == [44]


async def test_the_request_counts_as_all_its_sequences(service: Service) -> None:
    async with http_to(service) as client:
        response = await ask(client, sequence="GGCA")
        counted = (await client.get("/metrics")).text
    assert response.status_code == 200
    assert 'basecast_sequences_total{model="gc",outcome="ok"} 13.0' in counted
    assert f'basecast_requests_total{{code="200",route="{PATH}"}} 1.0' in counted
    assert {phase.split(";")[0] for phase in response.headers["server-timing"].split(", ")} == {
        "parse",
        "tokenize",
        "queue",
        "compute",
        "total",
    }


@pytest.mark.parametrize(
    ("document", "status", "item"),
    [
        ({}, 422, ("", "invalid_field")),
        ({"sequence": "GG", "interval": "chr1:1-2"}, 422, ("", "invalid_field")),
        ({"sequence": ""}, 422, ("/sequence", "empty")),
        ({"sequence": "GG!"}, 422, ("/sequence", "invalid_base")),
        ({"sequence": "A" * 1001, "end": 2}, 422, ("/sequence", "too_long")),
        ({"sequence": "GG", "start": 2}, 422, ("/start", "invalid_value")),
        ({"sequence": "GG", "end": 3}, 422, ("/end", "invalid_value")),
        ({"sequence": "GG", "start": -1}, 422, ("/start", "invalid_value")),
        ({"sequence": "GG", "begin": 1}, 422, ("", "invalid_field")),
        ({"sequence": "GG", "centre": 1}, 422, ("/centre", "invalid_value")),
        ({"sequence": "GG", "deadline_ms": 120_001}, 422, ("/deadline_ms", "invalid_value")),
        ({"interval": "chr1"}, 422, ("/interval", "invalid_value")),
        ({"interval": "chr2:1-2"}, 422, ("/interval", "invalid_value")),
        ({"interval": "chr1:101-102"}, 422, ("/interval", "invalid_value")),
        ({"interval": {"contig": "chr1", "start": 5, "end": 5}}, 422, ("/interval", "invalid_value")),
        ({"interval": {"contig": "chr1", "start": 5}}, 422, ("/interval/end", "invalid_field")),
        ({"interval": "chr1:41-50", "start": 50}, 422, ("/start", "invalid_value")),
        ({"gene": "PLUS"}, 422, ("/gene", "invalid_field")),
        ({"gene": "OTHER", "model": "gc-window"}, 422, ("/gene", "invalid_value")),
        ({"interval": "chr1:1-12", "model": "gc-window"}, 422, ("/interval", "region_too_long")),
    ],
)
async def test_refusals_point_at_the_field(
    people: httpx.AsyncClient, document: dict[str, Any], status: int, item: tuple[str, str]
) -> None:
    response = await ask(people, **document)
    assert response.status_code == status
    assert items(response) == [item]
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_unknown_model_is_not_found(client: httpx.AsyncClient) -> None:
    response = await ask(client, model="other", sequence="GG")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_model")


async def test_without_a_reference_there_are_only_sequences(client: httpx.AsyncClient) -> None:
    response = await ask(client, interval="chr1:1-2")
    assert (response.status_code, items(response)) == (422, [("/interval", "invalid_field")])


async def test_more_substitutions_than_eight_requests_hold_are_refused(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path / "models")
    settings = settings_of(tmp_path, tmp_path / "models", max_sequences=2)
    async with http_to(create_service(settings)) as client:
        assert (await ask(client, sequence="GGCAG")).status_code == 200
        response = await ask(client, sequence="GGCAGG")
    assert (response.status_code, items(response)) == (422, [("/sequence", "too_many")])


async def test_an_answer_that_does_not_come_in_time_is_a_504_or_a_503(slow_service: httpx.AsyncClient) -> None:
    response = await ask(slow_service, model="slow", sequence="GGCA" * 8, deadline_ms=50)
    assert response.status_code in (503, 504)


@pytest_asyncio.fixture
async def slow_service(slow_models: Path, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with http_to(create_service(settings_of(tmp_path, slow_models))) as client:
        yield client


async def test_a_draining_process_takes_nothing_new(service: Service) -> None:
    async with http_to(service) as client:
        service.predictor.draining = True
        response = await ask(client, sequence="GG")
    assert (response.status_code, response.json()["code"]) == (503, "draining")


async def test_another_media_type_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, content=b">a\nGG\n", headers={"content-type": "text/x-fasta"})
    assert response.status_code == 415
