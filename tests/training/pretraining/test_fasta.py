"""A FASTA file is read whole, or refused by the line that is wrong."""

import gzip
import lzma
from pathlib import Path

import pytest

from training.errors import DataError
from training.pretraining.fasta import read_fasta


@pytest.mark.parametrize(("suffix", "opened"), [("fa", open), ("fa.gz", gzip.open), ("fa.xz", lzma.open)])
def test_plain_gzip_and_xz_read_alike(tmp_path: Path, suffix: str, opened) -> None:
    path = tmp_path / f"genome.{suffix}"
    with opened(path, "wt") as file:
        file.write("\n>chr1 of something\nACGU\nacgt\n\n>chr2\nNRYK\n")

    assert read_fasta(path) == {"chr1": "ACGTACGT", "chr2": "NRYK"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"genome\.fa: the file holds no sequence"),
        ("ACGT\n", r"line 1: bases before the first heading"),
        (">chr1\n>chr2\nACGT\n", r"contig chr1 has no bases"),
        (">chr1\nACGT\n>chr1\nACGT\n", r"line 3: contig chr1 stands in the file twice"),
        (">\nACGT\n", r"line 1: a heading without a name"),
        (">chr1\nACGT\nAC-T\n", r"line 3: the letter in column 3 is no IUPAC code"),
        (">chr1\nACGT\nMAGEELQ\n", r"line 3: the letter in column 4 is no IUPAC code"),
    ],
)
def test_what_is_no_fasta_of_nucleotides_is_refused_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "genome.fa"
    path.write_text(text)

    with pytest.raises(DataError, match=message):
        read_fasta(path)


def test_a_missing_file_says_where_to_name_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; name the folder that holds it with --data"):
        read_fasta(tmp_path / "genome.fa")


@pytest.mark.parametrize(("suffix", "packed"), [("gz", gzip.compress), ("xz", lzma.compress)])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, suffix: str, packed) -> None:
    path = tmp_path / f"genome.fa.{suffix}"
    path.write_bytes(packed(b">chr1\n" + bytes(range(65, 85)) * 50)[:-12])

    with pytest.raises(DataError, match=r"cannot be read to its end|is no IUPAC code"):
        read_fasta(path)
