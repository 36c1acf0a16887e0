"""The first step: a data set becomes the table, the split and the tokenizer that every later step reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.checkpoint import write_atomically
from training.config import Config
from training.datasets.registry import read_source
from training.datasets.table import Table, load_table
from training.errors import DataError
from training.splits import assign_splits
from training.tokenizers import train_bpe

TABLE = "table.npz"
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class Prepared:
    """What training starts from.

    Attributes:
        table: with split labels.
        tokenizer_json: content of `tokenizer.json`; None when no model reads tokens.
    """

    table: Table
    tokenizer_json: bytes | None


def prepare(config: Config, data: Path, folder: Path) -> Prepared:
    """Read the data set, split it, train the tokenizer on the training rows, and write all of it.

    Args:
        config: what to read and how to split it.
        data: the folder that holds the data sets' folders.
        folder: of this bundle's runs.
    """
    table = assign_splits(read_source(config.data, data), config.split)
    tokenizer_json = None
    if config.tokenizer is not None:
        tokenizer_json = train_bpe(table.split("train").sequences, config.tokenizer.vocabulary)
    folder.mkdir(parents=True, exist_ok=True)
    table.save(folder / TABLE)
    if tokenizer_json is not None:
        write_atomically(folder / TOKENIZER_FILE, tokenizer_json)
    return Prepared(table, tokenizer_json)


def load_prepared(config: Config, folder: Path) -> Prepared:
    """Read what `prepare` wrote.

    Raises:
        DataError: it has not been run.
    """
    table = load_table(folder / TABLE)
    if config.tokenizer is None:
        return Prepared(table, None)
    try:
        return Prepared(table, (folder / TOKENIZER_FILE).read_bytes())
    except OSError:
        raise DataError(f"{folder / TOKENIZER_FILE} is missing: run `python -m training prepare` first") from None
