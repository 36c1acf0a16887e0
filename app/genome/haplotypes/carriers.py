"""Who has which distinct haplotype, and what makes it: the same for those of a window and those of its segments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.genome.haplotypes.carried import HAPLOID
from app.genome.haplotypes.edits import Codes
from app.genome.haplotypes.overlaps import Skipped
from app.genome.haplotypes.people import People
from app.genome.intervals import Interval
from app.genome.variants import Variant

REFERENCE = 0
"""The row of the haplotype without any change."""


@dataclass(frozen=True, slots=True, eq=False)
class Carriers(ABC):
    """Distinct haplotypes over an interval, the reference first, and who has them.

    Attributes:
        row_of_list: (lists,) the row that each of `people.lists` makes.
    """

    people: People
    interval: Interval
    row_of_list: npt.NDArray[np.int32]

    @property
    @abstractmethod
    def rows(self) -> int:
        """How many distinct haplotypes there are."""

    @property
    @abstractmethod
    def distinct_bases(self) -> int:
        """How many bases all that is distinct has."""

    @abstractmethod
    def changes(self, row: int) -> Codes:
        """The rows of `people.edits` that make a distinct haplotype."""

    @abstractmethod
    def anchor_offset(self, row: int) -> int:
        """How far right of the anchor the reference base lies that stands in its place: 0 unless it is deleted."""

    @abstractmethod
    def reach(self) -> Interval:
        """The reference bases that must be known, variants and all, for every haplotype to be right."""

    @property
    def row_of(self) -> npt.NDArray[np.int32]:
        """(samples, 2) the row of that haplotype; `HAPLOID` where there is none."""
        rows = self.row_of_list[self.people.list_of]
        return np.where(self.people.list_of == HAPLOID, np.int32(HAPLOID), rows)

    @property
    def carried_rows(self) -> int:
        """How many distinct haplotypes somebody has."""
        rows = self.row_of
        return len(np.unique(rows[rows != HAPLOID]))

    def applied(self, row: int) -> tuple[Variant, ...]:
        """The variants that make a distinct haplotype, as their records write them."""
        edits = [self.people.edits.rows[change] for change in self.changes(row).tolist()]
        contig = self.interval.contig
        return tuple(
            Variant(contig, edit.position + 1, edit.reference.decode(), edit.alternate.decode())
            for edit in edits
            if edit.alternate
        )

    def skipped(self, sample: int, index: int) -> tuple[Skipped, ...]:
        """The variants in the interval that a sample's haplotype carries and that were not applied."""
        carried = self.people.lists[self.people.list_of[sample, index]].skipped
        inside = range(self.interval.start + 1, self.interval.end + 1)
        return tuple(skipped for skipped in carried if skipped.position in inside)
