"""Windows on two strands of a genome, from files with and without an index."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.datasets.fasta import read_windows
from training.datasets.homology import connected
from training.datasets.options import GroupingOptions, WindowOptions
from training.datasets.windows import (
    Window,
    block_rows,
    overlapping_rows,
    reverse_complement,
    window_around,
    window_groups,
)
from training.errors import ConfigError

NO_PAIRS = np.empty((0, 2), dtype=np.int64)


@given(st.text("ACGTacgt", min_size=40, max_size=40), st.integers(10, 29), st.integers(0, 10), st.integers(1, 10))
def test_the_anchor_is_at_the_index_upstream_on_either_strand(
    contig: str, anchor: int, upstream: int, downstream: int
) -> None:
    options = WindowOptions(upstream, downstream)
    plus, minus = (window_around("chr", anchor, strand, options) for strand in ("+", "-"))

    forward = plus.along_strand(contig[plus.start : plus.end])
    backward = minus.along_strand(contig[minus.start : minus.end])

    assert len(forward) == len(backward) == upstream + downstream
    assert forward[upstream] == contig[anchor]
    assert backward[upstream] == reverse_complement(contig[anchor])
    assert backward in reverse_complement(contig)


def windows_at(*starts: int, contig: str = "chr1", bases: int = 10) -> list[Window]:
    return [Window(contig, start, start + bases, "+") for start in starts]


def test_windows_that_share_a_position_are_connected_whatever_their_order_and_strand() -> None:
    windows = [*windows_at(30, 0, 9, 19), Window("chr1", 28, 31, "-"), *windows_at(0, contig="chr2")]

    # 0-10, 9-19; 19-29, 28-31, 30-40; and the other contig
    assert connected(6, overlapping_rows(windows)).tolist() == [0, 1, 1, 0, 0, 2]


def test_a_long_window_connects_what_it_spans() -> None:
    windows = [Window("chr1", 0, 100, "+"), *windows_at(5, 50)]

    assert connected(3, overlapping_rows(windows)).tolist() == [0, 0, 0]


def test_a_block_ends_where_no_window_is_cut() -> None:
    # 50 bases are over at 45-55, which overlaps 54-64, so the next block begins at 70.
    windows = windows_at(0, 20, 45, 54, 70, 90)

    assert connected(6, block_rows(windows, 50)).tolist() == [0, 0, 0, 0, 1, 1]


def test_relatives_join_groups_wherever_they_lie() -> None:
    windows = windows_at(0, 9, 100, 200)
    related = np.array([[0, 3]])

    assert window_groups(windows, GroupingOptions("overlap"), NO_PAIRS).tolist() == [0, 0, 1, 2]
    assert window_groups(windows, GroupingOptions("overlap"), related).tolist() == [0, 0, 1, 0]
    assert window_groups(windows, GroupingOptions("block", block_bases=150), NO_PAIRS).tolist() == [0, 0, 0, 1]


CONTIGS = {"chr1": "ACGTTGCAAGgctcta", "chr2": "TTTTTCCCCC"}
WINDOWS = {
    "a": Window("chr1", 2, 14, "+"),
    "b": Window("chr1", 2, 14, "-"),
    "c": Window("chr2", 3, 7, "+"),
    "whole": Window("chr2", 0, 10, "-"),
    "past the end": Window("chr2", 3, 11, "+"),
    "before the start": Window("chr2", -1, 3, "+"),
    "elsewhere": Window("chr3", 0, 3, "+"),
}
EXPECTED = {"a": "GTTGCAAGgctc", "b": "gagcCTTGCAAC", "c": "TTCC", "whole": "GGGGGAAAAA"}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("line_bases", [1, 5, 7, 60])
@pytest.mark.parametrize("indexed", [True, False])
def test_windows_are_the_same_with_and_without_an_index(
    tmp_path: Path, line_end: str, line_bases: int, indexed: bool
) -> None:
    write_fasta(tmp_path / "genome.fa", line_bases, line_end, indexed)

    assert read_windows(tmp_path / "genome.fa", WINDOWS) == EXPECTED


def write_fasta(path: Path, line_bases: int, line_end: str, indexed: bool) -> None:
    text, index = "", ""
    for name, bases in CONTIGS.items():
        text += f">{name} described{line_end}"
        index += f"{name}\t{len(bases)}\t{len(text)}\t{line_bases}\t{line_bases + len(line_end)}\n"
        text += "".join(bases[at : at + line_bases] + line_end for at in range(0, len(bases), line_bases))
    path.write_bytes(text.encode())
    if indexed:
        path.with_name("genome.fa.fai").write_text(index)


def test_windows_and_blocks_have_a_length() -> None:
    with pytest.raises(ConfigError, match="not both 0"):
        WindowOptions(0, 0)
    with pytest.raises(ConfigError, match="at least 1"):
        GroupingOptions(block_bases=0)
