"""The shards of an input, read one by one, hold the records that the whole input holds."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import ShardError, TableError
from app.records import Record, open_records
from app.shards.reading import read_shard
from app.shards.scan import is_seekable, scan

MARK = b"\xef\xbb\xbf"


def whole(path: Path) -> list[Record]:
    with open_records(str(path)) as records:
        return list(records)


def in_shards(path: Path, shard_sequences: int) -> list[Record]:
    """What the shards of an input hold, whatever form it has."""
    text = path if is_seekable(str(path)) else path.with_name("copy")
    with nullcontext() if text == path else text.open("wb") as copy:
        scanned = scan(str(path), shard_sequences, copy)
    return [record for shard in scanned.shards for record in read_shard(text, scanned.input, shard)]


@st.composite
def fastas(draw: st.DrawFn) -> bytes:
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = st.sampled_from(["ACGT", "", "  AC GT ", "n", "é"])
    headers = st.sampled_from([">a b", ">", "> ", ">é\tx"])
    blank = draw(st.sampled_from(["", end, " " + end]))
    records = st.lists(st.tuples(headers, st.lists(lines, max_size=3)), min_size=1, max_size=8)
    text = end.join(line for header, parts in draw(records) for line in (header, *parts))
    return (blank + text + draw(st.sampled_from(["", end]))).encode()


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(
        stream,
        delimiter=draw(st.sampled_from(",\t")),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])),
    )
    cells = st.sampled_from(["x", 'a "word"', "two\nlines", "three\r\n\r\nlines", "a,b\tc", "", ">", "é"])
    names = draw(
        st.sampled_from([("id", "sequence", "note"), ("id", "sequence", "note\n(long)"), ("sequence", "a", "b")])
    )
    writer.writerow(names)
    writer.writerows(draw(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8)))
    return stream.getvalue().encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200)
@given(
    st.one_of(fastas(), tables()),
    st.integers(1, 4),
    st.sampled_from(
        [lambda text: text, lambda text: MARK + text, gzip.compress, lambda text: gzip.compress(MARK + text)]
    ),
)
def test_shards_hold_what_the_whole_holds(
    tmp_path: Path, text: bytes, shard_sequences: int, form: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "input"
    path.write_bytes(form(text))
    assert in_shards(path, shard_sequences) == whole(path)


def test_the_digest_is_that_of_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "in.fa.gz"
    path.write_bytes(gzip.compress(b">a\nACGT\n"))
    found = scan(str(path), 10, io.BytesIO()).input
    assert found.size_bytes == path.stat().st_size
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.text_bytes == 8


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no sequences"),
        (b"id,seq\n1,ACGT\n", "neither FASTA nor a table"),
        (b"id,sequence\n1,ACGT,x\n", "line 2 has 3 columns, the first line 2"),
        (b'id,"sequence\n', "unexpected end of data"),
        (b">a\n\xff\n", "not text in UTF-8"),
        (gzip.compress(b">a\nACGT\n")[:-9], "the gzip data is damaged"),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_computed(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "in"
    path.write_bytes(content)
    with pytest.raises(TableError, match=told):
        scan(str(path), 10)


def test_a_file_that_has_changed_is_not_read_as_the_planned_one(tmp_path: Path) -> None:
    path = tmp_path / "in.fa"
    path.write_bytes(b">a\nACGT\n>b\nACGT\n")
    scanned = scan(str(path), 10)
    for content in (b">a\nACGT\n>b\nACGT\n>", b">a\nACGT\nCb\nACGT\n"):
        path.write_bytes(content)
        with pytest.raises(ShardError, match="is not what the plan was made for"):
            read_shard(path, scanned.input, scanned.shards[0])
    path.unlink()
    with pytest.raises(TableError, match="No such file"):
        read_shard(path, scanned.input, scanned.shards[0])


def test_only_a_plain_file_can_be_read_from_anywhere(tmp_path: Path) -> None:
    plain, zipped = tmp_path / "a", tmp_path / "b"
    plain.write_bytes(b">a\n")
    zipped.write_bytes(gzip.compress(b">a\n"))
    assert [is_seekable(str(it)) for it in (plain, zipped, "-")] == [True, False, False]
