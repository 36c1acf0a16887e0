"""`basecast individual`, run as a user runs it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import LiveServer, free_port
from tests.people import REGION, VALUES, write_genomes, write_window_bundle
from tests.terminal import Run, Terminal, start
from tests.toy import write_toy_bundle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles in `models`, and the files of the three people."""
    folder = tmp_path_factory.mktemp("people")
    write_genomes(folder)
    write_toy_bundle(folder / "models")
    write_window_bundle(folder / "models")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[LiveServer]:
    files = {"reference": folder / "reference.fa", "genes": folder / "genes.bed"}
    with LiveServer.start(folder / "models", **files) as server:
        yield server


def haplotypes(table: str) -> dict[str, tuple[float, ...]]:
    rows = csv.DictReader(io.StringIO(table), delimiter="\t")
    names = ("gc_fraction_haplotype_1", "gc_fraction_haplotype_2")
    return {row["sample"]: tuple(float(row[name]) for name in names) for row in rows}


def here(folder: Path, model: str = "gc") -> tuple[object, ...]:
    return ("--reference", folder / "reference.fa", "--models", folder / "models", "--model", model)


@pytest.mark.parametrize("vcf", ["three.vcf", "three.vcf.gz"], ids=["read whole", "by region"])
def test_a_table_goes_to_stdout_and_the_caveat_to_stderr(run: Run, folder: Path, vcf: str) -> None:
    done = run("individual", folder / vcf, "--region", REGION, *here(folder))
    assert (done.status, haplotypes(done.out)) == (0, VALUES)
    assert done.err.startswith("gc@1.0.0: 3 people, 3 distinct haplotypes\nResearch use.")


def test_a_running_service_answers_the_same(run: Run, folder: Path, server: LiveServer) -> None:
    asked = ("individual", folder / "three.vcf.gz", "--region", REGION, "-q")
    local = run(*asked, *here(folder))
    remote = run(*asked, "--url", server.url, "--model", "gc")
    assert remote == local


def test_a_gene_is_read_in_the_model_s_window(run: Run, folder: Path, server: LiveServer) -> None:
    asked = ("individual", folder / "three.vcf", "--gene", "PLUS", "--samples", "bob", "-q")
    local = run(*asked, "--genes", folder / "genes.bed", *here(folder, "gc-window"))
    assert local.out.splitlines()[1].startswith("bob\tchr1\t38\t48\t+\tTrue\t1\t2\t")
    assert run(*asked, "--url", server.url, "--model", "gc-window") == local


def test_the_output_s_ending_chooses_its_form(run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    options = ("--samples", "cyd,ann", "--filter", "any", "-q", "-o", output)
    assert run("individual", folder / "three.vcf", "--region", REGION, *here(folder), *options).status == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(row["sample"], row["applied_1"], row["phased"]) for row in rows] == [("cyd", 0, True), ("ann", 1, True)]


@pytest.mark.parametrize("options", [(), ("--variant", "1:47:AA>A")], ids=["the lead", "one asked for"])
def test_people_are_drawn_by_genotype_whoever_predicts(
    run: Run, folder: Path, server: LiveServer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    asked = ("individual", folder / "three.vcf.gz", "--region", REGION, "-q", "-o", tmp_path / "out.csv", *options)
    pictures = [tmp_path / "here.png", tmp_path / "there.png"]
    for picture, place in zip(pictures, (here(folder), ("--url", server.url, "--model", "gc")), strict=True):
        done = run(*asked, *place, "--plot", picture)
        assert (done.status, done.err) == (0, "")
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--variant", "chr1:47:A>G"), "--variant: the VCF has no such variant"),
        (("--variant", "chr1:49:A>T"), "--variant: the VCF has no such variant"),  # it did not pass its filters
        (("--samples", "ann,cyd"), "--plot: no variant of the window goes with"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    run: Run, folder: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    asked = ("individual", folder / "three.vcf", "--region", REGION, *here(folder), "--plot", tmp_path / "out.png")
    done = run(*asked, *options, "-q", "-o", tmp_path / "out.csv")
    assert (done.status, done.err.startswith(f"error: {said}"), len(done.err.splitlines())) == (1, True, 1)


def test_a_variant_that_did_not_pass_is_drawn_where_any_is_read(run: Run, folder: Path, tmp_path: Path) -> None:
    asked = ("individual", folder / "three.vcf", "--region", REGION, *here(folder), "--plot", tmp_path / "out.svg")
    assert run(*asked, "--filter", "any", "--variant", "chr1:49:A>T", "-o", tmp_path / "out.csv").status == 0


def test_what_is_refused_is_one_line(run: Run, folder: Path, server: LiveServer) -> None:
    asked = ("individual", folder / "three.vcf", "--region", REGION, "--samples", "dee")
    for place in (here(folder), ("--url", server.url, "--model", "gc")):
        done = run(*asked, *place)
        assert (done.status, done.out, done.err) == (1, "", "error: The VCF has no sample of this name.\n")


def test_a_file_that_is_no_vcf_is_refused_alike(run: Run, folder: Path, server: LiveServer, tmp_path: Path) -> None:
    bad = tmp_path / "bad.vcf"
    bad.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(2_000_000))
    lines = {
        run("individual", bad, "--region", REGION, *place).err
        for place in (here(folder), ("--url", server.url, "--model", "gc"))
    }
    assert len({line.partition(": ")[2].rpartition(": ")[2] for line in lines}) == 1


def test_a_file_that_is_not_there_is_one_line(run: Run, folder: Path, server: LiveServer) -> None:
    for place in (here(folder), ("--url", server.url, "--model", "gc")):
        done = run("individual", folder / "none.vcf", "--region", REGION, *place)
        assert (done.status, len(done.err.splitlines())) == (1, 1)


def test_a_service_that_is_not_there_is_one_line(run: Run, folder: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run("individual", folder / "three.vcf", "--region", REGION, "--url", url, "--model", "gc")
    assert (done.status, done.err.startswith(f"error: {url}: connection refused")) == (1, True)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--region", REGION],
        ["--reference", "reference.fa"],
        ["--reference", "reference.fa", "--region", REGION, "--gene", "PLUS"],
        ["--reference", "reference.fa", "--region", REGION, "--url", "http://127.0.0.1"],
        ["--reference", "reference.fa", "--region", REGION, "-o", "out.fa"],
        ["--reference", "reference.fa", "--region", REGION, "--variant", "chr1:45:A>G"],
        ["--reference", "reference.fa", "--region", REGION, "--plot", "out.png", "--tile"],
        ["--reference", "reference.fa", "--region", REGION, "--plot", "out.png", "--variant", "rs12345"],
    ],
)
def test_wrong_usage_has_the_status_2(run: Run, folder: Path, options: list[str]) -> None:
    assert run("individual", folder / "three.vcf", *options).status == 2


def test_a_terminal_sees_how_far_it_is(folder: Path, tmp_path: Path) -> None:
    asked = ("individual", folder / "three.vcf", "--region", REGION, *here(folder), "-o", tmp_path / "out.csv")
    with Terminal() as terminal:
        process = start(*asked, stderr=terminal.end)
        process.communicate(timeout=60)
        assert "3/3" in terminal.shown_until("3 people, 3 distinct")
