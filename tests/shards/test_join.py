"""Joined tables are those that would have been written at once, to the byte."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.shards.join import join, table_bytes
from app.tables import WRITERS, ParquetWriter, PredictedRow, prediction_columns

COLUMNS = prediction_columns(["first", "second"])

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows = st.builds(
    lambda *it: PredictedRow(*it[:3], it[3:]).as_row(), st.text(), st.integers(0, 9), st.integers(0, 9), floats, floats
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(st.sampled_from(sorted(WRITERS)), st.lists(st.lists(rows, max_size=4), max_size=4))
def test_joined_shards_are_the_table_of_all_rows(tmp_path: Path, ending: str, shards: list[list[list[object]]]) -> None:
    tables = [tmp_path / f"{part}{ending}" for part in range(len(shards))]
    for table, of_shard in zip(tables, shards, strict=True):
        table.write_bytes(table_bytes(ending, COLUMNS, of_shard))
    joined = io.BytesIO()
    join(tables, ending, COLUMNS, joined)
    assert joined.getvalue() == table_bytes(ending, COLUMNS, [row for of_shard in shards for row in of_shard])


def test_row_groups_do_not_depend_on_how_many_rows_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ParquetWriter, "GROUP_ROWS", 3)
    all_rows = [[f"r{number}", 1, 1, 0.5, 0.25] for number in range(8)]
    streams = []
    for size in (1, 5, 8):
        streams.append(io.BytesIO())
        writer = ParquetWriter(streams[-1], COLUMNS)
        for start in range(0, len(all_rows), size):
            writer.write(all_rows[start : start + size])
        writer.close()
    assert streams[0].getvalue() == streams[1].getvalue() == streams[2].getvalue()
