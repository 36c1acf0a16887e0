"""`python -m benchmarks.people`: what each person of a cohort costs where a model reads segments, as people.md."""

from __future__ import annotations

import asyncio
import gzip
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pysam
import typer

from app.genome.intervals import Interval
from app.genome.sources import CohortSource
from app.individual.answer import IndividualAnswer, WindowAnswer
from app.individual.people import PeoplePredictor
from app.individual.prediction import Errand
from app.individual.question import Question
from app.main import Service, create_service
from app.settings import Settings
from benchmarks.random_segments import ARCHITECTURE, SEGMENTS, write_random_segments
from benchmarks.report import machine

PAGE = Path(__file__).with_name("people.md")
COHORT = "geuvadis"
# Around the start of SYNGR1.
CENTRE = 39_349_925
REGION = Interval("chr22", CENTRE - SEGMENTS.window_bases // 2, CENTRE + SEGMENTS.window_bases // 2)
SIZES = (1, 10, 100, 343)
PATIENCE_MS = 600_000
NAME = "random-segments"
HEADER = (
    "| people | seconds | ms a person | haplotypes x segments | distinct segments | embedded "
    "| distinct haplotypes | predicted |\n|---:|---:|---:|---:|---:|---:|---:|---:|"
)


@dataclass(frozen=True)
class Run:
    """One question and what it took.

    Attributes:
        embedded, predicted: segments that the embedder read, and haplotypes that the head did.
    """

    answer: WindowAnswer
    seconds: float
    embedded: int
    predicted: int


@dataclass
class Figures:
    """Everything that was measured.

    Attributes:
        runs: by how many people were asked for; one a round.
        equal: how many have to the bit what they have in the cohort.
        largest_difference: of a haplotype's values to those in the cohort, in standard deviations of the target.
    """

    runs: dict[int, list[Run]] = field(default_factory=dict)
    equal: int = 0
    largest_difference: float = 0.0


def main(
    rounds: Annotated[int, typer.Option(help="Rounds in which the sizes take turns.")] = 5,
    write: Annotated[bool, typer.Option(help="Write benchmarks/people.md.")] = True,
) -> None:
    """Measure 1, 10, 100 and 343 people of GEUVADIS (BASECAST_DATA), then ask for each of them alone."""
    data = Path(os.environ["BASECAST_DATA"]) / "geuvadis-chr22-personal"
    with tempfile.TemporaryDirectory() as scratch:
        given = genomes(data, Path(scratch)) | {"watchdog_ms": PATIENCE_MS, "lease_ms": 2 * PATIENCE_MS}
        settings = Settings(models=write_random_segments(Path(scratch)), threads=1, **given)
        figures = asyncio.run(_measure(create_service(settings), rounds))
    text = page(figures, rounds)
    if write:
        PAGE.write_text(text)
    typer.echo(text)


def genomes(data: Path, scratch: Path) -> dict[str, Any]:
    """Unpack the reference and the cohort, which are plain gzip; the settings that name them."""
    reference, cohort = scratch / "reference.fa", scratch / "cohort.vcf"
    (packed,) = data.glob("hg38_chr22_*.fa.gz")
    reference.write_bytes(gzip.decompress(packed.read_bytes()))
    cohort.write_bytes(gzip.decompress((data / "region_343_unphased.hg38.vcf.gz").read_bytes()))
    indexed = pysam.tabix_index(str(cohort), preset="vcf")
    return {"reference": reference, "cohorts": {COHORT: [indexed]}}


async def _measure(service: Service, rounds: int) -> Figures:
    figures = Figures()
    people = service.people
    assert people is not None
    samples = people.genomes.cohort(COHORT).samples
    async with service.running():
        await _ask(service, people, samples[: SIZES[1]])
        _tell("measuring")
        for _ in range(rounds):
            for size in SIZES:
                figures.runs.setdefault(size, []).append(await _ask(service, people, samples[:size]))
        _tell("measured; now each alone")
        for told in figures.runs[SIZES[-1]][0].answer.individuals:
            alone = await _ask(service, people, [told.sample])
            _compare(told, alone.answer.individuals[0], figures)
    return figures


async def _ask(service: Service, people: PeoplePredictor, samples: Sequence[str]) -> Run:
    """From the VCF on disk to everybody's values."""
    before, started = _computed(service), time.perf_counter()
    question = Question(None, region=REGION, samples=tuple(samples))
    prepared = await people.prepare(question, CohortSource(people.genomes.cohort(COHORT)))
    answer = await people.answer(prepared, Errand(time.monotonic() + PATIENCE_MS / 1000))
    seconds = time.perf_counter() - started
    embedded, predicted = (now - then for now, then in zip(_computed(service), before, strict=True))
    return Run(answer.windows[0], seconds, embedded, predicted)


def _computed(service: Service) -> tuple[int, int]:
    counted = [
        service.metrics.registry.get_sample_value("basecast_batch_sequences_sum", {"model": model}) or 0
        for model in (NAME, f"{NAME}/head")
    ]
    return int(counted[0]), int(counted[1])


def _compare(together: IndividualAnswer, alone: IndividualAnswer, figures: Figures) -> None:
    pairs = zip(together.haplotypes, alone.haplotypes, strict=True)
    differences = [abs(one.values["value"] - other.values["value"]) for one, other in pairs]
    figures.equal += max(differences) == 0
    figures.largest_difference = max(figures.largest_difference, *differences)  # the target's deviation is 1


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def page(figures: Figures, rounds: int) -> str:
    """The whole page."""
    one, few, *_, many = SIZES
    ratio = _each_ms(figures, many) / _each_ms(figures, few)
    counts = figures.runs[many][0].answer.counts
    rows = "".join(_row(figures, size) for size in SIZES)
    one_by_one = _each_ms(figures, one) / _each_ms(figures, many)
    return f"""# Benchmark: people, with a model that reads segments

Written by `make bench-people`. {machine()}

{many} people of GEUVADIS ([1000 Genomes](https://www.internationalgenome.org), chromosome 22, unphased calls as
listed) and {REGION}, {counts.records} records, in {SEGMENTS.count} segments of {SEGMENTS.bases:,} bases. The model:
{ARCHITECTURE}
One process, one compute thread. A run goes from the indexed VCF on disk to everybody's values; {rounds} rounds in which
the sizes take turns; medians, and in brackets smallest to largest.

{HEADER}
{rows}
A person among {many} takes {ratio:.3f} of what one among {few} takes (bar: at most 0.2). One by one, at what the first
takes alone, the {many} would take {one_by_one:.0f} times as long as together.

The embedder reads each distinct segment once, and those that are equal at several places once for all of them; the head
reads each distinct haplotype once, and the reference's own.

Each of the {many} was then asked for alone. {figures.equal} have the same values to the bit; the largest difference is
{figures.largest_difference:.1e} of the target's standard deviation (golden tolerance: 1e-4).
"""


def _row(figures: Figures, size: int) -> str:
    runs = figures.runs[size]
    counts = runs[0].answer.counts
    everything = counts.haplotypes * SEGMENTS.count
    computed = (counts.distinct_segments, runs[0].embedded, counts.distinct_haplotypes, runs[0].predicted)
    seconds = [run.seconds for run in runs]
    spread = f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
    cells = [f"{size}", spread, f"{_each_ms(figures, size):.1f}", f"{everything:,}", *(f"{it:,}" for it in computed)]
    return f"| {' | '.join(cells)} |\n"


def _each_ms(figures: Figures, size: int) -> float:
    return 1000 * statistics.median(run.seconds for run in figures.runs[size]) / size


if __name__ == "__main__":
    typer.run(main)
