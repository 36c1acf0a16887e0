"""k-mers as numbers: the bases are the digits, A 0, C 1, G 2, T 3, the first base the highest.

A k-mer with an N in it is none: it has the number `4**k`, after all others. A k-mer stands where its first base stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, product

import numpy as np
import numpy.typing as npt

from training.examples import Codes, N

Numbers = npt.NDArray[np.int32]
Matrix = npt.NDArray[np.float64]

# Counts held in memory at once: 64 MB of float64.
COUNTS_AT_ONCE = 8_000_000


def all_kmers(k: int) -> list[str]:
    """The 4**k k-mers in alphabetical order, which is the order of their numbers."""
    return ["".join(letters) for letters in product("ACGT", repeat=k)]


def number_of(kmer: str) -> int:
    """The number of a k-mer of A, C, G and T."""
    return sum("ACGT".index(base) * 4**power for power, base in enumerate(reversed(kmer)))


def kmer_numbers(bases: Codes, k: int) -> Numbers:
    """The k-mer at each place.

    Args:
        bases: (rows, length) base codes.
        k: at most 15, so that the numbers are int32.

    Returns:
        (rows, length) int32; `4**k` where the k-mer holds an N or hangs over the end.
    """
    framed = np.pad(bases, ((0, 0), (0, k - 1)), constant_values=N)
    numbers = np.zeros(bases.shape, dtype=np.int32)
    known = np.ones(bases.shape, dtype=np.bool_)
    for offset in range(k):
        base = framed[:, offset : offset + bases.shape[1]]
        numbers = numbers * 4 + base
        known &= base != N
    return np.where(known, numbers, 4**k).astype(np.int32)


def bin_counts(
    bases: Codes, kmers: Sequence[str], bin_of_place: npt.NDArray[np.int64], bins: int
) -> Iterator[tuple[slice, Matrix]]:
    """Count k-mers of one length in each bin, some rows at a time.

    Args:
        bases: (rows, length) base codes.
        kmers: all of one length, each once.
        bin_of_place: (length,) which bin a k-mer that starts there counts in.
        bins: how many there are.

    Yields:
        Which rows, and their counts: (rows, bins, k-mers) float64.
    """
    k = len(kmers[0])
    column_of = np.full(4**k + 1, -1, dtype=np.int64)
    column_of[[number_of(kmer) for kmer in kmers]] = np.arange(len(kmers))
    rows_at_once = max(1, COUNTS_AT_ONCE // max(bases.shape[1], bins * len(kmers)))
    for start in range(0, len(bases), rows_at_once):
        chunk = bases[start : start + rows_at_once]
        columns = column_of[kmer_numbers(chunk, k)]
        cells = (np.arange(len(chunk))[:, None] * bins + bin_of_place) * len(kmers) + columns
        counts = np.bincount(cells[columns >= 0], minlength=len(chunk) * bins * len(kmers))
        yield slice(start, start + len(chunk)), counts.reshape(len(chunk), bins, len(kmers)).astype(np.float64)


def by_length(kmers: Sequence[str]) -> list[list[str]]:
    """The distinct k-mers, those of one length together, shortest first, each in alphabetical order."""
    ordered = sorted(set(kmers), key=lambda kmer: (len(kmer), kmer))
    return [list(same) for _, same in groupby(ordered, key=len)]
