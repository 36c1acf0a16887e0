"""Everybody predicted by heads that never saw them: who is learnt from, who says when to stop, and who is tested."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.datasets.table import Floats
from training.people.folds import deal_folds
from training.personal.config import PersonalConfig
from training.personal.fit import PersonalData, Split, fit_head, fit_levels
from training.watching import Watcher

Folds = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was predicted for those who were held out.

    Attributes:
        predicted: (people, genes) float32.
        epochs: of each fold's head.
    """

    predicted: Floats
    epochs: tuple[int, ...]


def kept(path: Path, config: PersonalConfig, compute: Callable[[], HeldOut]) -> HeldOut:
    """What was computed before for the same configuration, or is now and stays in a file: each takes minutes."""
    identity = json.dumps(config.decisive(), sort_keys=True)
    if path.is_file():
        with np.load(path, allow_pickle=False) as found:
            if str(found["identity"]) == identity:
                return HeldOut(found["predicted"], tuple(found["epochs"].tolist()))
    held_out = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    np.savez(
        partial,
        allow_pickle=False,
        identity=np.array(identity),
        predicted=held_out.predicted,
        epochs=np.array(held_out.epochs),
    )
    partial.replace(path)
    return held_out


def people_splits(folds: Folds, genes: int) -> Iterator[tuple[Split, npt.NDArray[np.int64]]]:
    """For each fold the split that never touches it, and who is tested.

    The fold after the tested one says when to stop; it is not learnt from either.
    """
    count = int(folds.max()) + 1
    for tested in range(count):
        stops = (tested + 1) % count
        train = np.flatnonzero((folds != tested) & (folds != stops))
        yield Split(train, np.flatnonzero(folds == stops), np.arange(genes)), np.flatnonzero(folds == tested)


def hold_out_people(config: PersonalConfig, data: PersonalData, folds: Folds, watcher: Watcher) -> HeldOut:
    """Predict everybody by heads that neither learnt from them nor stopped by them."""
    predicted, epochs = np.empty_like(data.expression), []
    for split, tested in people_splits(folds, len(data.rows)):
        fitted = fit_head(config, data, split, watcher)
        by_level = config.fit.regime == "reference only"
        predicted[tested] = fitted.predict_levels(tested) if by_level else fitted.predict(tested)
        epochs.append(fitted.epochs)
    return HeldOut(predicted, tuple(epochs))


def hold_out_genes(
    config: PersonalConfig, data: PersonalData, gene_ids: tuple[str, ...], folds: Folds, watcher: Watcher
) -> HeldOut:
    """Predict everybody's expression of genes whose differences between people were not seen.

    What is known of such a gene is its window: its reference, how people differ there, and in the regime that learns
    from references its level, which is the same for everybody.
    """
    count = min(config.folds.count, len(gene_ids))
    gene_folds = deal_folds(gene_ids, count, config.folds.seed)
    train, valid = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    predicted, epochs = np.empty_like(data.expression), []
    for tested in range(count):
        split = Split(train, valid, np.flatnonzero(gene_folds != tested))
        fitted = fit_head(config, data, split, watcher)
        unseen = gene_folds == tested
        predicted[:, unseen] = fitted.predict(np.arange(len(folds)))[:, unseen]
        epochs.append(fitted.epochs)
    return HeldOut(predicted, tuple(epochs))


def hold_out_levels(config: PersonalConfig, data: PersonalData) -> Floats:
    """(level genes,) each gene's level, standardised, from its reference by heads that learnt other genes' levels."""
    genes = len(data.level_rows)
    gene_folds = deal_folds([str(gene) for gene in range(genes)], min(config.folds.count, genes), config.folds.seed)
    predicted = np.empty(genes, dtype=np.float32)
    for tested in np.unique(gene_folds):
        predicted[gene_folds == tested] = fit_levels(config, data, gene_folds != tested)[gene_folds == tested]
    return predicted
