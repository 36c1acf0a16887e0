"""Scores of k-mers: read from a table that is given, or estimated from training rows.

A k-mer's number is its bases read as digits to base 4 (A 0, C 1, G 2, T 3), so "AC" is 1 and "CA" is 4.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.datasets.table import Floats, Table
from training.errors import DataError
from training.examples import LETTERS, N, as_codes
from training.tokenizers.recipe import ScoresConfig

Scores = npt.NDArray[np.float64]  # (4 ** bases,) by the k-mer's number, NaN where a k-mer has no score
TO_DNA = str.maketrans("Uu", "TT")


@dataclass(frozen=True)
class KmerScores:
    """A score for each k-mer of one length.

    Attributes:
        bases: k.
        values: (4 ** bases,) float64 by the k-mer's number, NaN where a k-mer has no score.
        source: where they come from, in a sentence.
    """

    bases: int
    values: Scores
    source: str

    def above(self, threshold: float) -> list[str]:
        """The k-mers whose score is above a threshold, in alphabetical order."""
        return kmer_texts(np.flatnonzero(self.values > threshold), self.bases)

    def highest(self, count: int) -> list[str]:
        """The k-mers with the highest scores, the highest first; ties in alphabetical order."""
        order = np.argsort(-np.nan_to_num(self.values, nan=-np.inf), kind="stable")
        return kmer_texts(order[: min(count, int(np.sum(~np.isnan(self.values))))], self.bases)

    def of(self, kmer: str) -> float:
        """One k-mer's score, NaN if it has none."""
        return float(self.values[int(_numbers_in([kmer], self.bases)[0][0, 0])])


def kmer_scores(config: ScoresConfig, bases: int, train: Table, folder: Path) -> KmerScores:
    """The scores that a configuration asks for.

    Args:
        config: where they come from.
        bases: k.
        train: the training rows, which are the only ones that scores may be estimated from.
        folder: of the configuration, which `config.table` is relative to.

    Raises:
        DataError: the table cannot be read, or there is no such target.
    """
    if config.table:
        return read_scores(folder / config.table, bases, config.kmer_column, config.score_column)
    names = train.targets.names
    target = config.target or names[0]
    if target not in names:
        raise DataError(f"tokenizer.scores.target: {target!r} is none of {', '.join(names)}")
    values, weights = (part[:, names.index(target)] for part in (train.targets.values, train.targets.weights))
    measured = weights > 0
    sequences = [sequence for sequence, kept in zip(train.sequences, measured, strict=True) if kept]
    said = f"estimated from the {len(sequences):,} training rows alone, by {target}"
    if config.estimator == "enrichment":
        scores = enrichment(sequences, values[measured], bases)
        return KmerScores(bases, scores, f"Frequency in the upper third over that in the lower third, {said}.")
    scores = mean_target(sequences, values[measured], weights[measured], bases, config.shrinkage_rows)
    return KmerScores(bases, scores, f"Mean standardised target of the rows with the {bases}-mer, {said}.")


def mean_target(sequences: Sequence[str], values: Floats, weights: Floats, bases: int, shrinkage_rows: float) -> Scores:
    """Mean of the standardised target over the rows that hold a k-mer, pulled to 0 where these are few.

    The weighted sum of the rows' values is divided by the rows' weight plus `shrinkage_rows`.

    Args:
        sequences: the rows.
        values: (rows,) what was measured.
        weights: (rows,) above 0, how much a row counts; a whole row is one of the mean weight.
        bases: k.
        shrinkage_rows: whole rows of mean 0 that are added to each k-mer.

    Returns:
        (4 ** bases,); NaN for a k-mer that no row holds.
    """
    trust = weights / weights.mean(dtype=np.float64)
    mean = np.average(values, weights=trust)
    deviation = math.sqrt(float(np.average((values - mean) ** 2, weights=trust))) or 1.0
    row, kmer = _held(sequences, bases)
    total = np.bincount(kmer, weights=(trust * (values - mean) / deviation)[row], minlength=4**bases)
    count = np.bincount(kmer, weights=trust[row], minlength=4**bases)
    held = count > 0
    return np.where(held, total / np.where(held, count + shrinkage_rows, 1.0), np.nan)


def enrichment(sequences: Sequence[str], values: Floats, bases: int) -> Scores:
    """How much more frequent a k-mer is in the upper third of the rows, by value, than in the lower third.

    The ratio of the two frequencies, as in Bind-n-Seq, with one count added to each k-mer in each third.

    Args:
        sequences: the rows.
        values: (rows,) what was measured.
        bases: k.

    Returns:
        (4 ** bases,), 1 where a k-mer is as frequent in both; NaN for a k-mer that neither holds.
    """
    order = np.argsort(values, kind="stable")
    third = max(1, len(order) // 3)
    lower, upper = (_counts([sequences[row] for row in rows], bases) for rows in (order[:third], order[-third:]))
    shares = [(counts + 1) / (counts.sum() + len(counts)) for counts in (lower, upper)]
    return np.where(lower + upper > 0, shares[1] / shares[0], np.nan)


def read_scores(path: Path, bases: int, kmer_column: str, score_column: str) -> KmerScores:
    """Read a table of k-mers and scores; tabs or commas between its columns, the names of these on top.

    Raises:
        DataError: the file, a column or a row is not what it should be.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    values = np.full(4**bases, np.nan)
    for line, kmer, score in _table_rows(text, path, kmer_column, score_column):
        number = _number_of(kmer, bases, f"{path}: line {line}")
        if not np.isnan(values[number]):
            raise DataError(f"{path}: line {line}: this k-mer has a score already")
        values[number] = _finite(score, f"{path}: line {line}")
    if np.isnan(values).all():
        raise DataError(f"{path}: holds no k-mer")
    digest = hashlib.sha256(raw).hexdigest()
    return KmerScores(bases, values, f"Column {score_column} of the table {path.name}, SHA-256 {digest}.")


def kmer_texts(numbers: npt.NDArray[np.integer], bases: int) -> list[str]:
    """K-mers as text."""
    places = np.arange(bases - 1, -1, -1)
    letters = LETTERS[(numbers[:, None] >> (2 * places)) & 3]
    return [row.tobytes().decode() for row in letters]


def _table_rows(text: str, path: Path, kmer_column: str, score_column: str) -> Iterator[tuple[int, str, str]]:
    """Line number, k-mer and score of each row."""
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in header else ",")
    for column in (kmer_column, score_column):
        if column not in (reader.fieldnames or ()):
            raise DataError(f"{path}: has no column {column!r}; name it in tokenizer.scores")
    for row in reader:
        yield reader.line_num, row[kmer_column] or "", row[score_column] or ""


def _number_of(kmer: str, bases: int, where: str) -> int:
    letters = kmer.strip().translate(TO_DNA).upper()
    if len(letters) != bases or set(letters) - set("ACGT"):
        raise DataError(f"{where}: expected {bases} bases of A, C, G, T or U (tokenizer.motifs.bases)")
    return int(_numbers_in([letters], bases)[0][0, 0])


def _finite(score: str, where: str) -> float:
    try:
        value = float(score)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: the score is not a finite number")
    return value


def _numbers_in(sequences: Sequence[str], bases: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """(rows, windows) number of the k-mer in each window, and whether the window holds nothing but bases."""
    codes, lengths = as_codes(sequences)
    windows = max(0, codes.shape[1] - bases + 1)
    numbers = np.zeros((len(codes), windows), dtype=np.int64)
    known = np.arange(windows) <= lengths[:, None] - bases
    for offset in range(bases):
        base = codes[:, offset : offset + windows]
        numbers = numbers * 4 + base
        known &= base != N
    return numbers, known


def _held(sequences: Sequence[str], bases: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which row holds which k-mer: two arrays side by side, each pair once."""
    numbers, known = _numbers_in(sequences, bases)
    pairs = np.unique((numbers + np.arange(len(numbers))[:, None] * 4**bases)[known])
    return pairs // 4**bases, pairs % 4**bases


def _counts(sequences: Sequence[str], bases: int) -> npt.NDArray[np.int64]:
    """(4 ** bases,) occurrences of each k-mer."""
    numbers, known = _numbers_in(sequences, bases)
    return np.bincount(numbers[known], minlength=4**bases)
