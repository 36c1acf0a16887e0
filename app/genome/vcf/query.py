"""What is asked of a VCF: a region, and whose genotypes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GenotypeQuery:
    """One region and the samples wanted.

    Attributes:
        contig: by any of its aliases.
        start: first base, 0-based; below 0 where a window reaches past the contig.
        end: one past the last base, 0-based.
        samples: names in the VCF; None for all of them.
        contig_bases: the contig's length in the reference; a VCF whose header says another is refused.
    """

    contig: str
    start: int
    end: int
    samples: tuple[str, ...] | None = None
    contig_bases: int | None = None

    def overlaps(self, position: int, end: int) -> bool:
        """Whether a record that spans these reference bases, 1-based and inclusive, belongs to the region."""
        return position <= self.end and end > self.start
