"""Stability of human 3' UTR reporters in two cell lines (Siegel et al. 2022, Nat Commun 13:1410).

The library tiles 3' UTRs and mutates the tiles, so most rows have close relatives.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.datasets.files import read_cells
from training.datasets.homology import homology_groups
from training.datasets.options import refuse_unknown_targets
from training.datasets.table import Columns, Quantity, Table

LIBRARY = "fastUTR_mpra.txt.gz"
FILES = (LIBRARY,)
OBTAINED = "The library is public: Siegel et al. 2022, Nat Commun 13:1410, github.com/vagarwal87/saluki_paper, Fig6_S7"
COLUMN_OF = {"jurkat": 1, "beas2b": 2}
CELL_LINES = tuple(COLUMN_OF)
NOT_MEASURED = "NA"


def read_siegel(folder: Path, cell_lines: tuple[str, ...] = CELL_LINES) -> Table:
    """Read the reporters that were measured in any of the cell lines.

    Args:
        folder: where the file is.
        cell_lines: the targets.

    Raises:
        ConfigError: a cell line is unknown.
    """
    refuse_unknown_targets(cell_lines, CELL_LINES)
    rows = [
        row for row in read_cells(folder / LIBRARY) if any(row[COLUMN_OF[line]] != NOT_MEASURED for line in cell_lines)
    ]
    sequences = tuple(row[0] for row in rows)
    ratios = [[_ratio(row[COLUMN_OF[line]]) for line in cell_lines] for row in rows]
    return Table(
        ids=tuple(f"R{number}" for number in range(1, len(rows) + 1)),
        sequences=sequences,
        quantities=tuple(map(_quantity, cell_lines)),
        targets=Columns.measured(tuple(f"stability_{line}" for line in cell_lines), np.array(ratios)),
        auxiliary=Columns.none(len(rows)),
        coverage=np.full(len(rows), np.nan, dtype=np.float32),
        groups=homology_groups(sequences),
        splits=np.full(len(rows), "", dtype="<U5"),
    )


def _ratio(cell: str) -> float:
    return np.nan if cell == NOT_MEASURED else float(cell)


def _quantity(cell_line: str) -> Quantity:
    return Quantity(
        f"stability_{cell_line}",
        "T4/T0 residual",
        "other",
        "more stable",
        f"RNA left after four hours in {cell_line.capitalize()} cells, over the start, corrected for GC content.",
    )
