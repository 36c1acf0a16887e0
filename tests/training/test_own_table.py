"""A user's own table is read as it is meant, or refused in one line that says where it is wrong."""

import gzip
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from training.config import DataConfig, SplitConfig, read_config
from training.datasets.options import TableOptions, TargetOptions
from training.datasets.own_table import read_own_table
from training.datasets.registry import read_source
from training.datasets.table import Table
from training.datasets.windows import reverse_complement
from training.errors import ConfigError, DataError, SplitError
from training.preparation import prepare
from training.splits import assign_splits

LEVEL = TargetOptions("level", "log2", "log2", "more expressed", "A level.", pseudocount=1.0)
OPTIONS = TableOptions("own.csv", targets=(LEVEL,))
TWO_TARGETS = replace(OPTIONS, targets=(LEVEL, replace(LEVEL, column="half_life", name="decay")))
ROWS = """\
id,sequence,level,half_life
a,acguACGTAC,1.5,2
b,GGGGGNCCCC,2.5,
c,TTTTTTTTAT,NA,
d,ACACACACAC,3.5,4
"""

Read = Callable[..., Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a file and reads it."""

    def read_text(text: str, options: TableOptions = OPTIONS) -> Table:
        (tmp_path / options.file).write_text(text)
        return read_own_table(tmp_path, options)

    return read_text


def test_a_row_is_an_id_a_sequence_and_targets(read: Read) -> None:
    table = read(ROWS, replace(OPTIONS, missing="drop"))

    assert table.ids == ("a", "b", "d")
    assert table.sequences == ("ACGTACGTAC", "GGGGGNCCCC", "ACACACACAC")
    assert table.targets.values[:, 0].tolist() == [1.5, 2.5, 3.5]
    assert table.quantities[0].pseudocount == 1.0


def test_a_row_stays_while_any_target_was_measured_and_what_was_not_has_no_weight(read: Read) -> None:
    table = read(ROWS, replace(TWO_TARGETS, missing="drop"))

    assert table.ids == ("a", "b", "d")
    assert table.targets.names == ("level", "decay")
    assert table.targets.weights.tolist() == [[1, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "parquet"])
def test_the_ending_says_what_a_file_is(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"own.{ending}"
    cells = [line.split(",")[:3] for line in ROWS.replace("NA", "1").splitlines()]
    separator = "\t" if "tsv" in ending else ","
    text = "".join(separator.join(row) + "\n" for row in cells)
    if ending == "parquet":
        ids, sequences, levels = zip(*cells[1:], strict=True)
        pq.write_table(pa.table({"id": ids, "sequence": sequences, "level": list(map(float, levels))}), path)
    else:
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())

    table = read_own_table(tmp_path, replace(OPTIONS, file=path.name))

    assert table.ids == ("a", "b", "c", "d")
    assert table.targets.values[:, 0].tolist() == [1.5, 2.5, 1.0, 3.5]


def test_group_weight_and_split_are_read_where_they_are_named(read: Read) -> None:
    rows = "id,sequence,level,family,trust,part\na,ACG,1,x,0.5,train\nb,CCC,2,x,1,train\nc,CCG,3,y,0,test\n"

    table = read(rows, replace(OPTIONS, group="family", weight="trust", split="part"))

    assert table.groups.tolist() == [0, 0, 1]
    assert table.targets.weights[:, 0].tolist() == [0.5, 1, 0]
    assert table.splits.tolist() == ["train", "train", "test"]


def test_without_a_group_column_a_shared_stretch_relates_rows_and_equal_rows_always_are(read: Read) -> None:
    rows = "id,sequence,level\na,AACCGGTTAC,1\nb,CCGGTTAACC,2\nc,AACCGGTTAC,3\n"

    assert read(rows, replace(OPTIONS, shared_bases=6)).groups.tolist() == [0, 0, 0]
    assert read(rows, replace(OPTIONS, shared_bases=8)).groups.tolist() == [0, 1, 0]
    assert read(rows, replace(OPTIONS, shared_bases=0)).groups.tolist() == [0, 1, 0]


def test_a_byte_order_mark_blank_lines_and_blanks_around_cells_mean_nothing(read: Read) -> None:
    assert read("\ufeffid,sequence,level\n\na , ACGT,1\n\nb,CCCC, 2\n").ids == ("a", "b")


COMPLETE = replace(OPTIONS, weight="w", split="s", group="g")
HEADER = "id,sequence,level,w,s,g\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,sequence\na,ACGT\n", "own.csv: no column level; there are id, sequence"),
        ("", "own.csv: no rows"),
        (HEADER, "own.csv: no rows"),
        (HEADER + "a,ACGT,1,1,train,x\n,CCCC,2,1,train,x\n", "own.csv, line 3: id is empty"),
        (HEADER + "a,ACGT,1,1,train,x\na,CCCC,2,1,train,x\n", "own.csv, line 3: id a is also in line 2"),
        (HEADER + "a,ACXT,1,1,train,x\n", "own.csv, line 2: sequence has a letter that is none of .* at base 3"),
        (HEADER + "a,,1,1,train,x\n", "own.csv, line 2: sequence is empty"),
        (HEADER + "a,ACGT,NaN,1,train,x\n", "own.csv, line 2: level was not measured; missing = .drop."),
        (HEADER + "a,ACGT,high,1,train,x\n", "own.csv, line 2: level is no finite number"),
        (HEADER + "a,ACGT,1e39,1,train,x\n", "own.csv, line 2: level is no finite number, or too large"),
        (HEADER + "a,ACGT,inf,1,train,x\n", "own.csv, line 2: level is no finite number"),
        (HEADER + "a,ACGT,3,1,train,x\nb,CCCC,3,1,train,x\n", "own.csv: level is 3 in every row"),
        (HEADER + "a,ACGT,3,0,train,x\nb,CCCC,4,0,train,x\n", "own.csv: no row has a value of level that counts"),
        (HEADER + "a,ACGT,3,-1,train,x\n", "own.csv, line 2: w is no weight"),
        (HEADER + "a,ACGT,3,,train,x\n", "own.csv, line 2: w is no weight"),
        (HEADER + "a,ACGT,3,1,validation,x\n", "own.csv, line 2: s validation is none of train, valid, test"),
        (HEADER + "a,ACGT,3,1,train,\n", "own.csv, line 2: g is empty"),
        (HEADER + "a,ACGT,3\n", "own.csv, line 2: 3 cells, but 6 columns"),
        ("id,id,level\n", "own.csv: two columns are called id"),
        ('id,sequence\n"a,ACGT\n', "own.csv: cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_place(read: Read, text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"^{message}"):
        read(text, COMPLETE)


@given(st.text(alphabet="ACGTUNacgtun", min_size=1), st.characters(categories=["Lu", "Ll"]), st.text("ACGT"))
def test_any_other_letter_is_refused_by_its_base_and_the_sequence_is_not_shown(
    tmp_path_factory: pytest.TempPathFactory, before: str, letter: str, after: str
) -> None:
    assume(letter.upper() not in "ACGTUN")
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.csv").write_text(f"id,sequence,level\na,{before}{letter}{after},1\n", encoding="utf-8")

    with pytest.raises(DataError, match=f"at base {len(before) + 1:,}$"):
        read_own_table(folder, OPTIONS)


def test_an_unreadable_file_or_ending_is_named(tmp_path: Path) -> None:
    for name, content, message in [
        ("own.xlsx", b"", "own.xlsx: unknown ending; tables end in .csv"),
        ("own.parquet", b"no parquet", "own.parquet: cannot be read"),
        ("own.csv.gz", b"no gzip", "own.csv.gz: cannot be read"),
        ("latin.csv", "id,sequence,größe\n".encode("latin-1"), "latin.csv: cannot be read"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_own_table(tmp_path, replace(OPTIONS, file=name))
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        read_own_table(tmp_path, replace(OPTIONS, file="none.csv"))


def test_parquet_without_its_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(DataError, match=r"pip install 'basecast\[parquet\]'"):
        read_own_table(tmp_path, replace(OPTIONS, file="own.parquet"))


def test_file_and_targets_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[\[data.table.targets\]\] must be named"):
        read_own_table(tmp_path, TableOptions("own.csv"))


def test_a_users_split_that_leaks_is_refused(read: Read) -> None:
    options = replace(OPTIONS, split="part", shared_bases=0)
    rows = "id,sequence,level,part\na,AAAA,1,train\nb,CCCC,2,valid\nc,AAAA,3,test\n"

    with pytest.raises(SplitError, match=r"a \(train\) and c \(test\)"):
        assign_splits(read(rows, options), SplitConfig(by="column"))


def test_a_user_says_whether_strands_differ(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.csv").write_text(ROWS)
    config = DataConfig("table", "mine", table=replace(OPTIONS, missing="drop"), strand_specific=False)

    assert read_source(config, tmp_path).ids == ("a", "b", "d")
    with pytest.raises(ConfigError, match="utrseq measures one strand"):
        DataConfig("utrseq", "utrseq", strand_specific=False)


@pytest.mark.parametrize("options", [OPTIONS, replace(OPTIONS, shared_bases=0), replace(OPTIONS, group="g")])
def test_where_strands_do_not_differ_the_other_strand_is_a_relative(tmp_path: Path, options: TableOptions) -> None:
    sequence = "ACCTGATTGCAGGTCCATATGA"
    rows = [("a", sequence, 1), ("b", "G" * 22, 2), ("c", reverse_complement(sequence), 3)]
    lines = [f"{name},{bases},{level},{name}" for name, bases, level in rows]
    (tmp_path / "own.csv").write_text("\n".join(["id,sequence,level,g", *lines]) + "\n")

    assert read_own_table(tmp_path, options).groups.tolist() == [0, 1, 2]
    assert read_own_table(tmp_path, options, strand_specific=False).groups.tolist() == [0, 1, 0]


def test_a_configuration_names_file_columns_and_targets(toy_toml: str, tmp_path: Path) -> None:
    own = """
[data]
source = "table"
folder = "mine"
[data.table]
file = "own.csv"
missing = "drop"
[[data.table.targets]]
column = "level"
unit = "log2"
scale = "log2"
higher_means = "more expressed"
description = "A level."
"""
    (tmp_path / "mine").mkdir()
    lines = [f"R{number},{'ACGT'[number % 4] * (10 + number // 2)},{number}" for number in range(40)]
    (tmp_path / "mine" / "own.csv").write_text("\n".join(["id,sequence,level", *lines]) + "\n")
    before, _, after = toy_toml.partition("[data]")
    config = tmp_path / "own.toml"
    config.write_text(before + own + '[split]\nby = "random"\n' + after[after.index("[evaluation]") :])

    prepared = prepare(read_config(config), tmp_path, tmp_path / "run")

    assert sorted(prepared.table.ids) == sorted(f"R{number}" for number in range(40))
    assert prepared.table.quantities[0].description == "A level."


@pytest.mark.parametrize(
    ("bases", "message"),
    [
        ("ACGT" * 11, r"row R4 has 44 bases; toy-decay accepts 10 to 40 \(bundle\.min_bases, "),
        ("ACGT", "row R4 has 4 bases; toy-decay accepts 10 to 40"),
        ("ACGTNACGTACGT", r"row R4 holds an N; set bundle\.ambiguous to 'n'"),
    ],
)
def test_a_row_that_cannot_be_scored_is_refused_before_training(
    toy_toml: str, tmp_path: Path, bases: str, message: str
) -> None:
    (tmp_path / "mine").mkdir()
    sequences = ["ACCTGATTGCAG", "TTGACCATAGCC", "GGATCTTACGCA", "CATTGCGGATAC", bases]
    parts = ["train", "train", "train", "valid", "test"]
    lines = [
        f"R{row},{sequence},{row},{part}" for row, (sequence, part) in enumerate(zip(sequences, parts, strict=True))
    ]
    (tmp_path / "mine" / "own.csv").write_text("\n".join(["id,sequence,level,s", *lines]) + "\n")
    path = tmp_path / "toy.toml"
    path.write_text(toy_toml)
    data = DataConfig("table", "mine", table=replace(OPTIONS, split="s"))

    with pytest.raises(DataError, match=message):
        prepare(replace(read_config(path), data=data), tmp_path, tmp_path / "run")
