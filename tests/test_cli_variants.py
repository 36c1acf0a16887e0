"""`basecast variants`, run as a user runs it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.genome.vcfs import sites
from tests.live import LiveServer
from tests.people import write_genomes, write_window_bundle
from tests.terminal import Finished, Run

HEAD = "contig\tposition\treference_bases\talternate_bases\tstart\tend\t" + "\t".join(
    f"gc_fraction_{figure}" for figure in ("reference", "alternate", "difference", "log2_fold_change")
)
TSV = f"{HEAD}\nchr1\t55\tC\tA\t49\t59\t0.9\t0.8\t-0.1\t-0.169925\n"

Score = Callable[..., Finished]


@pytest.fixture
def score(run: Run, tmp_path: Path) -> Score:
    """Runs `basecast variants` with `gc-window` and 50 A and 50 C as `chr1`."""
    write_window_bundle(tmp_path / "models")
    genomes = write_genomes(tmp_path)
    here = ("--models", tmp_path / "models", "--reference", genomes["reference"])

    def score(*arguments: object) -> Finished:
        return run("variants", *arguments, *here)

    return score


def test_effects_go_to_stdout_as_tsv(score: Score) -> None:
    assert score("1-55-C-A") == Finished(0, TSV, "gc-window@1.0.0: 1 scored, 0 refused, 0 skipped\n")


def test_a_running_service_answers_the_same(run: Run, tmp_path: Path) -> None:
    write_window_bundle(tmp_path / "models")
    with LiveServer.start(tmp_path / "models", reference=write_genomes(tmp_path)["reference"]) as server:
        done = run("variants", "chr1:55:C>A", "--url", server.url, "-q")
    assert done == Finished(0, TSV, "")


def test_a_gene_needs_its_table(score: Score, tmp_path: Path) -> None:
    done = score("chr1:45:A>G", "--gene", "MINUS", "--genes", tmp_path / "genes.bed", "-q")
    assert done.out.splitlines()[1] == "chr1\t45\tA\tG\t42\t52\t0.2\t0.3\t0.1\t0.5849625"


def test_a_fold_change_without_a_meaning_is_empty(score: Score) -> None:
    done = score("chr1:45:A>G", "--window", "chr1:41-50", "-q")
    assert done.out.splitlines()[1] == "chr1\t45\tA\tG\t40\t50\t0.0\t0.1\t0.1\t"


def test_a_vcf_is_scored_and_what_is_refused_is_told_by_its_line(score: Score, tmp_path: Path) -> None:
    records = ("chr1 45 . A G,<DEL> . . .", "chr1 46 . C G . . .", "chr9 1 . C G . . .", "chr1 55 . C G . . .")
    vcf = tmp_path / "sites.vcf.gz"
    vcf.write_bytes(gzip.compress(sites(*records, "chr1 47 . A C . q10 .")))
    done = score("--vcf", vcf, "--window", "chr1:41-50")
    assert done.status == 3
    assert [line.split("\t")[1] for line in done.out.splitlines()[1:]] == ["45"]
    first, second, summary = done.err.splitlines()
    assert first.startswith("refused: line 6: chr9:1:C>G: invalid_value: ")
    assert second.startswith("refused: line 5: chr1:46:C>G: reference_mismatch: ")
    assert summary == "gc-window@1.0.0: 1 scored, 2 refused, 3 skipped"


def test_records_that_did_not_pass_are_scored_when_asked_for(score: Score, tmp_path: Path) -> None:
    (tmp_path / "sites.vcf").write_bytes(sites("chr1 47 . A C . q10 ."))
    assert score("--vcf", tmp_path / "sites.vcf", "--filter", "any").err.endswith("1 scored, 0 refused, 0 skipped\n")


def test_more_variants_than_one_request_holds_come_in_order(score: Score, tmp_path: Path) -> None:
    (tmp_path / "sites.vcf").write_bytes(sites(*(f"chr1 {1 + at % 50} . A C,G,T . . ." for at in range(200))))
    done = score("--vcf", tmp_path / "sites.vcf", "-q")
    rows = [line.split("\t")[1:4] for line in done.out.splitlines()[1:]]
    assert rows == [[str(1 + at % 50), "A", base] for at in range(200) for base in "CGT"]


def test_the_output_s_ending_chooses_its_form(score: Score, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    assert score("chr1:55:C>A", "-q", "-o", output) == Finished(0, "", "")
    assert json.loads(output.read_text()) == {
        "contig": "chr1",
        "position": 55,
        "reference_bases": "C",
        "alternate_bases": "A",
        "start": 49,
        "end": 59,
        "gc_fraction_reference": 0.9,
        "gc_fraction_alternate": 0.8,
        "gc_fraction_difference": -0.1,
        "gc_fraction_log2_fold_change": -0.169925,
    }


def test_a_picture_is_drawn(score: Score, tmp_path: Path) -> None:
    picture = tmp_path / "effects.png"
    assert score("chr1:55:C>A", "chr1:45:A>G", "-q", "--plot", picture).status == 0
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


def test_with_nothing_scored_there_is_no_picture(score: Score, tmp_path: Path) -> None:
    done = score("chr9:55:C>A", "-q", "--plot", tmp_path / "effects.png")
    assert done.status == 1
    assert done.err.splitlines()[-1] == "error: no variant was scored, so there is nothing to draw"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("chr1:55:C>A", "--vcf", "sites.vcf"),
        ("chr1:55",),
        ("chr1:55:C>A", "--gene", "PLUS", "--window", "chr1:41-50"),
        ("chr1:55:C>A", "--url", "http://127.0.0.1:1"),
    ],
)
def test_contradictions_are_wrong_usage(score: Score, arguments: tuple[str, ...]) -> None:
    assert score(*arguments).status == 2


def test_a_reference_is_needed_here(run: Run, toy_models: Path) -> None:
    assert run("variants", "chr1:55:C>A", "--models", toy_models).status == 2


def test_a_vcf_that_is_not_there_is_one_line(score: Score, tmp_path: Path) -> None:
    done = score("--vcf", tmp_path / "none.vcf")
    assert (done.status, done.err) == (1, f"error: {tmp_path / 'none.vcf'}: No such file or directory\n")
