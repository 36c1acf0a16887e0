"""One process that builds a cohort's haplotypes with Basecast; JSON in, JSON out."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.genome.cohort import Cohort
from app.genome.haplotypes.distinct import Haplotypes, build_haplotypes, build_natural
from app.genome.haplotypes.people import people_of
from app.genome.haplotypes.policies import BCFTOOLS, Policies
from app.genome.haplotypes.widening import build_widened
from app.genome.intervals import Interval, centred
from app.genome.reference import Reference
from app.genome.vcf.limits import VcfLimits
from app.genome.vcf.query import GenotypeQuery
from benchmarks.haplotypes_cohort import WINDOW, Files

Form = Literal["window", "natural"]


@dataclass(frozen=True, slots=True)
class Built:
    """Everybody's sequences, each distinct one once in memory."""

    haplotypes: Haplotypes
    sequences: list[bytes]

    def of_everybody(self) -> list[tuple[bytes, bytes]]:
        """Both sequences of each person."""
        return [(self.sequences[first], self.sequences[second]) for first, second in self.haplotypes.row_of.tolist()]


def build(files: Files, form: Form) -> Built:
    """Open the files, read the window's records and build everything."""
    cohort, genome = Cohort([str(files.vcf)], VcfLimits()), Reference(files.reference)
    try:
        haplotypes = _window(cohort, genome) if form == "window" else _natural(cohort, genome)
        return Built(haplotypes, list(haplotypes.sequences()))
    finally:
        cohort.close()
        genome.close()


def _window(cohort: Cohort, genome: Reference) -> Haplotypes:
    """Of the window's length, as models read them."""
    return build_widened(
        WINDOW,
        lambda interval: cohort.read(_query(interval, genome)),
        genome.stretch,
        Policies(),
        lambda people: build_haplotypes(people, centred(WINDOW)),
    )


def _natural(cohort: Cohort, genome: Reference) -> Haplotypes:
    """As long as each is, by the rules of bcftools."""
    genotypes = cohort.read(_query(WINDOW, genome))
    return build_natural(people_of(genotypes, genome.stretch(WINDOW), WINDOW, BCFTOOLS, beyond=False), WINDOW)


def _query(interval: Interval, genome: Reference) -> GenotypeQuery:
    return GenotypeQuery(interval.contig, interval.start, interval.end, None, genome.contig_bases(interval.contig))


def main() -> None:
    """Build so many times, and tell the seconds of each, the sizes, the memory and the digests of some sequences."""
    given = json.load(sys.stdin)
    files, form = Files.within(Path(given["folder"])), given["form"]
    seconds = []
    for _ in range(given["times"]):
        began = time.perf_counter()
        built = build(files, form)
        everybody = built.of_everybody()
        seconds.append(time.perf_counter() - began)
    digests = [hashlib.sha1(text).hexdigest() for pair in everybody[: given["digests"] // 2] for text in pair]
    json.dump(
        {
            "seconds": seconds,
            "records": built.haplotypes.people.records,
            "haplotypes": 2 * len(everybody),
            "distinct": built.haplotypes.carried_rows,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "digests": digests,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
