"""POST /predict/variants: what it answers, and how it refuses.

`chr1` is 50 A and 50 C. `gc` says the share of G and C in what it reads; `gc-window` reads ten bases, six before a
transcription start and four from it on.
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

from app.main import create_service
from app.settings import Settings
from tests.conftest import http_to
from tests.genome import vcfs
from tests.keys import add_key, bearer
from tests.people import HEADER, settings_of, write_window_bundle
from tests.toy import write_dosage_bundle, write_manifest, write_token_bundle, write_toy_bundle

PATH = "/predict/variants"
WINDOW = "chr1:41-50"  # ten A


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    models = tmp_path / "models"
    write_toy_bundle(models)
    write_window_bundle(models)
    async with http_to(create_service(settings_of(tmp_path, models))) as client:
        yield client


async def ask(client: httpx.AsyncClient, accept: str = "application/json", **document: Any) -> httpx.Response:
    return await client.post(PATH, json={"model": "gc-window"} | document, headers={"accept": accept})


def sites(*records: str, header: str = HEADER) -> str:
    return vcfs.sites(*records, header=header).decode()


async def effects(client: httpx.AsyncClient, *variants: object, **document: Any) -> list[dict[str, Any]]:
    response = await ask(client, variants=list(variants), **document)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["variants"]
    return found


def items(response: httpx.Response) -> list[tuple[str, str]]:
    return [(item["pointer"], item["code"]) for item in response.json()["errors"]]


async def test_the_answer_has_both_values_and_what_lies_between(client: httpx.AsyncClient) -> None:
    response = await ask(client, variants=["chr1:55:C>A"])  # five bases before it and four behind: one A, nine C
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    document = response.json()
    assert document["model"]["name"] == "gc-window"
    assert document["counts"] == {"variants": 1, "skipped": 0, "distinct_sequences": 2}
    assert document["skipped"] == []
    (effect,) = document["variants"]
    assert effect.pop("window").pop("refget").startswith("SQ.")
    assert effect == {
        "variant": "chr1:55:C>A",
        "index": 0,
        "contig": "chr1",
        "position": 55,
        "reference_bases": "C",
        "alternate_bases": "A",
        "reference": {"gc_fraction": 0.9},
        "alternate": {"gc_fraction": 0.8},
        "difference": {"gc_fraction": -0.1},
        "log2_fold_change": {"gc_fraction": -0.169925},  # log2(0.8 / 0.9)
    }


async def test_a_list_takes_every_text_form_and_objects_in_order(client: httpx.AsyncClient) -> None:
    item = {"contig": "1", "position": 45, "reference_bases": "a", "alternate_bases": "t"}
    found = await effects(client, "chr1:45:A:G", "1_45_A_C_b38", "1-45-A-T", item, window=WINDOW)
    assert [effect["variant"] for effect in found] == ["chr1:45:A>G", "chr1:45:A>C", "chr1:45:A>T", "chr1:45:A>T"]
    assert [effect["alternate"]["gc_fraction"] for effect in found] == [0.1, 0.1, 0.0, 0.0]


async def test_one_window_s_reference_and_equal_alternates_are_predicted_once(client: httpx.AsyncClient) -> None:
    variants = ["chr1:45:A>G", "chr1:45:A>G", "chr1:46:A>G"]
    response = await ask(client, variants=variants, window=WINDOW)
    assert response.json()["counts"] == {"variants": 3, "skipped": 0, "distinct_sequences": 3}


async def test_a_list_is_answered_as_each_of_its_variants_alone(client: httpx.AsyncClient) -> None:
    variants = ["chr1:45:A>G", "chr1:50:AC>A", "chr1:51:C>CAT", "chr1:99:CC>C", "chr1:2:A>T"]
    together = await effects(client, *variants)
    alone = [effect for variant in variants for effect in await effects(client, variant)]
    assert [effect | {"index": 0} for effect in together] == alone


async def test_a_fold_change_without_a_meaning_is_left_out(client: httpx.AsyncClient) -> None:
    (effect,) = await effects(client, "chr1:45:A>G", window=WINDOW)  # from nothing to something
    assert effect["difference"] == {"gc_fraction": 0.1}
    assert "log2_fold_change" not in effect


async def test_a_gene_s_window_is_read_on_the_gene_s_strand(client: httpx.AsyncClient) -> None:
    (effect,) = await effects(client, "chr1:45:A>G", gene="MINUS")
    window = effect["window"]
    assert (window["start"], window["end"], window["strand"], window["anchor"]) == (42, 52, "-", 45)
    assert (effect["reference"], effect["alternate"]) == ({"gc_fraction": 0.2}, {"gc_fraction": 0.3})


async def test_a_window_can_be_any_length_for_a_model_without_one(client: httpx.AsyncClient) -> None:
    window = {"contig": "chr1", "start": 48, "end": 52}
    (effect,) = await effects(client, "chr1:50:A>G", model="gc", window=window)
    assert (effect["reference"], effect["alternate"]) == ({"gc_fraction": 0.5}, {"gc_fraction": 0.75})


@pytest.mark.parametrize(
    ("variant", "window", "share"),
    [
        ("chr1:43:AA>A", "chr1:42-51", 0.1),  # before the anchor (46): an A comes in from the left
        ("chr1:48:AA>A", "chr1:42-51", 0.2),  # behind it: a C comes in from the right
        ("chr1:42:A>AGG", "chr1:42-51", 0.2),  # the left end and one G are pushed out
        ("chr1:47:A>AGG", "chr1:42-51", 0.2),  # A and C on the right are pushed out, two G come in
    ],
)
async def test_an_indel_leaves_length_and_anchor(
    client: httpx.AsyncClient, variant: str, window: str, share: float
) -> None:
    (effect,) = await effects(client, variant, model="gc", window=window)
    assert effect["alternate"] == {"gc_fraction": share}


async def test_a_variant_outside_the_window_is_told_and_not_scored(client: httpx.AsyncClient) -> None:
    response = await ask(client, variants=["chr1:45:A>G", "chr1:55:C>G", "chr1:46:A>G"], window=WINDOW)
    document = response.json()
    assert [effect["index"] for effect in document["variants"]] == [0, 2]
    assert document["skipped"] == [{"index": 1, "reason": "outside_window"}]


async def test_a_window_around_a_variant_may_reach_past_the_contig(client: httpx.AsyncClient) -> None:
    (effect,) = await effects(client, "chr1:100:C>A")  # six C and four N
    assert (effect["window"]["start"], effect["window"]["end"]) == (94, 104)
    assert effect["alternate"]["gc_fraction"] == 0.8333333


async def test_csv_has_four_figures_a_target(client: httpx.AsyncClient) -> None:
    response = await ask(client, "text/csv", variants=["chr1:55:C>A"], window="chr1:46-55")
    assert response.headers["cache-control"] == "no-store"
    facts = ["contig", "position", "reference_bases", "alternate_bases", "start", "end"]
    figures = [
        "gc_fraction_reference",
        "gc_fraction_alternate",
        "gc_fraction_difference",
        "gc_fraction_log2_fold_change",
    ]
    assert list(csv.reader(io.StringIO(response.text))) == [
        facts + figures,
        ["chr1", "55", "C", "A", "45", "55", "0.5", "0.4", "-0.1", "-0.3219281"],
    ]


async def test_ndjson_has_a_line_for_each_variant(client: httpx.AsyncClient) -> None:
    response = await ask(client, "application/x-ndjson", variants=["chr1:45:A>G", "chr1:46:A>C"], window=WINDOW)
    assert [json.loads(line)["variant"] for line in response.text.splitlines()] == ["chr1:45:A>G", "chr1:46:A>C"]


class TestVcf:
    async def test_every_alternate_allele_is_scored_and_the_rest_told_with_its_reason(
        self, client: httpx.AsyncClient
    ) -> None:
        records = (
            "chr1 45 . A G,<DEL>,C . PASS .",
            "chr1 46 . A G . q10 .",
            "chr1 47 . A . . PASS .",
            "chr1 90 . C G . PASS .",
        )
        response = await ask(client, vcf=sites(*records), window=WINDOW)
        document = response.json()
        assert [(effect["variant"], effect["line"], effect["allele"]) for effect in document["variants"]] == [
            ("chr1:45:A>G", 4, 1),
            ("chr1:45:A>C", 4, 3),
        ]
        assert document["skipped"] == [
            {"line": 4, "allele": 2, "reason": "unsupported_allele"},
            {"line": 5, "allele": 0, "reason": "filtered"},
            {"line": 6, "allele": 0, "reason": "no_change"},
            {"line": 7, "allele": 1, "reason": "outside_window"},
        ]
        assert document["counts"] == {"variants": 2, "skipped": 4, "distinct_sequences": 3}

    async def test_records_that_did_not_pass_count_when_asked_for(self, client: httpx.AsyncClient) -> None:
        vcf = sites("chr1 46 . A G . q10 .")
        response = await ask(client, vcf=vcf, filter="any", window=WINDOW)
        assert response.json()["counts"]["variants"] == 1

    async def test_with_nothing_to_score_the_answer_is_empty(self, client: httpx.AsyncClient) -> None:
        response = await ask(client, vcf=sites("chr1 46 . A <INS> . . ."))
        assert response.status_code == 200
        assert response.json()["variants"] == []

    async def test_every_record_that_contradicts_the_reference_is_named_by_its_line(
        self, client: httpx.AsyncClient
    ) -> None:
        vcf = sites("chr1 45 . C G . . .", "chr1 46 . A G . . .", "chr1 100 . CC C . . .")
        response = await ask(client, vcf=vcf)
        assert response.status_code == 422
        assert items(response) == [("/vcf", "reference_mismatch")] * 2
        first, second = (item["detail"] for item in response.json()["errors"])
        assert "Line 4" in first
        assert "has A at chr1:45" in first
        assert "Line 6" in second
        assert "ends before chr1:101" in second

    async def test_a_vcf_of_another_assembly_is_refused(self, client: httpx.AsyncClient) -> None:
        text = sites("1 45 . A G . . .", header="##contig=<ID=1,length=99>")
        response = await ask(client, vcf=text, window=WINDOW)
        assert (response.status_code, items(response)) == (422, [("/vcf", "vcf_assembly")])

    async def test_what_is_no_vcf_is_refused(self, client: httpx.AsyncClient) -> None:
        response = await ask(client, vcf="chr1 45 A G")
        assert (response.status_code, response.json()["code"]) == (422, "vcf_header")

    async def test_more_alleles_than_a_list_may_hold_are_refused(self, tmp_path: Path) -> None:
        write_window_bundle(tmp_path / "models")
        settings = settings_of(tmp_path, tmp_path / "models", max_sequences=2)
        async with http_to(create_service(settings)) as client:
            response = await ask(client, vcf=sites("chr1 45 . A C,G,T . . ."))
        assert (response.status_code, items(response)) == (422, [("/vcf", "vcf_too_many")])


REFUSALS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "neither variants nor a VCF": ({}, [("", "invalid_field")]),
    "both": ({"variants": ["chr1:45:A>G"], "vcf": ""}, [("", "invalid_field")]),
    "a gene and a window": (
        {"variants": ["chr1:45:A>G"], "gene": "PLUS", "window": WINDOW},
        [("", "invalid_field")],
    ),
    "no variants": ({"variants": []}, [("/variants", "empty")]),
    "text of no form": (
        {"variants": ["chr1:45:A>G", "chr1:45", "chr1:45:A>R"]},
        [("/variants/1", "invalid_value"), ("/variants/2", "invalid_value")],
    ),
    "an item of another type": ({"variants": [7]}, [("/variants/0", "invalid_field")]),
    "an item without a field": (
        {"variants": [{"contig": "1", "position": 45, "reference_bases": "A"}]},
        [("/variants/0/alternate_bases", "invalid_field")],
    ),
    "letters that are no bases": (
        {"variants": [{"contig": "1", "position": 45, "reference_bases": "A", "alternate_bases": "<DEL>"}]},
        [("/variants/0/alternate_bases", "invalid_value")],
    ),
    "position 0": (
        {"variants": [{"contig": "1", "position": 0, "reference_bases": "A", "alternate_bases": "C"}]},
        [("/variants/0/position", "invalid_value")],
    ),
    "contigs that the reference lacks": (
        {"variants": ["chr1:45:A>G", "chr2:45:A>G", "chr3:45:A>G"]},
        [("/variants/1", "invalid_value"), ("/variants/2", "invalid_value")],
    ),
    "other reference bases": (
        {"variants": ["chr1:45:C>G", "chr1:46:A>G", "chr1:49:AAA>A"]},
        [("/variants/0", "reference_mismatch"), ("/variants/2", "reference_mismatch")],
    ),
    "behind the contig": ({"variants": ["chr1:300:C>G"]}, [("/variants/0", "invalid_value")]),
    "a window that the model does not read": (
        {"variants": ["chr1:45:A>G"], "window": "chr1:40-51"},
        [("/window", "region_too_long")],
    ),
    "a window on another contig": (
        {"variants": ["chr1:45:A>G"], "window": "chr2:40-49"},
        [("/window", "invalid_value")],
    ),
    "a gene that is not there": ({"variants": ["chr1:45:A>G"], "gene": "OTHER"}, [("/gene", "invalid_value")]),
    "no window where the model has none": (
        {"variants": ["chr1:45:A>G"], "model": "gc"},
        [("/window", "invalid_field")],
    ),
    "an unknown field": ({"variants": ["chr1:45:A>G"], "region": WINDOW}, [("", "invalid_field")]),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_refusals_point_at_every_item_at_fault(client: httpx.AsyncClient, name: str) -> None:
    document, expected = REFUSALS[name]
    response = await ask(client, **document)
    assert response.status_code == 422, response.text
    assert items(response) == expected
    assert response.headers["cache-control"] == "no-store"


async def test_a_mismatch_names_the_base_that_was_expected(client: httpx.AsyncClient) -> None:
    response = await ask(client, variants=["chr1:49:AAT>A"])
    (item,) = response.json()["errors"]
    assert "has C at chr1:51" in item["detail"]


async def test_a_sequence_that_the_model_refuses_is_pointed_at_by_its_variant(tmp_path: Path) -> None:
    write_token_bundle(tmp_path / "models")  # reads no N
    async with http_to(create_service(settings_of(tmp_path, tmp_path / "models"))) as client:
        response = await ask(client, model="mean-id", variants=["chr1:45:A>G", "chr1:46:A>N"], window=WINDOW)
    assert (response.status_code, items(response)) == (422, [("/variants/1", "invalid_base")])


async def test_a_longer_list_than_one_request_takes_is_refused(tmp_path: Path) -> None:
    write_window_bundle(tmp_path / "models")
    async with http_to(create_service(settings_of(tmp_path, tmp_path / "models", max_sequences=2))) as client:
        response = await ask(client, variants=["chr1:45:A>G"] * 3)
        assert (response.status_code, items(response)) == (422, [("/variants", "too_many")])
        assert (await ask(client, variants=["chr1:45:A>G", "chr1:55:C>A"])).status_code == 200


async def test_more_bases_than_eight_requests_hold_are_refused(tmp_path: Path) -> None:
    write_window_bundle(tmp_path / "models")
    settings = settings_of(tmp_path, tmp_path / "models", max_total_bases=10)
    async with http_to(create_service(settings)) as client:
        variants = [f"chr1:{position}:A>G" for position in range(10, 15)]
        assert (await ask(client, variants=variants[:4])).status_code == 200  # eight sequences of ten bases
        response = await ask(client, variants=variants)
    assert (response.status_code, items(response)) == (422, [("/variants", "too_many")])


async def test_a_model_of_genotypes_has_no_sequence_to_change(tmp_path: Path) -> None:
    write_dosage_bundle(tmp_path / "models")
    async with http_to(create_service(settings_of(tmp_path, tmp_path / "models"))) as client:
        response = await ask(client, model=None, variants=["chr1:45:A>G"])
    assert (response.status_code, items(response)) == (422, [("/model", "needs_genotypes")])


async def test_a_model_of_another_assembly_is_refused(tmp_path: Path) -> None:
    write_manifest(write_window_bundle(tmp_path / "models"), assembly="GRCh38")
    settings = settings_of(tmp_path, tmp_path / "models", reference_assembly="GRCh37")
    async with http_to(create_service(settings)) as client:
        response = await ask(client, variants=["chr1:45:A>G", "chr1:46:A>G"])
    assert (response.status_code, items(response)) == (422, [("/model", "reference_mismatch")])


async def test_without_a_reference_there_is_no_such_route(toy_models: Path) -> None:
    async with http_to(create_service(Settings(models=toy_models, threads=1))) as client:
        response = await ask(client, variants=["chr1:45:A>G"])
    assert (response.status_code, response.json()["code"]) == (404, "unknown_route")


async def test_distinct_sequences_are_what_a_key_s_share_pays_for(tmp_path: Path) -> None:
    write_window_bundle(tmp_path / "models")
    key = add_key(tmp_path / "keys.toml", "predict", sequences_per_minute=3)
    settings = settings_of(tmp_path, tmp_path / "models", api_keys_file=tmp_path / "keys.toml")
    async with http_to(create_service(settings)) as client:
        body = {"variants": ["chr1:45:A>G", "chr1:46:A>G"], "window": WINDOW}  # with the reference, three
        first = await client.post(PATH, json=body, headers=bearer(key))
        second = await client.post(PATH, json=body, headers=bearer(key))
    assert (first.status_code, second.status_code) == (200, 429)
