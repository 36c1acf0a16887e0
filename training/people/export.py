"""The export step: the genes that can be predicted, and the variants that they need, as a bundle of dosages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from app.bundle import VARIANTS, Input, Score, Window
from app.dosage import ModelVariants, write_variants
from training.baselines.linear import DosageRegressor
from training.datasets.people import Gene, People, Variant
from training.datasets.table import Quantity
from training.errors import ExportRefused
from training.evaluate import THIS_BUNDLE, load_evaluation, weights_sha256
from training.export import Description, Export, write_bundle
from training.feeder import Feeder
from training.people.config import PeopleConfig
from training.people.evaluation import SHUFFLED, correlations
from training.people.fitting import load_regressor
from training.people.preparation import PreparedPeople
from training.predictions import Predictions, load_predictions, predictions_path

DOSES = 3


@dataclass(frozen=True, eq=False)
class Chosen:
    """What of a model goes into its bundle.

    Attributes:
        genes: indices, the best predicted first.
        variants: indices of those that one of the genes gives a weight.
        model: of these genes and variants alone.
    """

    genes: npt.NDArray[np.int64]
    variants: npt.NDArray[np.int64]
    model: DosageRegressor


def export_people(config: PeopleConfig, prepared: PreparedPeople, folder: Path, models: Path, command: str) -> Export:
    """Write the bundle of a fitted model.

    Args:
        config: of the model.
        prepared: people and folds.
        folder: of this bundle's runs.
        models: the folder of bundles.
        command: that trains the model again, for the manifest.

    Raises:
        ExportRefused: the figures are of other weights, no gene is predicted well enough, or the graph predicts
            something else than the model.
    """
    evaluation, predictions = load_evaluation(folder), load_predictions(predictions_path(folder, "test"))
    if evaluation.weights_sha256 != weights_sha256(folder):
        raise ExportRefused("the model was fitted again after its figures were taken; run evaluate once more")
    people = prepared.people
    chosen = choose(load_regressor(config, prepared, folder), predictions, config.bundle.least_pearson)
    kept = [people.genes[index] for index in chosen.genes]
    variants = model_variants(people, chosen)
    described = Description(
        bundle=replace(config.bundle, card=f"{_summary(people, predictions, chosen)}\n\n{config.bundle.card.strip()}"),
        quantities=tuple(_quantity(gene, config, people, variants) for gene in kept),
        architecture=config.elastic_net.description,
        config=config.as_dict() | {"baseline": {"kind": "elastic_net"}},
        command=command,
        data_sha256=people.sha256(),
        scores=_scores(evaluation.scores, kept),
        golden_dosages=golden_dosages(variants),
    )
    rules = input_rules(len(variants), config.elastic_net.cis_bases)
    return write_bundle(chosen.model, Feeder(rules, {VARIANTS: write_variants(variants)}), described, models)


def choose(model: DosageRegressor, predictions: Predictions, least_pearson: float) -> Chosen:
    """The genes that can be predicted, and what they need.

    A gene whose held-out people are predicted no better than by chance would be answered with numbers that look like
    any other, so it is left out.

    Raises:
        ExportRefused: there is none.
    """
    found = correlations(predictions, THIS_BUNDLE)
    weighed = model.weights.numpy() != 0
    genes = np.flatnonzero((found > least_pearson) & weighed.any(axis=0))
    if not len(genes):
        raise ExportRefused(f"no gene is predicted with a correlation above {least_pearson:g} (bundle.least_pearson)")
    genes = genes[np.argsort(-found[genes], kind="stable")]
    variants = np.flatnonzero(weighed[:, genes].any(axis=1))
    return Chosen(genes, variants, model.chosen(torch.from_numpy(variants), torch.from_numpy(genes)))


def model_variants(people: People, chosen: Chosen) -> ModelVariants:
    """The bundle's variants, with the mean dosage of everybody."""
    used = [people.variants[index] for index in chosen.variants]
    weights = chosen.model.weights.numpy()
    names = [people.genes[index].id for index in chosen.genes]
    means = np.asarray(np.nanmean(people.dosages[:, chosen.variants], axis=0, dtype=np.float64))
    return variants_of(used, means, {name: weights[:, column] != 0 for column, name in enumerate(names)})


def variants_of(
    variants: Sequence[Variant], means: npt.NDArray[np.float64], weighed: dict[str, npt.NDArray[np.bool_]]
) -> ModelVariants:
    """Variants as a bundle lists them."""
    return ModelVariants(
        contigs=tuple(variant.contig for variant in variants),
        positions=np.array([variant.position for variant in variants], dtype=np.int64),
        references=tuple(variant.reference.encode() for variant in variants),
        alternates=tuple(variant.alternate.encode() for variant in variants),
        mean_dosages=means.astype(np.float32),
        weighed=weighed,
    )


def input_rules(variants: int, cis_bases: int) -> Input:
    """What a model of dosages accepts, as its manifest says it."""
    window = Window(anchor="tss", upstream_bases=cis_bases, downstream_bases=cis_bases, strand_specific=False)
    return Input(encoding="dosage", min_bases=0, max_bases=0, max_tokens=variants, window=window)


def golden_dosages(variants: ModelVariants) -> tuple[tuple[float, ...], ...]:
    """Nobody's genotypes: no alternate allele, the mean of everybody, and 0, 1, 2 in turn."""
    count = len(variants)
    in_turn = tuple(float(place % DOSES) for place in range(count))
    return (0.0,) * count, tuple(variants.mean_dosages.tolist()), in_turn


def _quantity(gene: Gene, config: PeopleConfig, people: People, variants: ModelVariants) -> Quantity:
    name = f"{gene.symbol or 'A gene'}, {gene.contig}:{gene.start:,} ({gene.strand})"
    weighed = int(variants.weighed[gene.id].sum())
    description = f"{name}: {config.bundle.measured}; depends on {weighed} variants."
    return Quantity(gene.id, people.unit, "other", "more expressed", description)


def _scores(scores: Sequence[Score], kept: Sequence[Gene]) -> tuple[Score, ...]:
    by_gene = {gene.id: [score for score in scores if score.target == gene.id] for gene in kept}
    return tuple(score for of_gene in by_gene.values() for score in of_gene)


def _summary(people: People, predictions: Predictions, chosen: Chosen) -> str:
    """The figures of all genes, those that are left out included."""
    found, control = correlations(predictions, THIS_BUNDLE), correlations(predictions, SHUFFLED)
    best = [
        f"{people.genes[index].symbol or people.genes[index].id} {found[index]:.2f}"
        for index in np.argsort(-found, kind="stable")[:5]
    ]
    return (
        f"## All genes\n\n{len(people.ids)} people, {len(people.genes)} genes. Correlation across held-out people: "
        f"mean {found.mean():.3f}, above 0.1 for {np.mean(found > 0.1):.0%} of the genes, best {', '.join(best)}. "
        f"With the genotypes of others in place of their own: mean {control.mean():.3f}, above 0.1 for "
        f"{np.mean(control > 0.1):.0%}. Only the {len(chosen.genes)} genes above the least correlation are in this "
        "bundle; they were chosen by the very figures that stand above, so those of the weakest are too high."
    )
