"""UTR-Seq: decay of 3' UTR reporters in zebrafish embryos (Rabani et al. 2017, Mol Cell 68:1083).

A folder holds either the joined table `reporters_Aplus_with_sequence.tsv.gz`, or the original files, from which the
same table is built. Levels are log2(max(UMI, 0.5)) minus log2 of the five spike-ins' sum at the same hour, plus 5.24.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from training.datasets.files import read_cells, require
from training.datasets.homology import homology_groups
from training.datasets.table import SPLITS, Columns, Quantity, Table

HOURS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10)
COURSE_HOURS = tuple(hour for hour in HOURS if hour not in {1, 2})
SPIKE_OFFSET = 5.24
SMALLEST_COUNT = 0.5
BASES = frozenset("ACGT")

JOINED = "reporters_Aplus_with_sequence.tsv.gz"
SEQUENCES = "orig_utrseq_reporter_seq.txt.gz"
COUNTS_APLUS = "umi_counts_Aplus_SAP_40A.tsv.gz"
COUNTS_AMINUS = "umi_counts_Aminus_SPE_0A.tsv.gz"
ALL_SEQUENCES = "mRNA_sequences.csv"
SPLIT_ROWS = "deeputr_split_row_indices.csv.gz"
OBTAINED = (
    "UTR-Seq is public: Rabani et al. 2017, Mol Cell 68:1083; sequences from github.com/rabanilab/UTR-Seq, "
    "UMI counts and the split from github.com/OrensteinLab/DeepUTR"
)

QUANTITIES = (
    Quantity(
        "log2_change_8h_2h",
        "log2",
        "log2",
        "more stable",
        "Change of the reporter's level from 2 to 8 hours after injection.",
    ),
    Quantity(
        "half_log2_change_6h_1h",
        "log2",
        "other",
        "more stable",
        "Half the change of the reporter's level from 1 to 6 hours after injection.",
    ),
)


# Later hour, earlier hour, and what their change is multiplied by.
CHANGES = {"log2_change_8h_2h": (8, 2, 1.0), "half_log2_change_6h_1h": (6, 1, 0.5)}


@dataclass(frozen=True)
class Reporters:
    """What is read from the files, one row per reporter.

    Attributes:
        levels: (rows, hours) float64, log2, normalised to the spike-ins.
        coverage: (rows,) float64, the smaller of the UMIs at 1 h and at 2 h.
    """

    ids: list[str]
    sequences: list[str]
    levels: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]
    groups: npt.NDArray[np.int64]
    splits: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Counts:
    """UMIs of all reporters, in the file's order.

    Attributes:
        umis: (reporters, hours) float64.
        spikes: (hours,) float64, sum of the five spike-ins.
    """

    ids: list[str]
    umis: npt.NDArray[np.float64]
    spikes: npt.NDArray[np.float64]

    def levels(self) -> npt.NDArray[np.float64]:
        """(reporters, hours) float64, log2, normalised to the spike-ins."""
        levels: npt.NDArray[np.float64] = np.log2(np.maximum(self.umis, SMALLEST_COUNT)) - np.log2(self.spikes)
        return levels + SPIKE_OFFSET

    def coverage(self) -> npt.NDArray[np.float64]:
        """(reporters,) float64, the smaller of the UMIs at 1 h and at 2 h."""
        smaller: npt.NDArray[np.float64] = self.umis[:, [HOURS.index(1), HOURS.index(2)]].min(axis=1)
        return smaller

    def of(self, ids: list[str]) -> Counts:
        """The rows of these reporters, NaN for those that are not there."""
        row_of = {name: row for row, name in enumerate(self.ids)}
        padded = np.vstack([self.umis, np.full(len(HOURS), np.nan)])
        return Counts(ids, padded[[row_of.get(name, -1) for name in ids]], self.spikes)


def read_utrseq(
    folder: Path,
    half_weight_umis: float = 0.0,
    auxiliary: bool = False,
    reporters: Literal["public", "all"] = "public",
) -> Table:
    """Read UTR-Seq.

    Args:
        folder: where the files are; the joined table is used when it is there.
        half_weight_umis: coverage at which a row counts half, weight = UMIs / (UMIs + this); 0 gives all rows weight 1.
        auxiliary: also read the time courses of both libraries, adenylated (A+) and not (A-), as auxiliary columns.
        reporters: `public` are those with sequences in the joined table or in Rabani's repository; `all` are the 90,000
            of the count tables, with the sequences of DeepUTR's `mRNA_sequences.csv`.

    Raises:
        DataError: files are missing.
    """
    return _table(folder, _read(folder, reporters), half_weight_umis, auxiliary)


def _read(folder: Path, which: Literal["public", "all"]) -> Reporters:
    if which == "all":
        return _build_from_counts(folder, ALL_SEQUENCES)
    return _read_joined(folder) if (folder / JOINED).is_file() else _build_from_counts(folder, SEQUENCES)


def _table(folder: Path, reporters: Reporters, half_weight_umis: float, auxiliary: bool) -> Table:
    targets = np.stack([_change(reporters.levels, 8, 2), _change(reporters.levels, 6, 1) / 2], axis=1)
    names = tuple(quantity.name for quantity in QUANTITIES)
    return Table(
        ids=tuple(reporters.ids),
        sequences=tuple(reporters.sequences),
        quantities=QUANTITIES,
        targets=_weighted(names, targets, reporters.coverage, half_weight_umis),
        auxiliary=_courses(folder, reporters, half_weight_umis) if auxiliary else Columns.none(len(reporters.ids)),
        coverage=reporters.coverage.astype(np.float32),
        groups=reporters.groups,
        splits=reporters.splits,
    )


def read_umis(folder: Path, ids: Sequence[str]) -> Counts:
    """The adenylated library's UMIs of these reporters, NaN for those that were not counted.

    Raises:
        DataError: the file is missing.
    """
    _require(folder, COUNTS_APLUS)
    return _read_counts(folder / COUNTS_APLUS).of(list(ids))


def _change(levels: npt.NDArray[np.float64], to_hour: int, from_hour: int) -> npt.NDArray[np.float64]:
    change: npt.NDArray[np.float64] = levels[:, HOURS.index(to_hour)] - levels[:, HOURS.index(from_hour)]
    return change


def _courses(folder: Path, reporters: Reporters, half_weight_umis: float) -> Columns:
    _require(folder, COUNTS_AMINUS)
    aminus = _read_counts(folder / COUNTS_AMINUS).of(reporters.ids)
    libraries = {
        "aplus": (reporters.levels, reporters.coverage),
        "aminus": (aminus.levels(), aminus.coverage()),
    }
    return Columns.joined(
        [
            _weighted(tuple(f"{name}_{hour}h" for hour in COURSE_HOURS), _course(levels), coverage, half_weight_umis)
            for name, (levels, coverage) in libraries.items()
        ]
    )


def _course(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(rows, course hours): levels over their mean at 1 h and 2 h, before decay sets in."""
    start = levels[:, [HOURS.index(1), HOURS.index(2)]].mean(axis=1, keepdims=True)
    course: npt.NDArray[np.float64] = levels[:, [HOURS.index(hour) for hour in COURSE_HOURS]] - start
    return course


def _weighted(
    names: tuple[str, ...],
    values: npt.NDArray[np.float64],
    coverage: npt.NDArray[np.float64],
    half_weight_umis: float,
) -> Columns:
    known = np.nan_to_num(coverage)
    weight = known / (known + half_weight_umis) if half_weight_umis else np.ones_like(known)
    weights = np.where(np.isnan(values), 0.0, weight[:, None])
    return Columns(names, values.astype(np.float32), weights.astype(np.float32))


def _read_joined(folder: Path) -> Reporters:
    with gzip.open(folder / JOINED, "rt") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return Reporters(
        ids=[row["id"] for row in rows],
        sequences=[row["sequence"] for row in rows],
        levels=np.array([[float(row[f"log2_{hour}h"]) for hour in HOURS] for row in rows]),
        coverage=np.array([float(row["umi_min_1h_2h"]) for row in rows]),
        groups=np.array([int(row["homology_component"]) for row in rows], dtype=np.int64),
        splits=np.array([row["deeputr_split"] for row in rows], dtype=np.str_),
    )


def _build_from_counts(folder: Path, sequences_file: str) -> Reporters:
    _require(folder, sequences_file, COUNTS_APLUS, SPLIT_ROWS)
    sequence_of = _read_sequences(folder / sequences_file)
    counts = _read_counts(folder / COUNTS_APLUS)
    split_of = _read_split(folder / SPLIT_ROWS, counts.ids)
    ids = [name for name in counts.ids if name in sequence_of]
    measured = counts.of(ids)
    sequences = [sequence_of[name] for name in ids]
    return Reporters(
        ids=ids,
        sequences=sequences,
        levels=measured.levels(),
        coverage=measured.coverage(),
        groups=homology_groups(sequences),
        splits=np.array([split_of.get(name, "") for name in ids], dtype=np.str_),
    )


def _read_sequences(path: Path) -> dict[str, str]:
    """Reporter to sequence; the line that names the columns is one whose second word is not made of bases."""
    rows = read_cells(path, "," if path.suffix == ".csv" else "\t")
    return {name: sequence.upper() for name, sequence, *_ in rows if BASES.issuperset(sequence.upper())}


def _read_counts(path: Path) -> Counts:
    ids, umis, spikes = [], [], np.zeros(len(HOURS))
    with gzip.open(path, "rt") as lines:
        next(lines)
        for line in lines:
            name, *counts = line.rstrip("\n").split("\t")
            if name.startswith("SPIKE"):
                spikes += np.array(counts, dtype=np.float64)
            elif name != "EMPTY":
                ids.append(name)
                umis.append(np.array(counts, dtype=np.float64))
    return Counts(ids, np.array(umis), spikes)


def _read_split(path: Path, ids: list[str]) -> dict[str, str]:
    """Reporter to split; the file lists 0-based rows of the count tables, counted without EMPTY and the spike-ins."""
    with gzip.open(path, "rt") as lines:
        return {ids[row]: split for split, row in _split_rows(csv.reader(lines))}


def _split_rows(lines: Iterator[list[str]]) -> Iterator[tuple[str, int]]:
    next(lines)
    for cells in lines:
        for split, cell in zip(SPLITS, cells, strict=True):
            if cell:
                yield split, int(cell)


def _require(folder: Path, *names: str) -> None:
    instead = "" if ALL_SEQUENCES in names else f"or {JOINED} instead of all files but {COUNTS_AMINUS}. "
    require(folder, names, f"{instead}{OBTAINED}")
