"""Promoters of *E. coli*, measured in its genome (Urtecho et al., an MPRA over 17,767 transcription starts, in LB)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.datasets.files import read_cells
from training.datasets.homology import Groups, connected, related_pairs
from training.datasets.table import Columns, Quantity, Table
from training.datasets.windows import reverse_complement

LIBRARY = "tss_expression_model_format.tsv.gz"
TRAIN, TEST = "tss_train_genome_split.tsv.gz", "tss_test_genome_split.tsv.gz"
FILES = (LIBRARY, TRAIN, TEST)
OBTAINED = "The library is public: Urtecho et al., github.com/KosuriLab/ecoli_promoter_mpra, processed_data/endo_tss/lb"
PSEUDOCOUNT = 0.1
NO_PLACE = "NA"

QUANTITY = Quantity(
    "log2_expression_lb",
    "log2(RNA/DNA + 0.1)",
    "log2",
    "more expressed",
    "RNA over DNA of the barcodes of a promoter, bases -120 to +30, in rich medium; below 0 counts as 0.",
    PSEUDOCOUNT,
)


def read_ecoli(folder: Path) -> Table:
    """Read one row for each distinct promoter of the genome, without the controls.

    The split column is the authors', by stretches of the genome. Theirs has the same sequence on both sides 28 times,
    and tiles that overlap at the seams: training rows that are related to a test row are left without a split, so that
    the test rows are theirs and the training rows do not give them away.
    """
    rows = {cells[0]: cells for cells in read_cells(folder / LIBRARY) if cells[2] != NO_PLACE}
    sequences = tuple(rows)
    expression = np.array([[float(cells[1])] for cells in rows.values()])
    groups = _groups(sequences)
    return Table(
        ids=tuple(f"{name}/{number}" for number, (*_, name) in enumerate(rows.values(), start=1)),
        sequences=sequences,
        quantities=(QUANTITY,),
        targets=Columns.measured((QUANTITY.name,), np.log2(np.maximum(expression, 0) + PSEUDOCOUNT)),
        auxiliary=Columns.none(len(rows)),
        coverage=np.full(len(rows), np.nan, dtype=np.float32),
        groups=groups,
        splits=_splits(folder, sequences, groups),
    )


def _groups(sequences: tuple[str, ...]) -> Groups:
    """By a stretch shared on either strand: promoters that face away from each other overlap."""
    both_strands = [*sequences, *map(reverse_complement, sequences)]
    return connected(len(sequences), related_pairs(both_strands) % len(sequences))


def _splits(folder: Path, sequences: tuple[str, ...], groups: Groups) -> npt.NDArray[np.str_]:
    train, test = ({cells[0] for cells in read_cells(folder / name)} for name in (TRAIN, TEST))
    in_test = np.array([sequence in test for sequence in sequences])
    in_train = np.array([sequence in train for sequence in sequences]) & ~np.isin(groups, groups[in_test])
    return np.where(in_test, "test", np.where(in_train, "train", ""))
