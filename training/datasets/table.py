"""The one shape that every data set takes: a frozen table of sequences and what was measured for them.

Arrays share their first axis, the rows. NaN stands for "not measured" and always has weight 0.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.bundle import TARGET_PATTERN
from training.errors import DataError

Floats = npt.NDArray[np.float32]
Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class Quantity:
    """What a target is, in the words of the bundle's manifest."""

    name: str
    unit: str
    scale: Literal["linear", "log2", "log10", "ln", "other"]
    higher_means: str
    description: str
    pseudocount: float = 0.0
    """What was added before the logarithm was taken."""

    def __post_init__(self) -> None:
        if not re.fullmatch(TARGET_PATTERN, self.name):
            raise DataError(
                f"{self.name!r} names no target: a letter is needed, then up to 63 letters, digits and _; "
                "give it another name"
            )


@dataclass(frozen=True)
class Columns:
    """Named measurements.

    Attributes:
        names: one per column.
        values: (rows, columns) float32, NaN where nothing was measured.
        weights: (rows, columns) float32, at least 0; how much a value counts in the loss.
    """

    names: tuple[str, ...]
    values: Floats
    weights: Floats

    def __post_init__(self) -> None:
        if self.values.shape != self.weights.shape or self.values.shape[1:] != (len(self.names),):
            raise DataError(f"columns {', '.join(self.names)}: values and weights must be (rows, {len(self.names)})")
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise DataError(f"two columns are called {twice[0]}; see data.targets")
        if np.any(self.weights < 0) or np.any(self.weights[np.isnan(self.values)]):
            raise DataError("a weight is negative, or belongs to a value that was not measured")

    def rows(self, chosen: npt.NDArray[Any]) -> Columns:
        """The chosen rows, by mask or by index."""
        return Columns(self.names, self.values[chosen], self.weights[chosen])

    @staticmethod
    def measured(names: Sequence[str], values: npt.NDArray[np.float64]) -> Columns:
        """Values that all count the same, but for NaN, which counts for nothing."""
        return Columns(tuple(names), values.astype(np.float32), np.where(np.isnan(values), 0, 1).astype(np.float32))

    @staticmethod
    def none(rows: int) -> Columns:
        """No column at all."""
        empty = np.zeros((rows, 0), dtype=np.float32)
        return Columns((), empty, empty)

    @staticmethod
    def joined(parts: Sequence[Columns]) -> Columns:
        """The columns of all parts, side by side."""
        names = tuple(name for part in parts for name in part.names)
        values, weights = (np.hstack([getattr(part, field) for part in parts]) for field in ("values", "weights"))
        return Columns(names, values, weights)


@dataclass(frozen=True)
class Table:
    """A data set.

    Attributes:
        quantities: what the targets are, in the order of their columns.
        targets: what the model is trained to predict and is measured on.
        auxiliary: measured beside the targets; it shapes the model in training and is never predicted.
        coverage: (rows,) float32, molecules counted for a row; NaN where the data set has no such number.
        groups: (rows,) int64, rows of one group are related and must stay in one split.
        splits: (rows,) of `train`, `valid`, `test`, or empty text for rows without one.
        contigs: the chromosome of each row; empty for sequences that lie on none.
    """

    ids: tuple[str, ...]
    sequences: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    targets: Columns
    auxiliary: Columns
    coverage: Floats
    groups: npt.NDArray[np.int64]
    splits: npt.NDArray[np.str_]
    contigs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        arrays = (self.sequences, self.targets.values, self.auxiliary.values, self.coverage, self.groups, self.splits)
        if any(len(array) != len(self.ids) for array in arrays):
            raise DataError("the parts of a table must have one entry per row")
        if self.contigs and len(self.contigs) != len(self.ids):
            raise DataError("the contigs of a table must be none, or one per row")
        if len(set(self.ids)) < len(self.ids):
            raise DataError("two rows have the same id")
        if tuple(quantity.name for quantity in self.quantities) != self.targets.names:
            raise DataError("the quantities must describe the target columns, in their order")

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, chosen: npt.NDArray[Any]) -> Table:
        """The chosen rows, by mask or by index."""
        index = np.arange(len(self))[chosen]
        return Table(
            ids=tuple(self.ids[row] for row in index),
            sequences=tuple(self.sequences[row] for row in index),
            quantities=self.quantities,
            targets=self.targets.rows(index),
            auxiliary=self.auxiliary.rows(index),
            coverage=self.coverage[index],
            groups=self.groups[index],
            splits=self.splits[index],
            contigs=tuple(self.contigs[row] for row in index) if self.contigs else (),
        )

    def split(self, name: Split) -> Table:
        """The rows of one split."""
        return self.rows(self.splits == name)

    def sha256(self) -> str:
        """Digest of everything in the table; equal tables have equal digests on every machine."""
        digest = hashlib.sha256()
        for name, array in sorted(self._arrays().items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write the table as one compressed NumPy archive."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **self._arrays())
        path.write_bytes(buffer.getvalue())

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        quantities = json.dumps([asdict(quantity) for quantity in self.quantities])
        return {
            "ids": _packed(self.ids),
            "sequences": _packed(self.sequences),
            "quantities": _packed([quantities]),
            "target_values": self.targets.values,
            "target_weights": self.targets.weights,
            "auxiliary_names": _packed(self.auxiliary.names),
            "auxiliary_values": self.auxiliary.values,
            "auxiliary_weights": self.auxiliary.weights,
            "coverage": self.coverage,
            "groups": self.groups,
            "splits": _packed(self.splits.tolist()),
            "contigs": _packed(self.contigs),
        }


def load_table(path: Path) -> Table:
    """Read a table that `Table.save` wrote.

    Raises:
        DataError: there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: run `python -m training prepare` first")
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    quantities = tuple(Quantity(**fields) for fields in json.loads(_unpacked(arrays["quantities"])[0]))
    names = tuple(quantity.name for quantity in quantities)
    return Table(
        ids=_unpacked(arrays["ids"]),
        sequences=_unpacked(arrays["sequences"]),
        quantities=quantities,
        targets=Columns(names, arrays["target_values"], arrays["target_weights"]),
        auxiliary=Columns(
            _unpacked(arrays["auxiliary_names"]), arrays["auxiliary_values"], arrays["auxiliary_weights"]
        ),
        coverage=arrays["coverage"],
        groups=arrays["groups"],
        splits=np.array(_unpacked(arrays["splits"]), dtype=np.str_),
        contigs=_unpacked(arrays["contigs"]),
    )


# One byte per character and one line per text: a NumPy text array pads all rows to the longest, at four bytes each.
def _packed(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("".join(f"{text}\n" for text in texts).encode(), dtype=np.uint8)


def _unpacked(packed: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    return tuple(packed.tobytes().decode().split("\n")[:-1])
