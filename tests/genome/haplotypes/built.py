"""Haplotypes of a few toy records, in one call each."""

from __future__ import annotations

from dataclasses import replace

from app.genome.genotypes import Genotypes
from app.genome.haplotypes.distinct import Haplotypes, build_haplotypes, build_natural
from app.genome.haplotypes.people import People, people_of
from app.genome.haplotypes.policies import Policies
from app.genome.intervals import Interval, Window
from app.genome.stretch import whole

#            1234567890123456
REFERENCE = "AACCGGTTACGTTGCA"


def people(genotypes: Genotypes, region: Interval, bases: str = REFERENCE, **policies: object) -> People:
    return people_of(genotypes, whole("c", bases.encode()), region, replace(Policies(), **policies))


def natural(
    genotypes: Genotypes, first: int = 1, last: int | None = None, bases: str = REFERENCE, **policies: object
) -> Haplotypes:
    """Haplotypes of the bases `first` to `last`, 1-based and inclusive, as long as they are."""
    region = Interval("c", first - 1, last or len(bases))
    stretch = whole("c", bases.encode())
    return build_natural(people_of(genotypes, stretch, region, replace(Policies(), **policies), beyond=False), region)


def in_window(
    genotypes: Genotypes, first: int, last: int, anchor: int, bases: str = REFERENCE, **policies: object
) -> Haplotypes:
    """Haplotypes of the length of `first` to `last`, all 1-based, with the base `anchor` in its place."""
    window = Window(Interval("c", first - 1, last), anchor - 1)
    return build_haplotypes(people(genotypes, window.interval, bases, **policies), window)


def pairs(haplotypes: Haplotypes) -> list[tuple[str, ...]]:
    """The sequences of each sample: two, or one where it is haploid."""
    return [tuple(haplotypes.sequence(row).decode() for row in rows if row >= 0) for rows in haplotypes.row_of.tolist()]


def only(haplotypes: Haplotypes, index: int = 0) -> str:
    """The sequence of the only sample's first or second haplotype."""
    return pairs(haplotypes)[0][index]
