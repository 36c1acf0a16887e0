"""What a model is trained on: base codes, standardised values and their weights, as arrays.

Base codes are those of app.encoding: A 0, C 1, G 2, T 3, N 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from training.datasets.table import Columns, Floats, Table
from training.errors import DataError

Codes = npt.NDArray[np.uint8]
N = 4
LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)
REFUSED = 255


@dataclass(frozen=True)
class Batch:
    """What one step is trained on; the arrays are those of `Examples`.

    Attributes:
        states: (batch, longest, width) of a teacher at each base, for a student to imitate.
    """

    bases: Codes
    lengths: npt.NDArray[np.int64]
    values: Floats
    weights: Floats
    states: Tensor | None = None


class Material(Protocol):
    """What a model is trained on, batch by batch."""

    def __len__(self) -> int:
        """Rows in an epoch."""

    def draw(self, rows: npt.NDArray[np.int64], generator: np.random.Generator) -> Batch:
        """The batch of these rows; whatever is random in it comes from the generator."""


@dataclass(frozen=True)
class Examples:
    """Training material.

    Attributes:
        bases: (rows, longest) uint8, N after a row's end.
        lengths: (rows,) int64, in bases.
        values: (rows, outputs) float32, in standard deviations from the mean; 0 where nothing was measured.
        weights: (rows, outputs) float32, 0 where nothing was measured.
    """

    bases: Codes
    lengths: npt.NDArray[np.int64]
    values: Floats
    weights: Floats

    def __len__(self) -> int:
        return len(self.bases)

    def rows(self, chosen: npt.NDArray[Any]) -> Examples:
        """The chosen rows, by mask or by index."""
        return Examples(self.bases[chosen], self.lengths[chosen], self.values[chosen], self.weights[chosen])

    def draw(self, rows: npt.NDArray[np.int64], generator: np.random.Generator) -> Batch:
        """A batch of these rows, as they are."""
        del generator
        return self.rows(rows).draw_all()

    def draw_all(self) -> Batch:
        """All rows as one batch."""
        return Batch(self.bases, self.lengths, self.values, self.weights)

    @property
    def sequences(self) -> list[str]:
        """The rows as text."""
        return as_text(self.bases, self.lengths)


def stacked(first: Examples, second: Examples) -> Examples:
    """The rows of both; the shorter ones are filled with N."""
    width = max(first.bases.shape[1], second.bases.shape[1])
    framed = [
        np.pad(part.bases, ((0, 0), (0, width - part.bases.shape[1])), constant_values=N) for part in (first, second)
    ]
    return Examples(
        np.vstack(framed),
        np.concatenate([first.lengths, second.lengths]),
        np.vstack([first.values, second.values]),
        np.vstack([first.weights, second.weights]),
    )


def output_columns(table: Table, auxiliary: bool) -> Columns:
    """The columns a model answers in training: the targets, then the auxiliary ones where they are wanted."""
    return Columns.joined([table.targets, table.auxiliary]) if auxiliary else table.targets


def examples_of(table: Table, columns: Columns, mean: Floats, standard_deviation: Floats) -> Examples:
    """A table's rows as training material.

    Args:
        table: gives the sequences.
        columns: what the model answers, with the table's rows.
        mean: (columns,).
        standard_deviation: (columns,).
    """
    bases, lengths = as_codes(table.sequences)
    values = np.nan_to_num((columns.values - mean) / standard_deviation).astype(np.float32)
    return Examples(bases, lengths, values, columns.weights)


def as_codes(sequences: Sequence[str]) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Sequences as a matrix of base codes, N after each one's end, and their lengths.

    Raises:
        DataError: a letter is none of A, C, G, T, N.
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    width = int(lengths.max(initial=0))
    padded = "".join(sequence.ljust(width, "N") for sequence in sequences).encode()
    bases = _CODE_OF[np.frombuffer(padded, dtype=np.uint8)].reshape(len(sequences), width)
    if np.any(bases == REFUSED):
        row = int(np.argmax(np.any(bases == REFUSED, axis=1)))
        raise DataError(f"sequence {row} holds a letter that is none of A, C, G, T, N")
    return bases, lengths


def as_text(bases: Codes, lengths: npt.NDArray[np.int64]) -> list[str]:
    """Base codes as upper-case text."""
    letters = LETTERS[bases]
    return [row[:length].tobytes().decode() for row, length in zip(letters, lengths, strict=True)]


def _code_table() -> Codes:
    table = np.full(256, REFUSED, dtype=np.uint8)
    table[LETTERS] = np.arange(len(LETTERS))
    return table


_CODE_OF = _code_table()
