"""`basecast haplotypes`: the exact sequences of each person, as FASTA."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Annotated, Literal

import typer

from app.commands.genome_options import Samples, Vcf, split
from app.commands.options import in_a_folder
from app.commands.terminal import end_on_sigterm, messages, say
from app.genome.file_source import open_file
from app.genome.haplotypes.carried import HAPLOID
from app.genome.haplotypes.distinct import Haplotypes, build_haplotypes, build_natural
from app.genome.haplotypes.people import people_of
from app.genome.haplotypes.policies import BCFTOOLS, Policies
from app.genome.haplotypes.widening import build_widened
from app.genome.intervals import Interval, centred, parse_interval
from app.genome.reference import Reference
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery
from app.tables import written_beside

LINE_BASES = 60

Fasta = Annotated[Path, typer.Option("--reference", help="FASTA of the VCF's reference, plain or bgzip.")]
Region = Annotated[str, typer.Option(help="contig:first-last, 1-based and inclusive.")]
Fit = Annotated[
    Literal["none", "window"],
    typer.Option(help="none: as long as each person's is; window: of the region's length, its centre in place."),
]
Compat = Annotated[
    Literal["bcftools"] | None, typer.Option(help="bcftools: to the byte what `bcftools consensus -H` writes.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="FASTA to write.  [default: stdout]", callback=in_a_folder)
]


def haplotypes(
    vcf: Vcf,
    reference: Fasta,
    region: Region,
    samples: Samples = None,
    fit: Fit = "none",
    compat: Compat = None,
    output: Output = None,
) -> None:
    """Write each person's sequences over a region.

    One record for each haplotype, named `sample|1` and `sample|2`; docs/haplotypes.md has the rules.

    For example:

        basecast haplotypes people.vcf.gz --reference hg38.fa.gz --region chr22:39,349,925-39,350,024 -o people.fa
    """
    if compat is not None and fit != "none":
        raise typer.BadParameter("--compat bcftools writes natural lengths; leave --fit out")
    end_on_sigterm()
    genome = Reference(reference)
    asked = parse_interval(region)
    interval = replace(asked, contig=genome.contig(asked.contig))
    built = asyncio.run(_built(vcf, genome, interval, split(samples), fit, BCFTOOLS if compat else Policies()))
    with _stream(output) as stream:
        for name, bases in _records(built):
            stream.write(b">%b\n%b" % (name.encode(), b"".join(_lines(bases))))
    distinct = built.carried_rows
    say(messages(), f"{len(built.people.samples)} people, {distinct} distinct haplotypes")


async def _built(
    vcf: Path, genome: Reference, interval: Interval, samples: list[str] | None, fit: str, policies: Policies
) -> Haplotypes:
    contig_bases = genome.contig_bases(interval.contig)
    wanted = None if samples is None else tuple(samples)
    query = GenotypeQuery(interval.contig, interval.start, interval.end, wanted, contig_bases)
    genotypes_in = await open_file(vcf, VcfLimits()).genotypes(query)
    if fit == "none":
        stretch = genome.stretch(interval)
        return build_natural(people_of(genotypes_in(interval), stretch, interval, policies, beyond=False), interval)
    window = centred(interval)
    return build_widened(
        interval, genotypes_in, genome.stretch, policies, lambda people: build_haplotypes(people, window)
    )


def _records(built: Haplotypes) -> Iterator[tuple[str, bytes]]:
    for sample, rows in zip(built.people.samples, built.row_of.tolist(), strict=True):
        for index, row in enumerate(rows, start=1):
            if row != HAPLOID:
                yield f"{sample}|{index}", built.sequence(row)


def _lines(bases: bytes) -> Iterator[bytes]:
    for start in range(0, len(bases), LINE_BASES):
        yield bases[start : start + LINE_BASES] + b"\n"


@contextmanager
def _stream(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with written_beside(output) as stream:
        yield stream
