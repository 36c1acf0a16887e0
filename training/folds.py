"""Cross-validation: which fold a run is of, and where its files lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training.config import Config
from training.errors import ConfigError


def with_fold(config: Config, fold: int | None) -> Config:
    """The configuration with another fold as its test split.

    Args:
        config: with or without folds.
        fold: from 0; None leaves the configuration's own.

    Raises:
        ConfigError: the configuration has no such fold.
    """
    if fold is None:
        return config
    if not 0 <= fold < config.split.folds:
        has = f"folds 0 to {config.split.folds - 1}" if config.split.folds else "no folds"
        raise ConfigError(f"--fold {fold}: {config.bundle.name} has {has}; see split.folds")
    return replace(config, split=replace(config.split, fold=fold))


def all_folds(config: Config) -> list[Config]:
    """One configuration per fold; the configuration itself when it has none."""
    return [with_fold(config, fold) for fold in range(config.split.folds)] or [config]


def run_folder(config: Config, runs: Path) -> Path:
    """Where a configuration's files lie: `runs/<name>`, and with folds `runs/<name>/fold-<number>`."""
    folder = runs / config.bundle.name
    return folder / f"fold-{config.split.fold}" if config.split.folds else folder
