"""Everybody's segments: as the service cuts them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.genome.intervals import Interval
from app.genome.letters import reverse_complement
from app.genome.reference import Reference
from tests.training.personal.conftest import PEOPLE, POSITIONS, STARTS
from training.datasets.people import Gene
from training.personal.config import SegmentsConfig
from training.personal.cutting import (
    cut_genes,
    is_on,
    read_genotypes,
    reference_segments,
    unpacked_reference,
    window_of,
)

SEGMENTS = SegmentsConfig(count=4, bases=60)
GENES = [Gene(name, "", "chr22", start, strand) for name, (start, strand) in STARTS.items()]


@pytest.fixture
def opened(toy_people: Path, tmp_path: Path) -> Iterator[Reference]:
    reference = Reference(unpacked_reference(toy_people / "toy" / "hg38_chr22_37200001_40600000.fa.gz", tmp_path))
    yield reference
    reference.close()


def test_the_window_lies_around_the_start_in_the_direction_of_the_gene() -> None:
    plus, minus = window_of(GENES[0], SEGMENTS), window_of(GENES[1], SEGMENTS)
    # The start itself is the first base downstream: 1000 is base 999 from 0.
    assert (plus.interval.start, plus.interval.end, plus.interval.strand) == (879, 1119, "+")
    assert (minus.interval.start, minus.interval.end, minus.interval.strand) == (2880, 3120, "-")


def test_each_person_has_their_own_alleles_as_they_are_listed(
    toy_people: Path, opened: Reference, reference: str, dosages: np.ndarray
) -> None:
    path = toy_people / "toy" / "region_343_unphased.hg38.vcf.gz"
    genotypes = read_genotypes(path, Interval("chr22", 0, 4000))
    people = PEOPLE[::-1]
    cut = cut_genes(GENES[:2], people, genotypes, opened, SEGMENTS)
    # ENSG01: 880 to 1119 from 1; 1010 is in the third segment (1000 to 1059), 1100 in the fourth.
    for row, name in enumerate(people):
        copies = dosages[PEOPLE.index(name), 0]
        own = [cut.sequences[index] for index in cut.rows[0, row, :, 2]]
        bases = [text[POSITIONS[0] - 1000] for text in own]
        assert bases == [["A", "A"], ["A", "G"], ["G", "G"]][copies]
        assert all(text[:10] == reference[999:1009] for text in own)
    assert (cut.rows[:, :, :, 0] == cut.reference_rows[:, None, None, 0]).all()  # nobody differs there


def test_the_references_segments_come_first_and_are_read_in_the_direction_of_the_gene(
    toy_people: Path, opened: Reference, reference: str
) -> None:
    genotypes = read_genotypes(toy_people / "toy" / "region_343_unphased.hg38.vcf.gz", Interval("chr22", 0, 4000))
    cut = cut_genes(GENES[:2], PEOPLE, genotypes, opened, SEGMENTS)
    whole = "".join(cut.sequences[row] for row in cut.reference_rows[1])
    assert whole == reverse_complement(reference[2880:3120].encode()).decode()
    assert whole == "".join(reference_segments(GENES[1], opened, SEGMENTS))


def test_a_window_past_the_reference_is_told(opened: Reference) -> None:
    assert [is_on(opened, gene, SEGMENTS) for gene in GENES] == [True, True, False]
