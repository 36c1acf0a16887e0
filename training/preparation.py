"""The first step: a data set becomes the table, the split and the tokenizer that every later step reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.checkpoint import write_atomically
from training.config import Config, DataConfig
from training.datasets.table import Table, load_table
from training.datasets.utrseq import read_utrseq
from training.errors import DataError
from training.published.source import checkpoint_folder
from training.published.tokenizer import checkpoint_tokenizer
from training.splits import assign_splits
from training.tokenizers import train_bpe
from training.tokenizers.six_mer import published_vocabulary, six_mer_tokenizer

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
    tokenizer_json = _tokenizer(config, table)
    folder.mkdir(parents=True, exist_ok=True)
    table.save(folder / TABLE)
    if tokenizer_json is not None:
        write_atomically(folder / TOKENIZER_FILE, tokenizer_json)
    return Prepared(table, tokenizer_json)


def _tokenizer(config: Config, table: Table) -> bytes | None:
    if config.tokenizer is not None:
        return train_bpe(table.split("train").sequences, config.tokenizer.vocabulary)
    if config.model.checkpoint:
        return checkpoint_tokenizer(checkpoint_folder(config.model.checkpoint), config.model)
    if config.model.backbone == "nucleotide_transformer":
        return six_mer_tokenizer(published_vocabulary(config.model.version))
    return None


def load_prepared(config: Config, folder: Path) -> Prepared:
    """Read what `prepare` wrote.

    Raises:
        DataError: it has not been run.
    """
    table = load_table(folder / TABLE)
    if config.tokenizer is None and config.model.encoding != "tokens":
        return Prepared(table, None)
    try:
        return Prepared(table, (folder / TOKENIZER_FILE).read_bytes())
    except OSError:
        raise DataError(f"{folder / TOKENIZER_FILE} is missing: run `python -m training prepare` first") from None


def read_source(config: DataConfig, data: Path) -> Table:
    """Read the data set that the configuration names.

    Raises:
        DataError: its folder or files are missing.
    """
    folder = data / config.folder
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the folder that holds {config.folder}/ with --data")
    readers = {"utrseq": read_utrseq}
    return readers[config.source](folder, config.half_weight_umis, config.auxiliary)
