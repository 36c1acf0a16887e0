"""Predictions out: a table in the form that its name's ending says."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.errors import TableError
from app.tables import PredictedRow, open_writer, prediction_columns

ROWS = [PredictedRow("a", 4, 6, [0.75, -1.38]).as_row(), PredictedRow("b,c", 5, 7, [0.0, 2e-08]).as_row()]
COLUMNS = prediction_columns(("level", "decay"))


def write(path: Path) -> Path:
    with open_writer(path, COLUMNS) as writer:
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
    with open_writer(path, COLUMNS) as writer:
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
    with suppress(KeyError), open_writer(path, COLUMNS) as writer:
        writer.write(ROWS)
        assert path.read_text() == "before"
        raise KeyError
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [(path.name, "before")]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file or directory"):
        write(tmp_path / "none" / "out.tsv")
