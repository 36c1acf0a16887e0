"""Predictions for people: the only orchestration, used by the route and the command.

    question → windows → genotypes → everybody's haplotypes → values of the distinct ones → each person's answer

Equal haplotypes of one question are predicted once. What one question has predicted is never used for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from app.errors import ItemError, Unprocessable
from app.genome.genes import Gene
from app.genome.haplotypes.distinct import Haplotypes, build_haplotypes
from app.genome.haplotypes.widening import build_widened
from app.genome.intervals import Interval, Window
from app.genome.sources import GenotypesIn, GenotypeSource
from app.genome.vcf.query import GenotypeQuery
from app.genomes import Genomes
from app.individual.answer import Place, WindowAnswer, count, skipped_reasons, window_answer
from app.individual.prediction import Errand, Timing, predict_haplotypes
from app.individual.question import Question
from app.predictor import Predictor, ServedModel
from app.windows import gene_window, region_windows


@dataclass(frozen=True)
class Prepared:
    """A question whose genotypes have been read: everything but the predictions.

    Attributes:
        places: the windows, in order; `haplotypes` has everybody's over each.
    """

    question: Question
    model: ServedModel
    places: tuple[Place, ...]
    haplotypes: tuple[Haplotypes, ...]

    @property
    def sequences(self) -> int:
        """How many distinct haplotypes are to be predicted, the reference's included."""
        return sum(len(each.distinct) for each in self.haplotypes)


@dataclass(frozen=True)
class Answer:
    """The answer to a question: one for each window."""

    question: Question
    model: ServedModel
    windows: tuple[WindowAnswer, ...]
    timing: Timing = field(default_factory=Timing)


class PeoplePredictor:
    """Predicts for people.

    Args:
        predictor: predicts sequences.
        genomes: what the operator configured.
        max_haplotype_bases: of the distinct haplotypes of one question together.
    """

    def __init__(self, predictor: Predictor, genomes: Genomes, max_haplotype_bases: int) -> None:
        self._predictor, self.genomes, self._max_bases = predictor, genomes, max_haplotype_bases

    async def prepare(self, question: Question, source: GenotypeSource) -> Prepared:
        """Read the genotypes and find everybody's haplotypes; nothing is predicted yet.

        Raises:
            ServiceError: the question cannot be answered.
        """
        self._predictor.refuse_while_draining()
        model = self._predictor.model(question.model)
        windows = self._windows(question, model)
        interval = _hull(windows)
        self.genomes.check_assembly(model.manifest, interval.contig)
        reference_bases = self.genomes.reference.contig_bases(interval.contig)
        query = GenotypeQuery(interval.contig, interval.start, interval.end, question.samples, reference_bases)
        genotypes_in = await source.genotypes(query)
        places = await asyncio.to_thread(self._places, windows)
        haplotypes = await asyncio.to_thread(self._build, windows, genotypes_in, question)
        prepared = Prepared(question, model, places, haplotypes)
        self._check_size(prepared)
        return prepared

    async def answer(self, prepared: Prepared, errand: Errand) -> Answer:
        """Predict, and tell what each person has.

        Raises:
            ServiceError: the model does not answer for all of them.
        """
        timing, answers = Timing(), []
        model, question = prepared.model, prepared.question
        for place, haplotypes in zip(prepared.places, prepared.haplotypes, strict=True):
            rows = await predict_haplotypes(self._predictor, model, haplotypes, errand, timing)
            targets = model.manifest.targets
            told = (place, haplotypes, rows, targets, question.samples, question.policies)
            answers.append(await asyncio.to_thread(window_answer, *told))
            _count(model, haplotypes)
        return Answer(question, model, tuple(answers), timing)

    def _windows(self, question: Question, model: ServedModel) -> tuple[Window, ...]:
        rules = model.manifest.input
        if question.gene is not None:
            return (self._on_reference(gene_window(rules, self._gene(question.gene)), "/gene"),)
        assert question.region is not None  # noqa: S101 - one of the two is given
        contig = self.genomes.reference.contig(question.region.contig)
        return region_windows(rules, replace(question.region, contig=contig), tile=question.tile)

    def _gene(self, text: str) -> Gene:
        return self.genomes.gene(text)

    def _on_reference(self, window: Window, pointer: str) -> Window:
        contig = self.genomes.reference.contig(window.interval.contig, pointer)
        return replace(window, interval=replace(window.interval, contig=contig))

    def _places(self, windows: Sequence[Window]) -> tuple[Place, ...]:
        reference = self.genomes.reference
        return tuple(
            Place(window, self.genomes.assembly_at(window.interval.contig), reference.refget(window.interval))
            for window in windows
        )

    def _build(
        self, windows: Sequence[Window], genotypes_in: GenotypesIn, question: Question
    ) -> tuple[Haplotypes, ...]:
        return tuple(self._build_one(window, genotypes_in, question) for window in windows)

    def _build_one(self, window: Window, genotypes_in: GenotypesIn, question: Question) -> Haplotypes:
        return build_widened(
            window.interval,
            genotypes_in,
            self.genomes.reference.stretch,
            question.policies,
            lambda people: build_haplotypes(people, window),
        )

    def _check_size(self, prepared: Prepared) -> None:
        bases = sum(len(each.distinct) * each.interval.bases for each in prepared.haplotypes)
        if bases > self._max_bases:
            detail = f"{bases:,} bases of distinct haplotypes; one request takes at most {self._max_bases:,}."
            raise Unprocessable(f"{detail} Ask for fewer samples.", items=[ItemError("/samples", "too_many", detail)])


def _hull(windows: Sequence[Window]) -> Interval:
    hull = windows[0].interval
    for window in windows[1:]:
        hull = hull.joined(window.interval)
    return hull


def _count(model: ServedModel, haplotypes: Haplotypes) -> None:
    counted = count(haplotypes)
    model.metrics.haplotypes(counted.haplotypes, counted.distinct_haplotypes)
    for reason in skipped_reasons(haplotypes):
        model.metrics.variant_skipped(reason)
