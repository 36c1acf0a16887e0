"""Which bases of a genome are trained on and which are held out: segments of known bases outside what is excluded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from training.errors import ConfigError, DataError
from training.pretraining.config import GenomeConfig
from training.pretraining.fasta import read_fasta

_INTERVAL = re.compile(r"(?P<contig>.+):(?P<first>[\d,]+)-(?P<last>[\d,]+)")
_KNOWN_BASES = re.compile(r"[ACGT]+")
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


@dataclass(frozen=True)
class Interval:
    """Bases of a contig, 0-based, end exclusive."""

    contig: str
    start: int
    end: int


_contig = attrgetter("contig")


@dataclass(frozen=True)
class Genome:
    """What is read of a genome.

    Attributes:
        train: segments to learn from: runs of A, C, G and T, as long as they can be.
        valid: segments of the held-out contigs.
        excluded_bases: bases that were left out on purpose.
        unknown_bases: bases outside A, C, G and T, which no segment holds.
    """

    train: tuple[str, ...]
    valid: tuple[str, ...]
    excluded_bases: int
    unknown_bases: int

    @property
    def train_bases(self) -> int:
        """Of one strand."""
        return sum(map(len, self.train))

    @property
    def valid_bases(self) -> int:
        """Of one strand."""
        return sum(map(len, self.valid))


def read_genome(config: GenomeConfig, data: Path) -> Genome:
    """Read the FASTA file and cut it into segments.

    Args:
        config: which contigs are held out and what is excluded.
        data: the folder that holds the data sets' folders.

    Raises:
        DataError: a file is missing, empty or not what it should be.
        ConfigError: a contig or an interval that is held out or excluded is not in the file.
    """
    contigs = read_fasta(data / config.fasta)
    if unknown := [name for name in config.held_out if name not in contigs]:
        raise ConfigError(f"genome.held_out: {config.fasta} has no contig {unknown[0]}")
    excluded = [parse_interval(text, contigs) for text in config.exclude]
    if config.exclude_bed:
        excluded += read_bed(data / config.exclude_bed, contigs)
    kept = blanked(contigs, excluded)
    genome = Genome(
        train=tuple(segments(bases for name, bases in kept.items() if name not in config.held_out)),
        valid=tuple(segments(kept[name] for name in config.held_out)),
        excluded_bases=sum(bases.count(" ") for bases in kept.values()),
        unknown_bases=sum(len(bases) - sum(map(bases.count, "ACGT ")) for bases in kept.values()),
    )
    if not genome.train or not genome.valid:
        lacking = "to train on" if not genome.train else "in the held-out contigs"
        raise DataError(f"{config.fasta}: no bases are left {lacking}")
    return genome


def blanked(contigs: Mapping[str, str], excluded: Iterable[Interval]) -> dict[str, str]:
    """The contigs with blanks for what is excluded, which end a segment as an unknown base does."""
    kept = dict(contigs)
    for name, intervals in groupby(sorted(excluded, key=_contig), key=_contig):
        bases = bytearray(contigs[name], "ascii")
        for interval in intervals:
            bases[interval.start : interval.end] = b" " * (interval.end - interval.start)
        kept[name] = bases.decode("ascii")
    return kept


def segments(contigs: Iterable[str]) -> Iterator[str]:
    """The longest runs of A, C, G and T."""
    for bases in contigs:
        yield from _KNOWN_BASES.findall(bases)


def reverse_complement(bases: str) -> str:
    """The other strand, 5' to 3', of A, C, G and T."""
    return bases.translate(_COMPLEMENT)[::-1]


def parse_interval(text: str, contigs: Mapping[str, str]) -> Interval:
    """Read `contig` or `contig:first-last`, 1-based with both ends included.

    Args:
        text: what the configuration says; a contig whose own name looks like an interval is that contig.
        contigs: names to bases.

    Raises:
        ConfigError: there is no such contig or place.
    """
    if text in contigs:
        return Interval(text, 0, len(contigs[text]))
    found = _INTERVAL.fullmatch(text)
    if found is None or found["contig"] not in contigs:
        raise ConfigError(f"genome.exclude: {text} is no contig of the file, and no interval of one")
    interval = Interval(found["contig"], int(found["first"].replace(",", "")) - 1, int(found["last"].replace(",", "")))
    if not 0 <= interval.start < interval.end <= len(contigs[interval.contig]):
        raise ConfigError(f"genome.exclude: {text} does not lie within 1-{len(contigs[interval.contig]):,}")
    return interval


def read_bed(path: Path, contigs: Mapping[str, str]) -> list[Interval]:
    """Read the first three columns of a BED file: contig, start (0-based), end (exclusive).

    Raises:
        DataError: the file is missing, or a line names no place of a contig.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    return [
        _bed_interval(line, contigs, f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith(("#", "track", "browser"))
    ]


def _bed_interval(line: str, contigs: Mapping[str, str], where: str) -> Interval:
    cells = line.split("\t")
    if len(cells) < 3 or not (cells[1].strip().isdecimal() and cells[2].strip().isdecimal()):
        raise DataError(f"{where}: expected contig, start and end, separated by tabs")
    interval = Interval(cells[0], int(cells[1]), int(cells[2]))
    if not interval.start < interval.end <= len(contigs.get(interval.contig, "")):
        raise DataError(f"{where}: not a place in a contig of the FASTA file")
    return interval
