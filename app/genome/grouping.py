"""People by their genotype at one variant, for pictures of what goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.genome.contigs import aliases
from app.genome.genotypes import ABSENT, MISSING, Genotypes
from app.genome.variants import Variant

MOST_LETTERS = 6
LEAST_PEOPLE = 3  # between whom a correlation says anything


class Place(NamedTuple):
    """One alternate allele of one record: its row, and its number from 1."""

    record: int
    allele: int


@dataclass(frozen=True, slots=True)
class GenotypeGroups:
    """People by genotype.

    Attributes:
        samples_of: genotype, as it is written on an axis, to the people who have it; fewest alternate alleles first.
        uncalled: how many people have an allele that was not called.
    """

    variant: Variant
    samples_of: Mapping[str, tuple[str, ...]]
    uncalled: int


def find_variant(genotypes: Genotypes, variant: Variant) -> Place | None:
    """Where a variant is in the records, written as it is there; None where it is not."""
    if variant.contig not in aliases(genotypes.contig):
        return None
    for place in _places(genotypes):
        if variant_at(genotypes, place)[1:] == (variant.position, variant.reference_bases, variant.alternate_bases):
            return place
    return None


def lead_variant(genotypes: Genotypes, values: Mapping[str, float]) -> tuple[Place, float] | None:
    """The allele whose count goes most with a value of each person, and its Pearson correlation with it.

    Args:
        values: of samples; those without one do not count.

    Returns:
        None where nobody differs, or there are too few people.
    """
    rows = np.array([row for row, sample in enumerate(genotypes.samples) if sample in values], dtype=np.int64)
    told = np.array([values[genotypes.samples[row]] for row in rows.tolist()])
    found = [(place, _correlation(_dosages(genotypes, place)[rows], told)) for place in _places(genotypes)]
    return max(((place, r) for place, r in found if r), key=lambda each: abs(each[1]), default=None)


def group_people(genotypes: Genotypes, place: Place) -> GenotypeGroups:
    """Everybody who is called there, by genotype."""
    letters = [genotypes.references[place.record], *genotypes.alternates[place.record]]
    groups: dict[tuple[int, str], list[str]] = {}
    uncalled = 0
    for sample, alleles in zip(genotypes.samples, genotypes.alleles[place.record].tolist(), strict=True):
        if MISSING in alleles:
            uncalled += 1
            continue
        called = sorted(allele for allele in alleles if allele != ABSENT)
        name = "/".join(_shown(letters[allele].decode()) for allele in called)
        groups.setdefault((called.count(place.allele), name), []).append(sample)
    ordered = {name: tuple(groups[count, name]) for count, name in sorted(groups)}
    return GenotypeGroups(Variant(*variant_at(genotypes, place)), ordered, uncalled)


def variant_at(genotypes: Genotypes, place: Place) -> tuple[str, int, str, str]:
    """Contig, position, and both alleles in upper case."""
    alternate = genotypes.alternates[place.record][place.allele - 1].decode().upper()
    reference = genotypes.references[place.record].decode().upper()
    return genotypes.contig, int(genotypes.positions[place.record]), reference, alternate


def _places(genotypes: Genotypes) -> Iterator[Place]:
    for record, alternates in enumerate(genotypes.alternates):
        yield from (Place(record, allele) for allele in range(1, len(alternates) + 1))


def _dosages(genotypes: Genotypes, place: Place) -> npt.NDArray[np.float64]:
    """(samples,) how often each has the allele; NaN where a call lacks one."""
    alleles = genotypes.alleles[place.record]
    return np.where((alleles == MISSING).any(axis=1), np.nan, (alleles == place.allele).sum(axis=1))


def _correlation(dosages: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> float:
    """Pearson's, of those who are called; 0 where it says nothing."""
    called = ~np.isnan(dosages)
    x, y = dosages[called], values[called]
    if len(x) < LEAST_PEOPLE:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0


def _shown(letters: str) -> str:
    return letters if len(letters) <= MOST_LETTERS else f"{letters[: MOST_LETTERS - 1]}…"
