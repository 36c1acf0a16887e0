"""A user's own table: an id, a sequence and one or more measured targets a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.datasets.homology import Groups, Stretch, chained_rows, connected, equal_rows, related_pairs
from training.datasets.options import TableOptions, TargetOptions
from training.datasets.sheet import Sheet, read_sheet
from training.datasets.table import SPLITS, Columns, Quantity, Table
from training.datasets.windows import reverse_complement
from training.errors import ConfigError, DataError

OBTAINED = "It is your own: name its file in [data.table]"


def read_own_table(folder: Path, options: TableOptions, strand_specific: bool = True) -> Table:
    """Read a user's table.

    Rows are related, and must stay in one split, when they have the same value in the group column, or share a stretch
    of bases where no such column is named; rows of equal sequence always are. Where both strands are one thing, a
    sequence is compared with the others' reverse complements too.

    Args:
        folder: where the file is.
        options: its name and those of its columns.
        strand_specific: the other strand is another sequence.

    Raises:
        ConfigError: the file or its targets are not named.
        DataError: the file is missing, or something in it cannot be meant.
    """
    if not options.file or not options.targets:
        raise ConfigError("data.table: file and at least one of [[data.table.targets]] must be named")
    sheet = read_sheet(folder / options.file)
    ids, sequences = sheet.ids(options.id), sheet.sequences(options.sequence)
    targets = _targets(sheet, options)
    table = Table(
        ids=tuple(ids),
        sequences=tuple(sequences),
        quantities=tuple(map(_quantity, options.targets)),
        targets=targets,
        auxiliary=Columns.none(len(sheet)),
        coverage=np.full(len(sheet), np.nan, dtype=np.float32),
        groups=_groups(sheet, sequences, options, strand_specific),
        splits=_splits(sheet, options.split),
    )
    return measured_rows(table, sheet)


def measured_rows(table: Table, *sheets: Sheet) -> Table:
    """The rows with any target.

    Raises:
        DataError: a target has no value, or always the same.
    """
    names = " and ".join(sheet.path.name for sheet in sheets)
    for name, values, weights in zip(table.targets.names, table.targets.values.T, table.targets.weights.T, strict=True):
        counted = values[weights > 0]
        if not len(counted):
            raise DataError(f"{names}: no row has a value of {name} that counts")
        if np.all(counted == counted[0]):
            raise DataError(f"{names}: {name} is {counted[0]:g} in every row; there is nothing to learn")
    return table.rows(np.flatnonzero(~np.isnan(table.targets.values).all(axis=1)))


def measured_numbers(sheet: Sheet, column: str, missing: str) -> npt.NDArray[np.float64]:
    """(rows,) a column of numbers, NaN where nothing was measured.

    Raises:
        DataError: a cell is no number, or nothing was measured and `missing` is `refuse`.
    """
    values = sheet.numbers(column)
    if missing == "refuse" and np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise sheet.refused(row, column, 'was not measured; missing = "drop" leaves such values out')
    return values


def _quantity(target: TargetOptions) -> Quantity:
    return Quantity(
        target.name or target.column,
        target.unit,
        target.scale,
        target.higher_means,
        target.description,
        target.pseudocount,
    )


def _targets(sheet: Sheet, options: TableOptions) -> Columns:
    values = np.stack([measured_numbers(sheet, target.column, options.missing) for target in options.targets], axis=1)
    weights = np.where(np.isnan(values), 0, _weights(sheet, options.weight)[:, None])
    names = tuple(target.name or target.column for target in options.targets)
    return Columns(names, values.astype(np.float32), weights.astype(np.float32))


def _weights(sheet: Sheet, column: str) -> npt.NDArray[np.float64]:
    if not column:
        return np.ones(len(sheet))
    weights = sheet.numbers(column)
    wrong = ~(weights >= 0)  # NaN is no weight either
    if wrong.any():
        raise sheet.refused(int(np.argmax(wrong)), column, "is no weight: a number of at least 0 is needed")
    return weights


def _groups(sheet: Sheet, sequences: list[str], options: TableOptions, strand_specific: bool) -> Groups:
    read = sequences if strand_specific else [*sequences, *map(reverse_complement, sequences)]
    pairs = [equal_rows(read) % len(sheet)]
    if options.group:
        pairs.append(chained_rows(np.array(sheet.column(options.group))))
    elif options.shared_bases:
        pairs.append(related_pairs(read, Stretch(options.shared_bases, options.different_words)) % len(sheet))
    return connected(len(sheet), *pairs)


def _splits(sheet: Sheet, column: str) -> npt.NDArray[np.str_]:
    if not column:
        return np.full(len(sheet), "", dtype="<U5")
    labels = sheet.column(column)
    for row, label in enumerate(labels):
        if label not in SPLITS:
            raise sheet.refused(row, column, f"{label} is none of {', '.join(SPLITS)}")
    return np.array(labels, dtype=np.str_)
