"""Which people are held out together: fixed by their names alone, so that every model is measured on the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.checkpoint import write_atomically
from training.datasets.files import read_cells
from training.errors import DataError, SplitError

FOLDS = "folds.tsv"
COLUMNS = ["person", "fold"]


def deal_folds(people: Sequence[str], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Deal people into folds whose sizes differ by one at most.

    The order in which they are dealt is that of a hash of seed and name, so neither the order of a file nor a library's
    random numbers decide it.

    Args:
        people: their names.
        count: of the folds.
        seed: another one gives other folds.

    Returns:
        (people,) numbers from 0.

    Raises:
        SplitError: there are fewer people than folds.
    """
    if len(people) < count:
        raise SplitError(f"folds.count: {len(people)} people cannot be dealt into {count} folds")
    hashes = [hashlib.sha256(f"{seed}:{person}".encode()).digest() for person in people]
    folds = np.empty(len(people), dtype=np.int64)
    folds[sorted(range(len(people)), key=hashes.__getitem__)] = np.arange(len(people)) % count
    return folds


def save_folds(path: Path, people: Sequence[str], folds: npt.NDArray[np.int64]) -> None:
    """Write person and fold, a line each."""
    lines = [COLUMNS, *([person, str(fold)] for person, fold in zip(people, folds, strict=True))]
    write_atomically(path, "".join("\t".join(line) + "\n" for line in lines).encode())


def load_folds(path: Path, people: Sequence[str]) -> npt.NDArray[np.int64]:
    """The folds of these people, whatever the file's order.

    Raises:
        DataError: there is no such file, or it lacks a person.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: run `python -m training prepare` first")
    fold_of: Mapping[str, str] = dict(cells for cells in read_cells(path) if cells != COLUMNS)
    if missing := [person for person in people if person not in fold_of]:
        raise DataError(f"{path} has no fold for {len(missing)} of the people; run `python -m training prepare` again")
    return np.array([int(fold_of[person]) for person in people], dtype=np.int64)
