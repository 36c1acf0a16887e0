"""Predictions for people: the only orchestration, used by the route and the command.

    question → windows → genotypes → everybody's haplotypes → values of the distinct ones → each person's answer

Equal haplotypes of one question are predicted once. What one question has predicted is never used for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce

from app.bundle import Input
from app.errors import ItemError, Unprocessable
from app.genome.genes import Gene
from app.genome.haplotypes.carriers import Carriers
from app.genome.haplotypes.distinct import build_haplotypes
from app.genome.haplotypes.people import People
from app.genome.haplotypes.segments import Segments, build_segments
from app.genome.haplotypes.widening import build_widened
from app.genome.intervals import Interval, Window, centred
from app.genome.sources import GenotypesIn, GenotypeSource
from app.genome.vcf.query import GenotypeQuery
from app.genomes import Genomes
from app.individual.answer import Place, WindowAnswer, count, skipped_reasons, window_answer
from app.individual.dosages import (
    DosageAnswer,
    GeneModel,
    PreparedDosages,
    gene_model,
    gene_models,
    predict_dosages,
    prepare_dosages,
    refuse_if_none_found,
    refuse_unknown_gene,
    target_of,
)
from app.individual.prediction import Errand, Timing, predict_distinct
from app.individual.question import Question
from app.predictor import Predictor
from app.served_models import ServedModel
from app.windows import gene_window, pieces, region_windows

Build = Callable[[Window, People], Carriers]


@dataclass(frozen=True)
class Prepared:
    """A question whose genotypes have been read: everything but the predictions.

    Attributes:
        places: the windows, in order; `haplotypes` has everybody's over each. None for a model of dosages.
        dosages: everybody's for the gene: of the model itself if it is one of dosages, else of those beside it.
    """

    question: Question
    model: ServedModel
    places: tuple[Place, ...]
    haplotypes: tuple[Carriers, ...]
    dosages: tuple[PreparedDosages, ...] = ()

    @property
    def sequences(self) -> int:
        """How many distinct haplotypes are to be predicted, the reference's included, and segments to be embedded.

        People for a model of dosages.
        """
        people = sum(len(each.dosages.samples) for each in self.dosages if each.dosages and not self.haplotypes)
        segments = sum(len(each.distinct) for each in self.haplotypes if isinstance(each, Segments))
        return people + segments + sum(each.rows for each in self.haplotypes)


@dataclass(frozen=True)
class Answer:
    """The answer to a question: one for each window.

    Attributes:
        windows: none for a model of dosages.
        dosages: what the model of dosages says, or those beside a sequence model.
    """

    question: Question
    model: ServedModel
    windows: tuple[WindowAnswer, ...]
    dosages: tuple[DosageAnswer, ...] = ()
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
        gene = None if question.gene is None else self.genomes.gene(question.gene)
        windows = self._windows(question, model, gene) if model.variants is None else ()
        gene_models = self._gene_models(model, gene)
        intervals = [window.interval for window in windows] + [each.interval for each in gene_models]
        genotypes_in = await source.genotypes(self._query(question, model, intervals))
        places = await asyncio.to_thread(self._places, windows)
        build = partial(build_in, model.manifest.input)
        haplotypes = await asyncio.to_thread(self._build, windows, genotypes_in, question, build)
        dosages = await asyncio.to_thread(self._dosages, gene_models, genotypes_in)
        if model.variants is not None:
            refuse_if_none_found(dosages[0])
        prepared = Prepared(question, model, places, haplotypes, tuple(dosages))
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
            rows = await predict_distinct(self._predictor, model, haplotypes, errand, timing)
            targets = model.manifest.targets
            told = (place, haplotypes, rows, targets, question.samples, question.policies)
            answers.append(await asyncio.to_thread(window_answer, *told))
            _count(model, haplotypes)
        dosages = [await predict_dosages(self._predictor, each, errand) for each in prepared.dosages]
        return Answer(question, model, tuple(answers), tuple(dosages), timing)

    def _gene_models(self, model: ServedModel, gene: Gene | None) -> list[GeneModel]:
        """The model itself, if it is one of dosages, else those that know the gene too."""
        if model.variants is None:
            return [] if gene is None else list(gene_models(self._predictor.models, gene, self.genomes))
        if gene is None:
            detail = "This model answers for genes; send `gene`."
            raise Unprocessable(detail, items=[ItemError("/region", "invalid_field", detail)])
        target = target_of(model, gene)
        if target is None:
            raise refuse_unknown_gene()
        return [gene_model(model, model.variants, target, self.genomes)]

    def _query(self, question: Question, model: ServedModel, intervals: Sequence[Interval]) -> GenotypeQuery:
        contig = intervals[0].contig
        self.genomes.check_assembly(model.manifest, contig)
        hull = reduce(Interval.joined, [each for each in intervals if each.contig == contig])
        return GenotypeQuery(
            contig, hull.start, hull.end, question.samples, self.genomes.reference.contig_bases(contig)
        )  # fmt: skip

    def _windows(self, question: Question, model: ServedModel, gene: Gene | None) -> tuple[Window, ...]:
        rules = model.manifest.input
        if gene is not None:
            return (self._on_reference(gene_window(rules, gene), "/gene"),)
        assert question.region is not None  # noqa: S101 - one of the two is given
        contig = self.genomes.reference.contig(question.region.contig)
        return region_windows(rules, replace(question.region, contig=contig), tile=question.tile)

    def _on_reference(self, window: Window, pointer: str) -> Window:
        contig = self.genomes.reference.contig(window.interval.contig, pointer)
        return replace(window, interval=replace(window.interval, contig=contig))

    def _places(self, windows: Sequence[Window]) -> tuple[Place, ...]:
        reference = self.genomes.reference
        return tuple(
            Place(window, self.genomes.assembly_at(window.interval.contig), reference.refget(window.interval))
            for window in windows
        )

    def _dosages(self, gene_models: Sequence[GeneModel], genotypes_in: GenotypesIn) -> list[PreparedDosages]:
        places = self._places([centred(each.interval) for each in gene_models])
        return [prepare_dosages(*each, genotypes_in) for each in zip(gene_models, places, strict=True)]

    def _build(
        self, windows: Sequence[Window], genotypes_in: GenotypesIn, question: Question, build: Build
    ) -> tuple[Carriers, ...]:
        stretch_of, policies = self.genomes.reference.stretch, question.policies
        return tuple(
            build_widened(window.interval, genotypes_in, stretch_of, policies, partial(build, window))
            for window in windows
        )

    def _check_size(self, prepared: Prepared) -> None:
        bases = sum(each.distinct_bases for each in prepared.haplotypes)
        if bases > self._max_bases:
            detail = f"{bases:,} bases of distinct haplotypes; one request takes at most {self._max_bases:,}."
            raise Unprocessable(f"{detail} Ask for fewer samples.", items=[ItemError("/samples", "too_many", detail)])


def build_in(rules: Input, window: Window, people: People) -> Carriers:
    """Everybody's haplotypes over a window as a model reads it: whole, or in segments."""
    if rules.segments is None:
        return build_haplotypes(people, window)
    return build_segments(people, pieces(rules, window))


def _count(model: ServedModel, haplotypes: Carriers) -> None:
    counted = count(haplotypes)
    model.metrics.haplotypes(counted.haplotypes, counted.distinct_haplotypes)
    for reason in skipped_reasons(haplotypes):
        model.metrics.variant_skipped(reason)
