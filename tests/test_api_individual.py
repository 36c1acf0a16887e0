"""POST /predict/individual: what it answers, worked out on paper."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.api.individual_replies import CAVEAT
from app.main import create_service
from tests.conftest import http_to
from tests.live import LiveServer
from tests.people import CONTIG, REGION, VALUES, VCF, settings_of, write_genomes, write_window_bundle
from tests.toy import write_token_bundle, write_toy_bundle

PATH = "/predict/individual"
LOG2 = {"name": "gc_fraction", "unit": "1", "scale": "log2", "higher_means": "more", "description": "A toy.",
        "mean": 0.5, "standard_deviation": 0.1}  # fmt: skip
ROUNDED = 1e-6


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`gc`, the same with a window, the same as if its values were log2 or of no known scale, and `mean-id`."""
    folder = tmp_path_factory.mktemp("models")
    write_toy_bundle(folder)
    write_token_bundle(folder)
    write_window_bundle(folder)
    write_toy_bundle(folder, "gc-log2", targets=[LOG2])
    write_toy_bundle(folder, "gc-other", targets=[LOG2 | {"scale": "other"}])
    write_toy_bundle(folder, "gc-grch37", assembly="GRCh37")
    return folder


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    files = write_genomes(tmp_path_factory.mktemp("genomes"))
    with LiveServer.start(models, **files | {"cohorts": json.dumps(files["cohorts"])}) as server:
        yield server


@pytest_asyncio.fixture
async def client(server: LiveServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield client


async def ask(client: httpx.AsyncClient, accept: str = "application/json", **document: Any) -> httpx.Response:
    given = {"model": "gc", "cohort": "three", "region": REGION} | document
    asked = {name: value for name, value in given.items() if value is not None}
    return await client.post(PATH, json=asked, headers={"accept": accept})


async def answer(client: httpx.AsyncClient, **document: Any) -> dict[str, Any]:
    response = await ask(client, **document)
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    return told


def values(told: dict[str, Any], target: str = "gc_fraction") -> dict[str, tuple[float, ...]]:
    return {
        individual["sample"]: tuple(haplotype["values"][target] for haplotype in individual["haplotypes"])
        for individual in told["individuals"]
    }


async def test_the_answer_is_that_of_the_contract(client: httpx.AsyncClient) -> None:
    response = await ask(client)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    told = response.json()
    digest = base64.urlsafe_b64encode(hashlib.sha512(CONTIG.encode()).digest()[:24]).decode()
    assert told["model"]["name"] == "gc"
    assert told["reference"] == {
        "assembly": None, "refget": f"SQ.{digest}", "contig": "chr1", "start": 40, "end": 50, "strand": "+",
        "anchor": 45,
    }  # fmt: skip
    assert told["reference_values"] == {"gc_fraction": 0.0}
    assert told["counts"] == {
        "samples": 3, "haplotypes": 6, "distinct_haplotypes": 3, "records": 3, "applied": 2, "filtered": 1,
    }  # fmt: skip
    assert values(told) == VALUES
    assert told["individuals"][1] == {
        "sample": "bob",
        "values": {"gc_fraction": 0.15},
        "difference": {"gc_fraction": 0.15},
        "haplotypes": [
            {"index": 1, "values": {"gc_fraction": 0.1}, "applied": 1, "skipped": [], "anchor_offset": 0},
            {"index": 2, "values": {"gc_fraction": 0.2}, "applied": 2, "skipped": [], "anchor_offset": 0},
        ],
        "phased": True,
        "notes": [],
    }
    assert told["companions"] == []
    assert "poorly" in told["caveat"]


@pytest.mark.parametrize("region", ["1:41-50", "chr1:0,041-50", {"contig": "1", "start": 40, "end": 50}])
async def test_a_region_has_several_forms(client: httpx.AsyncClient, region: object) -> None:
    assert values(await answer(client, region=region)) == VALUES


async def test_an_inline_vcf_is_read_as_a_cohort_is(client: httpx.AsyncClient) -> None:
    assert await answer(client, cohort=None, vcf=VCF.decode()) == await answer(client)


@pytest.mark.parametrize("content", [VCF, gzip.compress(VCF)], ids=["text", "gzip"])
async def test_a_vcf_is_uploaded_as_a_file(client: httpx.AsyncClient, content: bytes) -> None:
    request = json.dumps({"model": "gc", "region": REGION})
    parts = {"request": (None, request, "application/json"), "vcf": ("private.vcf", content)}
    response = await client.post(PATH, files=parts)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert response.json() == await answer(client)


async def test_samples_are_answered_in_the_order_asked_for(client: httpx.AsyncClient) -> None:
    told = await answer(client, samples=["cyd", "ann"])
    assert [individual["sample"] for individual in told["individuals"]] == ["cyd", "ann"]
    assert told["counts"]["samples"] == 2


async def test_everybody_s_values_are_those_of_each_alone(client: httpx.AsyncClient) -> None:
    together = await answer(client)
    for individual in together["individuals"]:
        alone = await answer(client, samples=[individual["sample"]])
        assert alone["individuals"] == [individual]


async def test_the_minus_strand_reads_the_complement(client: httpx.AsyncClient) -> None:
    plus = await answer(client, model="mean-id", strand="+")
    minus = await answer(client, model="mean-id", strand="-")
    # Ten A are ten tokens of id 4 between 1 and 2, ten T of id 7.
    assert plus["reference_values"]["mean_id"] == pytest.approx(43 / 12, abs=ROUNDED)
    assert minus["reference_values"]["mean_id"] == pytest.approx(73 / 12, abs=ROUNDED)
    assert minus["reference"]["strand"] == "-"


@pytest.mark.parametrize(
    ("gene", "start", "end", "anchor", "strand", "reference"),
    [("PLUS", 38, 48, 44, "+", 0.0), ("MINUS", 42, 52, 45, "-", 0.2)],
)
async def test_a_gene_is_read_in_the_model_s_window(
    client: httpx.AsyncClient, gene: str, start: int, end: int, anchor: int, strand: str, reference: float
) -> None:
    told = await answer(client, model="gc-window", region=None, gene=gene)
    place = told["reference"]
    assert (place["start"], place["end"], place["anchor"], place["strand"]) == (start, end, anchor, strand)
    assert told["reference_values"] == {"gc_fraction": reference}


async def test_the_combined_value_is_the_mean_on_the_linear_scale(client: httpx.AsyncClient) -> None:
    ann = (await answer(client, model="gc-log2"))["individuals"][0]
    expected = math.log2((2**0.0 + 2**0.1) / 2)
    assert ann["values"]["gc_fraction"] == pytest.approx(expected, abs=ROUNDED)
    assert ann["log2_fold_change"] == ann["difference"]
    plain = (await answer(client, model="gc-other"))["individuals"][0]
    assert plain["values"]["gc_fraction"] == pytest.approx(0.05)
    assert "log2_fold_change" not in plain


async def test_a_long_region_is_read_in_windows_side_by_side(client: httpx.AsyncClient) -> None:
    told = await answer(client, model="gc-window", region="chr1:31-55", tile=True)
    places = [(window["reference"]["start"], window["reference"]["end"]) for window in told["windows"]]
    assert places == [(30, 40), (40, 50), (50, 60)]
    assert [window["reference_values"]["gc_fraction"] for window in told["windows"]] == [0.0, 0.0, 1.0]
    assert values(told["windows"][1]) == VALUES


async def test_a_short_region_is_read_in_the_window_around_its_centre(client: httpx.AsyncClient) -> None:
    told = await answer(client, model="gc-window", region="chr1:45-46")
    assert (told["reference"]["start"], told["reference"]["end"]) == (40, 50)


async def test_records_that_did_not_pass_count_where_they_are_asked_for(client: httpx.AsyncClient) -> None:
    told = await answer(client, filter="any")
    assert (told["counts"]["filtered"], told["counts"]["applied"]) == (0, 3)


async def test_csv_has_a_row_for_each_person(client: httpx.AsyncClient) -> None:
    response = await ask(client, accept="text/csv")
    assert response.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["sample"] for row in rows] == ["ann", "bob", "cyd"]
    assert rows[1] == {
        "sample": "bob", "contig": "chr1", "start": "40", "end": "50", "strand": "+", "phased": "True",
        "applied_1": "1", "applied_2": "2", "skipped_1": "0", "skipped_2": "0", "gc_fraction": "0.15",
        "gc_fraction_reference": "0.0", "gc_fraction_difference": "0.15", "gc_fraction_log2_fold_change": "",
        "gc_fraction_haplotype_1": "0.1", "gc_fraction_haplotype_2": "0.2", "caveat": CAVEAT,
    }  # fmt: skip


async def test_ndjson_has_a_line_for_each_person(client: httpx.AsyncClient) -> None:
    response = await ask(client, accept="application/x-ndjson")
    lines = [json.loads(line) for line in response.text.splitlines()]
    told = await answer(client)
    place = {name: told["reference"][name] for name in ("contig", "start", "end", "strand")}
    beside = {"reference_values": told["reference_values"], "companions": [], "caveat": CAVEAT}
    assert lines == [individual | place | beside for individual in told["individuals"]]


def events(text: str) -> Iterator[tuple[str, Any]]:
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def test_progress_is_told_before_the_result(client: httpx.AsyncClient) -> None:
    response = await ask(client, accept="text/event-stream")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    *progress, (last, result) = events(response.text)
    assert progress == [("progress", {"done": 3, "total": 3})]
    assert (last, result) == ("result", await answer(client))


async def test_a_failure_after_the_head_is_an_event(client: httpx.AsyncClient) -> None:
    # The deletion pulls in an N from beyond the contig, which this model refuses.
    response = await ask(client, accept="text/event-stream", model="mean-id", region="chr1:1-100")
    assert response.status_code == 200
    last, told = list(events(response.text))[-1]
    assert (last, told["status"], told["code"]) == ("error", 422, "invalid_base")
    assert [item["pointer"] for item in told["errors"]] == ["/region"]
    assert "position" not in told["errors"][0]


async def test_counts_are_measured_and_values_are_not(models: Path, tmp_path: Path) -> None:
    async with http_to(create_service(settings_of(tmp_path, models / "gc"))) as client:
        document = {"cohort": "three", "region": REGION}
        assert (await client.post(PATH, json=document)).is_success
        text = (await client.get("/metrics")).text
    assert 'basecast_haplotypes_total{model="gc"} 6.0' in text
    assert 'basecast_distinct_haplotypes_total{model="gc"} 3.0' in text
    assert 'basecast_prediction_value_count{model="gc",target="gc_fraction"} 0.0' in text
