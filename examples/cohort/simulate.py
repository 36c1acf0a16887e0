"""Simulate the example cohort: a small reference, a gene table, and a phased VCF of 50 people.

Nothing in it is anybody's: bases are drawn at random, promoters with more G and C; haplotypes are mosaics of a few
founders', so that people share stretches as real ones do. Run it from the repository's root to write the files again:

    .venv/bin/python examples/cohort/simulate.py examples/cohort
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pysam

SEED = 22
CONTIG = "sim1"
CONTIG_BASES = 200_000
PEOPLE = 50
FOUNDERS = 12
MEAN_SEGMENT_BASES = 40_000
BASES_A_VARIANT = 400
INDEL_SHARE = 0.15
# Name, transcription start (1-based) and strand; around each lie a promoter and some more variants.
GENES = (("SIMA", 40_001, "+"), ("SIMB", 90_001, "-"), ("SIMC", 130_001, "+"), ("SIMD", 165_001, "-"))
GENE_BASES = 5_000
PROMOTER_BASES = 120
PROMOTER_BASES_A_VARIANT = 12
LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
GENOME_SHARES = (0.3, 0.2, 0.2, 0.3)
PROMOTER_SHARES = (0.15, 0.35, 0.35, 0.15)
LINE_BASES = 60

Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class Site:
    """One variant.

    Attributes:
        position: 1-based.
    """

    position: int
    reference: str
    alternate: str


def main(folder: Path) -> None:
    """Write every file."""
    generator = np.random.default_rng(SEED)
    bases = reference(generator)
    sites = [site_at(generator, bases, position) for position in positions(generator)]
    calls = haplotypes(generator, [site.position for site in sites])
    write_reference(folder / "reference.fa", bases)
    write_cohort(folder / "cohort.vcf", sites, calls)
    (folder / "genes.bed").write_text("".join(map(bed_line, GENES)))


def reference(generator: Generator) -> str:
    """Bases drawn one by one."""
    drawn = generator.choice(LETTERS, CONTIG_BASES, p=GENOME_SHARES)
    for _, start, _ in GENES:
        promoter = slice(start - 1 - PROMOTER_BASES // 2, start - 1 + PROMOTER_BASES // 2)
        drawn[promoter] = generator.choice(LETTERS, PROMOTER_BASES, p=PROMOTER_SHARES)
    return drawn.tobytes().decode()


def positions(generator: Generator) -> list[int]:
    """Where variants lie, 1-based and at least 5 bases apart."""
    anywhere = generator.integers(1_000, CONTIG_BASES - 1_000, CONTIG_BASES // BASES_A_VARIANT)
    near = [
        generator.integers(start - PROMOTER_BASES // 2, start + PROMOTER_BASES // 2, size)
        for _, start, _ in GENES
        for size in [PROMOTER_BASES // PROMOTER_BASES_A_VARIANT]
    ]
    kept: list[int] = []
    for position in sorted(np.concatenate([anywhere, *near]).tolist()):
        if not kept or position - kept[-1] >= 5:
            kept.append(position)
    return kept


def site_at(generator: Generator, bases: str, position: int) -> Site:
    """A substitution of one base, or a deletion or insertion of up to three."""
    base = bases[position - 1]
    if generator.random() >= INDEL_SHARE:
        others = [letter for letter in "ACGT" if letter != base]
        return Site(position, base, others[generator.integers(3)])
    length = int(generator.integers(1, 4))
    if generator.random() < 0.5:
        return Site(position, bases[position - 1 : position + length], base)
    return Site(position, base, base + generator.choice(LETTERS, length).tobytes().decode())


def haplotypes(generator: Generator, places: list[int]) -> npt.NDArray[np.int64]:
    """(sites, 2 * people) 1 where the haplotype has the alternate allele: mosaics of the founders'."""
    shares = generator.beta(0.6, 1.4, len(places))
    founders = (generator.random((len(places), FOUNDERS)) < shares[:, None]).astype(np.int64)
    drawn = np.empty((len(places), 2 * PEOPLE), dtype=np.int64)
    for haplotype in range(2 * PEOPLE):
        breaks = np.cumsum(generator.exponential(MEAN_SEGMENT_BASES, CONTIG_BASES // 1_000))
        founder_of = generator.integers(FOUNDERS, size=len(breaks) + 1)
        segment = np.searchsorted(breaks, places)
        drawn[:, haplotype] = founders[np.arange(len(places)), founder_of[segment]]
    return drawn


def write_reference(path: Path, bases: str) -> None:
    """A bgzip FASTA with its indices."""
    lines = "\n".join(bases[start : start + LINE_BASES] for start in range(0, len(bases), LINE_BASES))
    path.write_text(f">{CONTIG}\n{lines}\n")
    pysam.tabix_compress(str(path), f"{path}.gz", force=True)
    path.unlink()
    pysam.faidx(f"{path}.gz")


def write_cohort(path: Path, sites: list[Site], calls: npt.NDArray[np.int64]) -> None:
    """A bgzip VCF with its index; sites that nobody varies at are left out."""
    names = [f"SIM{number:02}" for number in range(1, PEOPLE + 1)]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]
    header = ["##fileformat=VCFv4.2", f"##contig=<ID={CONTIG},length={CONTIG_BASES}>",
              '##FILTER=<ID=PASS,Description="All filters passed">',
              '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">', "\t".join(columns)]  # fmt: skip
    records = [record(site, row) for site, row in zip(sites, calls.tolist(), strict=True) if any(row)]
    path.write_text("\n".join([*header, *records, ""]))
    pysam.tabix_compress(str(path), f"{path}.gz", force=True)
    pysam.tabix_index(f"{path}.gz", preset="vcf", force=True)
    path.unlink()


def record(site: Site, alleles: list[int]) -> str:
    """One line of the VCF."""
    calls = [f"{first}|{second}" for first, second in zip(alleles[::2], alleles[1::2], strict=True)]
    fixed = [CONTIG, str(site.position), ".", site.reference, site.alternate, ".", "PASS", ".", "GT"]
    return "\t".join(fixed + calls)


def bed_line(gene: tuple[str, int, str]) -> str:
    """One gene; its transcription start is its first base in the direction of its strand."""
    name, start, strand = gene
    first = start - 1 if strand == "+" else start - GENE_BASES
    return f"{CONTIG}\t{first}\t{first + GENE_BASES}\t{name}\t0\t{strand}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
