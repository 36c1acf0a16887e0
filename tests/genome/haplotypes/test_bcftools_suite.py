"""The runs of `bcftools consensus` in its own test suite that a builder of haplotypes can be asked for.

The tetraploid ones (lines 974, 975, 978 and 979) are not among them: ploidy above two is refused while reading.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from textwrap import wrap

import pytest

from app.genome.haplotypes.chains import chain
from app.genome.haplotypes.distinct import build_natural
from app.genome.haplotypes.people import people_of
from app.genome.haplotypes.policies import BCFTOOLS, REGIONS_OVERLAP, Policies
from app.genome.haplotypes.samples import every_alternate
from app.genome.intervals import Interval
from app.genome.stretch import masked, whole
from tests.genome.vcf_text import of_sample, read_vcf

TETRAPLOID = "consensus7.vcf"


@pytest.fixture(scope="session")
def suite(data_folder: Path) -> Path:
    return data_folder / "bcftools-consensus"


def runs(suite: Path, kind: str) -> list[dict[str, str]]:
    with (suite / "cases.tsv").open() as file:
        cases = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [case for case in cases if case["class"] == kind and case["vcf"] != TETRAPLOID]


def pieces(fasta: str) -> list[tuple[str, str, int, bytes]]:
    """Header, contig, 0-based start and bases of each sequence."""
    found = []
    for entry in fasta.split(">")[1:]:
        header, _, lines = entry.partition("\n")
        contig, _, places = header.partition(":")
        found.append((header, contig, int(places.split("-")[0]) - 1 if places else 0, lines.replace("\n", "").encode()))
    return found


def masks(suite: Path, case: dict[str, str]) -> tuple[Interval, ...]:
    if not case["mask"]:
        return ()
    first = 0 if case["mask"].endswith(".bed") else 1
    rows = [line.split() for line in (suite / case["mask"]).read_text().splitlines()]
    return tuple(Interval(contig, int(start) - first, int(end)) for contig, start, end in rows)


def option(case: dict[str, str], name: str, default: str) -> str:
    given = re.search(rf'{name} "?([^ "]+)', case["args"])
    return given[1] if given else default


def policies_of(suite: Path, case: dict[str, str]) -> Policies:
    missing = option(case, "(?:-M|--missing)", "")
    return replace(
        BCFTOOLS,
        overlap=REGIONS_OVERLAP[option(case, "--regions-overlap", "1")],
        missing="n" if missing else "reference",
        masked=masks(suite, case),
        missing_character=missing.encode() or b"N",
    )


def build(suite: Path, case: dict[str, str], sample: str | None, index: int) -> tuple[str, str]:
    """The FASTA and the chains of one haplotype; of all alternate alleles where no sample is named."""
    text, chains = "", ""
    for number, (header, contig, start, bases) in enumerate(pieces((suite / case["fasta"]).read_text()), 1):
        genotypes = read_vcf((suite / case["vcf"]).read_text(), contig)
        genotypes = of_sample(genotypes, sample) if sample else every_alternate(genotypes)
        region = Interval(contig, start, start + len(bases))
        stretch = masked(whole(contig, bases, start), masks(suite, case))
        people = people_of(genotypes, stretch, region, policies_of(suite, case), beyond=False)
        haplotypes = build_natural(people, region)
        row = int(haplotypes.row_of[0, index])
        lines = "\n".join(wrap(haplotypes.sequence(row).decode(), 60))
        text += f">{option(case, '-p', '')}{header}\n{lines}\n"
        chains += chain(people.edits, haplotypes.distinct[row].changes, region, number)
    return text, chains


def expected(suite: Path, case: dict[str, str]) -> str:
    return (suite / case["expected"]).read_text()


def test_each_haplotype_run_is_equal_to_the_byte(suite: Path) -> None:
    cases = runs(suite, "haplotype")
    assert len(cases) == 24
    for case in cases:
        for name in case["equals_sample/haplotype"].split():
            sample, index = name.split("/H")
            built, _ = build(suite, case, sample, int(index) - 1)
            assert built == expected(suite, case), f"line {case['test_pl_line']}, {name}"


def test_each_run_on_missing_genotypes_is_equal_to_the_byte(suite: Path) -> None:
    cases = runs(suite, "missing")
    assert len(cases) == 3
    for case in cases:
        sample = "1" if "gvcf" in case["vcf"] else "NA001"
        built, _ = build(suite, case, sample, int(option(case, "-H", "1")) - 1)
        assert built == expected(suite, case), f"line {case['test_pl_line']}"


def test_each_run_on_all_alternate_alleles_is_equal_to_the_byte(suite: Path) -> None:
    cases = runs(suite, "all-ALT")
    assert len(cases) == 6
    for case in cases:
        built, _ = build(suite, case, None, 0)
        assert built == expected(suite, case), f"line {case['test_pl_line']}"


def test_each_chain_of_a_haplotype_or_of_all_alternate_alleles_is_equal_to_the_byte(suite: Path) -> None:
    cases = [case for case in runs(suite, "chain") if "-I" not in case["args"]]
    assert len(cases) == 3
    for case in cases:
        _, chains = build(suite, case, "NA001" if "-H 1" in case["args"] else None, 0)
        assert chains == expected(suite, case), f"line {case['test_pl_line']}"
