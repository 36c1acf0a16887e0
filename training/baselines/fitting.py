"""The fit step of a baseline: from prepared rows to weights beside their identity, as a network's run leaves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from training.baselines.dexter import as_tsv, fit_dexter
from training.baselines.dexter import steps as dexter_steps
from training.baselines.kmer_ridge import KmerRidge, fit_kmer_ridge
from training.baselines.recipe import BaselineConfig, DexterConfig, KmerRidgeConfig, RegionRidgeConfig
from training.baselines.region_ridge import BinnedKmers, fit_region_ridge
from training.baselines.regions import Bins, cubic_bins
from training.baselines.ridge import Ridge
from training.baselines.weights import KmerRegressor, KmerWeights, model_of, model_of_state
from training.checkpoint import BEST, RunFolder, write_atomically
from training.datasets.table import Floats
from training.errors import DataError
from training.examples import Examples
from training.watching import Watcher

Advance = Callable[[], None]


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves.

    Attributes:
        weights: the model.
        notes: file name to content, for people; stands beside the weights.
    """

    weights: KmerWeights
    notes: dict[str, bytes]


@dataclass(frozen=True)
class BaselineStage:
    """What to fit, and what makes it itself.

    Attributes:
        window_bases: length of every sequence, for a baseline of regions.
        data_sha256: digest of the table.
        mean, standard_deviation: (targets,) float32, of the training values.
        targets: their names.
    """

    folder: Path
    config: BaselineConfig
    window_bases: int
    data_sha256: str
    mean: Floats
    standard_deviation: Floats
    targets: tuple[str, ...]

    @property
    def identity(self) -> dict[str, object]:
        """What makes another run another."""
        return {"baseline": asdict(self.config), "data_sha256": self.data_sha256}


def fit_baseline(stage: BaselineStage, train: Examples, valid: Examples, watcher: Watcher) -> KmerRegressor:
    """Fit a baseline, unless it was before.

    Args:
        stage: what to fit.
        train: rows to learn from.
        valid: rows that choose a ridge's penalty.
        watcher: is told how far it is.

    Raises:
        DataError: a window has another length than the model reads, a ridge meets a target that was not measured for
            some row, or a Lasso has too few rows.
        FitError: the folder holds another run.
    """
    run = RunFolder(stage.folder, stage.identity)
    _refuse_other_lengths(stage, train, valid)
    if not (stage.folder / BEST).is_file():
        with watcher.watching(stage.config.kind, _steps(stage)) as advance:
            fitted = _fit(stage, train, valid, lambda: advance(1, {}))
        for name, content in fitted.notes.items():
            write_atomically(stage.folder / name, content)
        model = model_of(fitted.weights, len(stage.targets))
        model.set_scale(torch.from_numpy(stage.mean), torch.from_numpy(stage.standard_deviation))
        run.save_best(model.state_dict())
    return load_baseline(stage)


def load_baseline(stage: BaselineStage) -> KmerRegressor:
    """A baseline that was fitted, ready to predict.

    Raises:
        FitError: it was not.
    """
    state = RunFolder(stage.folder, stage.identity).load_best()
    model = model_of_state(state, len(stage.targets))
    model.eval()
    return model


def _fit(stage: BaselineStage, train: Examples, valid: Examples, advance: Advance) -> Fitted:
    match stage.config:
        case KmerRidgeConfig() as config:
            return _fit_kmer_ridge(stage, config, train, valid, advance)
        case RegionRidgeConfig() as config:
            return _fit_region_ridge(stage, config, train, valid, advance)
        case DexterConfig() as config:
            return _fit_dexter(stage, config, train, advance)


def _refuse_other_lengths(stage: BaselineStage, train: Examples, valid: Examples) -> None:
    if isinstance(stage.config, KmerRidgeConfig):
        return
    for split, examples in (("train", train), ("valid", valid)):
        for row in np.nonzero(examples.lengths != stage.window_bases)[0][:1]:
            raise DataError(
                f"{split} row {row} has {examples.lengths[row]} bases; a {stage.config.kind} reads windows of exactly "
                f"{stage.window_bases} (bundle.max_bases)"
            )


def _steps(stage: BaselineStage) -> int:
    if isinstance(stage.config, DexterConfig):
        return dexter_steps(len(stage.targets), stage.config)
    return len(stage.config.penalties)


def _fit_kmer_ridge(
    stage: BaselineStage, config: KmerRidgeConfig, train: Examples, valid: Examples, advance: Advance
) -> Fitted:
    ridge: KmerRidge = fit_kmer_ridge(
        train.sequences,
        _measured(train),
        valid.sequences,
        _measured(valid),
        config.penalties,
        config.longest_kmer,
        advance,
    )
    return Fitted(ridge.weights(), _penalties(stage, ridge))


def _fit_region_ridge(
    stage: BaselineStage, config: RegionRidgeConfig, train: Examples, valid: Examples, advance: Advance
) -> Fitted:
    features = BinnedKmers(config.shortest_kmer, config.longest_kmer, _bins(stage, config, centre=False))
    weights, ridge = fit_region_ridge(
        train.bases, _measured(train), valid.bases, _measured(valid), features, config.penalties, advance
    )
    return Fitted(weights, _penalties(stage, ridge))


def _fit_dexter(stage: BaselineStage, config: DexterConfig, train: Examples, advance: Advance) -> Fitted:
    dexter = fit_dexter(train.bases, _measured(train), _bins(stage, config, centre=True), config, advance)
    return Fitted(dexter.weights(), {"variables.tsv": as_tsv(dexter, stage.targets)})


def _bins(stage: BaselineStage, config: RegionRidgeConfig | DexterConfig, centre: bool) -> Bins:
    return cubic_bins(stage.window_bases, config.anchor_in(stage.window_bases), config.bins, centre)


def _measured(examples: Examples) -> Floats:
    """(rows, targets) float32, in standard deviations; NaN where nothing was measured."""
    return np.where(examples.weights > 0, examples.values, np.nan).astype(np.float32)


def _penalties(stage: BaselineStage, ridge: Ridge) -> dict[str, bytes]:
    lines = [f"{name}\t{penalty:g}\n" for name, penalty in zip(stage.targets, ridge.penalties, strict=True)]
    return {"penalties.tsv": ("target\tpenalty\n" + "".join(lines)).encode()}
