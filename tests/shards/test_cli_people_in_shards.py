"""`basecast individual --engine local`: a cohort a few people at a time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from app.bundle import read_bundle
from app.errors import ShardError
from app.settings import Settings
from app.shards.people import PeopleWork
from app.shards.plan import Shard
from tests.people import REGION, write_genomes, write_window_bundle
from tests.terminal import Run
from tests.toy import write_dosage_bundle, write_toy_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles in `models`, and the files of the three people."""
    folder = tmp_path_factory.mktemp("people")
    write_genomes(folder)
    write_toy_bundle(folder / "models")
    write_window_bundle(folder / "models")
    write_dosage_bundle(folder / "models")
    return folder


def asked(folder: Path, vcf: str, *more: object, model: str = "gc") -> list[object]:
    here = ["--reference", folder / "reference.fa", "--models", folder / "models", "--model", model]
    return ["individual", folder / vcf, *here, *more]


@pytest.mark.parametrize("vcf", ["three.vcf", "three.vcf.gz"], ids=["read whole", "by region"])
@pytest.mark.parametrize(
    "more", [["--region", REGION], ["--region", REGION, "--samples", "cyd,ann", "--filter", "any"]]
)
def test_the_table_is_the_one_without_shards(run: Run, folder: Path, tmp_path: Path, vcf: str, more: list[str]) -> None:
    at_once, sharded = tmp_path / "at_once.csv", tmp_path / "sharded.csv"
    run(*asked(folder, vcf, *more, "-q", "-o", at_once))
    done = run(*asked(folder, vcf, *more, "-o", sharded, "--engine", "local", "--shard-people", 1))
    people = 2 if "--samples" in more else 3
    assert done.status == 0
    assert done.err.startswith(
        f"gc@1.0.0: {people} predicted, 0 refused\n{people} shards by 1 engine on 1 machine\nResearch"
    )
    assert sharded.read_bytes() == at_once.read_bytes()


def test_a_gene_is_read_in_the_model_s_window(run: Run, folder: Path, tmp_path: Path) -> None:
    gene = ("--gene", "PLUS", "--genes", folder / "genes.bed", "-q")
    at_once = run(*asked(folder, "three.vcf", *gene, model="gc-window"))
    parts = ("--work-dir", tmp_path / "parts", "--shard-people", 2)
    assert run(*asked(folder, "three.vcf", *gene, *parts, model="gc-window")) == at_once


def test_a_run_goes_on_and_is_not_mixed_with_another_question(run: Run, folder: Path, tmp_path: Path) -> None:
    parts = ("--work-dir", tmp_path / "parts", "--shard-people", 2, "--keep-parts")
    first = run(*asked(folder, "three.vcf", "--region", REGION, *parts))
    (tmp_path / "parts" / "000001.json").unlink()
    again = run(*asked(folder, "three.vcf", "--region", REGION, *parts))
    assert again.out == first.out
    assert again.err == "going on: 1 of 2 shards are there\n" + first.err
    done = run(*asked(folder, "three.vcf", "--region", REGION, "--missing", "n", *parts))
    assert (done.status, "holds the parts of other options" in done.err) == (1, True)
    shards = json.loads((tmp_path / "parts" / "plan.json").read_text())["shards"]
    assert shards == [[0, 1, 2, 0, 0], [1, 3, 1, 0, 0]]


@pytest.mark.parametrize(
    ("vcf", "content", "model", "told"),
    [
        ("none.vcf", None, "gc", "No such file"),
        ("bad.vcf", b"##nothing\n", "gc", "fileformat"),
        ("bad.vcf.gz", gzip.compress(b"##fileformat=VCFv4.2\n")[:-9], "gc", "damaged or ends early"),
        ("three.vcf", None, "apples", "reads genotypes and no sequences"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    run: Run, folder: Path, tmp_path: Path, vcf: str, content: bytes | None, model: str, told: str
) -> None:
    if content is not None:
        (folder / vcf).write_bytes(content)
    done = run(*asked(folder, vcf, "--region", REGION, "--work-dir", tmp_path / "parts", model=model))
    assert (done.status, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert told in done.err


def test_a_service_has_no_shards(run: Run, folder: Path, tmp_path: Path) -> None:
    url = ("--url", "http://127.0.0.1:1", "--region", REGION)
    assert run("individual", folder / "three.vcf", *url, "--work-dir", tmp_path / "parts").status == 2


def test_a_worker_that_is_closed_computes_no_more(folder: Path, tmp_path: Path) -> None:
    settings = Settings(models=folder / "models" / "gc", reference=folder / "reference.fa", device="cpu")
    digest = read_bundle(settings.models).sha256
    people = ("ann", "bob")
    worker = PeopleWork(folder / "three.vcf", people, {"region": REGION}, settings, digest, tmp_path, ".csv").open(
        1, "a/1"
    )
    worker.work(Shard(0, 1, 1, 0, 0))
    assert (tmp_path / "000000.csv").read_text().splitlines()[1].startswith("ann,chr1,40,50,+,")
    worker.close()
    with pytest.raises(ShardError, match="the run has ended"):
        worker.work(Shard(1, 2, 1, 0, 0))


def test_work_goes_to_another_device(folder: Path, tmp_path: Path) -> None:
    settings = Settings(models=folder / "models" / "gc", reference=folder / "reference.fa")
    work = PeopleWork(folder / "three.vcf", (), {}, settings, "", tmp_path, ".csv").on("cuda:0", allow_cpu=False)
    assert (work.device, work.settings.cpu_allowed) == ("cuda:0", False)
