"""The fit step: an elastic net for each gene, on everybody; its run folder is like a network's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training.baselines.elastic_net import ElasticNetConfig, LinearFit, Vector, fit_elastic_net
from training.baselines.kmers import Matrix
from training.baselines.linear import DosageRegressor, regressor_of_state
from training.checkpoint import BEST, RunFolder, write_atomically
from training.datasets.people import People
from training.people.config import PeopleConfig
from training.people.preparation import PreparedPeople
from training.watching import Watcher

MODEL_FOLDER = "model"
PENALTIES = "penalties.tsv"


@dataclass(frozen=True, eq=False)
class GeneData:
    """What the model of one gene learns from.

    Attributes:
        variants: (near,) indices of the variants near it.
        dosages: (people, near).
        values: (people,) its expression.
    """

    variants: np.ndarray[tuple[int], np.dtype[np.int64]]
    dosages: Matrix
    values: Vector


def gene_data(people: People, column: int, config: ElasticNetConfig) -> GeneData:
    """The variants near a gene and its expression.

    Args:
        people: the data set.
        column: of the gene.
        config: says how far from the gene variants may lie.
    """
    variants = people.near(people.genes[column], config.cis_bases)
    dosages = people.dosages[:, variants].astype(np.float64)
    return GeneData(variants, dosages, people.expression[:, column].astype(np.float64))


def fit_people(config: PeopleConfig, prepared: PreparedPeople, folder: Path, watcher: Watcher) -> DosageRegressor:
    """Fit every gene to everybody, unless it was done before.

    Args:
        config: how to fit.
        prepared: people and folds.
        folder: of this bundle's runs.
        watcher: is told how far it is.

    Raises:
        FitError: the folder holds another run.
    """
    run = _run(config, prepared, folder)
    if not (run.path / BEST).is_file():
        fits = _fits(config, prepared, watcher)
        model = _regressor(prepared.people, fits)
        write_atomically(run.path / PENALTIES, _penalties(prepared.people, fits))
        run.save_best(model.state_dict())
    return load_regressor(config, prepared, folder)


def load_regressor(config: PeopleConfig, prepared: PreparedPeople, folder: Path) -> DosageRegressor:
    """A model that was fitted, for all genes and variants.

    Raises:
        FitError: it was not.
    """
    return regressor_of_state(_run(config, prepared, folder).load_best())


def _run(config: PeopleConfig, prepared: PreparedPeople, folder: Path) -> RunFolder:
    identity = {"config": config.decisive(), "data_sha256": prepared.people.sha256()}
    return RunFolder(folder / MODEL_FOLDER, identity)


def _fits(config: PeopleConfig, prepared: PreparedPeople, watcher: Watcher) -> list[tuple[GeneData, LinearFit]]:
    people, fits = prepared.people, []
    with watcher.watching("elastic net", len(people.genes)) as advance:
        for column in range(len(people.genes)):
            gene = gene_data(people, column, config.elastic_net)
            fits.append((gene, fit_elastic_net(gene.dosages, gene.values, prepared.folds, config.elastic_net)))
            advance(1, {})
    return fits


def _regressor(people: People, fits: list[tuple[GeneData, LinearFit]]) -> DosageRegressor:
    mean = people.expression.mean(axis=0, dtype=np.float64)
    deviation = people.expression.std(axis=0, dtype=np.float64)
    weights = np.zeros((len(people.variants), len(fits)))
    for column, (gene, fit) in enumerate(fits):
        weights[gene.variants, column] = fit.weights / deviation[column]
    intercepts = (np.array([fit.intercept for _, fit in fits]) - mean) / deviation
    model = DosageRegressor(_single(weights), _single(intercepts))
    model.set_scale(_single(mean), _single(deviation))
    return model


def _single(values: Matrix | Vector) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _penalties(people: People, fits: list[tuple[GeneData, LinearFit]]) -> bytes:
    lines = ["gene\tsymbol\tvariants\tweighed\tpenalty\n"]
    for gene, (data, fit) in zip(people.genes, fits, strict=True):
        weighed = np.count_nonzero(fit.weights)
        lines.append(f"{gene.id}\t{gene.symbol}\t{len(data.variants)}\t{weighed}\t{fit.penalty:.4g}\n")
    return "".join(lines).encode()
