"""Models with segments, asked for people, variants and whole windows: each distinct segment is embedded once.

`chr1` is 50 A and 50 C; `chr1:41-60` is cut into AAAAA AAAAA CCCCC CCCCC, for which `gc-squares` answers
3 * 25 + 4 * 25 = 175. `ann` and `bob` have a G in the first segment, which is worth 1, and `bob` lacks a base of the
second one, which pulls a C into it and nothing else: worth 2.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.main import create_service
from app.worker_process import create_worker_process
from tests.conftest import http_to
from tests.genome.vcfs import vcf
from tests.people import HEADER, settings_of, write_genomes
from tests.redis_server import RedisServer
from tests.terminal import Run
from tests.toy_segments import gc_squares, write_segmented_bundle

REGION = "chr1:41-60"
VALUES = {"ann": (175, 176), "bob": (176, 178), "cyd": (175, 175)}
WINDOW = "A" * 10 + "C" * 10
MINUS = {"ann": (43, 46), "bob": (46, 46), "cyd": (43, 43)}


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    write_segmented_bundle(tmp_path / "models")
    async with http_to(create_service(settings_of(tmp_path, tmp_path / "models"))) as client:
        yield client


async def ask(client: httpx.AsyncClient, route: str, **document: Any) -> dict[str, Any]:
    response = await client.post(f"/predict{route}", json=document)
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    return told


async def people(client: httpx.AsyncClient, **document: Any) -> dict[str, Any]:
    return await ask(client, "/individual", **{"cohort": "three", "region": REGION} | document)


def values(told: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    return {
        individual["sample"]: tuple(haplotype["values"]["gc_squares"] for haplotype in individual["haplotypes"])
        for individual in told["individuals"]
    }


async def computed(client: httpx.AsyncClient) -> tuple[float, float]:
    """How many segments the embedder has read so far, and how many windows the head; equal ones of a chunk once."""
    lines = (await client.get("/metrics")).text.splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("basecast_batch_sequences_sum"))
    name = 'basecast_batch_sequences_sum{{model="gc-squares{}"}}'
    return float(found[name.format("")]), float(found[name.format("/head")])


async def test_each_distinct_segment_is_embedded_once_and_each_distinct_haplotype_predicted_once(
    client: httpx.AsyncClient,
) -> None:
    told = await people(client)
    assert values(told) == VALUES
    assert told["reference_values"] == {"gc_squares": 175}
    assert told["counts"] == {
        "samples": 3, "haplotypes": 6, "distinct_haplotypes": 3, "records": 3, "applied": 2, "filtered": 1,
        "distinct_segments": 6,
    }  # fmt: skip
    assert await computed(client) == (4, 3)  # AAAAA and CCCCC stand at two places each


async def test_nothing_is_kept_for_the_next_request(client: httpx.AsyncClient) -> None:
    assert await people(client) == await people(client)
    assert await computed(client) == (8, 6)


async def test_two_requests_at_once_share_nothing_that_is_somebody_s(client: httpx.AsyncClient) -> None:
    one, other = await asyncio.gather(people(client), people(client))
    assert one == other
    assert await computed(client) == (8, 6)


async def test_a_person_s_variants_are_told_as_of_any_other_model(client: httpx.AsyncClient) -> None:
    bob = (await people(client, filter="any"))["individuals"][1]
    assert [(each["applied"], each["anchor_offset"]) for each in bob["haplotypes"]] == [(1, 0), (2, 0)]
    assert bob["values"] == {"gc_squares": 177}
    assert bob["difference"] == {"gc_squares": 2}


@pytest.mark.parametrize("place", [{}, {"region": None, "gene": "MINUS"}, {"region": "chr1:80-99"}])
async def test_everybody_s_values_are_those_of_each_alone(client: httpx.AsyncClient, place: dict[str, Any]) -> None:
    asked = {"region": REGION} | place
    document = {"cohort": "three"} | {name: value for name, value in asked.items() if value is not None}
    together = await ask(client, "/individual", **document)
    for individual in together["individuals"]:
        alone = await ask(client, "/individual", **document, samples=[individual["sample"]])
        assert alone["individuals"] == [individual]


async def test_the_minus_strand_reads_its_segments_from_its_own_start(client: httpx.AsyncClient) -> None:
    told = await ask(client, "/individual", cohort="three", gene="MINUS")
    # GGGGG GGGTT TTTTT TTTTT; the G at 45 is a C in the third segment
    assert told["reference_values"] == {"gc_squares": 25 + 2 * 9}
    assert values(told) == MINUS


async def test_past_the_contig_s_end_there_is_n(client: httpx.AsyncClient) -> None:
    text = vcf("chr1 92 . CC C . PASS . GT 1|1", samples="dee", header=HEADER).decode()
    told = await ask(client, "/individual", vcf=text, region="chr1:99-100")  # the window 90 to 109
    # CCCCC CCCCC CNNNN NNNNN: what is deleted from the first segment comes in from the second's side
    assert told["reference_values"] == {"gc_squares": 25 + 2 * 25 + 3}
    assert values(told) == {"dee": (78, 78)}


async def test_a_whole_window_is_predicted_as_a_sequence(client: httpx.AsyncClient) -> None:
    windows = [WINDOW, WINDOW.lower(), "ACGTACCCGTTTTTTGGGGC", "U" * 20, "N" * 20]
    told = await ask(client, "", sequences=windows)
    assert [each["values"]["gc_squares"] for each in told["predictions"]] == [175, 175, gc_squares(windows[2]), 0, 0]
    assert [(each["bases"], each["tokens"]) for each in told["predictions"][:2]] == [(20, 28), (20, 28)]
    # AAAAA, CCCCC, four of the third window, among them TTTTT, and NNNNN
    assert await computed(client) == (7, 4)


@pytest.mark.parametrize(
    ("window", "code", "position"),
    [("A" * 19, "too_short", None), ("A" * 21, "too_long", None), ("A" * 17 + "XAA", "invalid_base", 17)],
)
async def test_what_is_no_window_is_refused(
    client: httpx.AsyncClient, window: str, code: str, position: int | None
) -> None:
    response = await client.post("/predict", json={"sequences": [WINDOW, window]})
    assert response.status_code == 422
    (item,) = response.json()["errors"]
    assert (item["pointer"], item["code"], item.get("position")) == ("/sequences/1", code, position)


async def test_a_variant_is_worth_what_it_is_in_somebody(client: httpx.AsyncClient) -> None:
    listed = ["chr1:45:A>G", "chr1:47:AA>A"]
    told = await ask(client, "/variants", variants=listed, window=REGION)
    effects = [tuple(it[name]["gc_squares"] for name in ("reference", "alternate")) for it in told["variants"]]
    assert effects == [(175, 176), (175, 177)]
    assert await computed(client) == (2 + 2, 3)


async def test_a_substitution_costs_its_own_segment(client: httpx.AsyncClient) -> None:
    told = await ask(client, "/mutagenesis", interval=REGION, start=40, end=41)
    assert told["values"]["gc_squares"] == [[175, 176, 176, 175]]
    # two segments of the window itself, and then again with three others; for the head a G is as good as a C
    assert await computed(client) == (2 + 2 + 3, 1 + 2)


async def test_progress_counts_segments_and_haplotypes(client: httpx.AsyncClient) -> None:
    document = {"cohort": "three", "region": REGION}
    response = await client.post("/predict/individual", json=document, headers={"accept": "text/event-stream"})
    progress = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith('data: {"done"')]
    assert progress == [{"done": 6, "total": 9}, {"done": 9, "total": 9}]


def test_the_command_answers_alike(run: Run, tmp_path: Path) -> None:
    write_genomes(tmp_path)
    write_segmented_bundle(tmp_path / "models")
    here = ("--reference", tmp_path / "reference.fa", "--models", tmp_path / "models")
    done = run("individual", tmp_path / "three.vcf.gz", "--region", REGION, *here)
    header, *rows = [line.split("\t") for line in done.out.splitlines()]
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert {
        row["sample"]: (float(row["gc_squares_haplotype_1"]), float(row["gc_squares_haplotype_2"])) for row in found
    } == VALUES
    assert "3 people, 3 distinct haplotypes, 6 distinct segments" in done.err
    verified = run("models", "verify", "--models", tmp_path / "models")
    assert verified.out.startswith("OK      gc-squares@1.0.0  fp32, 4 files, 2 golden examples on CPU")
    assert "4 of 5 bases" in run("models", "show", "gc-squares", "--models", tmp_path / "models").out


async def test_through_redis_the_graphs_are_two_streams_of_work(redis_server: RedisServer, tmp_path: Path) -> None:
    models = write_segmented_bundle(tmp_path / "models")
    settings = settings_of(tmp_path, models, queue=redis_server.url)
    worker = create_worker_process(settings)
    async with worker.running(), http_to(create_service(settings)) as client:
        assert values(await people(client)) == VALUES
    batches = [
        worker.metrics.registry.get_sample_value("basecast_batch_sequences_sum", {"model": f"gc-squares{part}"})
        for part in ("", "/head")
    ]
    assert batches == [4, 3]
