"""Segments hold known bases only, and nothing that was held out or excluded."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import ConfigError, DataError
from training.pretraining.config import GenomeConfig
from training.pretraining.genome import (
    Interval,
    blanked,
    parse_interval,
    read_bed,
    read_genome,
    reverse_complement,
    segments,
)

CONTIGS = {"chr1": "AAAACCCCGGGG", "chr2": "TTTTNNTT", "odd:1-2": "ACGT"}


def genome_of(folder: Path, **chosen):
    (folder / "genome.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in CONTIGS.items()))
    return read_genome(
        GenomeConfig(**{"fasta": "genome.fa", "organism": "none", "held_out": ("chr2",)} | chosen), folder
    )


def test_held_out_contigs_are_not_trained_on(tmp_path: Path) -> None:
    genome = genome_of(tmp_path)

    assert genome.train == ("AAAACCCCGGGG", "ACGT")
    assert genome.valid == ("TTTT", "TT")
    assert (genome.train_bases, genome.valid_bases, genome.unknown_bases, genome.excluded_bases) == (16, 6, 2, 0)


def test_an_excluded_interval_is_one_based_with_both_ends_and_splits_its_contig(tmp_path: Path) -> None:
    genome = genome_of(tmp_path, exclude=("chr1:5-8",))

    assert genome.train == ("AAAA", "GGGG", "ACGT")
    assert genome.excluded_bases == 4


def test_a_bed_file_is_zero_based_with_its_end_exclusive(tmp_path: Path) -> None:
    (tmp_path / "windows.bed").write_text("# windows\ntrack x\nchr1\t4\t8\tgene\n\nchr2\t0\t4\n")

    genome = genome_of(tmp_path, exclude_bed="windows.bed")

    assert genome.train == ("AAAA", "GGGG", "ACGT")
    assert genome.valid == ("TT",)
    assert genome.excluded_bases == 8


def test_a_whole_contig_can_be_excluded_even_one_named_like_an_interval(tmp_path: Path) -> None:
    assert genome_of(tmp_path, exclude=("odd:1-2",)).train == ("AAAACCCCGGGG",)


def test_commas_may_stand_in_an_interval() -> None:
    assert parse_interval("long:1,001-2,000", {"long": "A" * 3000}) == Interval("long", 1000, 2000)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"held_out": ("chr9",)}, "held_out: genome.fa has no contig chr9"),
        ({"exclude": ("chr9",)}, "exclude: chr9 is no contig"),
        ({"exclude": ("chr9:1-2",)}, "exclude: chr9:1-2 is no contig"),
        ({"exclude": ("chr1:0-4",)}, "exclude: chr1:0-4 does not lie within 1-12"),
        ({"exclude": ("chr1:5-13",)}, "exclude: chr1:5-13 does not lie within 1-12"),
        ({"exclude": ("chr1:8-5",)}, "exclude: chr1:8-5 does not lie within 1-12"),
    ],
)
def test_a_place_that_is_not_there_is_named(tmp_path: Path, chosen: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        genome_of(tmp_path, **chosen)


@pytest.mark.parametrize("line", ["chr1 4 8", "chr1\t4", "chr1\tx\t8", "chr9\t0\t4", "chr1\t4\t13", "chr1\t8\t8"])
def test_a_wrong_line_of_a_bed_file_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "windows.bed"
    path.write_text(f"chr1\t0\t1\n{line}\n")

    with pytest.raises(DataError, match=r"windows\.bed, line 2"):
        read_bed(path, CONTIGS)


def test_a_missing_bed_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"windows\.bed: No such file"):
        read_bed(tmp_path / "windows.bed", CONTIGS)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"exclude": ("chr1", "odd:1-2")}, "no bases are left to train on"),
        ({"exclude": ("chr2",)}, "no bases are left in the held-out contigs"),
    ],
)
def test_something_has_to_be_left(tmp_path: Path, chosen: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        genome_of(tmp_path, **chosen)


def test_the_genome_of_p_falciparum_is_read_whole(data_folder: Path) -> None:
    fasta = "plasmodium-falciparum-promoter/Pf3D7_chr1-14.fa.xz"

    genome = read_genome(GenomeConfig(fasta=fasta, organism="", held_out=("AL844501.2",)), data_folder)

    # 14 chromosomes without a gap, the first of which has 640,851 bases.
    assert (len(genome.train), len(genome.valid)) == (13, 1)
    assert (genome.train_bases, genome.valid_bases) == (23_292_622 - 640_851, 640_851)


def test_the_other_strand_is_read_backwards() -> None:
    assert reverse_complement("AACGT") == "ACGTT"


@given(
    st.text("ACGTNR", min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(1, 60)), max_size=4),
)
def test_segments_are_the_known_bases_that_are_not_excluded(bases: str, places: list[tuple[int, int]]) -> None:
    excluded = [Interval("chr", start, end) for start, end in places if start < end <= len(bases)]

    found = list(segments(blanked({"chr": bases}, excluded).values()))

    inside = {place for interval in excluded for place in range(interval.start, interval.end)}
    shown = "".join("." if place in inside or letter in "NR" else letter for place, letter in enumerate(bases))
    assert found == [run for run in re.split(r"\.+", shown) if run]
