"""Genotypes become what a model of dosages reads: how many alternate alleles each person has at each of its variants.

A dosage is twice the share of a person's alleles that are the model's alternate one, so 0, 1 or 2, and 0 or 2 of a
haploid call. A call that misses an allele, and a variant that the genotypes do not have, count as the mean of the
people that the model learnt from. Where none of a target's variants is found, that would answer the same for
everybody, so it is refused.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.bundle import VARIANTS, Manifest
from app.errors import BundleError, ItemError
from app.genome.contigs import aliases
from app.genome.genotypes import ABSENT, MISSING, Genotypes

COLUMNS = ("contig", "position", "reference", "alternate", "mean_dosage", "targets")
LARGEST_DOSAGE = 2.0

Dosages = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ModelVariants:
    """The variants that a model reads, in the order of its input.

    Attributes:
        contigs, references, alternates: one per variant; bases in upper case.
        positions: (variants,) 1-based.
        mean_dosages: (variants,) of the people that the model learnt from.
        weighed: target to (variants,) which of them it depends on; at least one, all on one contig.
    """

    contigs: tuple[str, ...]
    positions: npt.NDArray[np.int64]
    references: tuple[bytes, ...]
    alternates: tuple[bytes, ...]
    mean_dosages: Dosages
    weighed: Mapping[str, npt.NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.contigs)

    def region(self, target: str) -> tuple[str, int, int]:
        """Where a target's variants lie: contig, and first and last position, 1-based."""
        positions = self.positions[self.weighed[target]]
        return self.contigs[int(np.argmax(self.weighed[target]))], int(positions.min()), int(positions.max())


@dataclass(frozen=True, slots=True, eq=False)
class CohortDosages:
    """What a model of dosages reads for each person of a cohort.

    Attributes:
        rows: (samples, variants) dosages in the model's order.
        found: (variants,) which of the model's variants the genotypes have.
    """

    samples: tuple[str, ...]
    rows: Dosages
    found: npt.NDArray[np.bool_]


class NoVariantFound(ValueError):
    """The genotypes have none of the variants that a target depends on."""

    CODE = "vcf_no_model_variant"

    def __init__(self, target: str, variants: int) -> None:
        super().__init__(
            f"None of the {variants} variants that {target} depends on is in the genotypes: check that they are of the "
            "model's assembly and region, and that their alleles are the model's."
        )

    def at(self, pointer: str) -> ItemError:
        """This refusal as an item of a problem document."""
        return ItemError(pointer, self.CODE, str(self))


def read_variants(manifest: Manifest, files: Mapping[str, bytes]) -> ModelVariants:
    """Read variants.tsv.

    Raises:
        BundleError: a line cannot be meant, there are more or fewer than the graph reads, or a target has none.
    """
    rows = list(csv.reader(files[VARIANTS].decode("utf-8", "replace").splitlines(), delimiter="\t"))
    where = f"{manifest.name}/{VARIANTS}"
    if not rows or tuple(rows[0]) != COLUMNS:
        raise BundleError(f"{where}: the first line does not name the columns {', '.join(COLUMNS)}")
    if len(rows) - 1 != manifest.input.max_tokens:
        raise BundleError(f"{where}: has {len(rows) - 1} variants, and the graph reads {manifest.input.max_tokens}")
    try:
        return _parsed(rows[1:], manifest.target_names)
    except ValueError as error:
        raise BundleError(f"{where}: {error}") from None


def write_variants(variants: ModelVariants) -> bytes:
    """The bytes of variants.tsv."""
    lines = ["\t".join(COLUMNS)]
    for row, contig in enumerate(variants.contigs):
        targets = ",".join(target for target, mask in variants.weighed.items() if mask[row])
        alleles = (variants.references[row].decode(), variants.alternates[row].decode())
        mean = f"{variants.mean_dosages[row]:.9g}"  # nine digits are a float32
        lines.append("\t".join((contig, str(variants.positions[row]), *alleles, mean, targets)))
    return "".join(f"{line}\n" for line in lines).encode()


def cohort_dosages(variants: ModelVariants, regions: Sequence[Genotypes], targets: Sequence[str]) -> CohortDosages:
    """Each person's dosages, in the order that the model reads them.

    A variant is found where position, contig (under any of its names) and both alleles are the model's, which may have
    changed places; records that failed a filter are passed over, and of equal records the first counts.

    Args:
        variants: the model's.
        regions: of the same samples, such as the `ModelVariants.region` of each target.
        targets: that will be answered.

    Raises:
        NoVariantFound: none of the variants of one of the targets is there.
    """
    samples = regions[0].samples
    rows = np.tile(variants.mean_dosages, (len(samples), 1))
    found = np.zeros(len(variants), dtype=np.bool_)
    for genotypes in regions:
        for variant, record, allele in _matches(variants, genotypes):
            rows[:, variant] = _dosage(genotypes.alleles[record], allele, variants.mean_dosages[variant])
            found[variant] = True
    for target in targets:
        if not np.any(found & variants.weighed[target]):
            raise NoVariantFound(target, int(variants.weighed[target].sum()))
    return CohortDosages(samples, rows, found)


def _matches(variants: ModelVariants, genotypes: Genotypes) -> Iterator[tuple[int, int, int]]:
    """Variant, record, and which of the record's alleles is the variant's alternate."""
    names = aliases(genotypes.contig)
    alleles = _alleles(genotypes)
    for variant, contig in enumerate(variants.contigs):
        if contig not in names:
            continue
        position = int(variants.positions[variant])
        reference, alternate = variants.references[variant], variants.alternates[variant]
        if (as_is := alleles.get((position, reference, alternate))) is not None:
            yield variant, *as_is
        elif (swapped := alleles.get((position, alternate, reference))) is not None:
            yield variant, swapped[0], 0


def _alleles(genotypes: Genotypes) -> dict[tuple[int, bytes, bytes], tuple[int, int]]:
    """Position, reference and alternate to the record and the alternate's number, from 1."""
    known: dict[tuple[int, bytes, bytes], tuple[int, int]] = {}
    for record in np.flatnonzero(genotypes.passed).tolist():
        position, reference = int(genotypes.positions[record]), genotypes.references[record].upper()
        for number, alternate in enumerate(genotypes.alternates[record], start=1):
            known.setdefault((position, reference, alternate.upper()), (record, number))
    return known


def _dosage(alleles: npt.NDArray[np.int16], alternate: int, mean: np.float32) -> Dosages:
    """(samples,) from (samples, 2) alleles."""
    carried = (alleles == alternate).astype(np.float32)
    haploid = alleles[:, 1] == ABSENT
    dosage = np.where(haploid, 2 * carried[:, 0], carried.sum(axis=1))
    return np.where((alleles == MISSING).any(axis=1), mean, dosage).astype(np.float32)


def _parsed(rows: Sequence[Sequence[str]], targets: Sequence[str]) -> ModelVariants:
    for number, row in enumerate(rows, start=2):
        _check_line(number, row, targets)
    contigs, positions, references, alternates, means, weighed = zip(*rows, strict=True)
    masks = {target: np.array([target in names.split(",") for names in weighed]) for target in targets}
    for target, mask in masks.items():
        if len({contig for contig, uses in zip(contigs, mask, strict=True) if uses}) != 1:
            raise ValueError(f"{target} depends on no variant, or on those of several contigs")
    return ModelVariants(
        contigs=contigs,
        positions=np.array(positions, dtype=np.int64),
        references=tuple(reference.encode() for reference in references),
        alternates=tuple(alternate.encode() for alternate in alternates),
        mean_dosages=np.array(means, dtype=np.float32),
        weighed=masks,
    )


def _check_line(number: int, row: Sequence[str], targets: Sequence[str]) -> None:
    if len(row) != len(COLUMNS):
        raise ValueError(f"line {number} has {len(row)} columns, not {len(COLUMNS)}")
    _, position, *alleles, mean, weighed = row
    if not position.isdecimal() or int(position) < 1:
        raise ValueError(f"line {number}: the position is no whole number from 1")
    if not all(alleles) or set("".join(alleles)) - set("ACGTN") or alleles[0] == alleles[1]:
        raise ValueError(f"line {number}: reference and alternate are not two alleles of A, C, G, T and N")
    if not 0 <= float(mean) <= LARGEST_DOSAGE:
        raise ValueError(f"line {number}: the mean dosage lies outside 0 to 2")
    if unknown := set(weighed.split(",")) - set(targets):
        raise ValueError(f"line {number}: {min(unknown)!r} is no target")
