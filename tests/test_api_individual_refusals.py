"""POST /predict/individual: every way to be refused, by status, code and what is pointed at."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.main import create_service
from app.settings import Settings
from tests.conftest import http_to
from tests.genome.vcfs import vcf
from tests.live import LiveServer
from tests.people import HEADER, REGION, VCF, settings_of, write_genomes, write_window_bundle
from tests.toy import write_slow_bundle, write_token_bundle, write_toy_bundle

PATH = "/predict/individual"
RULES = {"encoding": "one_hot", "ambiguous": "n", "min_bases": 5, "max_bases": 20, "max_tokens": 20}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_toy_bundle(folder)
    write_token_bundle(folder)
    write_window_bundle(folder)
    write_toy_bundle(
        folder,
        "gc-short",
        input=RULES,
        golden={
            "tolerance": 1e-4,
            "examples": [
                {"sequence": "GGCAT", "values": {"gc_fraction": 0.6}},
                {"sequence": "TTTTT", "values": {"gc_fraction": 0}},
            ],
        },
    )
    write_toy_bundle(folder, "gc-grch37", assembly="GRCh37")
    return folder  # fmt: skip


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    files = write_genomes(tmp_path_factory.mktemp("genomes"))
    settings = {"reference_assembly": "hg38", "max_haplotype_bases": 299, "cohorts": json.dumps(files.pop("cohorts"))}
    with LiveServer.start(models, **files, **settings) as server:
        yield server


@pytest_asyncio.fixture
async def client(server: LiveServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield client


def asked(**changes: Any) -> dict[str, Any]:
    given = {"model": "gc", "cohort": "three", "region": REGION} | changes
    return {name: value for name, value in given.items() if value is not None}


def inline(*records: str, samples: str = "ann", header: str = HEADER, **changes: Any) -> dict[str, Any]:
    return asked(cohort=None, vcf=vcf(*records, samples=samples, header=header).decode(), **changes)


SNP = "chr1 45 . A G . PASS . GT 0/1"
ROWS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "neither cohort nor vcf": (asked(cohort=None), 422, "invalid_field", ""),
    "cohort and vcf": (asked(vcf=VCF.decode()), 422, "invalid_field", ""),
    "neither region nor gene": (asked(region=None), 422, "invalid_field", ""),
    "region and gene": (asked(gene="PLUS"), 422, "invalid_field", ""),
    "gene with strand": (asked(region=None, gene="PLUS", strand="+"), 422, "invalid_field", "/strand"),
    "gene with tile": (asked(region=None, gene="PLUS", tile=True), 422, "invalid_field", "/tile"),
    "unknown gene": (asked(region=None, gene="NONE", model="gc-window"), 422, "invalid_value", "/gene"),
    "gene without window": (asked(region=None, gene="PLUS"), 422, "invalid_field", "/gene"),
    "region is no region": (asked(region="chr1"), 422, "invalid_value", "/region"),
    "region ends first": (asked(region="chr1:50-41"), 422, "invalid_value", "/region"),
    "empty object": (asked(region={"contig": "chr1", "start": 4, "end": 4}), 422, "invalid_value", "/region"),
    "object lacks": (asked(region={"contig": "chr1", "start": 4}), 422, "invalid_field", "/region/end"),
    "object has more": (
        asked(region={"contig": "chr1", "start": 4, "end": 9, "x": 1}), 422, "invalid_field", "/region"),
    "object of text": (asked(region={"contig": "chr1", "start": "4", "end": 9}), 422, "invalid_value", "/region/start"),
    "below 0": (asked(region={"contig": "chr1", "start": -1, "end": 9}), 422, "invalid_value", "/region/start"),
    "region is a number": (asked(region=4), 422, "invalid_field", "/region"),
    "unknown contig": (asked(region="chr9:1-10"), 422, "invalid_value", "/region"),
    "beyond the contig": (asked(region="chr1:201-210"), 422, "invalid_value", "/region"),
    "too long": (asked(model="gc-window", region="chr1:41-51"), 422, "region_too_long", "/region"),
    "too long without window": (asked(model="gc-short", region="chr1:1-21"), 422, "region_too_long", "/region"),
    "too short": (asked(model="gc-short", region="chr1:1-4"), 422, "too_short", "/region"),
    "other assembly": (asked(model="gc-grch37"), 422, "reference_mismatch", "/model"),
    "unknown cohort": (asked(cohort="none"), 404, "unknown_cohort", ""),
    "cohort is a path": (asked(cohort="../three.vcf.gz"), 404, "unknown_cohort", ""),
    "unknown model": (asked(model="none"), 404, "unknown_model", ""),
    "several models": (asked(model=None), 404, "unknown_model", ""),
    "unknown sample": (asked(samples=["ann", "dee"]), 422, "vcf_samples", "/samples/1"),
    "sample twice": (asked(samples=["ann", "ann"]), 422, "invalid_value", "/samples"),
    "no samples": (asked(samples=[]), 422, "empty", "/samples"),
    "samples of numbers": (asked(samples=[1]), 422, "invalid_value", "/samples/0"),
    "unknown policy": (asked(unphased="guess"), 422, "invalid_value", "/unphased"),
    "unknown field": (asked(phase=1), 422, "invalid_field", ""),
    "deadline": (asked(deadline_ms=1), 422, "invalid_value", "/deadline_ms"),
    "late deadline": (asked(deadline_ms=10**7), 422, "invalid_value", "/deadline_ms"),
    "too many bases": (asked(region="chr1:1-100", model="gc"), 422, "too_many", "/samples"),
    "an N from beyond": (
        inline("chr1 5 . AA A . PASS . GT 1|1", model="mean-id", region="chr1:1-20"), 422, "invalid_base", "/region"),
    "empty vcf": (asked(cohort=None, vcf=""), 422, "vcf_header", "/vcf"),
    "nobody": (asked(cohort=None, vcf=VCF.decode().split("\tFORMAT")[0] + "\n"), 422, "vcf_samples", "/vcf"),
    "other reference base": (inline("chr1 45 . C G . PASS . GT 0|1"), 422, "reference_mismatch", "/vcf"),
    "other length": (inline(header="##contig=<ID=chr1,length=9>"), 422, "vcf_assembly", "/vcf"),
    "no such contig": (inline(header="##contig=<ID=chr2,length=9>"), 422, "vcf_contig", "/vcf"),
    "unphased": (inline(SNP, unphased="error"), 422, "vcf_unphased", "/vcf"),
    "missing": (inline("chr1 45 . A G . PASS . GT ./.", missing="error"), 422, "vcf_missing", "/vcf"),
    "ploidy": (inline("chr1 45 . A G . PASS . GT 0/0/1"), 422, "vcf_ploidy", "/vcf"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "status", "code", "pointer"), ROWS.values(), ids=ROWS)
async def test_a_request_is_refused_with_its_reason(
    client: httpx.AsyncClient, document: dict[str, Any], status: int, code: str, pointer: str
) -> None:
    response = await client.post(PATH, json=document)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), response.text
    assert problem.get("errors", [{"pointer": ""}])[0]["pointer"] == pointer
    assert response.headers["cache-control"] == "no-store"


NOTES: dict[str, tuple[dict[str, Any], bool, str]] = {
    "as listed": (inline(SNP), False, "1 calls of two alleles without phase: their alleles were taken as listed."),
    "as N": (inline(SNP, unphased="iupac"), False, "1 calls of two alleles without phase: both haplotypes have"),
    "missing": (inline("chr1 45 . A G . PASS . GT .|1"), True, "1 alleles were not called: the reference stands"),
    "missing as N": (inline("chr1 45 . A G . PASS . GT .|1", missing="n"), True, "1 alleles were not called: N stands"),
    "star": (inline("chr1 45 . A *,G . PASS . GT 1|2"), True, "1 alleles are `*`"),
    "ploidy": (inline("chr1 45 . A G . PASS . GT 1", "chr1 47 . A G . PASS . GT 0|1"), True, "Calls of one and of two"),
    "sets": (
        inline("chr1 44 . A G . PASS . GT:PS 0|1:1", "chr1 47 . A G . PASS . GT:PS 0|1:2"), False, "2 phase sets"),
}  # fmt: skip


@pytest.mark.parametrize(("document", "phased", "note"), NOTES.values(), ids=NOTES)
async def test_what_the_calls_leave_open_is_noted(
    client: httpx.AsyncClient, document: dict[str, Any], phased: bool, note: str
) -> None:
    (ann,) = (await client.post(PATH, json=document)).json()["individuals"]
    assert ann["phased"] == phased
    assert [each for each in ann["notes"] if each.startswith(note)]


async def test_a_variant_that_is_not_applied_is_listed_with_its_reason(client: httpx.AsyncClient) -> None:
    document = inline(
        "chr1 44 . AAA A . PASS . GT 0|1", "chr1 45 . A G . PASS . GT 0|1", "chr1 48 . A <INS> . . . GT 1|0"
    )
    (ann,) = (await client.post(PATH, json=document)).json()["individuals"]
    assert [haplotype["skipped"] for haplotype in ann["haplotypes"]] == [
        [{"position": 48, "reason": "unsupported_allele"}],
        [{"position": 45, "reason": "overlap"}],
    ]


async def test_an_anchor_that_is_deleted_is_told(client: httpx.AsyncClient) -> None:
    # The window's middle is base 46, which goes with 45; base 47 takes its place.
    (ann,) = (await client.post(PATH, json=inline("chr1 44 . AAA A . PASS . GT 0|1"))).json()["individuals"]
    assert [haplotype["anchor_offset"] for haplotype in ann["haplotypes"]] == [0, 1]


async def test_somebody_haploid_has_one_haplotype(client: httpx.AsyncClient) -> None:
    (ann,) = (await client.post(PATH, json=inline("chr1 45 . A G . PASS . GT 1"))).json()["individuals"]
    assert [haplotype["values"]["gc_fraction"] for haplotype in ann["haplotypes"]] == [0.1]
    assert ann["values"] == {"gc_fraction": 0.1}


def parts(**contents: bytes | str) -> dict[str, tuple[str | None, bytes]]:
    """A multipart body's parts in this order."""
    encoded = {name: it.encode() if isinstance(it, str) else it for name, it in contents.items()}
    return {name: ("private.vcf" if name == "vcf" else None, content) for name, content in encoded.items()}


REQUEST = json.dumps({"model": "gc", "region": REGION})
UPLOADS: dict[str, tuple[dict[str, tuple[str | None, bytes]], int, str]] = {
    "request alone": (parts(request=REQUEST), 400, "malformed_request"),
    "vcf alone": (parts(vcf=VCF), 400, "malformed_request"),
    "vcf first": (parts(vcf=VCF, request=REQUEST), 400, "malformed_request"),
    "one part more": (parts(request=REQUEST, vcf=VCF, more="1"), 400, "malformed_request"),
    "no JSON": (parts(request="{", vcf=VCF), 400, "malformed_json"),
    "a large request": (parts(request=" " * 1_100_000, vcf=VCF), 413, "body_too_large"),
    "cohort too": (parts(request=json.dumps(asked()), vcf=VCF), 422, "invalid_field"),
    "no VCF": (parts(request=REQUEST, vcf=b"hello"), 422, "vcf_header"),
    "zip": (parts(request=REQUEST, vcf=b"PK\x03\x04" + bytes(400_000)), 415, "unsupported_media_type"),
    "gzip cut short": (parts(request=REQUEST, vcf=gzip.compress(VCF)[:-9]), 422, "vcf_truncated"),
    "bomb": (parts(request=REQUEST, vcf=gzip.compress(VCF + bytes(1 << 23))), 413, "decompressed_too_large"),
}


@pytest.mark.parametrize(("files", "status", "code"), UPLOADS.values(), ids=UPLOADS)
async def test_an_upload_is_refused_with_its_reason(
    client: httpx.AsyncClient, files: dict[str, Any], status: int, code: str
) -> None:
    response = await client.post(PATH, files=files)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "multipart/form-data"}, 415),
        ({"content-type": "multipart/mixed; boundary=x"}, 415),
        ({"content-type": "multipart/form-data; boundary=x", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json", "accept": "image/png"}, 406),
        ({"content-type": "application/json", "x-deadline-ms": "soon"}, 422),
    ],
)
async def test_header_fields_are_checked(client: httpx.AsyncClient, fields: dict[str, str], status: int) -> None:
    response = await client.post(PATH, content=json.dumps(asked()), headers=fields)
    assert response.status_code == status


async def test_a_deadline_that_passes_is_504(tmp_path: Path) -> None:
    write_slow_bundle(tmp_path / "models")
    async with http_to(create_service(settings_of(tmp_path, tmp_path / "models"))) as client:
        response = await client.post(PATH, json=asked(model=None, deadline_ms=20))
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")


async def test_a_service_that_drains_takes_no_question(models: Path, tmp_path: Path) -> None:
    service = create_service(settings_of(tmp_path, models))
    async with http_to(service) as client:
        service.predictor.draining = True
        response = await client.post(PATH, json=asked())
    assert (response.status_code, response.json()["code"]) == (503, "draining")


async def test_without_a_reference_there_is_no_such_route(models: Path) -> None:
    async with http_to(create_service(Settings(models=models, threads=1))) as client:
        response = await client.post(PATH, json=asked())
        described = (await client.get("/openapi.json")).json()["paths"]
    assert (response.status_code, response.json()["code"]) == (404, "unknown_route")
    assert "`reference`" in response.json()["detail"]
    assert PATH not in described


def test_bombs_are_refused_quickly_and_in_little_memory(server: LiveServer) -> None:
    upload = parts(request=REQUEST, vcf=gzip.compress(VCF + bytes(1 << 26)))
    before = server.resident_bytes()
    for _ in range(3):
        started = time.monotonic()
        response = httpx.post(server.url + PATH, files=upload, timeout=20)
        assert (response.status_code, response.json()["code"]) == (413, "decompressed_too_large")
        assert time.monotonic() - started < 5
    assert server.resident_bytes() - before < 64 << 20


async def test_a_third_upload_at_once_is_turned_away(server: LiveServer) -> None:
    part = '--x\r\ncontent-disposition: form-data; name="{}"\r\n\r\n'
    begun = f"{part.format('request')}{REQUEST}\r\n{part.format('vcf')}".encode() + gzip.compress(VCF)
    ended = b"\r\n--x--\r\n"
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: toy\r\nconnection: close\r\ncontent-length: {len(begun + ended)}\r\n"
        "content-type: multipart/form-data; boundary=x\r\n\r\n"
    ).encode()
    callers = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
    for _, writer in callers:
        writer.write(head + begun)
    statuses = [asyncio.create_task(reader.readline()) for reader, _ in callers]
    first, _ = await asyncio.wait(statuses, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    for _, writer in callers:
        writer.write(ended)
    assert [status.result().split()[1] for status in first] == [b"503"]
    assert sorted([(await status).split()[1] for status in statuses]) == [b"200", b"200", b"503"]
    for _, writer in callers:
        writer.close()
