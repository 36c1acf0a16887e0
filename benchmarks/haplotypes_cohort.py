"""A simulated phased cohort on disk, for benchmarks/haplotypes.md: nobody's bases, nobody's variants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pysam

from app.genome.intervals import Interval

CONTIG = "sim1"
CONTIG_BASES = 140_000
WINDOW = Interval(CONTIG, 20_000, 120_000)
BASES_A_VARIANT = 156
LEAST_APART_BASES = 12
INDEL_SHARE = 0.1
MOST_INDEL_BASES = 8
# Haplotypes are mosaics of founders', so that people share stretches as real ones do; most variants are rare.
FOUNDERS = 200
MEAN_SEGMENT_BASES = 200_000
LEAST_SHARE = 0.5 / FOUNDERS
LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
LINE_BASES = 60

Generator = np.random.Generator
Calls = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Files:
    """What the builders read.

    Attributes:
        reference: FASTA of the contig, with its index.
        region: FASTA of the window alone, as bcftools reads a part of a contig.
        vcf: bgzip, with its index.
    """

    reference: Path
    region: Path
    vcf: Path

    @classmethod
    def within(cls, folder: Path) -> Files:
        """The files of a folder."""
        return cls(folder / "reference.fa", folder / "region.fa", folder / "cohort.vcf.gz")


def sample_names(people: int) -> list[str]:
    """The people's names."""
    return [f"P{number:05}" for number in range(1, people + 1)]


def simulate(folder: Path, people: int, seed: int) -> Files:
    """Write reference and cohort."""
    generator = np.random.default_rng(seed)
    files = Files.within(folder)
    bases = generator.choice(LETTERS, CONTIG_BASES).tobytes().decode()
    positions = _positions(generator)
    calls = _haplotypes(generator, positions, 2 * people)
    kept = np.flatnonzero(calls.any(axis=1))
    records = [_record(generator, bases, int(positions[row]), calls[row]) for row in kept.tolist()]
    _write_fasta(files.reference, CONTIG, bases)
    name = f"{CONTIG}:{WINDOW.start + 1}-{WINDOW.end}"
    _write_fasta(files.region, name, bases[WINDOW.start : WINDOW.end])
    _write_vcf(files.vcf, people, records)
    return files


def _positions(generator: Generator) -> npt.NDArray[np.int64]:
    """Where variants lie, 1-based; far enough apart that no two overlap."""
    gaps = LEAST_APART_BASES + generator.geometric(1 / (BASES_A_VARIANT - LEAST_APART_BASES), CONTIG_BASES)
    places = 1_000 + np.cumsum(gaps)
    return places[places < CONTIG_BASES - 1_000]


def _haplotypes(generator: Generator, positions: npt.NDArray[np.int64], haplotypes: int) -> Calls:
    """(variants, haplotypes) whether it has the alternate allele."""
    shares = LEAST_SHARE ** generator.random(len(positions))  # as many variants in each factor of ten
    founders = generator.random((len(positions), FOUNDERS)) < shares[:, None]
    drawn = np.empty((len(positions), haplotypes), dtype=np.bool_)
    for haplotype in range(haplotypes):
        breaks = np.cumsum(generator.exponential(MEAN_SEGMENT_BASES, 16))
        founder_of = generator.integers(FOUNDERS, size=len(breaks) + 1)
        drawn[:, haplotype] = founders[np.arange(len(positions)), founder_of[np.searchsorted(breaks, positions)]]
    return drawn


def _record(generator: Generator, bases: str, position: int, row: npt.NDArray[np.bool_]) -> str:
    reference, alternate = _alleles(generator, bases, position)
    pairs = np.full((len(row) // 2, 4), ord("|"), dtype=np.uint8)
    pairs[:, ::2] = row.reshape(-1, 2) + np.uint8(ord("0"))
    pairs[:, 3] = ord("\t")
    calls = pairs.tobytes().decode().rstrip("\t")
    return f"{CONTIG}\t{position}\t.\t{reference}\t{alternate}\t.\tPASS\t.\tGT\t{calls}\n"


def _alleles(generator: Generator, bases: str, position: int) -> tuple[str, str]:
    """A substitution of one base, or a short deletion or insertion."""
    base = bases[position - 1]
    if generator.random() >= INDEL_SHARE:
        return base, "ACGT".replace(base, "")[generator.integers(3)]
    length = int(generator.integers(1, MOST_INDEL_BASES + 1))
    if generator.random() < 0.5:
        return bases[position - 1 : position + length], base
    return base, base + generator.choice(LETTERS, length).tobytes().decode()


def _write_fasta(path: Path, name: str, bases: str) -> None:
    lines = (bases[start : start + LINE_BASES] for start in range(0, len(bases), LINE_BASES))
    path.write_text("\n".join([f">{name}", *lines, ""]))
    pysam.faidx(str(path))


def _write_vcf(path: Path, people: int, records: list[str]) -> None:
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *sample_names(people)]
    header = (
        "##fileformat=VCFv4.2\n"
        f"##contig=<ID={CONTIG},length={CONTIG_BASES}>\n"
        '##FILTER=<ID=PASS,Description="All filters passed">\n'
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    )
    plain = path.with_suffix("")
    plain.write_text("".join([header, "\t".join(columns), "\n", *records]))
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    plain.unlink()
