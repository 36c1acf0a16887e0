"""Models of dosages for people: beside a sequence model, or asked for themselves.

`apples` answers 1 + 2 * first + 0.5 * second for PEAR; the second variant's mean dosage is 1.
"""

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

from app.api.individual_replies import CAVEAT
from app.main import create_service
from app.settings import Settings
from tests.conftest import http_to
from tests.genome.vcfs import vcf
from tests.people import write_window_bundle
from tests.toy import write_dosage_bundle

BASES = "A" * 199 + "C" + "G" * 200
GENES = "chr22\t149\t160\tPEAR\t0\t+\nchr22\t249\t260\tPLUM\t0\t+\nchr22\t349\t360\tQUINCE\t0\t+\n"
HEADER = "##contig=<ID=chr22,length=400>"
FIRST = "chr22 100 . A G . PASS . GT 0|1 1|1"
SECOND = "chr22 200 . C CT . PASS . GT 0|0 0|1"


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    write_dosage_bundle(tmp_path / "models")
    write_window_bundle(tmp_path / "models")
    (tmp_path / "reference.fa").write_text(f">chr22\n{BASES}\n")
    (tmp_path / "genes.bed").write_text(GENES)
    files = {"reference": tmp_path / "reference.fa", "genes": tmp_path / "genes.bed"}
    async with http_to(create_service(Settings(models=tmp_path / "models", threads=1, **files))) as client:
        yield client


async def ask(client: httpx.AsyncClient, *records: str, **document: Any) -> httpx.Response:
    text = vcf(*records, samples="ann bob", header=HEADER).decode()
    return await client.post("/predict/individual", json={"model": "apples", "gene": "PEAR", "vcf": text} | document)


async def test_a_companion_stands_beside_a_sequence_model(client: httpx.AsyncClient) -> None:
    told = (await ask(client, FIRST, SECOND, model="gc-window")).json()
    assert told["model"]["name"] == "gc-window"
    assert told["companions"] == [
        {
            "model": "apples", "version": "1.0.0", "variants_in_model": 2, "variants_found": 2,
            "individuals": [{"sample": "ann", "values": {"PEAR": 3}}, {"sample": "bob", "values": {"PEAR": 5.5}}],
        }
    ]  # fmt: skip


async def test_a_companion_that_finds_no_variant_answers_for_nobody(client: httpx.AsyncClient) -> None:
    (companion,) = (await ask(client, "chr22 150 . A G . PASS . GT 0|1 0|0", model="gc-window")).json()["companions"]
    assert (companion["variants_found"], companion["individuals"]) == (0, [])


async def test_a_gene_that_no_other_model_knows_has_no_companions(client: httpx.AsyncClient) -> None:
    assert (await ask(client, FIRST, model="gc-window", gene="QUINCE")).json()["companions"] == []


async def test_a_model_of_dosages_answers_for_itself(client: httpx.AsyncClient) -> None:
    told = (await ask(client, FIRST, samples=["bob", "ann"])).json()
    assert (told["variants_in_model"], told["variants_found"]) == (2, 1)
    assert told["reference_values"] == {"PEAR": 1}
    # The second variant is not there, so it counts as its mean, 1.
    assert [(each["sample"], each["values"], each["difference"]) for each in told["individuals"]] == [
        ("bob", {"PEAR": 5.5}, {"PEAR": 4.5}),
        ("ann", {"PEAR": 3.5}, {"PEAR": 2.5}),
    ]
    assert told["counts"]["samples"] == 2


async def test_a_table_has_the_gene_alone(client: httpx.AsyncClient) -> None:
    text = vcf(FIRST, samples="ann bob", header=HEADER).decode()
    asked = {"model": "apples", "gene": "PEAR", "vcf": text}
    response = await client.post("/predict/individual", json=asked, headers={"accept": "text/csv"})
    header, first, _ = response.text.splitlines()
    assert "PLUM" not in header
    assert first.startswith("ann,chr22,99,200,+,True,,,,,3.5,1.0,2.5")


async def test_tables_have_what_companions_say(client: httpx.AsyncClient) -> None:
    text = vcf(FIRST, SECOND, samples="ann bob", header=HEADER).decode()
    asked = {"model": "gc-window", "gene": "PEAR", "vcf": text}
    table = await client.post("/predict/individual", json=asked, headers={"accept": "text/csv"})
    names = ("sample", "apples_variants_in_model", "apples_variants_found", "apples_PEAR", "caveat")
    rows = [tuple(row[name] for name in names) for row in csv.DictReader(io.StringIO(table.text))]
    assert rows == [("ann", "2", "2", "3.0", CAVEAT), ("bob", "2", "2", "5.5", CAVEAT)]
    lines = await client.post("/predict/individual", json=asked, headers={"accept": "application/x-ndjson"})
    companion = {"model": "apples", "version": "1.0.0", "variants_in_model": 2, "variants_found": 2}
    assert [json.loads(line)["companions"] for line in lines.text.splitlines()] == [
        [companion | {"values": {"PEAR": value}}] for value in (3, 5.5)
    ]


async def test_a_companion_that_finds_nothing_has_its_counts_in_a_table(client: httpx.AsyncClient) -> None:
    text = vcf("chr22 150 . A G . PASS . GT 0|1 0|0", samples="ann bob", header=HEADER).decode()
    asked = {"model": "gc-window", "gene": "PEAR", "vcf": text}
    table = await client.post("/predict/individual", json=asked, headers={"accept": "text/csv"})
    header, first, _ = csv.reader(io.StringIO(table.text))
    assert dict(zip(header, first, strict=True))["apples_variants_found"] == "0"
    assert "apples_PEAR" not in header


@pytest.mark.parametrize(
    ("records", "changes", "pointer", "code"),
    [
        (("chr22 150 . A G . PASS . GT 0|1 0|0",), {}, "/vcf", "vcf_no_model_variant"),
        ((FIRST,), {"gene": "QUINCE"}, "/gene", "invalid_value"),
        ((FIRST,), {"gene": None, "region": "chr22:1-10"}, "/region", "invalid_field"),
    ],
)
async def test_what_it_cannot_answer_is_refused(
    client: httpx.AsyncClient, records: tuple[str, ...], changes: dict[str, Any], pointer: str, code: str
) -> None:
    response = await ask(client, *records, **changes)
    assert response.status_code == 422
    assert [(item["pointer"], item["code"]) for item in response.json()["errors"]] == [(pointer, code)]
