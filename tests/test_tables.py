"""Reading sequences and writing predictions."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.errors import TableError
from app.records import Record, count_records, open_records
from app.tables import PredictedRow, open_writer

ROWS = [PredictedRow("a", 4, 6, [0.75, -1.38]), PredictedRow("b,c", 5, 7, [0.0, 2e-08])]
TARGETS = ("level", "decay")


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


def write(path: Path) -> Path:
    with open_writer(path, TARGETS) as writer:
        for row in ROWS:
            writer.write([row])
    return path


@pytest.mark.parametrize(("ending", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_a_delimited_table_has_a_column_for_each_target(tmp_path: Path, ending: str, delimiter: str) -> None:
    with write(tmp_path / f"out{ending}").open(newline="") as lines:
        header, *rows = csv.reader(lines, delimiter=delimiter)
    assert header == ["id", "bases", "tokens", "level", "decay"]
    assert rows == [["a", "4", "6", "0.75", "-1.38"], ["b,c", "5", "7", "0.0", "2e-08"]]


def test_ndjson_has_the_columns_as_keys(tmp_path: Path) -> None:
    first, _ = write(tmp_path / "out.ndjson").read_text().splitlines()
    assert json.loads(first) == {"id": "a", "bases": 4, "tokens": 6, "level": 0.75, "decay": -1.38}


def test_parquet_holds_float32_as_the_models_answer(tmp_path: Path) -> None:
    table = pq.read_table(write(tmp_path / "out.PARQUET"))
    assert [str(field.type) for field in table.schema] == ["string", "int64", "int64", "float", "float"]
    assert table.column("id").to_pylist() == ["a", "b,c"]
    assert table.column("level").to_pylist() == [0.75, 0.0]


def test_parquet_rows_are_gathered_into_groups_worth_reading(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with open_writer(path, TARGETS) as writer:
        for _ in range(100):
            writer.write(ROWS * 100)
    metadata = pq.ParquetFile(path).metadata
    assert (metadata.num_rows, metadata.num_row_groups) == (20_000, 2)


def test_without_pyarrow_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TableError, match=r"pip install 'basecast\[parquet\]'"):
        write(tmp_path / "out.parquet")


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"\.tsv, \.csv, \.ndjson, \.parquet"):
        write(tmp_path / "out.xlsx")


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".ndjson", ".parquet"])
def test_a_file_appears_only_when_it_is_whole(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    path.write_text("before")
    with suppress(KeyError), open_writer(path, TARGETS) as writer:
        writer.write(ROWS)
        assert path.read_text() == "before"
        raise KeyError
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [(path.name, "before")]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file or directory"):
        write(tmp_path / "none" / "out.tsv")
