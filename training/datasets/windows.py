"""Windows of a genome around genes, and which of them belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.datasets.homology import Groups, Pairs, connected
from training.datasets.options import GroupingOptions, WindowOptions

Strand = Literal["+", "-"]
COMPLEMENT = str.maketrans("ACGTacgt", "TGCAtgca")


@dataclass(frozen=True)
class Window:
    """An interval of a contig, 0-based and end exclusive, read in the direction of its strand."""

    contig: str
    start: int
    end: int
    strand: Strand

    def fits(self, contig_bases: int) -> bool:
        """Whether all of it lies on the contig."""
        return self.start >= 0 and self.end <= contig_bases

    def along_strand(self, bases: str) -> str:
        """Bases of the contig as its strand has them, 5' to 3'."""
        return bases if self.strand == "+" else reverse_complement(bases)


def window_around(contig: str, anchor: int, strand: Strand, options: WindowOptions) -> Window:
    """The window whose base of index `upstream_bases` is the anchor.

    Args:
        contig: its name.
        anchor: 0-based position of the gene's first base, on either strand.
        strand: of the gene.
        options: how far to read.
    """
    if strand == "+":
        return Window(contig, anchor - options.upstream_bases, anchor + options.downstream_bases, strand)
    return Window(contig, anchor - options.downstream_bases + 1, anchor + options.upstream_bases + 1, strand)


def reverse_complement(bases: str) -> str:
    """The other strand, 5' to 3'; letters other than A, C, G and T stay."""
    return bases.translate(COMPLEMENT)[::-1]


def window_groups(windows: Sequence[Window], options: GroupingOptions, related: Pairs) -> Groups:
    """Number the groups of windows that must stay in one split.

    Args:
        windows: one per row.
        options: which windows of a contig belong together.
        related: (pairs, 2) rows that belong together wherever they lie, such as those of a gene family.

    Returns:
        (windows,) int64 from 0.
    """
    pairs = overlapping_rows(windows) if options.by == "overlap" else block_rows(windows, options.block_bases)
    return connected(len(windows), pairs, related)


def overlapping_rows(windows: Sequence[Window]) -> Pairs:
    """(pairs, 2) int64 rows that connect windows which share positions of a contig, on either strand."""
    return block_rows(windows, 0)


def block_rows(windows: Sequence[Window], block_bases: int) -> Pairs:
    """(pairs, 2) int64 rows that connect the windows of each block.

    A block is closed by the first window that begins at least `block_bases` after the block did and overlaps none of
    its windows, so that no window stands in two blocks.
    """
    pairs, previous, block_start, block_end = [], -1, 0, 0
    for row in sorted(range(len(windows)), key=lambda row: (windows[row].contig, windows[row].start)):
        window = windows[row]
        inside = previous >= 0 and window.contig == windows[previous].contig
        if inside and (window.start < block_end or window.start < block_start + block_bases):
            pairs.append((previous, row))
            block_end = max(block_end, window.end)
        else:
            block_start, block_end = window.start, window.end
        previous = row
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
