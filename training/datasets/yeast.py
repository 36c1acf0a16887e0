"""Fragments of yeast's own promoters, 80 bases in one reporter (Vaishnav et al. 2022, Nature 603:455)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from training.datasets.files import opened
from training.datasets.homology import homology_groups
from training.datasets.options import refuse_unknown_targets
from training.datasets.table import Columns, Quantity, Table

LEFT_BASES, INSERT_BASES = 17, 80
MEDIA = {
    "defined": ("Native_testdata_defined_media.csv.gz", "seq110", "meanEL"),
    "complex": ("Native_complex.csv.gz", "sequence", "Measured Expression"),
}
FILES = tuple(name for name, *_ in MEDIA.values())
OBTAINED = "The library is public: Vaishnav et al. 2022, Nature 603:455, github.com/1edv/evolution"


def read_yeast(folder: Path, media: tuple[str, ...] = tuple(MEDIA)) -> Table:
    """Read the fragments that were measured in any of the media.

    Args:
        folder: where the files are.
        media: the targets.

    Raises:
        ConfigError: a medium is unknown.
    """
    refuse_unknown_targets(media, tuple(MEDIA))
    level_of = [_read_medium(folder, medium) for medium in media]
    inserts = tuple(dict.fromkeys(insert for levels in level_of for insert in levels))
    values = np.array([[levels.get(insert, np.nan) for levels in level_of] for insert in inserts])
    return Table(
        ids=tuple(f"Y{number}" for number in range(1, len(inserts) + 1)),
        sequences=inserts,
        quantities=tuple(map(_quantity, media)),
        targets=Columns.measured(tuple(f"expression_{medium}" for medium in media), values),
        auxiliary=Columns.none(len(inserts)),
        coverage=np.full(len(inserts), np.nan, dtype=np.float32),
        groups=homology_groups(inserts),
        splits=np.full(len(inserts), "", dtype="<U5"),
    )


def _read_medium(folder: Path, medium: str) -> dict[str, float]:
    """The bases between the constant flanks, and their level."""
    name, sequence, level = MEDIA[medium]
    with opened(folder / name) as lines:
        rows = list(csv.DictReader(lines))
    return {row[sequence][LEFT_BASES : LEFT_BASES + INSERT_BASES]: float(row[level]) for row in rows}


def _quantity(medium: str) -> Quantity:
    return Quantity(
        f"expression_{medium}",
        "expression level",
        "other",
        "more expressed",
        f"Mean level of the reporter's fluorescence in {medium} medium, as sorted cells give it.",
    )
