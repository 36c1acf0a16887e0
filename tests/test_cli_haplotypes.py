"""`basecast haplotypes`, run as a user runs it; bcftools as the oracle."""

from __future__ import annotations

from pathlib import Path

import pysam
import pysam.bcftools
import pytest

from tests.people import REGION, write_genomes
from tests.terminal import Run

EXPECTED = {
    "ann|1": "A" * 10,
    "ann|2": "AAAAGAAAAA",
    "bob|1": "AAAAGAAAAA",
    "bob|2": "AAAAGAAAA",
    "cyd|1": "A" * 10,
    "cyd|2": "A" * 10,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_genomes(folder)
    return folder


def records(fasta: str) -> dict[str, str]:
    named = [record.partition("\n") for record in fasta.split(">")[1:]]
    return {name: bases.replace("\n", "") for name, _, bases in named}


@pytest.mark.parametrize("vcf", ["three.vcf", "three.vcf.gz"], ids=["read whole", "by region"])
def test_each_haplotype_is_a_record(run: Run, folder: Path, vcf: str) -> None:
    done = run("haplotypes", folder / vcf, "--reference", folder / "reference.fa", "--region", REGION)
    assert (done.status, records(done.out)) == (0, EXPECTED)
    assert done.err == "3 people, 3 distinct haplotypes\n"


def test_a_window_is_filled_with_the_person_s_own_sequence(run: Run, folder: Path) -> None:
    done = run("haplotypes", folder / "three.vcf.gz", "--reference", folder / "reference.fa", "--region", REGION,
               "--fit", "window", "--samples", "bob")  # fmt: skip
    assert records(done.out) == {"bob|1": "AAAAGAAAAA", "bob|2": "AAAAGAAAAC"}


def test_lines_have_sixty_bases(run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.fa"
    asked = ("--region", "chr1:1-100", "--samples", "cyd", "-o", output)
    done = run("haplotypes", folder / "three.vcf", "--reference", folder / "reference.fa", *asked)
    assert (done.status, done.out) == (0, "")
    assert [len(line) for line in output.read_text().splitlines()] == [len(">cyd|1"), 60, 40, len(">cyd|2"), 60, 40]


def test_the_compatible_form_is_what_bcftools_writes(run: Run, folder: Path) -> None:
    reference = folder / "region.fa"
    with pysam.FastaFile(str(folder / "reference.fa")) as fasta:
        reference.write_text(f">{REGION}\n{fasta.fetch(region=REGION)}\n")
    asked = ("--region", REGION, "--compat", "bcftools")
    done = run("haplotypes", folder / "three.vcf.gz", "--reference", folder / "reference.fa", *asked)
    for name, bases in records(done.out).items():
        sample, index = name.split("|")
        options = ("-f", str(reference), "-s", sample, "-H", index, str(folder / "three.vcf.gz"))
        theirs = pysam.bcftools.consensus(*options, catch_stdout=True)
        assert list(records(theirs).values()) == [bases]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (["--region", "chr1:50-41"], 1),
        (["--region", "chr9:1-10"], 1),
        (["--region", REGION, "--samples", "dee"], 1),
        (["--region", REGION, "--fit", "window", "--compat", "bcftools"], 2),
        (["--region", REGION, "-o", "none/out.fa"], 2),
        ([], 2),
    ],
)
def test_what_cannot_be_is_refused(run: Run, folder: Path, options: list[str], status: int) -> None:
    done = run("haplotypes", folder / "three.vcf", "--reference", folder / "reference.fa", *options)
    assert (done.status, done.out) == (status, "")
