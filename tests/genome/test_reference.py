"""The reference: a FASTA by any of its contigs' names, with or without an index, named by its digest."""

from __future__ import annotations

import gzip
from pathlib import Path

import pysam
import pytest

from app.errors import SettingsError, Unprocessable
from app.genome.intervals import Interval
from app.genome.reference import Reference

FASTA = ">chr1 the first\nACGTacgtNN\nRYACGT\n>chrM\nGATTACA\n>2\nTTTT\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "reference.fa"
    path.write_text(FASTA)
    return path


def test_bases_are_given_as_they_are_written(path: Path) -> None:
    stretch = Reference(path).stretch(Interval("chr1", 2, 12))
    assert (stretch.start, stretch.bases, stretch.first, stretch.last) == (2, b"GTacgtNNRY", 0, 16)
    assert stretch.in_model_letters().bases == b"GTACGTNNNN"


def test_past_a_contig_s_ends_there_is_n(path: Path) -> None:
    stretch = Reference(path).stretch(Interval("2", -3, 9))
    assert stretch.bases == b"TTTT"
    assert stretch.between(-2, 6) == b"NNTTTTNN"
    assert stretch.between(9, 11) == stretch.between(-3, -1) == b"NN"


def test_bases_that_were_not_read_are_never_n(path: Path) -> None:
    stretch = Reference(path).stretch(Interval("chr1", 4, 8))
    assert stretch.holds(Interval("chr1", 5, 8))
    assert not stretch.holds(Interval("chr1", 5, 9))
    with pytest.raises(ValueError, match="too short"):
        stretch.between(3, 8)


@pytest.mark.parametrize(
    ("given", "known"), [("chr1", "chr1"), ("1", "chr1"), ("chr2", "2"), ("MT", "chrM"), ("M", "chrM")]
)
def test_contigs_are_known_by_their_other_names(path: Path, given: str, known: str) -> None:
    assert Reference(path).stretch(Interval(given, 0, 4)).contig == known


def test_an_unknown_contig_is_refused_and_not_repeated(path: Path) -> None:
    with pytest.raises(Unprocessable, match="no contig of this name") as refused:
        Reference(path).stretch(Interval("chr9", 0, 4), "/gene")
    assert [(item.pointer, item.code) for item in refused.value.items] == [("/gene", "invalid_value")]


def test_an_interval_off_the_contig_is_refused(path: Path) -> None:
    with pytest.raises(Unprocessable, match="outside what the reference has of chr1"):
        Reference(path).stretch(Interval("chr1", 16, 20))


def test_the_digest_is_that_of_refget_whatever_the_case(tmp_path: Path) -> None:
    # The example of the standard: ACGT.
    path = tmp_path / "acgt.fa"
    path.write_text(">chr1\nACgt\n")
    reference = Reference(path)
    assert reference.refget(Interval("1", 0, 4)) == "SQ.aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2"
    assert reference.refget(Interval("chr1", 1, 2)) == "SQ.aKF498dAxcJAqme6QYQ7EZ07-fiw8Kw2"


def test_a_part_of_a_contig_keeps_its_coordinates(tmp_path: Path) -> None:
    path = tmp_path / "part.fa"
    path.write_text(">chr22:101-108\nACGTACGT\n>chr22:201-204\nGGCC\n>HLA:01\nAC\n")
    reference = Reference(path)
    stretch = reference.stretch(Interval("22", 98, 104))
    assert (stretch.start, stretch.bases, stretch.first, stretch.last) == (100, b"ACGT", 100, 108)
    assert reference.stretch(Interval("chr22", 200, 203)).bases == b"GGC"
    assert reference.stretch(Interval("HLA:01", 0, 2)).bases == b"AC"
    assert (reference.contig_bases("chr22"), reference.contig_bases("HLA:01")) == (None, 2)


class TestIndex:
    def test_it_is_made_and_kept(self, path: Path) -> None:
        Reference(path).close()
        assert sorted(file.name for file in path.parent.iterdir()) == ["reference.fa", "reference.fa.fai"]
        assert Reference(path).stretch(Interval("2", 0, 4)).bases == b"TTTT"

    def test_a_folder_that_cannot_be_written_to_is_no_hindrance(self, path: Path) -> None:
        # The tests may run as root, whom no mode keeps out; a folder in the index's place keeps out everybody.
        (path.parent / "reference.fa.fai").mkdir()
        assert Reference(path).stretch(Interval("2", 0, 4)).bases == b"TTTT"
        assert sorted(file.name for file in path.parent.iterdir()) == ["reference.fa", "reference.fa.fai"]

    def test_bgzip_needs_two_and_plain_gzip_is_refused(self, path: Path) -> None:
        packed = path.with_name("packed.fa.gz")
        pysam.tabix_compress(str(path), str(packed))
        assert Reference(packed).stretch(Interval("chrM", 1, 5)).bases == b"ATTA"
        assert packed.with_name("packed.fa.gz.gzi").is_file()
        plain = path.with_name("plain.fa.gz")
        plain.write_bytes(gzip.compress(FASTA.encode()))
        with pytest.raises(SettingsError, match="compress it with bgzip"):
            Reference(plain)

    def test_something_else_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="no such file"):
            Reference(tmp_path / "none.fa")
        (tmp_path / "text.fa").write_text("no sequence\n")
        with pytest.raises(SettingsError, match="not a FASTA"):
            Reference(tmp_path / "text.fa")
