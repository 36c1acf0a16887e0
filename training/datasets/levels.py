"""A user's two files, levels over time and sequences, as the same two decay targets that UTR-Seq has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.datasets.homology import homology_groups
from training.datasets.options import LevelsOptions
from training.datasets.own_table import measured_numbers, measured_rows
from training.datasets.sheet import Sheet, read_sheet
from training.datasets.table import Columns, Table
from training.datasets.utrseq import QUANTITIES
from training.errors import ConfigError, DataError

OBTAINED = "They are your own: name levels_file and sequences_file in [data.levels]"
HOURS = (1, 2, 6, 8)


def read_levels(folder: Path, options: LevelsOptions) -> Table:
    """Read log2 levels at 1, 2, 6 and 8 hours and the sequences that belong to them.

    Args:
        folder: where the files are.
        options: their names and those of their columns.

    Raises:
        ConfigError: a file is not named.
        DataError: a file is missing, something in it cannot be meant, or an id stands in one of them only.
    """
    if not options.levels_file or not options.sequences_file:
        raise ConfigError("data.levels: levels_file and sequences_file must be named")
    levels, sequences = read_sheet(folder / options.levels_file), read_sheet(folder / options.sequences_file)
    ids = levels.ids(options.id)
    sequence_of = dict(zip(sequences.ids(options.id), sequences.sequences(options.sequence), strict=True))
    if options.unmatched == "refuse":
        _refuse_unmatched(levels, ids, sequences, list(sequence_of))
        _refuse_unmatched(sequences, list(sequence_of), levels, ids)
    matched = [row for row, name in enumerate(ids) if name in sequence_of]
    joined = tuple(sequence_of[ids[row]] for row in matched)
    table = Table(
        ids=tuple(ids[row] for row in matched),
        sequences=joined,
        quantities=QUANTITIES,
        targets=_targets(levels, options).rows(np.array(matched, dtype=np.int64)),
        auxiliary=Columns.none(len(matched)),
        coverage=np.full(len(matched), np.nan, dtype=np.float32),
        groups=homology_groups(joined),
        splits=np.full(len(matched), "", dtype="<U5"),
    )
    return measured_rows(table, levels)


def _refuse_unmatched(sheet: Sheet, ids: list[str], other: Sheet, partners: list[str]) -> None:
    unmatched = set(ids) - set(partners)
    if not unmatched:
        return
    row = next(row for row, name in enumerate(ids) if name in unmatched)
    more = f", nor are {len(unmatched) - 1:,} more" if len(unmatched) > 1 else ""
    raise DataError(
        f"{sheet.path.name}, {sheet.places[row]}: id {ids[row]} is not in {other.path.name}{more}; "
        'unmatched = "drop" leaves such ids out'
    )


def _targets(sheet: Sheet, options: LevelsOptions) -> Columns:
    level = {hour: _level(sheet, options, hour) for hour in HOURS}
    changes = np.stack([level[8] - level[2], (level[6] - level[1]) / 2], axis=1)
    return Columns.measured(tuple(quantity.name for quantity in QUANTITIES), changes)


def _level(sheet: Sheet, options: LevelsOptions, hour: int) -> npt.NDArray[np.float64]:
    return measured_numbers(sheet, options.level_column.replace("{hour}", str(hour)), options.missing)
