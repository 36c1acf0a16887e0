"""Sequences in: FASTA and tables, told by their content."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from app.errors import TableError
from app.records import Record, count_records, open_records


def read(source: Path | str) -> list[Record]:
    with open_records(str(source)) as records:
        return list(records)


def sequences(source: Path | str) -> list[tuple[str, str]]:
    return [(record.id, record.sequence) for record in read(source)]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_fasta_is_read_with_its_lines_joined(tmp_path: Path) -> None:
    path = written(tmp_path / "in.fa", ">a first\nACGT\nAC GT\n\n>b\r\nGG\r\n")
    assert read(path) == [Record(1, "a", "ACGTACGT"), Record(2, "b", "GG")]


def test_a_fasta_record_without_a_name_gets_its_index(tmp_path: Path) -> None:
    assert sequences(written(tmp_path / "in.fa", ">\nAC\n>x\nGT\n> \nTT")) == [("0", "AC"), ("x", "GT"), ("2", "TT")]


def test_a_fasta_record_without_bases_is_an_empty_sequence(tmp_path: Path) -> None:
    assert sequences(written(tmp_path / "in.fa", ">a\n>b\nGT\n")) == [("a", ""), ("b", "GT")]


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_columns_are_found_by_name_in_any_case_and_order(tmp_path: Path, delimiter: str) -> None:
    lines = [["note", "SEQUENCE", "Id"], ["x", "ACGT", "one"], ["y", "GG", ""]]
    path = written(tmp_path / "in.txt", "\n".join(delimiter.join(line) for line in lines))
    assert sequences(path) == [("one", "ACGT"), ("1", "GG")]


def test_a_table_may_hold_sequences_alone(tmp_path: Path) -> None:
    assert sequences(written(tmp_path / "in.csv", "sequence\nAC\n\nGT\n")) == [("0", "AC"), ("1", "GT")]


def test_quoted_cells_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    assert sequences(written(tmp_path / "in.csv", '\ufeffid,sequence\r\n"a,b","ACGT"\r\n')) == [("a,b", "ACGT")]


def test_a_sequence_longer_than_a_csv_field_usually_is_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "in.csv", f"id,sequence\na,{'A' * 200_000}\n")
    assert len(read(path)[0].sequence) == 200_000


def test_gzip_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    members = gzip.compress(b">a\nAC") + gzip.compress(b"GT\n>b\nTT\n")  # as bgzip writes it: several members
    assert sequences(written(tmp_path / "in.fa", members)) == [("a", "ACGT"), ("b", "TT")]


def test_standard_input_is_read_as_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    piped = io.TextIOWrapper(io.BufferedReader(io.BytesIO(gzip.compress(b"sequence\nACGT\n"))))
    monkeypatch.setattr(sys, "stdin", piped)
    assert sequences("-") == [("0", "ACGT")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sequences"),
        (b"\n \n", "holds no sequences"),
        (b"id,sequence\n", "holds no sequences"),
        (b"name,bases\na,ACGT\n", "column `sequence`"),
        (b"ACGTTTACGATTA\n", "column `sequence`"),
        (b"id,sequence\na,AC,GT\n", "line 2 has 3 columns, the first line 2"),
        (b">a\n\xff\xfe\n", "not text in UTF-8"),
        (b"\x1f\x8bnot gzip at all", "damaged"),
        (gzip.compress(b">a\nACGT\n")[:-9], "damaged or ends early"),
        (b'id,sequence\na,"AC"GT\n', "expected after"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path / "in.txt", content)
    with pytest.raises(TableError, match=message) as told:
        read(path)
    assert str(told.value).startswith(str(path))
    assert "ACGT" not in str(told.value)


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.fa: No such file"):
        read(tmp_path / "none.fa")


def test_only_what_can_be_read_twice_is_counted(tmp_path: Path) -> None:
    assert count_records(str(written(tmp_path / "in.csv", "sequence\nAC\nGT\n"))) == 2
    assert count_records("-") is None
