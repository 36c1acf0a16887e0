"""Groups of related sequences, so that a split can keep each on one side.

Two sequences are related when they share a stretch of bases. A stretch of 20 bases does not come twice by chance in a
library of reporters, but in a genome that is 80 % A and T runs and repeats such as AAAAATATATAT do. A `Stretch` can
therefore ask for variety: so many different three-base words (of 64) that a repeat has too few of them. On the 4-kb
windows of *P. falciparum*, 31 bases with 14 of at most 29 different words join var, rifin and stevor genes and little
else, where 20 bases of any kind join all windows to one group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from training.errors import DataError

Groups = npt.NDArray[np.int64]
Pairs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

WORD_BASES = 3
LARGEST_STRETCH = 32  # two bits a base in one machine word
CHUNK_BASES = 1 << 20  # arrays of this length stay in the processor's cache


@dataclass(frozen=True)
class Stretch:
    """What two related sequences share.

    Attributes:
        bases: its length.
        different_words: how many different three-base words it has at least; 0: any stretch counts.
    """

    bases: int = 20
    different_words: int = 0

    def __post_init__(self) -> None:
        if not WORD_BASES <= self.bases <= LARGEST_STRETCH:
            raise DataError(f"a shared stretch has {WORD_BASES} to {LARGEST_STRETCH} bases, not {self.bases}")


REPORTER_STRETCH = Stretch()
GENOME_STRETCH = Stretch(bases=31, different_words=14)


def homology_groups(sequences: Sequence[str], stretch: Stretch = REPORTER_STRETCH) -> Groups:
    """Number the groups of sequences that are connected by a shared stretch.

    Two sequences are in one group when they are equal or share a stretch, or when a chain of such pairs joins them.

    Args:
        sequences: upper-case bases; a stretch with any other letter than A, C, G and T counts for nothing.
        stretch: what makes two of them related.

    Returns:
        (sequences,) int64 group numbers from 0, in the order of their first rows.
    """
    return connected(len(sequences), related_pairs(sequences, stretch))


def related_pairs(sequences: Sequence[str], stretch: Stretch = REPORTER_STRETCH) -> Pairs:
    """Pairs of rows that are equal or share a stretch.

    All rows with one stretch in common are chained: each stands in a pair with the next. So the pairs connect whatever
    is related, and if labels differ among related rows, they differ within a pair.

    Returns:
        (pairs, 2) int64 rows.
    """
    pairs = np.concatenate([equal_rows(sequences), _chained(*_stretches(sequences, stretch))])
    # Neighbours share many stretches in a row: one number a pair makes dropping the copies cheap.
    first, second = np.divmod(np.unique(pairs[:, 0] * len(sequences) + pairs[:, 1]), max(1, len(sequences)))
    return np.stack([first, second], axis=1)


def connected(rows: int, *pairs: Pairs) -> Groups:
    """Number the groups of rows that any of the pairs connect, from 0, in the order of their first rows."""
    first, second = np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs]).T
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(rows, rows))
    _, component = connected_components(graph, directed=False)
    return numbered(component)


def numbered(labels: npt.NDArray[np.generic]) -> Groups:
    """Number the distinct labels from 0, in the order of their first rows."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def chained_rows(labels: npt.NDArray[np.generic]) -> Pairs:
    """(pairs, 2) int64: each row with the next that has the same label."""
    return _chained(labels, np.arange(len(labels)))


def equal_rows(sequences: Sequence[str]) -> Pairs:
    """(pairs, 2) int64: each row with the next of the same sequence."""
    last_row_of: dict[str, int] = {}
    pairs = []
    for row, sequence in enumerate(sequences):
        if sequence in last_row_of:
            pairs.append((last_row_of[sequence], row))
        last_row_of[sequence] = row
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _chained(labels: npt.NDArray[np.generic], rows: Groups) -> Pairs:
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    shared = np.flatnonzero(ordered[1:] == ordered[:-1])
    pairs: Pairs = np.stack([rows[order[shared]], rows[order[shared + 1]]], axis=1)
    different: Pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return different


def _stretches(sequences: Sequence[str], stretch: Stretch) -> tuple[Words, Groups]:
    """Every stretch of every sequence that counts, as a number of two bits a base, and the row it is in."""
    parts = [
        (counted, first_row + row[kept])
        for first_row, chunk in _chunks(sequences)
        for counted, kept, row in [_counted(chunk, stretch)]
    ]
    if not parts:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    numbers, rows = zip(*parts, strict=True)
    return np.concatenate(numbers), np.concatenate(rows)


def _chunks(sequences: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    first, bases = 0, 0
    for row, sequence in enumerate(sequences):
        bases += len(sequence)
        if bases >= CHUNK_BASES:
            yield first, sequences[first : row + 1]
            first, bases = row + 1, 0
    if first < len(sequences):
        yield first, sequences[first:]


def _counted(sequences: Sequence[str], stretch: Stretch) -> tuple[Words, npt.NDArray[np.bool_], Groups]:
    """The stretches that count; which of all positions they start at; the sequence of each position."""
    # A letter between two sequences ends all stretches there.
    letters = np.frombuffer("N".join([*sequences, ""]).encode("ascii"), dtype=np.uint8)
    positions = len(letters) - stretch.bases + 1
    if positions < 1:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.bool_), np.empty(0, dtype=np.int64)
    codes = _CODES[letters]
    known = np.concatenate([[0], np.cumsum(codes < len("ACGT"))])
    kept = known[stretch.bases :] - known[: -stretch.bases] == stretch.bases
    if stretch.different_words:
        kept &= _different_words(codes, stretch.bases) >= stretch.different_words
    row = np.repeat(np.arange(len(sequences)), [len(sequence) + 1 for sequence in sequences])[:positions]
    return _numbers(codes, stretch.bases)[kept], kept, row


def _numbers(codes: npt.NDArray[np.uint8], bases: int) -> Words:
    """(positions,) uint64, two bits for each of the next bases; by doubling, so that 32 bases cost five steps."""
    double = codes.astype(np.uint64) & np.uint64(3)
    number, length = np.zeros(len(codes) + 1, dtype=np.uint64), 0
    size = 1
    while length < bases:
        if bases & size:
            joined = len(codes) - length - size + 1
            number = (number[:joined] << np.uint64(2 * size)) | double[length : length + joined]
            length += size
        size *= 2
        if size <= bases:
            double = (double[: len(codes) - size + 1] << np.uint64(size)) | double[size // 2 :]
    return number


def _different_words(codes: npt.NDArray[np.uint8], bases: int) -> npt.NDArray[np.uint8]:
    """(positions,) uint8, how many of the 64 three-base words the stretch from here has."""
    # One bit a word; a window's words are the union of two overlapping halves, found by doubling.
    seen = np.uint64(1) << _numbers(codes, WORD_BASES)
    words, size = bases - WORD_BASES + 1, 1
    while size * 2 <= words:
        seen = seen[:-size] | seen[size:]
        size *= 2
    return np.bitwise_count(seen[: len(seen) - (words - size)] | seen[words - size :])


_CODES = np.full(256, 4, dtype=np.uint8)
_CODES[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.arange(4)
