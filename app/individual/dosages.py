"""What models of dosages say of people, for a gene: beside a sequence model, or asked for themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.dosage import CohortDosages, ModelVariants, NoVariantFound, cohort_dosages
from app.errors import ItemError, Unprocessable
from app.genome.genes import Gene, without_version
from app.genome.intervals import Interval
from app.genome.sources import GenotypesIn
from app.genomes import Genomes
from app.individual.answer import Place
from app.individual.prediction import Errand
from app.predictor import Predictor
from app.served_models import ServedModel


@dataclass(frozen=True)
class GeneModel:
    """A model of dosages and the target that is a gene in it.

    Attributes:
        interval: where the target's variants lie, on the reference's contig.
        variants_in_model: how many the target depends on.
    """

    model: ServedModel
    variants: ModelVariants
    target: str
    interval: Interval
    variants_in_model: int


@dataclass(frozen=True, eq=False)
class PreparedDosages:
    """Everybody's dosages for a gene.

    Attributes:
        place: where its variants lie.
        dosages: None where none of the variants was found.
        records: how many records lie between the target's first and last variant.
    """

    gene_model: GeneModel
    place: Place
    dosages: CohortDosages | None
    records: int

    @property
    def variants_found(self) -> int:
        """How many of the target's variants the genotypes have."""
        if self.dosages is None:
            return 0
        return int((self.dosages.found & self.gene_model.variants.weighed[self.gene_model.target]).sum())


@dataclass(frozen=True)
class DosageAnswer:
    """Everybody's value for a gene.

    Attributes:
        reference_value: of somebody without any of the alternate alleles.
        values: by sample; empty where no variant was found, since everybody's would be the same.
    """

    prepared: PreparedDosages
    reference_value: float | None
    values: Mapping[str, float]


def gene_models(models: Sequence[ServedModel], gene: Gene, genomes: Genomes) -> Iterator[GeneModel]:
    """The models of dosages that know a gene, and are of the reference's assembly."""
    for model in models:
        if model.variants is not None and (target := target_of(model, gene)) is not None:
            found = gene_model(model, model.variants, target, genomes)
            try:
                genomes.check_assembly(model.manifest, found.interval.contig)
            except Unprocessable:
                continue
            yield found


def gene_model(model: ServedModel, variants: ModelVariants, target: str, genomes: Genomes) -> GeneModel:
    """One target of a model of dosages, on the reference.

    Raises:
        Unprocessable: the reference has not its contig.
    """
    name, first, last = variants.region(target)
    contig = genomes.reference.contig(name, "/gene")
    return GeneModel(model, variants, target, Interval(contig, first - 1, last), int(variants.weighed[target].sum()))


def target_of(model: ServedModel, gene: Gene) -> str | None:
    """The target that is this gene, by id or name."""
    known = model.manifest.target_names
    return next((text for text in (without_version(gene.id), gene.id, gene.name) if text in known), None)


def prepare_dosages(gene_model: GeneModel, place: Place, genotypes_in: GenotypesIn) -> PreparedDosages:
    """Read everybody's dosages; none where no variant is found."""
    genotypes = genotypes_in(gene_model.interval)
    try:
        dosages = cohort_dosages(gene_model.variants, [genotypes], [gene_model.target])
    except NoVariantFound:
        dosages = None
    return PreparedDosages(gene_model, place, dosages, len(genotypes.positions))


def refuse_if_none_found(prepared: PreparedDosages) -> None:
    """Refuse to answer the same for everybody.

    Raises:
        Unprocessable: none of the target's variants was found.
    """
    if prepared.dosages is None:
        missing = NoVariantFound(prepared.gene_model.target, prepared.gene_model.variants_in_model)
        raise Unprocessable(str(missing), items=[missing.at("/vcf")])


def refuse_unknown_gene() -> Unprocessable:
    """The refusal of a gene that the model asked for does not know."""
    detail = "This model has no target for this gene."
    return Unprocessable(detail, items=[ItemError("/gene", "invalid_value", detail)])


async def predict_dosages(predictor: Predictor, prepared: PreparedDosages, errand: Errand) -> DosageAnswer:
    """Everybody's values; equal dosages are predicted once.

    Raises:
        ServiceError: the model does not answer.
    """
    if prepared.dosages is None:
        return DosageAnswer(prepared, None, {})
    model, rows = prepared.gene_model.model, prepared.dosages.rows
    with_reference = np.vstack([np.zeros((1, rows.shape[1]), dtype=rows.dtype), rows])
    distinct, row_of = np.unique(with_reference, axis=0, return_inverse=True)
    answers = await predictor.predict_rows(model, distinct, errand.deadline, "bulk", errand.traceparent)
    at = model.manifest.target_names.index(prepared.gene_model.target)
    reference, *values = (float(answers[row].values[at]) for row in row_of.reshape(-1).tolist())
    return DosageAnswer(prepared, reference, dict(zip(prepared.dosages.samples, values, strict=True)))
