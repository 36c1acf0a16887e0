"""The rows that a bundle is quantised with: some to take scales from, others to measure the result on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.encoding import Ids
from training.config import Config
from training.datasets.table import Table
from training.feeder import Feeder
from training.folds import run_folder
from training.graph import random_rows
from training.preparation import load_prepared

# More rows move the extremes of the activations by little.
CALIBRATION_ROWS = 1024
RANDOM_ROWS = 256


@dataclass(frozen=True)
class Material:
    """Rows of the table that the bundle was trained on.

    Attributes:
        config: that it was trained with.
        table_sha256: digest of the whole table.
        train: rows from which scales are taken.
        test: rows on which the result is measured.
    """

    config: Config
    table_sha256: str
    train: Table
    test: Table


def load_material(config: Config, runs: Path) -> Material:
    """The rows that `prepare` wrote for a configuration.

    Raises:
        DataError: it has not been run, or for another configuration.
    """
    return material_of(config, load_prepared(config, run_folder(config, runs)).table)


def material_of(config: Config, table: Table) -> Material:
    """The rows of a table: test rows to measure on, and training rows, drawn evenly, for the scales."""
    train = table.split("train")
    chosen = np.unique(np.linspace(0, len(train) - 1, CALIBRATION_ROWS).astype(int))
    return Material(config, table.sha256(), train.rows(chosen), table.split("test"))


def made_up_rows(feeder: Feeder) -> list[Ids]:
    """Rows of random tokens or bases, from the shortest input to the longest."""
    rules = feeder.rules
    shortest = rules.min_bases if rules.encoding == "one_hot" else 1
    lengths = np.linspace(shortest, rules.max_tokens, RANDOM_ROWS).astype(int).tolist()
    return random_rows(feeder, lengths, seed=0)
