"""The first step: a data set becomes the table, the split and the tokenizer that every later step reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.config import Config
from training.datasets.registry import read_source
from training.datasets.table import Table, load_table
from training.published.tokenizer import brought_tokenizer
from training.splits import assign_splits
from training.tokenizers.building import TrainedTokenizer, build_tokenizer, load_tokenizer

TABLE = "table.npz"


@dataclass(frozen=True)
class Prepared:
    """What training starts from.

    Attributes:
        table: with split labels.
        tokenizer: None when no model reads tokens.
    """

    table: Table
    tokenizer: TrainedTokenizer | None


def prepare(config: Config, data: Path, folder: Path) -> Prepared:
    """Read the data set, split it, train the tokenizer on the training rows, and write all of it.

    Args:
        config: what to read and how to split it.
        data: the folder that holds the data sets' folders.
        folder: of this bundle's runs.
    """
    table = assign_splits(read_source(config.data, data), config.split)
    tokenizer = _tokenizer(config, table, data)
    folder.mkdir(parents=True, exist_ok=True)
    table.save(folder / TABLE)
    if tokenizer is not None:
        tokenizer.save(folder)
    return Prepared(table, tokenizer)


def load_prepared(config: Config, folder: Path) -> Prepared:
    """Read what `prepare` wrote.

    Raises:
        DataError: it has not been run.
    """
    table = load_table(folder / TABLE)
    needed = config.tokenizer is not None or (config.model is not None and config.model.encoding == "tokens")
    return Prepared(table, load_tokenizer(folder) if needed else None)


def _tokenizer(config: Config, table: Table, data: Path) -> TrainedTokenizer | None:
    if config.tokenizer is not None:
        return build_tokenizer(config.tokenizer, table.split("train"), data)
    return brought_tokenizer(config.model) if config.model is not None and config.model.brings_tokenizer else None
